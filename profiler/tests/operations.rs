//! Every operation that takes write access to a mount is reported, under its resolved path, and nothing else is.
//!
//! One container performs the scripts of the table, each in a directory of its own, by raw system calls (`subject
//! script`, see xtask/subjects/src/calls.rs); its profile must hold exactly what the table says. Needs root, a Docker
//! daemon and the images that `cargo xtask test` makes.

#![expect(clippy::expect_used, reason = "a helper that cannot go on fails its test")]

mod common;

use std::collections::BTreeSet;

use common::{Profiles, SUBJECT, can_run, read, writepath_status};
use serde_json::Value;

/// A script and the operations that it amounts to.
struct Row {
    /// What it shows; also the name of its directory.
    name: &'static str,
    /// Steps, separated by commas; words that are names stand for names in the row's directory, those after `@` for
    /// themselves.
    script: &'static str,
    /// `OP NAME`, `OP NAME<OLD-NAME`, each with `!ERRNO` where it fails, separated by commas; `/…` is an absolute path.
    expected: &'static str,
}

const TABLE: &[Row] = &[
    Row { name: "open", script: "create f, write f, read-write f", expected: "create f, open f" },
    Row { name: "reading", script: "create f, read f", expected: "create f" },
    Row { name: "exclusive", script: "create-new f, ?create-new f", expected: "create f, create f!17" },
    Row { name: "create-to-read", script: "create-to-read f", expected: "create f" },
    Row { name: "create-existing", script: "create f, create-to-read f", expected: "create f" },
    Row { name: "truncating", script: "create f, open-truncate f", expected: "create f, open f" },
    // fuse-overlayfs refuses it with EOPNOTSUPP.
    Row { name: "unnamed", script: "?tmpfile .", expected: "tmpfile ." },
    Row { name: "openat", script: "open-at f", expected: "create f" },
    Row { name: "openat2", script: "openat2 f", expected: "create f" },
    Row { name: "working-directory", script: "chdir ., create @f", expected: "create f" },
    Row { name: "mkdir", script: "mkdirat a, mkdir-at b", expected: "mkdir a, mkdir b" },
    Row { name: "mknod", script: "mkfifo p", expected: "mknod p" },
    Row { name: "symlink", script: "symlink @target l", expected: "symlink l" },
    Row { name: "link", script: "create f, link f g", expected: "create f, link g<f" },
    Row { name: "unlink", script: "create f, unlink f", expected: "create f, unlink f" },
    Row { name: "rmdir", script: "mkdirat d, rmdir d", expected: "mkdir d, rmdir d" },
    Row { name: "rename", script: "create f, rename f g", expected: "create f, rename g<f" },
    Row {
        name: "across-directories",
        script: "mkdirat d, create f, rename f d/g",
        expected: "mkdir d, create f, rename d/g<f",
    },
    Row { name: "truncate", script: "create f, truncate f", expected: "create f, truncate f" },
    Row { name: "ftruncate", script: "create f, ftruncate f", expected: "create f, open f, truncate f" },
    Row { name: "chmod", script: "create f, fchmodat f", expected: "create f, chmod f" },
    Row { name: "fchmod", script: "create f, fchmod f", expected: "create f, chmod f" },
    Row { name: "chown", script: "create f, fchownat f", expected: "create f, chown f" },
    Row { name: "fchown", script: "create f, fchown f", expected: "create f, chown f" },
    Row { name: "empty-path", script: "create f, chown-empty-path f", expected: "create f, chown f" },
    Row {
        name: "last-link",
        script: "create f, symlink @f l, fchownat l, lchownat l",
        expected: "create f, symlink l, chown f, chown l",
    },
    Row { name: "utimes", script: "create f, utimensat f", expected: "create f, utimes f" },
    Row { name: "futimens", script: "create f, futimens f", expected: "create f, utimes f" },
    Row {
        name: "xattr",
        script: "create f, setxattr f, fsetxattr f, removexattr f",
        expected: "create f, setxattr f, removexattr f",
    },
    Row { name: "bind", script: "bind s", expected: "bind s" },
    Row { name: "bind-relative", script: "chdir ., bind @s", expected: "bind s" },
    Row { name: "sync", script: "create f, fsync f, fdatasync f", expected: "create f, sync f" },
    Row {
        name: "through-link",
        script: "mkdirat d, symlink @d l, create l/f",
        expected: "mkdir d, symlink l, create d/f",
    },
    Row {
        name: "name-through-link",
        script: "mkdirat d, symlink @d l, mkdirat l/e",
        expected: "mkdir d, symlink l, mkdir d/e",
    },
    Row { name: "dots", script: "mkdirat d, mkdirat d/../e", expected: "mkdir d, mkdir e" },
    Row { name: "missing", script: "?unlink f, ?mkdirat d/e", expected: "unlink f!2, mkdir d/e!2" },
    Row { name: "existing", script: "mkdirat d, ?mkdirat d", expected: "mkdir d, mkdir d!17" },
    Row {
        name: "not-empty",
        script: "mkdirat d, create d/f, ?rmdir d",
        expected: "mkdir d, create d/f, rmdir d!39",
    },
    Row { name: "device", script: "write @/dev/null", expected: "open /dev/null" },
    #[cfg(target_arch = "x86_64")]
    Row {
        name: "old-calls",
        script: "open f, creat g, mkdir d, chmod f, lchown f",
        expected: "create f, create g, mkdir d, chmod f, chown f",
    },
    // Last: the root stays changed.
    Row {
        name: "changed-root",
        script: "mkdirat jail, mkdirat jail/etc, symlink @/etc jail/out, chroot jail, chdir @/, create @/etc/f, mkdirat @/out/d, unlink @/etc/f",
        expected: "mkdir jail, mkdir jail/etc, symlink jail/out, create jail/etc/f, mkdir jail/etc/d, unlink jail/etc/f",
    },
];

