//! The union of profiles: its laws, what is kept of each run, and what is refused.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use reports::merge::{Folding, MergeError, Mixing, Union, merge};
use reports::model::*;
use reports::plan::{Plan, is_needed, recommend};

use crate::build::{Build, path};
use crate::laws::{Image, Step, any_image, any_step, build, places};
use crate::subjects;

fn join(profiles: &[&Profile]) -> Profile {
    merge(profiles.iter().map(|profile| (*profile).clone()), Mixing::Refused).unwrap().unwrap()
}

/// Of the catalogue, each with a later run that did less and otherwise.
fn catalogue() -> Vec<(String, Profile)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog");
    let mut names: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let read = |file: &Path| Profile::from_json(&fs::read(file).unwrap()).unwrap();
    names.iter().map(|file| (file.file_stem().unwrap().to_string_lossy().into_owned(), read(file))).collect()
}

/// Every second observation of a profile, from another run, with other counts.
fn part(profile: &Profile, first: usize) -> Profile {
    fn every_second<T: Clone>(all: &[T], first: usize) -> Vec<T> {
        all.iter().skip(first).step_by(2).cloned().collect()
    }
    let mut part = profile.clone();
    part.run.started = format!("2026-02-0{}T00:00:00Z", first + 1);
    part.run.duration_ms += first as u64;
    part.writes = every_second(&part.writes, first);
    part.capabilities = every_second(&part.capabilities, first);
    part.run.executions = every_second(&part.run.executions, first);
    part.run.sizes = every_second(&part.run.sizes, first);
    part.run.users = every_second(&part.run.users, first);
    for write in &mut part.writes {
        write.count = write.count * 3 + first as u64;
        write.first_ms += 7 * first as u64;
    }
    part
}

/// All laws for three profiles.
fn check_laws(a: &Profile, b: &Profile, c: &Profile) {
    let ab = join(&[a, b]);
    assert_eq!(ab, join(&[b, a]), "commutative");
    let abc = join(&[a, b, c]);
    assert_eq!(abc, join(&[&ab, c]), "associative");
    assert_eq!(abc, join(&[a, &join(&[b, c])]), "associative");
    assert_eq!(abc, join(&[&ab, &join(&[b, c])]), "overlapping");
    assert_eq!(join(&[a, a]), join(&[a]), "idempotent");
    assert_eq!(join(&[&abc, &abc]), abc, "idempotent");
    assert_eq!(join(&[&abc, b]), abc, "absorbing");
    let bytes = abc.to_json().unwrap();
    assert_eq!(Profile::from_json(&bytes).unwrap(), abc, "can be read back");
}

#[test]
fn laws_hold_for_the_catalogue() {
    for (name, profile) in catalogue() {
        println!("{name}");
        check_laws(&profile, &part(&profile, 0), &part(&profile, 1));
    }
}

#[test]
fn parts_of_a_profile_make_its_plan_again() {
    for (name, profile) in catalogue() {
        let union = join(&[&part(&profile, 0), &part(&profile, 1)]);
        let folded = union.run.merged.clone().unwrap().folded;
        let (union, whole) = (recommend(&union), recommend(&profile));
        assert_eq!(union.writable_targets(), whole.writable_targets(), "{name}");
        let caps = |plan: &Plan| plan.cap_add.iter().map(|add| add.cap.clone()).collect::<Vec<_>>();
        assert_eq!(caps(&union), caps(&whole), "{name}");
        assert!(folded.is_empty(), "{name}: {folded:?}");
        assert_eq!(union.no_new_privileges, whole.no_new_privileges, "{name}");
        assert_eq!(recommend(&join(&[&profile])).writable_targets(), whole.writable_targets(), "{name}");
    }
}

/// A run of the generated subject, with everything that a profile has.
fn any_run() -> impl Strategy<Value = (Vec<Step>, u64)> {
    (proptest::collection::vec(any_step(), 0..12), 0u64..1 << 20)
}

