//! Ctrl-C and SIGTERM: the first asks to end in order, the second to leave at once.

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// How often the user has asked to end.
#[derive(Debug, Clone)]
pub(crate) struct Interrupts(watch::Receiver<u32>);

impl Interrupts {
    /// Starts listening.
    ///
    /// # Errors
    /// Where no signal handler can be set.
    pub(crate) fn listen() -> std::io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (sender, receiver) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                sender.send_modify(|count| *count += 1);
            }
        });
        Ok(Self(receiver))
    }

    /// Waits until the user has asked at least `times`.
    pub(crate) async fn asked(&mut self, times: u32) {
        if self.0.wait_for(|count| *count >= times).await.is_err() {
            // The listener is gone with the program.
            std::future::pending::<()>().await;
        }
    }
}
