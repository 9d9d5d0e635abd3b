//! Mounts over directories that hold far more than the subject writes.

use super::super::evidence::listed;
use super::{Case, Draft, Rule};

/// How many written names are told.
const NAMED: usize = 3;

/// Directories that programs, libraries and configuration of all sorts share (Filesystem Hierarchy Standard 3.0,
/// chapters 3 and 4), with what to do instead.
const BROAD: &[(&str, &str)] = &[
    (
        "/etc",
        "have the image hold what is written there, or let the entrypoint write it to a directory below /run and \
         have the image link to it",
    ),
    ("/bin", PROGRAMS),
    ("/sbin", PROGRAMS),
    ("/lib", PROGRAMS),
    ("/lib64", PROGRAMS),
    ("/usr", PROGRAMS),
    ("/usr/bin", PROGRAMS),
    ("/usr/sbin", PROGRAMS),
    ("/usr/lib", PROGRAMS),
    ("/usr/lib64", PROGRAMS),
    ("/usr/libexec", PROGRAMS),
    ("/usr/share", PROGRAMS),
    ("/usr/local", PROGRAMS),
    ("/usr/local/bin", PROGRAMS),
    ("/usr/local/lib", PROGRAMS),
    ("/boot", PROGRAMS),
    ("/opt", OWN),
    ("/home", OWN),
    ("/var", OWN),
    ("/var/lib", OWN),
    ("/srv", OWN),
];

const PROGRAMS: &str =
    "do at build time what is done there at run time, so that an intruder cannot replace programs";

const OWN: &str = "point the application to a directory of its own inside it";

pub(super) const RULE: Rule = Rule {
    id: "broad-directory",
    about: "A mount over a directory such as /etc or /usr is warned about, with what to do instead.",
    doc: "Such a directory holds far more than the subject writes: all of it becomes writable, and where it is a \
          volume it stays what it was when the image changes. The plan keeps it, because training needed it; the \
          warning names what was written and what would make the mount unnecessary.",
    warnings: &["broad-directory"],
    apply,
};

fn apply<'a>(_: &'a Case<'a>, draft: &mut Draft<'a>) {
    let mut warnings = Vec::new();
    for target in &draft.layout.targets {
        let directory = &target.directory;
        let Some((_, suggestion)) = BROAD.iter().find(|(broad, _)| directory.as_bytes() == broad.as_bytes())
        else {
            continue;
        };
        let mut names: Vec<String> = target.writes.iter().map(|write| write.path.to_string()).collect();
        names.sort();
        names.dedup();
        let names = listed(names.iter().map(String::as_str), NAMED);
        let message = format!("all of {directory} becomes writable for the sake of {names}: {suggestion}");
        warnings.push((message, directory.clone()));
    }
    for (message, directory) in warnings {
        draft.warn("broad-directory", message, Some(directory));
    }
}
