//! What the verbs do.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;

use subjects::http::{self, Response};
use subjects::system::{self, EndSignals};

use crate::{Done, Failure};

const DONE: Done = Ok(ExitCode::SUCCESS);

/// Does nothing.
pub(crate) fn nothing(_: &[OsString]) -> Done {
    DONE
}

/// Exits with the given status.
pub(crate) fn exit(arguments: &[OsString]) -> Done {
    Ok(ExitCode::from(number::<u8>(arguments, "a status from 0 to 255 is needed")?))
}

/// Waits for the signal to end, and ends well.
pub(crate) fn sleep(_: &[OsString]) -> Done {
    EndSignals::hold_back().and_then(|signals| signals.wait()).map_err(failed("waiting for a signal"))?;
    DONE
}

/// Creates or truncates files.
pub(crate) fn write(arguments: &[OsString]) -> Done {
    each(arguments, |path| File::create(path)?.write_all(b"written\n"))
}

/// Appends to files, creates those that are missing.
pub(crate) fn append(arguments: &[OsString]) -> Done {
    each(arguments, |path| OpenOptions::new().append(true).create(true).open(path)?.write_all(b"appended\n"))
}

/// Makes directories, parents not included.
pub(crate) fn mkdir(arguments: &[OsString]) -> Done {
    each(arguments, |path| fs::create_dir(path))
}

/// Makes so many directories, in each so many, and so on, and a file in each of the last.
pub(crate) fn plant(arguments: &[OsString]) -> Done {
    let Some((directory, counts)) = arguments.split_first() else {
        return Err(Failure::Usage("a directory is needed"));
    };
    let counts: Option<Vec<u32>> = counts.iter().map(|count| count.to_str()?.parse().ok()).collect();
    let counts = counts.ok_or(Failure::Usage("numbers of directories are needed"))?;
    let directory = Path::new(directory);
    plant_below(directory, &counts).map_err(failed(&directory.display().to_string()))?;
    DONE
}

fn plant_below(directory: &Path, counts: &[u32]) -> io::Result<()> {
    let Some((count, below)) = counts.split_first() else {
        return File::create(directory.join("file")).map(drop);
    };
    for number in 0..*count {
        let directory = directory.join(number.to_string());
        fs::create_dir(&directory)?;
        plant_below(&directory, below)?;
    }
    Ok(())
}

/// Forks children one after another, each reaped before the next.
pub(crate) fn fork(arguments: &[OsString]) -> Done {
    for _ in 0..number::<u32>(arguments, "a number of children is needed")? {
        system::fork_and_reap().map_err(failed("forking"))?;
    }
    DONE
}

/// Creates files whose names break whatever handles them carelessly.
pub(crate) fn hostile(arguments: &[OsString]) -> Done {
    let [directory] = arguments else { return Err(Failure::Usage("one directory is needed")) };
    for name in hostile_names() {
        let path = Path::new(directory).join(OsStr::from_bytes(&name));
        File::create(&path).map_err(failed(&path.display().to_string()))?;
    }
    DONE
}

/// Serves `GET` on the port until the signal to end.
pub(crate) fn serve(arguments: &[OsString]) -> Done {
    let port = number::<u16>(arguments, "a port is needed")?;
    let signals = EndSignals::hold_back().map_err(failed("holding signals back"))?;
    let listener = http::listen(port).map_err(failed("listening"))?;
    std::thread::spawn(move || http::serve(&listener, |_| Response::text(200, "ok")));
    signals.wait().map_err(failed("waiting for a signal"))?;
    DONE
}

/// Makes system calls, one after another in one process.
pub(crate) fn script(arguments: &[OsString]) -> Done {
    subjects::calls::run(arguments).map_err(|(step, error)| Failure::Operation(step, error))?;
    DONE
}

/// As long as a name may be, less the four bytes that FUSE's overlay keeps for its own marks.
const LONGEST_NAME: usize = 255 - 4;

/// Names with newlines, escape sequences, quotes, what shells and YAML give a meaning to, bytes that are no UTF-8,
/// and one as long as a name may be.
fn hostile_names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        b"line\nbreak".as_slice(),
        b"escape \x1b[31mred\x1b[0m \x1b]0;title\x07",
        b"quotes ' \" `",
        b"dollar $HOME ${HOME} $$",
        b"colon: and, comma",
        b"not utf-8 \xff\xfe\x80",
        b"back\\slash \\x41",
        b"# comment",
        b"- item",
        b"{{ .Template }}",
        b" leading and trailing ",
        b"-rf",
        "right to left \u{202e}txt".as_bytes(),
    ]
    .map(<[u8]>::to_vec)
    .into();
    names.push(vec![b'n'; LONGEST_NAME]);
    names
}

fn each(arguments: &[OsString], operation: impl Fn(&Path) -> io::Result<()>) -> Done {
    if arguments.is_empty() {
        return Err(Failure::Usage("at least one path is needed"));
    }
    for argument in arguments {
        let path = Path::new(argument);
        operation(path).map_err(failed(&path.display().to_string()))?;
    }
    DONE
}

fn number<N: std::str::FromStr>(arguments: &[OsString], why: &'static str) -> Result<N, Failure> {
    match arguments {
        [one] => one.to_str().and_then(|text| text.parse().ok()).ok_or(Failure::Usage(why)),
        _ => Err(Failure::Usage(why)),
    }
}

fn failed(what: &str) -> impl FnOnce(io::Error) -> Failure {
    let what = what.to_owned();
    move |error| Failure::Operation(what, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_names() {
        for name in hostile_names() {
            assert!(name.len() <= LONGEST_NAME && !name.contains(&b'/') && !name.contains(&0));
        }
    }
}
