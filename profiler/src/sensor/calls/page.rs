//! docs/operations.md, generated from the table of system calls and from that of the tests, and the tests that neither
//! knows more than the other.

#[path = "../../../tests/table/mod.rs"]
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use profiler_ebpf::call::{Call, NO_ARG, form, last, op};
use table::{ELSEWHERE, HELPERS, NO_WRITE, NOT_FOLLOWED, NOT_SEEN, TABLE};

use super::numbered;

/// Where the page lies, from this package.
const PAGE: &str = "../docs/operations.md";

/// The names of the operations that a call may amount to in a profile.
fn operations_of(call: &Call) -> &'static [&'static str] {
    match call.op {
        op::OPEN => &["open", "create", "tmpfile"],
        op::MKDIR => &["mkdir"],
        op::MKNOD => &["mknod"],
        op::SYMLINK => &["symlink"],
        op::LINK => &["link"],
        op::UNLINK if call.flags != NO_ARG => &["unlink", "rmdir"],
        op::UNLINK => &["unlink"],
        op::RMDIR => &["rmdir"],
        op::RENAME => &["rename"],
        op::TRUNCATE => &["truncate"],
        op::CHMOD => &["chmod"],
        op::CHOWN => &["chown"],
        op::UTIMES => &["utimes"],
        op::SETXATTR => &["setxattr"],
        op::REMOVEXATTR => &["removexattr"],
        op::BIND => &["bind"],
        op::SYNC | op::MSYNC => &["sync"],
        op::MAP_EXEC => &["execution", "sync"],
        op::IO_URING => &[],
        other => panic!("operation {other} has no name"),
    }
}

/// How the sensors see what a call works on.
fn seen(call: &Call) -> String {
    let relative = |descriptor: u8| if descriptor == NO_ARG { "" } else { " relative to a descriptor" };
    let link = match call.last {
        last::SPARED => ", its last link spared",
        last::UNLESS_FLAG => {
            ", its last link followed unless `AT_SYMLINK_NOFOLLOW`; the descriptor where it is empty"
        }
        last::ONLY_WITH_FLAG => {
            "; of the first the last link is followed with `AT_SYMLINK_FOLLOW`, or the descriptor itself where it is empty"
        }
        _ => "",
    };
    match call.form {
        form::OPEN | form::CREAT | form::OPENAT2 if call.path == NO_ARG => "the opened file".to_owned(),
        form::OPEN | form::CREAT | form::OPENAT2 => {
            format!("the opened file; where it fails, the path{}", relative(call.dirfd))
        }
        form::BIND => "the path in the address of an AF_UNIX socket".to_owned(),
        form::MMAP => {
            "the file behind the descriptor, where it is to be executed, or shared and written to".to_owned()
        }
        form::MSYNC => "by its program: whatever that has mapped shared and writable".to_owned(),
        form::IOCTL => "the file behind the descriptor, for the commands that change its flags".to_owned(),
        _ if call.path == NO_ARG => "the file behind the descriptor".to_owned(),
        _ if call.path2 != NO_ARG && call.last == last::SPARED => {
            format!("both paths{}", relative(call.dirfd))
        }
        _ if call.path2 != NO_ARG => format!("both paths{}{link}", relative(call.dirfd)),
        // A name that is made or removed is never followed; that needs no word.
        _ if matches!(call.op, op::CHOWN | op::SETXATTR | op::REMOVEXATTR) || call.last != last::SPARED => {
            format!("the path{}{link}", relative(call.dirfd))
        }
        _ => format!("the path{}", relative(call.dirfd)),
    }
}

/// The rows in which a call shows one of its operations.
fn rows_of(name: &str, call: &Call) -> Vec<&'static str> {
    let operations = operations_of(call);
    TABLE
        .iter()
        .filter(|row| row.calls().any(|called| called == name))
        .filter(|row| row.operations().any(|(op, _)| operations.contains(&op)))
        .map(|row| row.name)
        .collect()
}

fn names() -> impl Iterator<Item = (String, &'static Call)> {
    numbered().map(|(_, name, call)| (name.to_owned(), call))
}

fn elsewhere(name: &str) -> Option<&'static str> {
    ELSEWHERE.iter().find(|(call, _)| *call == name).map(|(_, test)| *test)
}

#[test]
fn every_call_has_a_row_or_a_test_of_its_own() {
    for (name, call) in names() {
        let has = !rows_of(&name, call).is_empty() || elsewhere(&name).is_some();
        assert!(has, "no row of the tests' table shows an operation by {name}");
    }
}

