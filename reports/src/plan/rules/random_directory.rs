//! Directories with names made up for one run.

use super::{Case, Draft, Rule};
use crate::names::is_random_name;

pub(super) const RULE: Rule = Rule {
    id: "random-directory",
    about: "A directory directly under `/` whose name looks random is warned about: the next run uses another.",
    doc: "A mount on such a directory serves the run that was seen and no other. The subject must be told to use a \
          fixed directory (often `TMPDIR` or an option), and profiled again. Whether a name is random is judged by \
          its form: a UUID, a number, hexadecimal digits, letters and digits well mixed, the letters of mkstemp(3).",
    warnings: &["random-directory"],
    apply,
};

fn apply<'a>(case: &'a Case<'a>, draft: &mut Draft<'a>) {
    let directories: Vec<_> = draft
        .layout
        .targets
        .iter()
        .map(|target| &target.directory)
        .filter(|directory| directory.parent().is_some_and(|parent| parent.is_root()))
        .filter(|directory| is_random_name(directory.file_name()) && !case.image.has_directory(directory))
        .cloned()
        .collect();
    for directory in directories {
        let message = format!(
            "{directory} looks like a name made up for this run: the next run will use another, which the plan does \
             not make writable; have the subject use a fixed directory (TMPDIR, or an option of its own), then \
             profile again"
        );
        draft.warn("random-directory", message, Some(directory));
    }
}