/// What `seed` makes of a run beyond its operations.
fn run(image: &Image, (steps, seed): &(Vec<Step>, u64)) -> Profile {
    let bit = |at: u32| seed >> at & 1 == 1;
    let pick = |at: u32| usize::try_from(seed >> at & 3).unwrap();
    let mut build = build(image, steps).by(["/bin/a", "/bin/b", "/b\u{1b}", "/d"][pick(0)], Phase::Steady);
    for (at, cap) in [(2, "CHOWN"), (3, "SETUID"), (4, "cap_chown"), (5, "FLY")] {
        if bit(at) {
            let verdict = [Verdict::Attempted, Verdict::Opportunistic, Verdict::Required][pick(6) % 3];
            build = build.cap(cap, "chown", ["chown_ok", ""][pick(8) % 2], verdict);
        }
    }
    if bit(9) {
        build = build.executes(["/bin/su", "/tmp/a/x"][pick(10) % 2], bit(11)).maps("/tmp/lib.so").port(80);
    }
    build = build.size("/tmp", seed & 7).user(u32::from(bit(12)), 0, seed & 3);
    let mut profile = build.profile;
    profile.run.started = format!("2026-01-0{}T00:00:00Z", 1 + pick(13));
    profile.run.duration_ms = seed >> 4;
    profile.run.phases.truncate(1 + pick(15));
    if bit(16) {
        profile.run.load = Some(Load { command: "x".to_owned(), exit_status: Some(i32::from(bit(17))) });
        profile.run.exit = Some(Exit { status: i64::from(bit(18)), oom_killed: bit(19), stopped: bit(17) });
    }
    if bit(18) {
        let message = format!("{seed}");
        profile.coverage.gaps.push(Gap { code: "records-lost".to_owned(), message, count: seed & 3 });
        profile.coverage.complete = false;
    }
    for write in &mut profile.writes {
        write.count = seed % 17;
        if bit(10) {
            write.phases = Phases::default();
        }
    }
    profile
}

fn served(plan: &Plan, write: &Write) -> bool {
    !plan.read_only
        || places(write).iter().all(|place| plan.makes_writable(place))
        || write.op == Op::Mkdir && plan.makes_writable(&write.path)
}

proptest! {
    #[test]
    fn laws_hold_for_any_runs(image in any_image(), a in any_run(), b in any_run(), c in any_run()) {
        check_laws(&run(&image, &a), &run(&image, &b), &run(&image, &c));
    }

    /// As above, with bounds that a few names exceed.
    #[test]
    fn laws_hold_where_names_are_too_many(
        runs in proptest::collection::vec(any_run(), 3),
        names in 1usize..4, crowd in 1usize..3, crowds in 1usize..3,
    ) {
        let folding = Folding { names, crowd, crowds };
        let join = |profiles: &[&Profile]| {
            let mut union = Union::new(Mixing::Refused).folding(folding);
            profiles.iter().for_each(|profile| union.add((*profile).clone()).unwrap());
            union.finish().unwrap()
        };
        let runs: Vec<_> = runs.iter().map(|one| run(&Vec::new(), one)).collect();
        let [a, b, c] = runs.as_slice() else { unreachable!() };
        let abc = join(&[a, b, c]);
        prop_assert_eq!(&abc, &join(&[c, &join(&[b, a])]));
        prop_assert_eq!(&abc, &join(&[&join(&[a, b]), &join(&[c, b])]));
        prop_assert_eq!(&abc, &join(&[&join(&[a]), &join(&[b]), &join(&[c])]));
        prop_assert_eq!(&abc, &join(&[&abc]));
        // Less is told of them, but not that they need no place.
        let plan = recommend(&abc);
        for write in runs.iter().flat_map(|run| &run.writes).filter(|write| is_needed(write)) {
            let in_root = !plan.read_only;
            prop_assert!(in_root || places(write).iter().all(|place| plan.makes_writable(place)) || write.op == Op::Mkdir, "{write:?}\n{plan:?}");
        }
    }

    /// The plan of a union serves whatever the plan of any part serves.
    #[test]
    fn the_plan_of_a_union_covers_those_of_its_parts(image in any_image(), runs in proptest::collection::vec(any_run(), 1..4)) {
        let runs: Vec<_> = runs.iter().map(|one| run(&image, one)).collect();
        let union = recommend(&join(&runs.iter().collect::<Vec<_>>()));
        prop_assert_eq!(union.validate(), Ok(()));
        for profile in &runs {
            let plan = recommend(profile);
            for write in profile.writes.iter().filter(|write| is_needed(write)) {
                prop_assert!(!served(&plan, write) || served(&union, write), "{write:?}\n{plan:?}\n{union:?}");
            }
            for add in &plan.cap_add {
                prop_assert!(union.cap_add.iter().any(|other| other.cap == add.cap), "{add:?}\n{union:?}");
            }
            prop_assert!(plan.no_new_privileges || !union.no_new_privileges);
            prop_assert!(plan.complete || !union.complete);
        }
    }
}

