//! Changes of `/` itself.

use super::super::evidence::listed;
use super::{Case, Draft, Rule};

pub(super) const RULE: Rule = Rule {
    id: "root-writes",
    about: "The root file system is read-only unless the subject changes `/` itself.",
    doc: "Nothing can be mounted over `/`. Where the subject creates, removes or changes an entry of `/`, the root \
          file system stays writable, and the warning says what would mend it. A new directory in `/` is no such \
          case: mounting on it makes it exist.",
    warnings: &["writes-in-root"],
    apply,
};

fn apply<'a>(case: &'a Case<'a>, draft: &mut Draft<'a>) {
    let Some((first, _)) = case.places.in_root.first() else { return };
    draft.plan.read_only = false;
    let changes: Vec<String> =
        case.places.in_root.iter().map(|(path, op)| format!("{} {path}", op.name())).collect();
    draft.warn(
        "writes-in-root",
        format!(
            "the subject changes entries of `/` itself ({}), over which nothing can be mounted, so the root file \
             system stays writable: have the image provide them or point the application to another directory, \
             then profile again",
            listed(changes.iter().map(String::as_str), 4)
        ),
        Some(first.clone()),
    );
}
