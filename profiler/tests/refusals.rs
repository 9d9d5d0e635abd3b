//! A host that does not do what the sensors need: BTF that is missing, cut or no BTF, programs that are refused half-way.
//! Each is an error with status 3 that names what is missing, and nothing stays in the kernel. Needs root.

#![expect(clippy::expect_used, reason = "a helper that cannot go on fails its test")]

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use aya::programs::loaded_programs;
use common::{Profiles, can_run, cgroup_root, eventually, text};

const WRITEPATH: &str = env!("CARGO_BIN_EXE_writepath");
const BTF: &str = "/sys/kernel/btf/vmlinux";

/// Ids of the programs in the kernel that no process holds, besides those that are held by links alone.
fn orphans() -> BTreeSet<u32> {
    // Held first: what is loaded in between is not taken for an orphan then, but what is dropped is; ask again.
    let held = held_programs();
    loaded_programs().flatten().map(|program| program.id()).filter(|id| !held.contains(id)).collect()
}

fn held_programs() -> BTreeSet<u32> {
    let mut held = BTreeSet::new();
    let processes = std::fs::read_dir("/proc").expect("it is mounted").flatten();
    for process in processes {
        let descriptors = std::fs::read_dir(process.path().join("fdinfo")).into_iter().flatten().flatten();
        for descriptor in descriptors {
            let info = std::fs::read_to_string(descriptor.path()).unwrap_or_default();
            held.extend(
                info.lines().filter_map(|line| line.strip_prefix("prog_id:")?.trim().parse::<u32>().ok()),
            );
        }
    }
    held
}

/// Runs something that fails, and checks that nothing of it is left.
fn leaving_nothing(run: impl FnOnce() -> Output) -> (Option<i32>, String) {
    let before = orphans();
    let output = run();
    assert!(eventually(|| orphans().is_subset(&before)), "programs are left in the kernel");
    let cgroups = std::fs::read_dir(cgroup_root()).expect("it is mounted").flatten();
    for cgroup in cgroups {
        let name = cgroup.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix("writepath-").and_then(|rest| rest.split('-').next());
        let lives = owner.is_none_or(|pid| Path::new("/proc").join(pid).exists());
        assert!(lives, "{name} is left");
    }
    (output.status.code(), text(&output.stderr) + &text(&output.stdout))
}

