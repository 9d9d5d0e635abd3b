//! The command line of the `podman` format under Podman itself: it runs as it stands, under a storage of its own, and
//! what it allows is needed. Needs root, a Docker daemon, the image that `cargo xtask test` makes, and Podman.

#![expect(clippy::expect_used, reason = "a helper that cannot go on fails its test")]

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use common::{
    Profiles, SUBJECT, bounded, can_run, has_program, slowness, text, unique_name, writepath_status,
};

/// What Podman remembers about layers of images, wherever its storage is.
const CACHE: &str = "/var/lib/containers/cache/blob-info-cache-v1.boltdb";
/// Whether that was there before any of these tests.
static CACHED_BEFORE: OnceLock<bool> = OnceLock::new();

/// Podman with a storage and a state of its own, which go with it.
struct Podman {
    directory: tempfile::TempDir,
    /// The cgroup that containers are made in.
    cgroup: String,
}

impl Podman {
    /// With the subject's image in it.
    fn with_the_subject() -> Self {
        CACHED_BEFORE.get_or_init(|| Path::new(CACHE).exists());
        let directory = tempfile::tempdir().expect("a temporary directory");
        let podman = Self { directory, cgroup: unique_name("podman") };
        std::fs::create_dir(podman.path("bin")).expect("the directory is ours");
        let own = podman.directory.path().display();
        // runc runs under every cgroup mode; crun refuses both versions side by side.
        let shim = format!(
            "#!/bin/sh\nexec /usr/bin/podman --root {own}/root --runroot {own}/run --tmpdir {own}/tmp --storage-driver vfs \
             --runtime runc --cgroup-manager cgroupfs \"$@\"\n"
        );
        let program = podman.path("bin/podman");
        std::fs::write(&program, shim).expect("the directory is ours");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("the file is ours");
        // Limits that need neither a privilege nor a controller, and locks that are files of this directory.
        let conf = "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1000:1000\"]\npids_limit = 0\n\
                    [engine]\nlock_type = \"file\"\n";
        std::fs::write(podman.path("containers.conf"), conf).expect("the directory is ours");
        let mut save =
            Command::new("docker").args(["save", SUBJECT]).stdout(Stdio::piped()).spawn().expect("docker");
        let image = save.stdout.take().expect("it is piped");
        let loaded = podman.sh("podman load --quiet").stdin(image).output().expect("a shell");
        assert!(save.wait().is_ok_and(|status| status.success()), "docker save failed");
        assert!(loaded.status.success(), "{}", text(&loaded.stderr));
        // A name without a registry is Docker Hub's to the format, and this host's to `podman load`.
        let tagged = podman
            .sh(&format!("podman tag localhost/{SUBJECT} docker.io/{SUBJECT}"))
            .output()
            .expect("a shell");
        assert!(tagged.status.success(), "{}", text(&tagged.stderr));
        podman
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A script whose `podman` is this one.
    fn sh(&self, script: &str) -> Command {
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap_or_default());
        let mut command = bounded("sh", Duration::from_secs(120) * slowness());
        command.args(["-c", script]).env("PATH", path).env("CONTAINERS_CONF", self.path("containers.conf"));
        command
    }

    /// Runs what the format printed, in a container that is removed.
    fn run(&self, line: &str) -> Output {
        let run = format!("\npodman run --rm --cgroup-parent /{} ", self.cgroup);
        let script = line.replacen("\npodman run ", &run, 1);
        assert_ne!(script, line, "not a command line: {line}");
        self.sh(&script).output().expect("a shell")
    }
}

impl Drop for Podman {
    /// Removes the cgroups and the cache that Podman leaves behind.
    fn drop(&mut self) {
        if CACHED_BEFORE.get() == Some(&false) {
            let _ = std::fs::remove_file(CACHE);
            for directory in Path::new(CACHE).ancestors().skip(1).take(2) {
                let _ = std::fs::remove_dir(directory);
            }
        }
        let root = Path::new("/sys/fs/cgroup");
        let in_directory = |path: &Path| {
            std::fs::read_dir(path)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .collect::<Vec<_>>()
        };
        for hierarchy in in_directory(root).into_iter().chain([root.to_path_buf()]) {
            let own = hierarchy.join(&self.cgroup);
            for directory in in_directory(&own).into_iter().chain([own]) {
                let _ = std::fs::remove_dir(directory);
            }
        }
    }
}

fn podman_line(profile: &Path) -> String {
    let profile = profile.to_str().expect("a plain name");
    writepath_status(0, ["recommend", "--format", "podman", profile])
}

fn succeeds(output: &Output, line: &str) {
    assert!(output.status.success(), "{}{}\n{line}", text(&output.stdout), text(&output.stderr));
}

fn can_run_podman() -> bool {
    can_run(&[SUBJECT]) && has_program("/usr/bin/podman")
}