#[test]
fn counts_are_the_largest_and_times_span_all() {
    let with = |count, first_ms, last_ms, process: &str| {
        let mut profile =
            Build::new("app").by(process, Phase::Steady).write(Op::Create, "/run/x").size("/run", count);
        profile.profile.writes[0].count = count;
        profile.profile.writes[0].first_ms = first_ms;
        profile.profile.writes[0].last_ms = last_ms;
        profile.profile.run.duration_ms = last_ms;
        profile.profile
    };
    let union = join(&[&with(5, 10, 20, "/b"), &with(3, 4, 90, "/a")]);
    let [write] = union.writes.as_slice() else { panic!("{:?}", union.writes) };
    assert_eq!((write.count, write.first_ms, write.last_ms), (5, 4, 90));
    assert_eq!(*write.processes, ["/a", "/b"]);
    assert_eq!(union.run.sizes[0].peak_bytes, 5 << 20);
    assert_eq!(union.run.duration_ms, 90);
}

#[test]
fn every_run_is_kept_and_none_twice() {
    let mut early = subjects::nginx().loaded().profile;
    let mut late = early.clone();
    early.run.started = "2026-01-01T00:00:00Z".to_owned();
    early.run.load.as_mut().unwrap().exit_status = Some(0);
    late.run.load.as_mut().unwrap().exit_status = Some(7);
    late.host.kernel = "6.1.0".to_owned();
    late.host.sensors = vec!["fexit".to_owned()];
    late.coverage = Coverage {
        complete: false,
        gaps: vec![Gap { code: "records-lost".to_owned(), message: "m".to_owned(), count: 3 }],
    };
    let union = join(&[&late, &early, &late]);
    let merged = union.run.merged.as_ref().unwrap();
    let [first, second] = merged.runs.as_slice() else { panic!("{merged:?}") };
    assert_eq!((first.started.as_str(), first.complete), ("2026-01-01T00:00:00Z", true));
    assert_eq!(
        (second.host.kernel.as_str(), second.gaps.as_slice()),
        ("6.1.0", &["records-lost".to_owned()][..])
    );
    assert!(first.id.starts_with("sha256:") && first.id.len() == 71 && first.id != second.id);
    // What there is only one of.
    assert_eq!((&union.run.started, &union.host.kernel), (&early.run.started, &early.host.kernel));
    assert_eq!(union.host.sensors, ["fexit"]);
    assert_eq!(union.run.load.unwrap().exit_status, Some(7));
    assert_eq!((union.coverage.complete, union.coverage.gaps.len()), (false, 1));
}

#[test]
fn other_subjects_are_refused_unless_told_otherwise() {
    let one = Build::new("app:1").write(Op::Create, "/run/x").profile;
    let change = |change: &dyn Fn(&mut Profile)| {
        let mut other = one.clone();
        change(&mut other);
        other
    };
    let config = |change: &dyn Fn(&mut ContainerConfig)| {
        let mut other = one.clone();
        change(other.subject.config.as_mut().unwrap());
        other
    };
    for (other, what) in [
        (change(&|p| p.subject.image_id = Some("sha256:01".to_owned())), "image"),
        (change(&|p| p.host.arch = "aarch64".to_owned()), "architecture"),
        (change(&|p| p.subject.config = None), "plain command"),
        (config(&|c| c.user = Some("33".to_owned())), "user"),
        (config(&|c| c.args = vec!["\u{1b}[2J".to_owned()]), "arguments"),
        (config(&|c| c.network = Some("host".to_owned())), "network"),
        (config(&|c| c.cap_add = vec!["NET_ADMIN".to_owned()]), "capabilities"),
        (config(&|c| c.privileged = true), "--privileged"),
    ] {
        let error = merge([one.clone(), other.clone()], Mixing::Refused).unwrap_err();
        let MergeError::Mismatch(mismatch) = &error else { panic!("{error}") };
        let text = error.to_string();
        assert!(text.contains(what) && mismatch.found != mismatch.wanted, "{what}: {text}");
        assert!(!text.chars().any(char::is_control), "{text:?}");
        let union = merge([one.clone(), other], Mixing::Allowed).unwrap().unwrap();
        assert_eq!(union.run.merged.unwrap().runs.len(), 2);
    }
    for same in [
        change(&|p| p.subject.name = "registry.example/app:1".to_owned()),
        config(&|c| c.env = vec!["NODE=7".to_owned()]),
        config(&|c| c.publish = vec!["80:80".to_owned()]),
        config(&|c| c.network = Some("bridge".to_owned())),
    ] {
        assert!(merge([one.clone(), same], Mixing::Refused).is_ok());
    }
    // A refused one leaves no trace.
    let mut union = Union::new(Mixing::Refused);
    union.add(one.clone()).unwrap();
    union.add(change(&|p| p.subject.image_id = None)).unwrap_err();
    assert_eq!(union.finish().unwrap(), join(&[&one]));
    assert_eq!(merge([], Mixing::Refused).unwrap(), None);
}

