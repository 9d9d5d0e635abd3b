//! QEMU: boots a kernel without network or display, passes on what the guest says, and ends with its owner.
//!
//! The guest's console goes to a file. Its second serial port is this process's pipe: one line after the other, until
//! the machine switches off. A panic switches it off too. Root disks are never changed: writes go to a temporary
//! file that QEMU has already unlinked.
//!
//! Where KVM boots a kernel it is used. A first boot that only says so finds out, since `/dev/kvm` alone promises
//! nothing; otherwise QEMU translates, which is slower by an order of magnitude.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::command::{self, say};
use crate::packages::Package;

/// How long a kernel may take to say that it boots under KVM.
const PROBE_LIMIT: Duration = Duration::from_secs(15);
/// The kernel's parameter that asks for no more than that.
const PROBE: &str = "vm-test.probe";
/// Parameters for a guest whose first process is systemd. Docker is started by the payload, not by its own units.
pub(super) const SYSTEMD: &str = "vm-test.systemd systemd.mask=docker.service systemd.mask=docker.socket \
    systemd.mask=containerd.service systemd.show_status=0";
/// The guest's memory.
const MEMORY: &str = "3G";
/// How much of the console an error shows.
const CONSOLE_LINES: usize = 40;

/// Parameters of every kernel. A panic or an oops ends the machine. Random numbers are there at once, as no one types;
/// mitigations would only slow down a guest that trusts all that it runs. Tracing records no names of tasks, which no
/// test reads: with them, every event also switches probes in the scheduler on and off, and a translated processor that
/// runs the code being changed was seen to stay at its breakpoint for ever.
const PARAMETERS: &str = "console=ttyS0,115200 loglevel=6 panic=-1 oops=panic random.trust_cpu=on mitigations=off \
    trace_options=norecord-cmd";

/// What booting takes.
pub(super) fn packages() -> [Package; 2] {
    [Package::program("qemu-system-x86", QEMU), Package::program("util-linux", "setpriv")]
}

const QEMU: &str = "qemu-system-x86_64";

/// What the guest's time goes by, where its instructions are translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// The host's clock.
    Host,
    /// The instructions that it executes, one processor at a time, which is slower.
    Instructions,
}

/// How the guest's instructions are executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accelerator {
    /// By the processor.
    Kvm,
    /// Translated.
    Tcg,
}

