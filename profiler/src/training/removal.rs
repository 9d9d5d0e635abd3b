//! Removing what was made, at the end of whatever was done with it.

use std::{fmt::Display, future::Future, time::Duration};

use crate::interrupt::Interrupts;

/// How long the daemon may take to remove something once the user has asked twice to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for a removal, and gives what it gives; a daemon that does not answer is waited for until the user insists.
///
/// # Errors
/// In words, why it is not known to be removed.
pub(crate) async fn removed<T, E: Display>(
    removal: impl Future<Output = Result<T, E>>,
    mut interrupts: Interrupts,
) -> Result<T, String> {
    let insists = async {
        interrupts.asked(2).await;
        tokio::time::sleep(PATIENCE).await;
    };
    tokio::select! {
        removed = removal => removed.map_err(|error| error.to_string()),
        () = insists => Err("the container runtime does not answer".to_owned()),
    }
}
