//! The second daemon: overlay2 and pure cgroup v2, whatever the host's own daemon uses.
//!
//! `dockerd` runs in a mount and a network namespace of its own. The network namespace is what keeps it from taking
//! the first daemon's bridge and firewall rules away; in the mount namespace `/sys/fs/cgroup` is the unified
//! hierarchy, on hosts that mount it elsewhere too. What its containers publish is reached from inside the
//! namespaces only ([`Daemon::command`]).
//!
//! One at a time: a lock that dies with its owner guards the state. What an owner that was killed left behind is
//! cleared by the next start, after a check that the processes are the ones noted down.

use std::fs::{self, File, TryLockError};
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, anyhow, bail};

use super::process::{self, Process};
use super::{Daemon, START_LIMIT, STOP_LIMIT, answers, host};
use crate::command::{self, say};
use crate::packages::{self, HostLacks, Package};
use crate::{images, waiting, workspace};

/// Images and containers. Below `/var/lib`, as the kernel takes no overlay or FUSE as an overlay's upper layer and
/// the target directory may be one.
const DATA: &str = "/var/lib/writepath-second-daemon";
/// Sockets, the process's identity, its log. The path is short, as socket addresses must be.
const RUN: &str = "/run/writepath-second-daemon";
/// Taken for as long as the daemon is in use.
const LOCK: &str = "/run/writepath-second-daemon.lock";

/// What runs in the new namespaces before `dockerd` takes the shell's place (and its process id). Arguments are
/// the daemon's.
const INSIDE: &str = "set -e
ip link set lo up
umount --recursive /sys/fs/cgroup
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 /sys/fs/cgroup
exec dockerd \"$@\"";

/// The running second daemon; dropping it stops the daemon and removes all that was its own.
pub(crate) struct Second {
    child: Child,
    process: Option<Process>,
    address: String,
    _lock: File,
}

/// Starts the second daemon.
///
/// # Errors
/// [`HostLacks`] without root; another `cargo xtask` that uses it; what the daemon's log ends with.
pub(crate) fn start() -> Result<Second> {
    if !packages::is_root() {
        let what = "the second daemon needs root (namespaces and mounts)".to_owned();
        return Err(anyhow!(HostLacks { what, commands: vec!["cargo xtask test".to_owned()] }));
    }
    packages::ensure(&[
        Package::program("iproute2", "ip"),
        Package::program("iptables", "iptables"),
        Package::program("util-linux", "unshare"),
        Package::program("util-linux", "nsenter"),
        Package::program("util-linux", "setpriv"),
    ])?;
    let lock = lock()?;
    clear_stale()?;
    for directory in [DATA, RUN] {
        fs::create_dir_all(directory).with_context(|| format!("{directory} cannot be made"))?;
    }
    refuse_unusable_upper()?;
    let mut second = spawn(lock)?;
    let ready = wait(&mut second);
    if ready.is_err() {
        let log = fs::read_to_string(log_path()).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(15).collect();
        say("the second daemon's log ends with:");
        tail.iter().rev().for_each(|line| eprintln!("    {line}"));
    }
    ready?;
    say(&format!("the second daemon answers at {}: {}", second.address, second.describe()?));
    Ok(second)
}

fn lock() -> Result<File> {
    let file = File::create(LOCK).with_context(|| format!("{LOCK} cannot be made"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("another `cargo xtask` uses the second daemon; wait until it ends")
        }
        Err(TryLockError::Error(error)) => Err(error).context(LOCK),
    }
}

fn spawn(lock: File) -> Result<Second> {
    let run = Path::new(RUN);
    let address = format!("unix://{RUN}/docker.sock");
    fs::write(run.join("daemon.json"), "{}\n")?;
    let output = File::create(log_path())?;
    let child = Command::new("unshare")
        // dockerd follows its owner even when that is killed; a program that sets its ids would lose this setting.
        .args(["--mount", "--net", "setpriv", "--pdeathsig", "TERM", "sh", "-c", INSIDE, "dockerd"])
        .args(["--data-root", DATA, "--storage-driver", "overlay2"])
        .args(["--exec-root", &format!("{RUN}/exec"), "--pidfile", &format!("{RUN}/docker.pid")])
        .args(["--config-file", &format!("{RUN}/daemon.json"), "--host", &address])
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .spawn()
        .context("unshare cannot be started")?;
    Ok(Second { child, process: None, address, _lock: lock })
}

