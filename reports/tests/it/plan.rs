//! What the recommender makes of single situations.

use reports::model::{Gap, MountKind, ObjectKind, Op, Phase, Verdict};
use reports::plan::{Plan, recommend};

use crate::build::{Build, path};
use crate::subjects;

/// The plan's mounts as `tmpfs /a` and `volume /b`, by target.
fn mounts(plan: &Plan) -> Vec<String> {
    let tmpfs = plan.tmpfs.iter().map(|mount| format!("tmpfs {}", mount.target));
    let volumes = plan.volumes.iter().map(|mount| format!("volume {}", mount.target));
    let mut all: Vec<_> = tmpfs.chain(volumes).collect();
    all.sort_by_key(|text| text.split(' ').nth(1).map(str::to_owned));
    all
}

fn codes(plan: &Plan) -> Vec<&str> {
    plan.warnings.iter().map(|warning| warning.code.as_str()).collect()
}

fn image() -> Build {
    Build::new("app:1")
        .dirs(&[
            "/app",
            "/app/empty",
            "/etc",
            "/run",
            "/run/app",
            "/run/app/deep",
            "/var",
            "/var/cache",
            "/var/lib",
            "/var/lib/app",
        ])
        .dir("/tmp", "1777", 0, 0)
        .files(&["/etc/app.conf", "/app/main"])
        .symlink("/app/link")
}

#[test]
fn places_become_mounts() {
    let collapsed =
        |build: Build, op, at: &str| build.write_with(op, path(at), |write| write.collapsed = true);
    let failed = |build: Build, at: &str| build.write_with(Op::Create, path(at), |write| write.errno = 30);
    let object =
        |build: Build, op, at: &str, object| build.write_with(op, path(at), |write| write.object = object);
    let cases: Vec<(&str, Build, &[&str])> = vec![
        ("nothing", image(), &[]),
        ("a new file", image().write(Op::Create, "/run/x.pid"), &["tmpfs /run"]),
        ("failed", failed(image(), "/run/x"), &[]),
        ("sync alone", image().write(Op::Sync, "/var/lib/app/x"), &[]),
        ("a device opened", object(image(), Op::Open, "/app/dev", ObjectKind::Device), &[]),
        ("a FIFO opened", object(image(), Op::Open, "/app/fifo", ObjectKind::Fifo), &[]),
        (
            "a FIFO's mode",
            object(image(), Op::Chmod, "/app/empty/fifo", ObjectKind::Fifo),
            &["tmpfs /app/empty"],
        ),
        ("kernel file systems", image().writes(Op::Open, &["/proc/x", "/sys/x", "/dev/x"]), &[]),
        ("but not by prefix", image().write(Op::Create, "/app/empty/proc"), &["tmpfs /app/empty"]),
        ("collapsed", collapsed(image(), Op::Create, "/tmp"), &["tmpfs /tmp"]),
        ("tmpfile", image().write(Op::Tmpfile, "/tmp"), &["tmpfs /tmp"]),
        ("directory object", image().on_dir(Op::Chown, "/app/empty"), &["tmpfs /app/empty"]),
        (
            "directory of unknown kind",
            object(image(), Op::Chmod, "/app/empty", ObjectKind::Unknown),
            &["tmpfs /app/empty"],
        ),
        ("file of the image", image().write(Op::Open, "/etc/app.conf"), &["volume /etc"]),
        (
            "file made in the run",
            image().writes(Op::Create, &["/app/empty/x"]).write(Op::Open, "/app/empty/x"),
            &["tmpfs /app/empty"],
        ),
        ("symlink hidden", image().write(Op::Create, "/app/x"), &["volume /app"]),
        (
            "directories made in the run merge",
            image()
                .writes(Op::Mkdir, &["/app/empty/a", "/app/empty/a/b"])
                .write(Op::Create, "/app/empty/a/b/c"),
            &["tmpfs /app/empty"],
        ),
        ("topmost", image().writes(Op::Create, &["/tmp/a/b/c", "/tmp/x"]), &["tmpfs /tmp"]),
        (
            "not merged by prefix",
            image().writes(Op::Create, &["/run/x", "/running/x"]),
            &["tmpfs /run", "tmpfs /running"],
        ),
        (
            "hidden directories of the image are kept",
            image().writes(Op::Create, &["/run/x", "/run/app/deep/y"]),
            &["tmpfs /run", "tmpfs /run/app/deep"],
        ),
        (
            "unless they are removed",
            image()
                .writes(Op::Create, &["/run/x", "/run/app/y"])
                .on_dir(Op::Rmdir, "/run/app")
                .write(Op::Mkdir, "/run/app"),
            &["volume /run"],
        ),
        (
            "renames stay on one mount",
            image().writes(Op::Create, &["/run/x", "/run/app/y"]).rename("/run/x", "/run/app/z"),
            &["volume /run"],
        ),
        ("renames merge mounts", image().rename("/var/cache/app/x", "/var/lib/app/y"), &["volume /var"]),
        ("lasting", image().write(Op::Create, "/var/lib/app/x"), &["volume /var/lib/app"]),
        (
            "synced",
            image().write(Op::Create, "/app/empty/x").write(Op::Sync, "/app/empty/x"),
            &["volume /app/empty"],
        ),
        ("large", image().write(Op::Create, "/app/empty/x").size("/app/empty", 300), &["volume /app/empty"]),
        (
            "large in parts",
            image()
                .write(Op::Create, "/app/empty/x")
                .size("/app/empty/a", 200)
                .size("/app/empty/a/b", 200)
                .size("/app/empty/c", 100),
            &["volume /app/empty"],
        ),
        (
            "a socket by convention of its name",
            image().write(Op::Bind, "/var/lib/app/app.sock"),
            &["tmpfs /var/lib/app"],
        ),
        (
            "a new directory in the root",
            image().write(Op::Mkdir, "/new").write(Op::Create, "/new/x"),
            &["tmpfs /new"],
        ),
        (
            "a runtime's file",
            image().mount("/etc/hosts", MountKind::Runtime, None).write(Op::Open, "/etc/hosts"),
            &[],
        ),
        (
            "an existing mount",
            image().mount("/var/lib/app", MountKind::Bind, Some("/h")).write(Op::Create, "/var/lib/app/x"),
            &[],
        ),
        (
            "an image volume",
            image().mount("/var/lib/app", MountKind::ImageVolume, None).write(Op::Create, "/var/lib/app/x"),
            &["volume /var/lib/app"],
        ),
    ];
    for (name, build, want) in cases {
        assert_eq!(mounts(&build.plan()), want, "{name}");
        assert!(build.plan().read_only, "{name}");
    }
}