#[test]
fn every_step_of_a_row_is_a_call_that_is_looked_at() {
    let known: BTreeMap<String, &Call> = names().collect();
    for row in TABLE {
        let mut explained: BTreeSet<&str> = BTreeSet::new();
        for called in row.calls() {
            match known.get(called) {
                Some(call) => explained.extend(operations_of(call)),
                None => assert!(HELPERS.contains(&called), "row {}: {called} is not in CALLS", row.name),
            }
        }
        for (op, _) in row.operations() {
            assert!(explained.contains(&op), "row {}: no call explains {op}", row.name);
        }
    }
    let names: BTreeSet<&str> = TABLE.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), TABLE.len(), "two rows share a name");
}

#[test]
fn the_tests_that_are_named_exist() {
    let tests = include_str!("../../../tests/operations.rs");
    for test in ELSEWHERE.iter().map(|(_, test)| test).chain(NOT_FOLLOWED.iter().map(|(_, _, test)| test)) {
        assert!(test.is_empty() || tests.contains(&format!("fn {test}()")), "there is no test {test}");
    }
    for (code, ..) in NOT_FOLLOWED {
        assert!(profiler_ebpf::stat::ALL.iter().any(|(known, _)| known == code), "there is no gap {code}");
    }
}

fn page() -> String {
    let mut page = String::from(
        "# Operations\n\n\
         Generated by `UPDATE_DOCS=1 cargo test -p profiler calls::page` from the table of system calls \
         (profiler/src/sensor/calls.rs) and the one of the tests (profiler/tests/table/mod.rs); a test fails when this page is stale. \
         The test `operations` performs every row in a container, each step by its own system call, and compares the \
         profile with the row. The test `oracle` asks the kernel, where it has kprobes, which of these calls take write \
         access to a mount, and compares that with the profile.\n\n\
         ## System calls\n\n\
         A path may lead through `/proc/self/fd/N`, `/proc/thread-self/fd/N` or `/dev/fd/N`: then it is the file behind the \
         descriptor, or relative to it.\n\n\
         | system call | operation | what is seen | shown by |\n| --- | --- | --- | --- |\n",
    );
    for (name, call) in names().filter(|(_, call)| call.op != op::IO_URING) {
        let mut shown: Vec<String> = rows_of(&name, call).iter().map(|row| format!("`{row}`")).collect();
        // Every row makes files by openat and has a directory made by mkdirat.
        let more = shown.len().saturating_sub(8);
        shown.truncate(8);
        shown.extend(elsewhere(&name).map(|test| format!("test `{test}`")));
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let _ = writeln!(
            page,
            "| `{name}` | {} | {} | {}{more} |",
            operations_of(call).join(", "),
            seen(call),
            shown.join(", ")
        );
    }
    page.push_str(
        "\nExecutions are seen at the tracepoint `sched_process_exec`, with whether they gained privileges (test \
         `executions_that_gain_privileges_are_told`); `bind` of an Internet socket to a port below 1024 is noted as well. \
         What `docker exec` and health checks execute is seen and the runtime's set-up for them is not (tests `phases_are_told_apart` \
         in driving, `of_a_health_check_its_program_alone_is_seen`); what the subject does on mounts that it makes in a mount namespace \
         of its own is told apart from the root (test `a_mount_of_the_subjects_own_is_none_of_the_roots`).\n\n\
         ## Rows\n\n\
         Steps are named for their system call and, behind the colon, for its form; `?` may fail, `thread+`, `fork+` and `vfork+` \
         say who makes the call, `@` stands before words that are no names in the row's directory. Of the operations, \
         `new<old` are the two names of a rename or link, `!` precedes the error, `?` stands where the file system decides.\n\n\
         | row | steps | operations |\n| --- | --- | --- |\n",
    );
    for row in TABLE {
        let expected =
            if row.expected.is_empty() { "none".to_owned() } else { format!("`{}`", row.expected) };
        let _ = writeln!(page, "| `{}` | `{}` | {expected} |", row.name, row.script);
    }
    page.push_str("\n## Not followed, but counted\n\nEach makes the profile incomplete.\n\n| gap | what | test |\n| --- | --- | --- |\n");
    for (code, what, test) in NOT_FOLLOWED {
        let test = if test.is_empty() { String::new() } else { format!("`{test}`") };
        let _ = writeln!(page, "| `{code}` | {what} | {test} |");
    }
    page.push_str("\n## Not seen\n\n");
    for what in NOT_SEEN {
        let _ = writeln!(page, "- {what}");
    }
    page.push_str("\n## Not a write to a mount\n\nThese are left out on purpose.\n\n| system call | why |\n| --- | --- |\n");
    for (call, why) in NO_WRITE {
        let _ = writeln!(page, "| {call} | {why} |");
    }
    page
}

/// The tables differ between architectures; the page shows the larger one.
#[cfg(target_arch = "x86_64")]
#[test]
fn the_page_is_up_to_date() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let wanted = page();
    if std::env::var("UPDATE_DOCS").as_deref() == Ok("1") {
        std::fs::write(&path, &wanted).expect("the page can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        found, wanted,
        "docs/operations.md is stale: UPDATE_DOCS=1 cargo test -p profiler calls::page"
    );
}