/// Waits for namespaces of its own, notes the identity down for a later clean-up, and waits for an answer.
fn wait(second: &mut Second) -> Result<()> {
    let pid = second.child.id();
    let outside = process::network_of(std::process::id())?;
    let child = &mut second.child;
    let mut alive = move || match child.try_wait()? {
        Some(status) => bail!("the second daemon ended at once: {status}"),
        None => Ok(()),
    };
    waiting::until("the second daemon's namespaces", START_LIMIT, || {
        alive()?;
        Ok(process::network_of(pid)? != outside)
    })?;
    let process = Process::of(pid)?;
    fs::write(state_path(), process.to_line())?;
    let address = second.address.clone();
    waiting::until("an answer of the second daemon", START_LIMIT, || {
        alive()?;
        Ok(answers(&address))
    })?;
    second.process = Some(process);
    let driver = command::read(second.docker().args(["info", "--format", "{{.Driver}} {{.CgroupVersion}}"]))?;
    if driver != "overlay2 2" {
        bail!("the second daemon came up with {driver:?} instead of overlay2 on cgroup v2");
    }
    Ok(())
}

/// Ends what an earlier owner left running and removes its files. The lock must be held.
fn clear_stale() -> Result<()> {
    if let Ok(line) = fs::read_to_string(state_path()) {
        let process = Process::from_line(&line);
        say("clearing what an earlier second daemon left behind");
        if let Some(process) = process {
            clear_processes(process)?;
        }
    }
    remove_directories()
}

/// Ends the daemon and then whatever still runs in and below its network namespace: containers, shims, containerd.
fn clear_processes(daemon: Process) -> Result<()> {
    let outside = process::network_of(std::process::id())?;
    if daemon.runs() {
        daemon.end(STOP_LIMIT)?;
    }
    if daemon.network() == outside {
        bail!("the second daemon's noted network namespace is this one; nothing was ended");
    }
    for process in process::around_network(daemon.network())? {
        say(&format!("ending process {} that the second daemon left", process.pid()));
        process.end(STOP_LIMIT)?;
    }
    remove_cgroups();
    Ok(())
}

/// The cgroups of containers whose daemon did not live to remove them. One that is still in use cannot be removed,
/// and one that is not there need not be.
fn remove_cgroups() {
    let Ok(containers) = fs::read_dir(Path::new(DATA).join("containers")) else { return };
    for container in containers.flatten() {
        for root in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
            let _ = fs::remove_dir(Path::new(root).join("docker").join(container.file_name()));
        }
    }
}

/// Its mounts lived in its mount namespace and went with it, so plain directories remain.
fn remove_directories() -> Result<()> {
    for directory in [DATA, RUN] {
        match fs::remove_dir_all(directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("{directory} cannot be removed"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// overlayfs takes neither another overlay nor FUSE as its upper layer.
fn refuse_unusable_upper() -> Result<()> {
    let kind = command::read(Command::new("stat").args(["--file-system", "--format", "%T", DATA]))?;
    if kind.contains("overlay") || kind.contains("fuse") {
        bail!("{DATA} lies on {kind}, which cannot carry an overlay: mount a disk or a tmpfs there first");
    }
    Ok(())
}

fn state_path() -> PathBuf {
    Path::new(RUN).join("state")
}

fn log_path() -> PathBuf {
    Path::new(RUN).join("dockerd.log")
}

impl Daemon for Second {
    fn name(&self) -> &'static str {
        "second"
    }

    fn address(&self) -> &str {
        &self.address
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.child.id().to_string(), "--mount", "--net", "--"])
            // Entering a mount namespace leads to its root directory.
            .args(["env", &format!("--chdir={}", workspace::root().display()), program])
            .env("DOCKER_HOST", &self.address);
        command
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let mut stop = || -> Result<()> {
            process::end_child(&mut self.child, STOP_LIMIT)?;
            if let Some(process) = self.process {
                clear_processes(process)?;
            }
            remove_directories()
        };
        match stop() {
            Ok(()) => say("the second daemon is stopped and its files are removed"),
            Err(error) => say(&format!("the second daemon was not cleared away: {error:#}")),
        }
    }
}

/// `cargo xtask second-daemon`: keeps one running for work by hand, with the test images in it.
pub(crate) fn run() -> Result<()> {
    let host = host::ensure()?;
    images::build_all(&host)?;
    let second = start()?;
    images::copy_all(&host, &second)?;
    let enter = command::shown(&second.command("bash"));
    say(&format!("export DOCKER_HOST={}   # client", second.address));
    say(&format!("{enter}   # a shell that reaches published ports"));
    say("end the input (Ctrl-D) to stop it");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