#[test]
fn the_command_runs_and_nothing_in_it_can_be_spared() {
    if !can_run_podman() {
        return;
    }
    let profiles = Profiles::new();
    let profile = profiles.path("profile.json");
    let options =
        ["run", "--network", "none", "-o", profile.to_str().expect("a plain name"), SUBJECT, "script"];
    let steps = [
        ["create", "/data/a"],
        ["create", "/run/app.pid"],
        ["create", "/tmp/x"],
        // The image has a file there, which a tmpfs would hide.
        ["openat:read", "/var/lib/app/seed.txt"],
        ["create", "/var/lib/app/state"],
        ["bind-port", "80"],
    ];
    writepath_status(0, options.iter().chain(steps.as_flattened()).chain(&["setgid-other"]));
    let podman = Podman::with_the_subject();
    let line = podman_line(&profile);
    succeeds(&podman.run(&line), &line);
    let option = |starts: &str| {
        let found = line.lines().find(|option| option.starts_with("  ") && option.contains(starts));
        found.unwrap_or_else(|| unreachable!("no {starts} in {line}")).to_owned()
    };
    let spared = [
        "target=/tmp,",
        "target=/run,",
        "target=/data",
        "target=/var/lib/app",
        "--cap-add SETGID",
        "--sysctl",
    ];
    for option in spared.map(option) {
        let less = line.replacen(&format!("{option}\n"), "", 1);
        let output = podman.run(&less);
        assert!(!output.status.success(), "it runs without {option}");
    }
}

/// The command line for a subject that was seen to create a file in each of these directories, and creates them.
fn creating(profiles: &Profiles, paths: &[&str], user: Option<&str>, options: &[&str]) -> String {
    let write = |path: &&str| {
        let file = format!("{path}/file").replace('\\', "\\\\");
        serde_json::json!({ "path": file, "op": "create", "errno": 0, "count": 1, "mount": "/", "first_ms": 0,
            "last_ms": 0, "processes": ["/subject"] })
    };
    let steps = paths.iter().flat_map(|path| ["create".to_owned(), format!("{path}/file")]);
    let args: Vec<String> = std::iter::once("script".to_owned()).chain(steps).collect();
    let profile = serde_json::json!({
        "schema": "writepath.profile/v1", "tool": { "name": "writepath", "version": "0" },
        "host": { "kernel": "k", "arch": "a" },
        "subject": { "name": "odd", "config": {
            "image": SUBJECT, "args": args, "network": "none", "user": user, "env": ["A=$HOME 'q' \"\n"] },
            // What an image has that has it at all.
            "image_entries": [{ "path": "/cache", "kind": "directory", "mode": "0755", "uid": 7, "gid": 7 }] },
        "run": { "started": "", "duration_ms": 1 }, "coverage": { "complete": true },
        "writes": paths.iter().map(write).collect::<Vec<_>>(), "capabilities": []
    });
    let path = profiles.path("odd.json");
    std::fs::write(&path, profile.to_string()).expect("the directory is ours");
    let profile = path.to_str().expect("a plain name");
    writepath_status(0, ["recommend", "--format", "podman", profile].iter().chain(options))
}

#[test]
fn podman_mounts_the_paths_that_were_meant() {
    if !can_run_podman() {
        return;
    }
    let podman = Podman::with_the_subject();
    let profiles = Profiles::new();
    let odd = ["/a:b", "/c,d=e", "/f $HOME 'q\" #x%n", "/g\\x41", "/é/[h]*?"];
    let line = creating(&profiles, &odd, None, &[]);
    succeeds(&podman.run(&line), &line);
    let owned = ["--tmpfs", "/owned by it:uid=7,gid=8,mode=0700"];
    let line = creating(&profiles, &["/owned by it"], Some("7:8"), &owned);
    succeeds(&podman.run(&line), &line);
    let owned = ["--tmpfs", "/owned by another:uid=9,gid=9,mode=0700"];
    let line = creating(&profiles, &["/owned by another"], Some("7:8"), &owned);
    assert!(line.contains("mode 1777 in place of 0700 9:9"), "{line}");
    succeeds(&podman.run(&line), &line);
}

#[test]
fn a_directory_of_the_image_keeps_its_owner_in_memory() {
    if !can_run_podman() {
        return;
    }
    let podman = Podman::with_the_subject();
    let made = podman
        .sh(&format!(
            "set -e; podman run --name made --cgroup-parent /{} --network none docker.io/{SUBJECT} script mkdir /cache chown /cache; \
             podman commit --quiet made docker.io/{SUBJECT}; podman rm made",
            podman.cgroup
        ))
        .output()
        .expect("a shell");
    succeeds(&made, "making an image with a directory of user 7");
    let profiles = Profiles::new();
    let owned = ["--tmpfs", "/cache:uid=7,gid=7,mode=0755"];
    // Whose group is for the image to say, so that nothing but the directory tells the owner.
    let line = creating(&profiles, &["/cache"], Some("7"), &owned);
    assert!(line.contains("volume-opt=type=tmpfs"), "{line}");
    // The second run finds a volume that Podman does not give to anybody any more.
    for _ in 0..2 {
        succeeds(&podman.run(&line), &line);
    }
}