/// Where the scripts work: a directory of the image.
const PLACE: &str = "/var/lib/app";

fn in_directory(row: &Row, name: &str) -> String {
    match name.strip_prefix('@') {
        Some(name) => name.to_owned(),
        None if name.starts_with('/') => name.to_owned(),
        None if name == "." => format!("{PLACE}/{}", row.name),
        None => format!("{PLACE}/{}/{name}", row.name),
    }
}

fn script() -> Vec<String> {
    let mut words = Vec::new();
    for row in TABLE {
        words.extend(["mkdirat".to_owned(), format!("{PLACE}/{}", row.name)]);
        for step in row.script.split(", ") {
            let mut step = step.split(' ');
            words.push(step.next().expect("a step has a name").to_owned());
            words.extend(step.map(|word| in_directory(row, word)));
        }
    }
    words
}

/// `OP PATH`, `OP PATH<FROM`, with `!ERRNO`.
fn expected() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for row in TABLE {
        all.insert(format!("mkdir {PLACE}/{}", row.name));
        for operation in row.expected.split(", ") {
            let (op, rest) = operation.split_once(' ').expect("an operation has a name");
            let (names, errno) =
                rest.split_once('!').map_or((rest, String::new()), |(n, e)| (n, format!("!{e}")));
            let names: Vec<_> = names.split('<').map(|name| in_directory(row, name)).collect();
            all.insert(format!("{op} {}{errno}", names.join("<")));
        }
    }
    all
}

fn reported(profile: &Value) -> BTreeSet<String> {
    let writes = profile["writes"].as_array().expect("writes is a list");
    writes
        .iter()
        .map(|write| {
            let from = write["from"].as_str().map_or(String::new(), |from| format!("<{from}"));
            let errno = match write["errno"].as_i64() {
                Some(0) => String::new(),
                errno => format!("!{}", errno.expect("errno is a number")),
            };
            format!(
                "{} {}{from}{errno}",
                write["op"].as_str().expect("op"),
                write["path"].as_str().expect("path")
            )
        })
        .collect()
}

#[test]
fn every_operation_is_reported_and_nothing_else() {
    if !can_run(&[SUBJECT]) {
        return;
    }
    let profiles = Profiles::new();
    let path = profiles.path("operations.json");
    let mut words =
        vec!["run".to_owned(), "--quiet".into(), "-o".into(), path.display().to_string(), SUBJECT.into()];
    words.push("script".to_owned());
    words.extend(script());
    writepath_status(0, words);
    let profile = read(&path);
    let expected = expected();
    // What the file system does not offer is reported as failed.
    let reported = reported(&profile).into_iter().map(|operation| operation.replace("!95", "")).collect();
    let missing: Vec<_> = expected.difference(&reported).collect();
    let surplus: Vec<_> = reported.difference(&expected).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing: {missing:#?}\nsurplus: {surplus:#?}");
    assert_eq!(profile["coverage"]["complete"], true);
    // All of it by the one program, and on the root.
    for write in profile["writes"].as_array().expect("writes is a list") {
        assert_eq!(write["processes"], serde_json::json!(["/subject"]), "{write}");
        let mount = if write["path"] == "/dev/null" { "/dev" } else { "/" };
        assert_eq!(write["mount"], mount, "{write}");
    }
}
