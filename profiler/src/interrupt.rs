//! Ctrl-C and other signals to end: the first asks to end in order, the second to leave at once.
//!
//! What is typed at a terminal goes to every process in its foreground, a command that we started among them. Whether
//! the terminal or another process sent a signal is told by the kernel with it (`si_code`).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::Signal;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM},
    iterator::{SignalsInfo, exfiltrator::raw::WithRawSiginfo},
};
use tokio::sync::watch;

/// A second one at the terminal within this time is meant for us, too: the command has not ended by the first.
const INSISTENCE: Duration = Duration::from_secs(10);

/// What the user has asked for.
#[derive(Debug, Clone, Copy)]
struct Asked {
    times: u32,
    /// The last signal.
    signal: Signal,
}

/// How often the user has asked to end.
#[derive(Debug, Clone)]
pub(crate) struct Interrupts {
    asked: watch::Receiver<Asked>,
    shared: Arc<AtomicBool>,
}

impl Interrupts {
    /// Starts listening.
    ///
    /// # Errors
    /// Where no signal handler can be set.
    pub(crate) fn listen() -> std::io::Result<Self> {
        let mut listened = vec![SIGINT, SIGTERM, SIGQUIT];
        // `nohup` has it ignored.
        if !is_ignored(SIGHUP) {
            listened.push(SIGHUP);
        }
        let mut signals = SignalsInfo::<WithRawSiginfo>::new(listened)?;
        let (sender, asked) = watch::channel(Asked { times: 0, signal: Signal::TERM });
        let shared = Arc::new(AtomicBool::new(false));
        let is_shared = Arc::clone(&shared);
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let mut last: Option<Instant> = None;
            for info in &mut signals {
                let Some(signal) = Signal::from_named_raw(info.si_signo) else { continue };
                let typed = info.si_code == libc::SI_KERNEL && matches!(signal, Signal::INT | Signal::QUIT);
                let times = if typed && is_shared.load(Ordering::Acquire) {
                    let insists =
                        last.replace(Instant::now()).is_some_and(|last| last.elapsed() < INSISTENCE);
                    // The first was the command's to deal with.
                    if insists { 2 } else { 0 }
                } else {
                    1
                };
                sender.send_modify(|asked| {
                    asked.times += times;
                    asked.signal = signal;
                });
            }
        })?;
        Ok(Self { asked, shared })
    }

    /// From now on a command shares our terminal: a signal that is typed there is the command's.
    pub(crate) fn share_terminal(&self) {
        self.shared.store(true, Ordering::Release);
    }

    /// The last signal.
    pub(crate) fn signal(&self) -> Signal {
        self.asked.borrow().signal
    }

    /// Whether the user has asked already.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.borrow().times != 0
    }

    /// Whether the user has asked again, and wants to leave at once.
    pub(crate) fn is_insisted(&self) -> bool {
        self.asked.borrow().times >= 2
    }

    /// Waits until the user has asked at least `times`.
    pub(crate) async fn asked(&mut self, times: u32) {
        if self.asked.wait_for(|asked| asked.times >= times).await.is_err() {
            // The listener is gone with the program.
            std::future::pending::<()>().await;
        }
    }
}

/// Whether this process was started with a signal ignored.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}
