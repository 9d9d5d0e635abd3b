//! A training run in the background, with what happens to its subject meanwhile in the test's hands.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use serde_json::Value;

use super::{Profiles, docker, docker_ok, eventually, inspect, read, signal, text, unique_name};

/// How a run ended.
pub(crate) struct Finished {
    /// `None`: by a signal.
    pub(crate) status: Option<i32>,
    /// What it wrote to standard error.
    pub(crate) message: String,
    /// Where there is one.
    pub(crate) profile: Option<Value>,
}

impl Finished {
    /// The profile of a run that ended with this status and these words.
    pub(crate) fn expect(self, status: i32, words: &[&str]) -> Value {
        let message = &self.message;
        assert_eq!(self.status, Some(status), "{message}");
        for word in words {
            assert!(message.contains(word), "{word:?} is not in: {message}");
        }
        assert!(!message.contains("panicked"), "{message}");
        self.profile.unwrap_or_else(|| panic!("no profile was written: {message}"))
    }
}

/// A run of `writepath` in the background.
pub(crate) struct Background {
    pub(crate) child: Child,
    /// The container's name.
    pub(crate) name: String,
    path: PathBuf,
    _profiles: Profiles,
}

impl Background {
    /// Starts `writepath VERB -o … ARGUMENTS`, with changes to the command. `name` is the container that it removes or
    /// is attached to.
    pub(crate) fn start<S: AsRef<OsStr>>(
        verb: &str,
        name: &str,
        arguments: impl IntoIterator<Item = S>,
        change: impl FnOnce(&mut Command),
    ) -> Self {
        let profiles = Profiles::new();
        let path = profiles.path("p.json");
        let mut command = Command::new(env!("CARGO_BIN_EXE_writepath"));
        command.args([verb, "-o"]).arg(&path).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        change(&mut command);
        let child = command.spawn().expect("writepath can be started");
        Self { child, name: name.to_owned(), path, _profiles: profiles }
    }

    /// `writepath run` with a container of its own, which has started.
    pub(crate) fn run(options: &[&str], subject: &[&str]) -> Self {
        Self::run_with(options, subject, |_| {})
    }

    pub(crate) fn run_with(options: &[&str], subject: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let name = unique_name("adversity");
        let arguments = ["--name", &name].into_iter().chain(options.iter().copied());
        let run = Self::start("run", &name, arguments.chain(subject.iter().copied()), change);
        assert!(eventually(|| inspect(&run.name, "{{.State.Running}}") == "true"), "it did not start");
        run
    }

    /// `writepath attach` to a container, with its processes adopted.
    pub(crate) fn attach(options: &[&str], container: &str) -> Self {
        let mut run = Self::start("attach", container, options.iter().copied().chain([container]), |_| {});
        run.wait_for("attached to");
        run
    }

    /// Waits for a word on standard error; what comes before it is passed over.
    pub(crate) fn wait_for(&mut self, word: &str) {
        use std::io::Read as _;
        let stderr = self.child.stderr.as_mut().expect("it is piped");
        let mut seen = Vec::new();
        let mut byte = [0];
        while !text(&seen).contains(word) {
            let is_there = || {
                let mut wanted = [PollFd::new(&*stderr, PollFlags::IN)];
                poll(&mut wanted, Some(&Timespec::default())).is_ok_and(|ready| ready != 0)
            };
            assert!(eventually(is_there), "{word:?} did not come: {}", text(&seen));
            let count = stderr.read(&mut byte).expect("a pipe can be read");
            assert_ne!(count, 0, "{word:?} did not come: {}", text(&seen));
            seen.push(byte[0]);
        }
    }

    /// Waits until the sensors are being loaded: it has a descriptor of a BPF map or program.
    pub(crate) fn wait_for_sensors(&self) {
        let descriptors = format!("/proc/{}/fd", self.child.id());
        assert!(eventually(|| {
            std::fs::read_dir(&descriptors).expect("it runs").flatten().any(|entry| {
                std::fs::read_link(entry.path()).is_ok_and(|target| target.to_string_lossy().contains("bpf"))
            })
        }));
    }

    /// The subject writes a file, by `docker exec`.
    pub(crate) fn subject_writes(&self, path: &str) {
        docker_ok(["exec", &self.name, "/subject", "write", path]);
    }

    pub(crate) fn signal(&self, kind: Signal) {
        signal(&self.child, kind);
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Finished {
        assert!(eventually(|| matches!(self.child.try_wait(), Ok(Some(_)))), "it does not end");
        let status = self.child.wait().expect("it is ours").code();
        let mut message = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut stderr, &mut bytes).expect("a pipe can be read");
            message = text(&bytes);
        }
        let profile = self.path.exists().then(|| read(&self.path));
        let folder = self.path.parent().expect("it has one");
        assert!(hidden_files(folder).is_empty(), "temporary files were left: {:?}", hidden_files(folder));
        Finished { status, message, profile }
    }

    /// As [`Background::finish`], for runs that remove their container.
    pub(crate) fn finish_and_removed(self) -> Finished {
        let name = self.name.clone();
        let finished = self.finish();
        assert_eq!(inspect(&name, "{{.Id}}"), "", "the container was left: {}", finished.message);
        finished
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // After a failed assertion only.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
            let _ = docker(["rm", "--force", "--volumes", &self.name]);
        }
    }
}

fn hidden_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("it is there");
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    paths
        .filter(|path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")))
        .collect()
}
