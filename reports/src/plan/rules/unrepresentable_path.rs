//! Directories that no mount option can name.

use super::{Case, Draft, Rule};

pub(super) const RULE: Rule = Rule {
    id: "unrepresentable-path",
    about: "A directory whose name cannot be written down safely is served by the nearest one above that can.",
    doc: "Mount targets are Unicode without control characters and without characters that hide or reorder text: \
          anything else cannot be written in every format, or reads as something else where a person pastes it. \
          Where only `/` is above, the root file system stays writable.",
    warnings: &["unrepresentable-path"],
    apply,
};

fn apply<'a>(case: &'a Case<'a>, draft: &mut Draft<'a>) {
    for (place, instead) in &case.places.replaced {
        let message = match instead {
            Some(instead) => format!(
                "{place} cannot be named as a mount target (bytes that are no UTF-8, or control characters); \
                 {instead} is made writable instead"
            ),
            None => {
                draft.plan.read_only = false;
                format!(
                    "{place} cannot be named as a mount target (bytes that are no UTF-8, or control characters), nor \
                     can any directory that holds it, so the root file system stays writable"
                )
            }
        };
        draft.warn("unrepresentable-path", message, Some(place.clone()));
    }
}
