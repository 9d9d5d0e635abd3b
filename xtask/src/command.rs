//! Running other programs: announced on standard error, without standard input, with errors that show the command.
//!
//! Never goes through a shell. A program that cannot be started and one that fails give different errors.

use std::env;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result, bail};

/// Tells the person at the terminal what is being done.
pub(crate) fn say(message: &str) {
    eprintln!("xtask: {message}");
}

/// The command line as a shell would take it.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
}

/// Announces the command, runs it with the terminal's output and fails when it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    say(&format!("running {}", shown(command)));
    run_quietly(command)
}

/// As [`run`], without the announcement.
pub(crate) fn run_quietly(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if !status.success() {
        bail!("`{}` failed: {status}", shown(command));
    }
    Ok(())
}

/// Runs the command with the terminal's output, whatever its status.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    command.stdin(Stdio::null()).status().with_context(|| format!("`{}` cannot be started", shown(command)))
}

/// Whether the command succeeds; its output is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// What the command prints on standard output, trimmed; an error carries what it printed on standard error.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("`{}` cannot be started", shown(command)))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed: {}: {}", shown(command), output.status, stderr.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Where the program is, as `PATH` finds it. The directories of system programs count even where `PATH` lacks them.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|candidate| {
            candidate.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_a_shell_takes_it() {
        let mut command = Command::new("docker");
        command.args(["run", "a b"]);
        assert_eq!(shown(&command), "docker run 'a b'");
    }

    #[test]
    fn errors_carry_the_command_and_what_it_said() {
        let error = read(Command::new("sh").args(["-c", "echo why >&2; exit 4"])).unwrap_err().to_string();
        assert!(error.contains("exit status: 4") && error.contains("why"), "{error}");
        assert!(
            read(&mut Command::new("/does/not/exist")).unwrap_err().to_string().contains("cannot be started")
        );
    }

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program-anywhere").is_none());
    }
}