#[test]
fn entries_that_are_there_twice_are_joined() {
    let mut profile = subjects::nginx().profile;
    let once = join(&[&profile]);
    let double = profile.writes.clone();
    profile.writes.extend(double);
    let double = profile.capabilities.clone();
    profile.capabilities.extend(double);
    let double = profile.capabilities[0].evidence.clone();
    profile.capabilities[0].evidence.extend(double);
    let double = profile.run.executions.clone();
    profile.run.executions.extend(double);
    let double = profile.subject.image_entries.clone();
    profile.subject.image_entries.extend(double);
    let mut twice = join(&[&profile]);
    // It is another file, so that its digest is another.
    twice.run.merged.clone_from(&once.run.merged);
    assert_eq!(twice, once);
}

#[test]
fn an_empty_profile_adds_its_run_and_nothing_else() {
    let nothing = Build::new("app").profile;
    let alone = join(&[&nothing]);
    assert!(alone.writes.is_empty() && alone.capabilities.is_empty());
    assert!(recommend(&alone).writable_targets().is_empty());
    let some = Build::new("app").write(Op::Create, "/run/x").profile;
    let both = join(&[&nothing, &some]);
    assert_eq!(both.writes, join(&[&some]).writes);
    assert_eq!(both.run.merged.unwrap().runs.len(), 2);
}

/// What differs from run to run is not kept for ever.
#[test]
fn names_of_many_runs_are_folded() {
    let mut union = Union::new(Mixing::Refused);
    for n in 0..400 {
        let mut build = Build::new("app").dirs(&["/tmp", "/var/cache/app", "/run"]);
        build.profile.run.started = format!("{n:09}");
        for k in 0..20 {
            let hash = n * 7919 + k * 104_729;
            build = build
                .write(Op::Create, &format!("/tmp/x{n}-{k}/file"))
                .write(Op::Create, &format!("/var/cache/app/{}/{}/{hash}", hash % 2, hash / 2 % 40))
                .rename(&format!("/run/new.{hash}"), "/run/app.pid")
                .executes(&format!("/tmp/x{n}-{k}/file"), false)
                .size(&format!("/tmp/x{n}-{k}"), 1);
        }
        union.add(build.write(Op::Create, "/run/app.pid").size("/tmp", 20).profile).unwrap();
    }
    assert!(union.operations() < 20_000, "{}", union.operations());
    let union = union.finish().unwrap();
    let merged = union.run.merged.as_ref().unwrap();
    assert_eq!(merged.runs.len(), 400);
    assert!(merged.folded.contains(&path("/tmp")), "{:?}", merged.folded);
    assert!(union.writes.len() < 20, "{:#?}", union.writes);
    assert_eq!(union.run.sizes.len(), 1);
    assert_eq!(union.run.executions.len(), 1);
    let plan = recommend(&union);
    assert_eq!(plan.writable_targets(), [&path("/run"), &path("/tmp"), &path("/var/cache/app")]);
    let tmp = plan.tmpfs.iter().find(|mount| mount.target == path("/tmp")).unwrap();
    assert!(tmp.exec && tmp.size == 64 << 20, "{tmp:?}");
}