/// Runs `writepath` in a mount namespace of its own, where `place` is covered by `cover`.
fn covered(cover: &Path, place: &str, arguments: &[&str]) -> Output {
    Command::new("unshare")
        .args(["--mount", "sh", "-c", r#"mount --bind "$0" "$1" && shift && exec "$@""#])
        .arg(cover)
        .args([place, WRITEPATH])
        .args(arguments)
        .output()
        .expect("unshare is installed")
}

#[test]
fn type_information_that_cannot_be_read_is_named() {
    if !can_run(&[]) {
        return;
    }
    let profiles = Profiles::new();
    let profile = profiles.path("p.json");
    let profile_text = profile.to_string_lossy();
    let real = std::fs::read(BTF).expect("this host has BTF");
    // The header with the right lengths, and then nothing of the kind.
    let mut scrambled = real[..24].to_vec();
    scrambled.resize(real.len(), b'A');
    // A structure that is there under another name.
    let name = b"\0task_struct\0";
    let at = real.windows(name.len()).position(|window| window == name).expect("every kernel has it");
    let mut renamed = real.clone();
    renamed[at + 1] = b'T';
    let cases: [(&str, &[u8], &[&str]); 7] = [
        ("empty", b"", &[BTF, "truncated", "no header"]),
        ("short", &real[..20], &[BTF, "truncated", "no header"]),
        ("header", &real[..24], &[BTF, "truncated"]),
        ("half", &real[..real.len() / 2], &[BTF, "truncated"]),
        ("all-but-one", &real[..real.len() - 1], &[BTF, "truncated"]),
        ("scrambled", &scrambled, &[BTF, "malformed"]),
        ("renamed", &renamed, &["no `struct task_struct`"]),
    ];
    for (what, content, words) in cases {
        let cover = profiles.path(what);
        std::fs::write(&cover, content).expect("a file can be written");
        let exec = ["exec", "-o", &profile_text, "--", "true"];
        let (status, message) = leaving_nothing(|| covered(&cover, BTF, &exec));
        assert_eq!(status, Some(3), "{what}: {message}");
        for word in words {
            assert!(message.contains(word), "{what}: {word:?} is not in {message}");
        }
        let (status, report) = leaving_nothing(|| covered(&cover, BTF, &["doctor"]));
        assert_eq!(status, Some(3), "{what}: {report}");
        assert!(report.contains("MISSING") && report.contains(words[0]), "{what}: {report}");
        assert!(!message.contains("panicked") && !report.contains("panicked"), "{message} {report}");
    }
    let nothing = profiles.path("nothing");
    std::fs::create_dir(&nothing).expect("a directory can be made");
    for verb in [vec!["exec", "-o", &profile_text, "--", "true"], vec!["doctor"]] {
        let (status, message) = leaving_nothing(|| covered(&nothing, "/sys/kernel/btf", &verb));
        assert_eq!(status, Some(3), "{message}");
        assert!(message.contains(BTF) && message.contains("CONFIG_DEBUG_INFO_BTF"), "{message}");
    }
    assert!(!profile.exists(), "nothing was run");
}

#[test]
fn programs_that_are_refused_half_way_are_named_and_leave_nothing() {
    if !can_run(&[]) {
        return;
    }
    let profiles = Profiles::new();
    let profile = profiles.path("p.json").to_string_lossy().into_owned();
    let exec = ["exec", "--sensor", "tracepoint", "-o", &profile, "--", "true"];
    // Each map, program and attachment takes descriptors: with ever more of them ever more is loaded and attached. One
    // by one, because some steps take so few that a longer stride may pass over all that are refused at the same thing.
    let (mut maps, mut programs, mut attachments) = (0, 0, 0);
    for limit in 10.. {
        let limit = format!("--nofile={limit}");
        let (status, message) = leaving_nothing(|| {
            Command::new("prlimit")
                .args([&limit, WRITEPATH])
                .args(exec)
                .output()
                .expect("prlimit is installed")
        });
        if status == Some(0) {
            break;
        }
        assert_eq!(status, Some(3), "{limit}: {message}");
        maps += u32::from(message.contains("failed to create map"));
        let (refused, attaching) =
            (message.contains("refused tp_btf/"), message.contains("bpf_raw_tracepoint_open"));
        programs += u32::from(refused && !attaching);
        attachments += u32::from(refused && attaching);
        if message.contains("refused") {
            assert!(message.contains("Too many open files") && message.contains("ulimit -n"), "{message}");
        }
    }
    assert!(maps > 0 && programs > 0 && attachments > 0, "{maps} {programs} {attachments}");
}

#[test]
fn capabilities_that_are_missing_are_named() {
    if !can_run(&[]) {
        return;
    }
    let profiles = Profiles::new();
    let profile = profiles.path("p.json").to_string_lossy().into_owned();
    for (dropped, words) in [
        ("-bpf,-sys_admin", ["the BPF object", "CAP_BPF"]),
        ("-perfmon,-sys_admin", ["refused tp_btf/", "CAP_PERFMON"]),
        ("-dac_override", ["writepath-", "hint:"]),
        // Nothing would fail without these: names and sizes would merely not be found.
        (
            "-dac_override,-dac_read_search",
            ["without the capabilities DAC_READ_SEARCH", "--cap-add=DAC_READ_SEARCH"],
        ),
        ("-sys_ptrace", ["without the capabilities SYS_PTRACE", "--cap-add=SYS_PTRACE"]),
    ] {
        let (status, message) = leaving_nothing(|| {
            Command::new("setpriv")
                .args([&format!("--bounding-set={dropped}"), &format!("--inh-caps={dropped}")])
                .args([WRITEPATH, "exec", "-o", &profile, "--", "true"])
                .output()
                .expect("setpriv is installed")
        });
        assert_eq!(status, Some(3), "{dropped}: {message}");
        for word in words {
            assert!(message.contains(word), "{dropped}: {word:?} is not in {message}");
        }
    }
}

/// There the numbers that the kernel half reports are those of other processes, or of none.
#[test]
fn a_pid_namespace_is_refused() {
    if !can_run(&[]) {
        return;
    }
    let profiles = Profiles::new();
    let profile = profiles.path("p.json").to_string_lossy().into_owned();
    let (status, message) = leaving_nothing(|| {
        Command::new("unshare")
            .args(["--pid", "--fork", "--mount-proc", WRITEPATH, "exec", "-o", &profile, "--", "true"])
            .output()
            .expect("unshare is installed")
    });
    assert_eq!(status, Some(3), "{message}");
    assert!(message.contains("in a PID namespace of its own") && message.contains("--pid=host"), "{message}");
}
