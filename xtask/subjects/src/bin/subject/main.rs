//! `subject VERB [ARGUMENT…]`: does one thing, exactly as told, and says what failed.
//!
//! Every verb is one function over raw arguments; paths may hold any bytes. The exit status is 0, 1 where the
//! operation failed, 2 for wrong usage, or what `exit` was told.

mod operations;

use std::env;
use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

/// Why a verb did not do what it should.
enum Failure {
    Usage(&'static str),
    Operation(String, io::Error),
}

type Done = Result<ExitCode, Failure>;

/// A verb, its arguments for the usage text, and what it does.
type Verb = (&'static str, &'static str, fn(&[OsString]) -> Done);

const VERBS: &[Verb] = &[
    ("nothing", "", operations::nothing),
    ("exit", "STATUS", operations::exit),
    ("sleep", "", operations::sleep),
    ("write", "PATH…", operations::write),
    ("append", "PATH…", operations::append),
    ("mkdir", "PATH…", operations::mkdir),
    ("plant", "DIRECTORY COUNT…", operations::plant),
    ("fork", "COUNT", operations::fork),
    ("hostile", "DIRECTORY", operations::hostile),
    ("serve", "PORT", operations::serve),
    ("script", "STEP [WORD…]…", operations::script),
];

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let verb = arguments.first().and_then(|name| VERBS.iter().find(|(known, ..)| name == known));
    let Some((name, usage, operation)) = verb else {
        let verbs: Vec<&str> = VERBS.iter().map(|(name, ..)| *name).collect();
        eprintln!("usage: subject VERB [ARGUMENT…]; verbs: {}", verbs.join(" "));
        return ExitCode::from(2);
    };
    match operation(&arguments[1..]) {
        Ok(status) => status,
        Err(Failure::Usage(why)) => {
            eprintln!("subject: {why}; usage: subject {name} {usage}");
            ExitCode::from(2)
        }
        Err(Failure::Operation(what, error)) => {
            eprintln!("subject: {what}: {error}");
            ExitCode::FAILURE
        }
    }
}
