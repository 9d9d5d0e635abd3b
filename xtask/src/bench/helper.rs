//! Programs that run beside a measurement: started, waited for until they are ready, and ended whatever happens.
//!
//! They follow this process: should it be killed, the kernel tells them to end (`--pdeathsig`), and their standard
//! input ends with it.

use std::fs;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::{command, waiting};

/// How long a program may take until it is ready, and to its end once it was told to end.
const READY_LIMIT: Duration = Duration::from_secs(60);
const END_LIMIT: Duration = Duration::from_secs(60);
/// How much of its output is kept for error messages and signs of readiness.
const KEPT_BYTES: usize = 64 * 1024;

/// A program that runs beside.
pub(super) struct Helper {
    child: Child,
    output: Arc<Mutex<String>>,
    shown: String,
}

/// `program`, to be told to end when this process is gone.
pub(super) fn following(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM"]).arg(program);
    command
}

impl Helper {
    /// Starts the command; both its streams are kept.
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let shown = command::shown(command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("`{shown}` cannot be started"))?;
        let output = Arc::new(Mutex::new(String::new()));
        if let Some(stream) = child.stdout.take() {
            keep(stream, &output);
        }
        if let Some(stream) = child.stderr.take() {
            keep(stream, &output);
        }
        Ok(Self { child, output, shown })
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    pub(super) fn output(&self) -> String {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the sign of readiness shows.
    ///
    /// # Errors
    /// Where the program ends before; the error has its last words.
    pub(super) fn wait_until(&mut self, mut is_ready: impl FnMut(&Self) -> bool) -> Result<()> {
        let shown = format!("`{}` to be ready", self.shown);
        waiting::until(&shown, READY_LIMIT, || {
            if is_ready(self) {
                return Ok(true);
            }
            match self.child.try_wait()? {
                Some(status) => bail!("{}", self.last_words(status)),
                None => Ok(false),
            }
        })
    }

    fn last_words(&self, status: ExitStatus) -> String {
        // Its streams may be a little behind its end.
        let _ = waiting::until("output", Duration::from_millis(200), || Ok(!self.output().is_empty()));
        let output = self.output();
        let program = self.shown.split_whitespace().nth(3).unwrap_or(&self.shown).to_owned();
        let program = program.rsplit('/').next().unwrap_or_default();
        let lines: Vec<&str> = output.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        format!("{program} ended ({status}): {}", lines.join("; "))
    }

    /// Waits until the program printed this.
    pub(super) fn wait_for_words(&mut self, words: &str) -> Result<()> {
        self.wait_until(|helper| helper.output().contains(words))
    }

    /// Waits for its own end.
    pub(super) fn wait(
        mut self,
        limit: Duration,
        mut meanwhile: impl FnMut(&Self),
    ) -> Result<(ExitStatus, String)> {
        let shown = format!("the end of `{}`", self.shown);
        waiting::until(&shown, limit, || {
            meanwhile(&self);
            Ok(self.child.try_wait()?.is_some())
        })?;
        let status = self.child.wait()?;
        Ok((status, self.output()))
    }

    /// Asks it to end as Ctrl-C does, and waits for that.
    pub(super) fn end(mut self) -> Result<ExitStatus> {
        drop(self.child.stdin.take());
        self.signal(Signal::INT);
        let shown = format!("the end of `{}`", self.shown);
        waiting::until(&shown, END_LIMIT, || Ok(self.child.try_wait()?.is_some()))?;
        Ok(self.child.wait()?)
    }

    /// Its id is its own until it is waited for.
    fn signal(&mut self, signal: Signal) {
        if let Ok(None) = self.child.try_wait()
            && let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
        {
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
        let ended =
            waiting::until("an end", Duration::from_secs(10), || Ok(self.child.try_wait()?.is_some()));
        if ended.is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Reads a stream to its end on a thread of its own, keeping the first part of it.
fn keep(mut stream: impl Read + Send + 'static, output: &Arc<Mutex<String>>) {
    let output = Arc::clone(output);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            if output.len() < KEPT_BYTES {
                output.push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        }
    });
}

/// Whether the process holds an open performance event.
pub(super) fn has_perf_event(pid: u32) -> bool {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|link| link.to_string_lossy().contains("perf_event"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_is_ready_when_it_says_so_and_ends_when_told() {
        let mut helper = Helper::start(following("sh").args(["-c", "echo ready; exec cat"])).unwrap();
        helper.wait_for_words("ready").unwrap();
        helper.end().unwrap();
    }

    #[test]
    fn what_ends_before_it_is_ready_is_an_error_with_its_words() {
        let mut helper = Helper::start(following("sh").args(["-c", "echo refused >&2; exit 3"])).unwrap();
        let error = helper.wait_for_words("ready").unwrap_err().to_string();
        assert!(error.contains("refused"), "{error}");
    }
}
