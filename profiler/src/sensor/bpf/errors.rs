//! What the kernel or the library refuses, as errors of the sensors.

use aya::{BtfError, programs::ProgramError};

use super::super::SensorError;

pub(super) fn refused(program: &str, message: &str) -> SensorError {
    SensorError::Load { program: program.to_owned(), message: message.to_owned() }
}

/// Tells a hook that the kernel does not have from a program that it refuses.
pub(super) fn load_error(hook: &str, error: &ProgramError) -> SensorError {
    match error {
        ProgramError::Btf(BtfError::UnknownBtfTypeName { .. }) => {
            SensorError::NoHook { hook: hook.to_owned() }
        }
        // Short, then what the verifier printed: that may be thousands of lines.
        ProgramError::LoadError { io_error, verifier_log } => {
            refused(hook, &with_log(&io_error.to_string(), &verifier_log.to_string()))
        }
        error => refused(hook, &chain(error)),
    }
}

/// An error with the verifier's verdict in its first line, and the rest of its log below.
fn with_log(error: &str, log: &str) -> String {
    let words = |line: &&str| !line.trim().is_empty() && !is_statistics(line);
    match log.lines().rev().find(words) {
        Some(verdict) => format!("{error}: {}\n{log}", verdict.trim()),
        None => error.to_owned(),
    }
}

/// What the verifier's log ends with, whatever it found.
fn is_statistics(line: &str) -> bool {
    ["processed ", "verification time ", "stack depth "].iter().any(|start| line.starts_with(start))
}

pub(super) fn no_map(name: &str) -> SensorError {
    SensorError::Map { map: name.to_owned(), message: "it is not in the object".to_owned() }
}

pub(super) fn map_error(name: &str, error: &(dyn std::error::Error + 'static)) -> SensorError {
    SensorError::Map { map: name.to_owned(), message: chain(error) }
}

/// An error with all its causes.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::with_log;

    #[test]
    fn the_verifiers_verdict_comes_first() {
        let log =
            "0: R1=ctx()\n1: (79) r2 = *(u64 *)(r1 +8)\ninvalid access\nprocessed 2 insns\nstack depth 0\n";
        let message = with_log("Permission denied (os error 13)", log);
        assert_eq!(message.lines().next(), Some("Permission denied (os error 13): invalid access"));
        assert!(message.ends_with(log));
        assert_eq!(
            with_log("Operation not permitted (os error 1)", ""),
            "Operation not permitted (os error 1)"
        );
    }
}