impl Accelerator {
    fn options(self, clock: Clock) -> &'static [&'static str] {
        match (self, clock) {
            (Self::Kvm, _) => &["-accel", "kvm", "-cpu", "host"],
            (Self::Tcg, Clock::Host) => &["-accel", "tcg,thread=multi", "-cpu", "max"],
            // 2 ns each; where all processors are idle time goes on at once.
            (Self::Tcg, Clock::Instructions) => {
                &["-accel", "tcg,thread=single", "-cpu", "max", "-icount", "shift=1,sleep=off"]
            }
        }
    }

    /// As a person writes it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }

    /// The fastest one that boots the kernel. The answer is noted down in the directory until the host boots anew.
    pub(super) fn find(image: &Path, initramfs: &Path, directory: &Path) -> Result<Self> {
        if fs::File::options().read(true).write(true).open("/dev/kvm").is_err() {
            return Ok(Self::Tcg);
        }
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let note = directory.join("accelerator");
        let noted = |accelerator: Self| format!("{} {}", accelerator.name(), boot.trim());
        if let Ok(known) = fs::read_to_string(&note) {
            for accelerator in [Self::Kvm, Self::Tcg] {
                if known == noted(accelerator) {
                    return Ok(accelerator);
                }
            }
        }
        say("trying whether KVM boots the kernel");
        let console = directory.join("probe.log");
        let probe = Boot {
            image,
            initramfs,
            disks: &[],
            parameters: PROBE,
            console: &console,
            clock: Clock::Host,
            limit: PROBE_LIMIT,
        };
        let answers = |mut machine: Machine| -> Result<bool> {
            while let Some(line) = machine.line()? {
                if line == "@vm probe" {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        let accelerator = match probe.start(Self::Kvm).and_then(answers) {
            Ok(true) => Self::Kvm,
            _ => Self::Tcg,
        };
        fs::write(&note, noted(accelerator))?;
        Ok(accelerator)
    }
}

/// A disk of the guest, `/dev/vda` and so on in their order.
pub(super) struct Disk {
    image: PathBuf,
    options: &'static str,
}

impl Disk {
    /// Writes are forgotten at the end.
    pub(super) fn scratch(image: &Path) -> Self {
        Self { image: image.to_path_buf(), options: "snapshot=on,cache=unsafe" }
    }

    /// Cannot be written to.
    pub(super) fn read_only(image: &Path) -> Self {
        Self { image: image.to_path_buf(), options: "readonly=on" }
    }

    /// What the guest writes stays.
    pub(super) fn kept(image: &Path) -> Self {
        Self { image: image.to_path_buf(), options: "cache=unsafe" }
    }
}

/// What is booted.
pub(super) struct Boot<'a> {
    /// The kernel.
    pub(super) image: &'a Path,
    /// Its first root file system.
    pub(super) initramfs: &'a Path,
    /// The disks.
    pub(super) disks: &'a [Disk],
    /// The kernel's parameters, besides those that all get.
    pub(super) parameters: &'a str,
    /// Where the console is written to.
    pub(super) console: &'a Path,
    /// What its time goes by.
    pub(super) clock: Clock,
    /// How long all of it may take.
    pub(super) limit: Duration,
}

impl Boot<'_> {
    /// Starts the machine. Must be called from the main thread: the machine ends with the thread that started it.
    pub(super) fn start(&self, accelerator: Accelerator) -> Result<Machine> {
        let mut qemu = Command::new("setpriv");
        qemu.args(["--pdeathsig", "KILL", QEMU, "-nodefaults", "-no-user-config", "-no-reboot"])
            .args(["-machine", "q35", "-smp", "2", "-m", MEMORY, "-display", "none", "-monitor", "none"])
            .args(accelerator.options(self.clock))
            .arg("-kernel")
            .arg(self.image)
            .arg("-initrd")
            .arg(self.initramfs)
            .args(["-append", &format!("{PARAMETERS} {}", self.parameters)])
            .args(["-serial", &format!("file:{}", escaped(self.console)), "-serial", "stdio"]);
        for disk in self.disks {
            let file = escaped(&disk.image);
            qemu.args(["-drive", &format!("if=virtio,format=raw,file={file},{}", disk.options)]);
        }
        fs::write(self.console, "")?;
        let mut child = qemu
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Its own group: a Ctrl-C at the terminal reaches it once, by way of its owner's end.
            .process_group(0)
            .spawn()
            .with_context(|| format!("`{}` cannot be started", command::shown(&qemu)))?;
        let output = child.stdout.take().context("the machine has no output")?;
        let deadline = Instant::now() + self.limit;
        Ok(Machine { child, lines: read_lines(output), console: self.console.to_path_buf(), deadline })
    }
}

/// QEMU takes a comma for the end of a value unless it is doubled.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

fn read_lines(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    // Ends with the machine, or with the first line that nobody wants any more.
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n') {
            let Ok(line) = line else { break };
            let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// A running machine. Dropping it switches it off at once.
pub(super) struct Machine {
    child: Child,
    lines: Receiver<String>,
    console: PathBuf,
    deadline: Instant,
}

impl Machine {
    /// The next line that the guest says; none once the machine is off.
    ///
    /// # Errors
    /// The machine's time is up, or QEMU itself failed.
    pub(super) fn line(&mut self) -> Result<Option<String>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Timeout) => bail!("the machine took too long; {}", self.last_words()),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.child.wait()?;
                if !status.success() {
                    let mut message = String::new();
                    if let Some(mut errors) = self.child.stderr.take() {
                        std::io::Read::read_to_string(&mut errors, &mut message)?;
                    }
                    bail!("QEMU failed ({status}): {}", message.trim());
                }
                Ok(None)
            }
        }
    }

    /// What the console ends with.
    pub(super) fn last_words(&self) -> String {
        let console = fs::read(&self.console).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        format!("its console ({}) ends with\n{}", self.console.display(), tail(&console, CONSOLE_LINES))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tail(text: &str, lines: usize) -> String {
    let mut last: Vec<&str> = text.lines().rev().take(lines).map(str::trim_end).collect();
    last.reverse();
    last.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_console_is_cut_at_the_front() {
        assert_eq!(tail("a\r\nb\r\nc\r\n", 2), "b\nc");
        assert_eq!(tail("", 2), "");
    }

    #[test]
    fn commas_in_paths_are_doubled() {
        assert_eq!(escaped(Path::new("/a,b")), "/a,,b");
    }
}
