//! Renames and links across mounts.

use super::{Case, Draft, Rule};

pub(super) const RULE: Rule = Rule {
    id: "rename-coupling",
    about: "Both ends of a rename or link lie on one mount.",
    doc: "rename(2) and link(2) across mounts fail with EXDEV. Where the two directories would come to lie on \
          different mounts, the innermost directory common to both becomes the mount point. Where that is `/`, or \
          where the user's own choice of mounts separates them, nothing can be done but to say so.",
    warnings: &["rename-across-mounts"],
    apply,
};

fn apply<'a>(_: &'a Case<'a>, draft: &mut Draft<'a>) {
    for (from, to) in draft.layout.apart.clone() {
        let message = format!(
            "the subject renames or links from {from} to {to}, which the plan puts on different mounts: that fails \
             with EXDEV (\"Invalid cross-device link\") unless the subject then copies"
        );
        draft.warn("rename-across-mounts", message, Some(to));
    }
}