#[test]
fn many_needed_directories_of_the_image_make_one_volume() {
    let dirs: Vec<String> = (0..9).map(|n| format!("/run/d{n}")).collect();
    let build =
        dirs.iter().fold(Build::new("x").dirs(&["/run"]).write(Op::Create, "/run/x"), |build, dir| {
            build.dirs(&[dir.as_str()]).write(Op::Create, &format!("{dir}/x"))
        });
    assert_eq!(mounts(&build.plan()), ["volume /run"]);
}

#[test]
fn a_directory_of_the_image_that_cannot_be_named_makes_a_volume() {
    let build = Build::new("x").dirs(&["/run", "/run/a\nb"]).write(Op::Create, "/run/a\nb/x");
    assert_eq!(mounts(&build.plan()), ["volume /run"]);
    assert_eq!(codes(&build.plan()), ["unrepresentable-path"]);
    // One that the subject made is no matter.
    let build =
        Build::new("x").dirs(&["/run"]).write(Op::Mkdir, "/run/a\nb").write(Op::Create, "/run/a\nb/x");
    assert_eq!(mounts(&build.plan()), ["tmpfs /run"]);
    assert!(codes(&build.plan()).is_empty());
}

#[test]
fn writes_in_the_root_keep_it_writable() {
    for build in [
        image().write(Op::Create, "/x"),
        image().write(Op::Open, "/x"),
        image().write(Op::Unlink, "/x"),
        image().on_dir(Op::Chmod, "/"),
        image().write(Op::Mkdir, "/new").on_dir(Op::Rmdir, "/new"),
        image().rename("/run/x", "/x"),
        image().write_with(Op::Create, path("/"), |write| write.collapsed = true),
    ] {
        let plan = build.plan();
        assert!(!plan.read_only);
        assert_eq!(codes(&plan), ["writes-in-root"]);
        assert!(!plan.writable_targets().iter().any(|target| target.is_root()));
    }
}

