//! What is observed: a process of the host in a cgroup of its own, held until it is released, or a container.
//!
//! A held process is there before the observer, so that whatever attaches to running processes can, and its start is
//! not measured.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::waiting;

/// The name of our cgroups, before the process id and a number.
const CGROUP_PREFIX: &str = "bench-writepath-";
/// How many cgroups were made.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// Something that can be observed.
pub(super) struct Subject {
    /// Its cgroup's directory in the default hierarchy.
    pub(super) cgroup: PathBuf,
    /// The container's name or id, where it is one.
    pub(super) container: Option<String>,
}

impl Subject {
    /// Its processes.
    pub(super) fn pids(&self) -> Result<Vec<String>> {
        let text = fs::read_to_string(self.cgroup.join("cgroup.procs"))
            .with_context(|| format!("the cgroup {} cannot be read", self.cgroup.display()))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Processor time of all its processes so far, those that have ended included, in microseconds. The kernel keeps this
    /// for every cgroup of version 2, whatever controllers it has.
    pub(super) fn processor_us(&self) -> Result<f64> {
        let text = fs::read_to_string(self.cgroup.join("cpu.stat"))?;
        text.lines()
            .find_map(|line| line.strip_prefix("usage_usec "))
            .and_then(|time| time.parse().ok())
            .with_context(|| format!("{} tells no processor time", self.cgroup.display()))
    }

    /// A container by one of its processes.
    pub(super) fn of_container(name: &str, pid: &str) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
        let path = text
            .lines()
            .find_map(|line| line.strip_prefix("0::/"))
            .context("the container is in no cgroup of version 2")?;
        Ok(Self { cgroup: root()?.join(path), container: Some(name.to_owned()) })
    }
}

/// A command that waits for its release in a cgroup of its own.
pub(super) struct Held {
    pub(super) subject: Subject,
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Held {
    /// Starts `command` up to the point of its execution, on the processors named.
    pub(super) fn start(command: &Command, processors: &str) -> Result<Self> {
        let cgroup = create_cgroup()?;
        let script = "echo $$ > \"$0/cgroup.procs\" && echo held && read -r _ && exec \"$@\" < /dev/null";
        let mut shell = Command::new("setpriv");
        shell
            .args(["--pdeathsig", "KILL", "taskset", "-c", processors, "sh", "-c", script])
            .arg(&cgroup)
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(directory) = command.get_current_dir() {
            shell.current_dir(directory);
        }
        let subject = Subject { cgroup, container: None };
        let spawned = shell.spawn();
        let Ok(mut child) = spawned else {
            remove_cgroup(&subject.cgroup);
            bail!("setpriv and taskset (util-linux) are needed to start a subject");
        };
        let output = BufReader::new(child.stdout.take().context("the subject has no output")?);
        let mut held = Self { subject, child, output };
        let mut line = String::new();
        held.output.read_line(&mut line)?;
        if line.trim() != "held" {
            bail!("the subject ended before it was released");
        }
        Ok(held)
    }

    /// Lets it go on and waits for its end; what it printed.
    pub(super) fn release(&mut self) -> Result<String> {
        let mut input = self.child.stdin.take().context("the subject was released before")?;
        input.write_all(b"\n")?;
        drop(input);
        let mut printed = String::new();
        self.output.read_to_string(&mut printed)?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the subject failed: {status}: {}", printed.trim());
        }
        Ok(printed)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        remove_cgroup(&self.subject.cgroup);
    }
}

/// Makes a cgroup, and removes those that killed runs left.
fn create_cgroup() -> Result<PathBuf> {
    let root = root()?;
    let own = std::process::id();
    for entry in fs::read_dir(&root)?.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(CGROUP_PREFIX)?.split_once('-'));
        if let Some((owner, _)) = owner
            && !Path::new("/proc").join(owner).exists()
        {
            // Fails while it has processes.
            let _ = fs::remove_dir(entry.path());
        }
    }
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = root.join(format!("{CGROUP_PREFIX}{own}-{number}"));
    fs::create_dir(&path).with_context(|| format!("the cgroup {} cannot be made", path.display()))?;
    Ok(path)
}

/// A cgroup can be removed once the last of its processes is gone.
fn remove_cgroup(path: &Path) {
    let _ = waiting::until("an empty cgroup", Duration::from_secs(5), || {
        Ok(fs::remove_dir(path).is_ok() || !path.exists())
    });
}

/// Where the default hierarchy is mounted.
fn root() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .find(|words| words.get(2) == Some(&"cgroup2"))
        .and_then(|words| words.get(1).map(PathBuf::from))
        .context("no cgroup hierarchy of version 2 is mounted")
}
