//! Waiting for a condition, bounded by a deadline; never for a span of time.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(50);

/// Returns as soon as the condition holds.
///
/// # Errors
/// What the condition itself reports, or that it did not hold within the limit.
pub(crate) fn until(what: &str, limit: Duration, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + limit;
    loop {
        if holds()? {
            return Ok(());
        }
        if Instant::now() >= deadline {
            bail!("{what}: not within {} s", limit.as_secs());
        }
        thread::sleep(INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_never_holds_ends_with_its_name() {
        let error = until("the moon", Duration::ZERO, || Ok(false)).unwrap_err();
        assert_eq!(error.to_string(), "the moon: not within 0 s");
        until("the sun", Duration::ZERO, || Ok(true)).unwrap();
    }
}