#[test]
fn hiding_image_content_is_said() {
    let plan = image().write(Op::Create, "/app/x").plan();
    assert_eq!(codes(&plan), ["shadows-image-content"]);
    assert!(plan.warnings[0].message.contains("2 files") && plan.warnings[0].message.contains("Kubernetes"));
    assert!(plan.volumes[0].seed_from_image && plan.complete);

    let mut build = image().write(Op::Create, "/app/empty/x");
    build.profile.subject.image_cut = vec![path("/app/empty")];
    let plan = build.plan();
    assert_eq!(codes(&plan), ["image-content-unknown"]);
    assert!(plan.volumes[0].seed_from_image && !plan.complete);
}

#[test]
fn a_directory_that_joins_a_rename_is_not_taken_for_empty_unless_listed() {
    let renames = |build: Build| build.rename("/srv/x/in/a", "/srv/x/out/a").plan();
    // The profile lists the inner directories alone: who knows what else there is.
    let plan = renames(Build::new("x").dirs(&["/srv/x/in", "/srv/x/out"]));
    assert_eq!(
        (mounts(&plan), codes(&plan)),
        (vec!["volume /srv/x".to_owned()], vec!["image-content-unknown"])
    );
    let plan = renames(Build::new("x").dirs(&["/srv/x", "/srv/x/in", "/srv/x/out"]));
    assert_eq!((mounts(&plan), codes(&plan)), (vec!["volume /srv/x".to_owned()], vec![]));
    assert!(plan.complete);
    let writes = Build::new("x").rename("/srv/x/in/a", "/srv/x/out/a").profile.writes;
    let listed: Vec<_> = reports::plan::directories_to_list(&writes).into_iter().collect();
    assert_eq!(listed, ["/srv/x", "/srv/x/in", "/srv/x/out"].map(path));
}

#[test]
fn content_below_an_existing_mount_is_not_hidden_by_a_new_one() {
    let build = Build::new("x")
        .dirs(&["/srv", "/srv/a", "/srv/a/site"])
        .files(&["/srv/a/site/index.html"])
        .mount("/srv/a/site", MountKind::Bind, Some("/h"))
        .write(Op::Create, "/srv/a/x.pid");
    assert_eq!(mounts(&build.plan()), ["tmpfs /srv/a"]);
    assert_eq!(build.plan().mounts_read_only, [path("/srv/a/site")]);
}

#[test]
fn renames_with_only_the_root_in_common_are_warned_about() {
    let plan = image().write(Op::Create, "/tmp/x").rename("/tmp/x", "/run/x").plan();
    assert_eq!(mounts(&plan), ["tmpfs /run", "tmpfs /tmp"]);
    assert_eq!(codes(&plan), ["rename-across-mounts"]);
    // One that failed with EXDEV was only attempted.
    let failed = image().write(Op::Create, "/tmp/x").write(Op::Create, "/run/x").write_with(
        Op::Rename,
        path("/run/x"),
        |write| {
            write.from = Some(path("/tmp/x"));
            write.errno = 18;
        },
    );
    assert!(codes(&failed.plan()).is_empty());
}

