//! Where mounts go.

use super::super::layout;
use super::{Case, Draft, Rule};

pub(super) const RULE: Rule = Rule {
    id: "mount-points",
    about: "Mounts go on the top-most directories that must be writable, as few and as narrow as will do, never on `/`.",
    doc: "An operation that succeeded on the root file system and would fail on a read-only one needs a place: the \
          directory that holds the object where the operation changes a directory (create, mkdir, unlink, rename, \
          link, bind), else the object itself, and for a file the directory that it lies in. Of these places the \
          top-most become mount points. Existing mounts are taken as they are.\n\n\
          A mount lies inside another only where a tmpfs would hide a directory that the image has and the subject \
          needs: it gets a mount of its own. With more than eight of those, or where the subject removes or renames \
          one, the outer directory becomes a volume instead, which brings them along.",
    warnings: &[],
    apply,
};

fn apply<'a>(case: &'a Case<'a>, draft: &mut Draft<'a>) {
    draft.layout = layout::lay_out(case);
}
