//! The drop-in as systemd reads it: its own check of units, its rating, and what a manager has in its memory.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use reports::format::Format;
use reports::model::SubjectPath;

use super::{expressible, is_there, run, text_of};
use crate::build::Build;

/// The system's manager, which in test mode starts nothing.
const MANAGER: &str = "/lib/systemd/systemd";
/// A user with no rights: the manager's test mode is not for root.
const NOBODY: u32 = 65_534;

/// A directory with a service and the drop-in for it.
fn unit(build: &Build) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("app.service"), "[Service]\nExecStart=/bin/true\n").unwrap();
    let drop_ins = directory.path().join("app.service.d");
    fs::create_dir(&drop_ins).unwrap();
    fs::write(drop_ins.join("writepath.conf"), text_of(Format::Systemd, build)).unwrap();
    for path in [directory.path(), &drop_ins] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    directory
}

#[test]
fn systemd_analyze_finds_nothing_wrong_and_rates_it_better() {
    if !is_there("systemd-analyze") {
        return;
    }
    for build in expressible() {
        let directory = unit(&build);
        let path = directory.path().join("app.service");
        let output = Command::new("systemd-analyze").arg("verify").arg(&path).output().unwrap();
        super::assert_success(&output);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("app.service"), "{said}\n{}", text_of(Format::Systemd, &build));
        let hardened = exposure(&path);
        fs::remove_dir_all(directory.path().join("app.service.d")).unwrap();
        let bare = exposure(&path);
        assert!(hardened < bare, "{hardened} of {bare}");
    }
}

/// How exposed a service is, in tenths: 100 is the worst.
fn exposure(unit: &Path) -> u32 {
    let rating =
        run(Command::new("systemd-analyze").args(["security", "--offline=true", "--no-pager"]).arg(unit));
    let line = rating.lines().find(|line| line.contains("Overall exposure level")).unwrap();
    let number = line.split(": ").nth(1).unwrap().split(' ').next().unwrap();
    number.replace('.', "").parse().unwrap()
}

/// What a manager has read of the drop-in: keys and values.
fn as_read(directory: &Path) -> Vec<(String, String)> {
    let own = tempfile::tempdir().unwrap();
    let mut command = Command::new(MANAGER);
    if is_root(own.path()) {
        use std::os::unix::process::CommandExt as _;
        chown(own.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    let text = run(command
        .args(["--user", "--test", "--unit=app.service"])
        .env("SYSTEMD_UNIT_PATH", format!("{}:", directory.display()))
        .env("XDG_RUNTIME_DIR", own.path())
        .env("HOME", own.path()));
    let unit = text.split("-> Unit ").find(|unit| unit.starts_with("app.service:"));
    assert!(unit.is_some(), "{text}");
    let pairs = unit.unwrap_or_default().lines().filter_map(|line| line.trim_start().split_once(": "));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Whether a new directory is root's.
fn is_root(directory: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(directory).unwrap().uid() == 0
}

#[test]
fn systemd_reads_the_paths_that_were_meant() {
    if !is_there(MANAGER) {
        return;
    }
    let with_colon = Build::new("app").dirs(&["/a:b \\:c"]).write(reports::model::Op::Create, "/a:b \\:c/x");
    for build in expressible().into_iter().chain([with_colon]) {
        let plan = build.plan();
        let read = as_read(unit(&build).path());
        let of = |key: &str| {
            read.iter().filter(|(name, _)| name == key).map(|(_, value)| value.as_str()).collect()
        };
        let writable: Vec<&str> = of("ReadWritePaths");
        let in_memory: Vec<&str> = of("TemporaryFileSystem");
        let kinds = [
            ("RuntimeDirectory", "/run/"),
            ("StateDirectory", "/var/lib/"),
            ("CacheDirectory", "/var/cache/"),
            ("LogsDirectory", "/var/log/"),
        ];
        let mut made: Vec<String> = Vec::new();
        for (key, below) in kinds {
            let names: Vec<&str> = of(key);
            made.extend(names.iter().map(|name| format!("{below}{name}")));
        }
        let private: Vec<&str> = of("PrivateTmp");
        for target in plan.writable_targets() {
            let path = target.as_str().unwrap();
            let temporary = private == ["yes"]
                && ["/tmp", "/var/tmp"]
                    .iter()
                    .any(|tmp| target.is_within(&SubjectPath::from_bytes(tmp.as_bytes()).unwrap()));
            let found = temporary
                // Several paths of one setting are told on one line.
                || writable.iter().any(|paths| paths.contains(path))
                || in_memory.iter().any(|value| value.contains(&format!("{path}:rw,")))
                || made.iter().any(|made| made.contains(path));
            assert!(found, "{path:?} in {read:#?}");
        }
        let caps: Vec<&str> = of("CapabilityBoundingSet");
        for add in &plan.cap_add {
            assert!(caps[0].contains(&format!("cap_{}", add.cap.to_lowercase())), "{caps:?}");
        }
        let strict: Vec<&str> = of("ProtectSystem");
        assert_eq!(strict, ["strict"]);
    }
}