#[test]
fn tmpfs_options_follow_the_image_and_the_run() {
    let plan = Build::new("x")
        .dir("/tmp", "3755", 7, 8)
        .dir("/run", "not octal", 1, 2)
        .dir("/cache", "17777", 1, 2)
        .writes(Op::Create, &["/tmp/x", "/run/x", "/cache/x", "/var/tmp/x"])
        .write_with(Op::Mknod, path("/run/null"), |write| write.object = ObjectKind::Device)
        .executes("/tmp/payload", false)
        .size("/run", 20)
        .plan();
    let lines: Vec<_> = plan
        .tmpfs
        .iter()
        .map(|m| {
            format!(
                "{} {} {}:{} {} {} {} {}",
                m.target,
                m.mode,
                m.uid,
                m.gid,
                m.size >> 20,
                m.exec,
                m.suid,
                m.dev
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "/cache 0755 1:2 16 false false false",
            "/run 0755 1:2 64 false false true",
            "/tmp 3755 7:8 64 true false false",
            "/var/tmp 1777 0:0 64 false false false",
        ]
    );
}

#[test]
fn a_mapping_to_execute_takes_noexec_away_where_it_lies() {
    let exec = |build: &Build| {
        let plan = build.plan();
        plan.tmpfs.iter().filter(|mount| mount.exec).map(|mount| mount.target.to_string()).collect::<Vec<_>>()
    };
    let build = || Build::new("x").dirs(&["/run", "/run/lib"]).writes(Op::Create, &["/run/lib/x", "/tmp/x"]);
    assert_eq!(exec(&build().maps("/run/lib/new.so")), ["/run/lib"]);
    assert_eq!(exec(&build().maps("/usr/lib/libc.so")), [""; 0]);
    // A directory of the image that stands for many files may hold some that the image has not.
    assert_eq!(exec(&build().maps("/run/lib")), ["/run/lib"]);
    assert_eq!(exec(&build().executes("/run/lib", false)), [""; 0]);
}

#[test]
fn a_program_of_the_image_does_not_make_its_directory_executable() {
    let plan = Build::new("x").dirs(&["/run"]).executes("/run/tool", false).write(Op::Create, "/run/x");
    assert!(plan.plan().tmpfs[0].exec);
    // With the file in the image the directory becomes a volume, which is filled from it.
    let plan = plan.files(&["/run/tool"]);
    assert_eq!(mounts(&plan.plan()), ["volume /run"]);
}

#[test]
fn mounts_that_were_only_read_become_read_only() {
    let plan = Build::new("x")
        .mount("/bind", MountKind::Bind, Some("/h"))
        .mount("/volume", MountKind::Volume, Some("v"))
        .mount("/image", MountKind::ImageVolume, Some("0"))
        .mount("/tmpfs", MountKind::Tmpfs, None)
        .mount("/written", MountKind::Bind, Some("/w"))
        .mount("/other", MountKind::Other, None)
        .mount("/init", MountKind::Runtime, None)
        .write(Op::Create, "/written/x")
        .write_with(Op::Create, path("/volume/x"), |write| write.errno = 13)
        .write_with(Op::Open, path("/bind/socket"), |write| write.object = ObjectKind::Socket)
        .plan();
    assert_eq!(plan.mounts_read_only, ["/bind", "/image", "/tmpfs", "/volume"].map(path));
    assert!(mounts(&plan).is_empty());
}

#[test]
fn capabilities_are_those_required_in_order() {
    let mut build = Build::new("x")
        .by("/bin/b", Phase::Steady)
        .required("SETUID", "setuid", "__sys_setuid")
        .by("/bin/a", Phase::Startup)
        .required("SETUID", "setresuid", "__sys_setresuid")
        .by("/bin/b", Phase::Shutdown)
        .required("cap_chown", "chown", "chown_ok")
        .cap("FSETID", "chmod", "setattr_prepare", Verdict::Opportunistic)
        .cap("SYS_ADMIN", "mount", "path_mount", Verdict::Attempted);
    build.config().cap_add = vec!["NET_ADMIN".to_owned()];
    build.config().cap_drop = vec!["CAP_KILL".to_owned()];
    let plan = build.plan();
    let added: Vec<_> =
        plan.cap_add.iter().map(|add| (add.cap.as_str(), add.phase, add.why.as_str())).collect();
    assert_eq!(
        added,
        [
            ("CHOWN", Phase::Shutdown, "/bin/b for chown (kernel: chown_ok)"),
            (
                "SETUID",
                Phase::Startup,
                "/bin/a, /bin/b for setresuid, setuid (kernel: __sys_setresuid, __sys_setuid)"
            ),
        ]
    );
    assert_eq!(plan.cap_drop, ["ALL"]);
    let dropped: Vec<_> = plan.cap_dropped.iter().map(|drop| drop.cap.as_str()).collect();
    assert!(dropped.contains(&"NET_ADMIN") && dropped.contains(&"FSETID"));
    assert!(!dropped.contains(&"KILL") && !dropped.contains(&"CHOWN") && !dropped.contains(&"SYS_ADMIN"));
    assert!(plan.alternatives.is_empty(), "CHOWN is needed at shutdown");
}

#[test]
fn low_ports_are_warned_about_unless_the_capability_was_needed() {
    let build = || Build::new("x");
    let plan = build().cap("NET_BIND_SERVICE", "bind", "", Verdict::Opportunistic).plan();
    assert_eq!(codes(&plan), ["privileged-port"]);
    let plan = build().required("NET_BIND_SERVICE", "bind", "inet_bind").plan();
    assert!(codes(&plan).is_empty());
    assert_eq!(plan.cap_add[0].cap, "NET_BIND_SERVICE");
}

#[test]
fn privileges_that_cannot_be_kept_from_rising_are_named() {
    let mut build = Build::new("x").executes("/usr/bin/sudo", true).executes("/bin/sh", false);
    build.config().privileged = true;
    let plan = build.plan();
    assert!(!plan.no_new_privileges);
    assert_eq!(codes(&plan), ["privileged", "gains-privileges"]);
    assert_eq!(plan.warnings[1].path, Some(path("/usr/bin/sudo")));
    assert_eq!(plan.cap_dropped.len(), 41);
}

#[test]
fn a_non_root_alternative_is_offered_where_root_is_only_for_start_up() {
    let kinds = |build: Build| build.plan().alternatives.into_iter().map(|a| a.kind).collect::<Vec<_>>();
    assert_eq!(kinds(subjects::redis()), ["non-root"]);
    assert_eq!(kinds(subjects::postgres()), ["non-root"]);
    let mut already = subjects::redis();
    already.config().user = Some("999".to_owned());
    assert!(kinds(already).is_empty());
    let raw = subjects::redis().required("NET_RAW", "socket", "inet_create");
    assert!(kinds(raw).is_empty());
    let later = subjects::redis().by("/x", Phase::Steady).required("SETUID", "setuid", "__sys_setuid");
    assert!(kinds(later).is_empty());
}

#[test]
fn one_capability_serves_for_reading_and_writing() {
    let caps =
        |build: Build| -> Vec<String> { build.plan().cap_add.into_iter().map(|added| added.cap).collect() };
    let reads = || Build::new("x").required("DAC_READ_SEARCH", "openat", "generic_permission");
    assert_eq!(caps(reads()), ["DAC_READ_SEARCH"]);
    let both = || reads().required("DAC_OVERRIDE", "openat", "generic_permission");
    assert_eq!(caps(both()), ["DAC_OVERRIDE"]);
    // Handles go by the one alone.
    let handles = both().required("DAC_READ_SEARCH", "open_by_handle_at", "handle_to_path");
    assert_eq!(caps(handles), ["DAC_OVERRIDE", "DAC_READ_SEARCH"]);
    let unknown = reads().cap("DAC_OVERRIDE", "openat", "generic_permission", Verdict::Attempted);
    assert_eq!(caps(unknown), ["DAC_READ_SEARCH"]);
}

#[test]
fn an_incomplete_profile_makes_an_incomplete_plan() {
    let mut build = Build::new("x");
    build.profile.coverage.complete = false;
    assert_eq!(codes(&build.plan()), ["incomplete-profile"]);
    let gap = |code: &str, count| Gap { code: code.to_owned(), message: "m".to_owned(), count };
    build.profile.coverage.gaps = vec![gap("z", 1), gap("a", 2)];
    let plan = build.plan();
    assert!(!plan.complete);
    assert_eq!(codes(&plan), ["a", "z"]);
}

#[test]
fn evidence_is_bounded() {
    let names: Vec<String> = (0..20).map(|n| format!("/tmp/{n}")).collect();
    let plan = names.iter().fold(Build::new("x"), |build, name| build.write(Op::Create, name)).plan();
    assert_eq!((plan.tmpfs[0].evidence.len(), plan.tmpfs[0].evidence_more), (8, 12));
}

#[test]
fn well_known_images_get_their_known_plans() {
    assert_eq!(mounts(&subjects::nginx().plan()), ["tmpfs /run", "tmpfs /var/cache/nginx"]);
    assert_eq!(
        mounts(&subjects::postgres().plan()),
        ["tmpfs /run", "tmpfs /run/postgresql", "tmpfs /tmp", "volume /var/lib/postgresql/data"]
    );
    assert_eq!(mounts(&subjects::redis().plan()), ["volume /data"]);
}

#[test]
fn nothing_is_mounted_on_the_root_whatever_a_profile_says() {
    let mut profile = Build::new("x").write(Op::Mkdir, "/").profile;
    profile.writes[0].from = Some(path("/tmp"));
    let plan = recommend(&profile);
    assert!(plan.writable_targets().iter().all(|target| !target.is_root()), "{:?}", plan.writable_targets());
    assert_eq!(plan.validate(), Ok(()));
}
