//! Errors as the user meets them: a kind, which decides the exit status, a message and hints that say what to do.

use crate::{
    runtime::RuntimeError,
    sensor::{SensorError, btf::BtfError},
};

/// What an error means for the exit status; see the table in the README.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A finding: the load test failed, the subject crashed, a comparison found something.
    Finding,
    /// Wrong usage or unreadable input.
    Usage,
    /// This host cannot do it.
    Host,
    /// The container runtime could not start the subject.
    NotStarted,
    /// The profile is incomplete.
    Incomplete,
}

impl Kind {
    /// The exit status.
    pub(crate) fn status(self) -> u8 {
        match self {
            Self::Finding => 1,
            Self::Usage => 2,
            Self::Host | Self::NotStarted => 3,
            Self::Incomplete => 4,
        }
    }
}

/// An error that ends a command.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What it means.
    pub(crate) kind: Kind,
    /// What happened.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hints: Vec<String>,
}

impl Failure {
    /// An error without hints.
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new() }
    }

    /// Adds a hint.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl From<SensorError> for Failure {
    fn from(error: SensorError) -> Self {
        let failure = Self::new(Kind::Host, error.to_string());
        match error {
            SensorError::Load { .. } | SensorError::Neither { .. } if !crate::host::is_root() => {
                failure.hint("run it as root (CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE are needed)")
            }
            SensorError::Load { .. } | SensorError::Neither { .. } => {
                let hint = hint_of_refusal(&failure.message);
                failure.hint(hint)
            }
            SensorError::Btf(BtfError::Malformed(_)) => failure.hint(
                "`bpftool btf dump file /sys/kernel/btf/vmlinux` should be able to read it; see whether something is mounted over it (`findmnt -R /sys`), or boot a kernel with CONFIG_DEBUG_INFO_BTF=y",
            ),
            SensorError::Btf(_) => failure.hint("this kernel's structures are not those of Linux 5.10 to 7.3, which were tried; please report it with the output of `uname -a`"),
            SensorError::NoBtf(_) => failure.hint(
                "mount sysfs (`mount -t sysfs none /sys`), or boot a kernel that was built with CONFIG_DEBUG_INFO_BTF=y, for instance Debian's: apt-get install linux-image-amd64",
            ),
            SensorError::NoHook { .. } | SensorError::Map { .. } => failure,
        }
    }
}

/// What to do where the kernel refuses a map or a program to root, by what it says.
fn hint_of_refusal(message: &str) -> &'static str {
    if message.contains("Too many open files") {
        return "every map and program takes a file descriptor: raise the limit (`ulimit -n 1024`)";
    }
    if message.contains("Operation not permitted") {
        return "it takes CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN (`capsh --print` shows what there is); kernel lockdown in confidentiality mode and container sandboxes forbid BPF programs";
    }
    if message.contains("Cannot allocate memory") {
        return "free memory, or make the tables smaller (--ring-size, --table-size); kernels before 5.11 count it against the limit of locked memory (`ulimit -l unlimited`)";
    }
    "Linux 5.10 is the oldest that is supported; `writepath doctor` says what this one offers"
}

impl From<RuntimeError> for Failure {
    fn from(error: RuntimeError) -> Self {
        let message = error.to_string();
        match error {
            RuntimeError::Unreachable { .. } => Self::new(Kind::Host, message).hint(
                "start Docker (`systemctl start docker` or `dockerd`), or set DOCKER_HOST to the socket of the daemon; install it with `apt-get install docker.io`",
            ),
            RuntimeError::NoImage { .. } => {
                Self::new(Kind::Usage, message).hint("`docker image ls` shows the images on this host")
            }
            RuntimeError::NoContainer(_) => {
                Self::new(Kind::Usage, message).hint("`docker ps` shows the containers that run on this host")
            }
            RuntimeError::NotRunning(container) => Self::new(Kind::Usage, message).hint(format!(
                "start it (`docker start {container}`) and attach again, or see its start-up, too, with `writepath run` of its image"
            )),
            RuntimeError::Ambiguous(_) => {
                Self::new(Kind::Usage, message).hint("give more of the id, or the name; `docker ps` shows both")
            }
            RuntimeError::NameInUse(_) => Self::new(Kind::Usage, message).hint(
                "give another one with --name, or remove the container that has it; `docker ps --all` shows it",
            ),
            RuntimeError::NotStarted(_) => Self::new(Kind::NotStarted, message),
            RuntimeError::Option(_) => Self::new(Kind::Usage, message),
            RuntimeError::Refused { .. } => Self::new(Kind::Host, message),
        }
    }
}
