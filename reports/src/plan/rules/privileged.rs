//! Training with `--privileged`.

use super::{Case, Draft, Rule};

pub(super) const RULE: Rule = Rule {
    id: "privileged",
    about: "`--privileged` is left out, and what that changes is said.",
    doc: "A privileged training run shows which capabilities are used. The plan grants those and leaves \
          `--privileged` out, so that the default seccomp and AppArmor profiles and the device policy apply, which \
          such a run did not meet.",
    warnings: &["privileged"],
    apply,
};

fn apply<'a>(case: &'a Case<'a>, draft: &mut Draft<'a>) {
    if !case.profile.subject.config.as_ref().is_some_and(|config| config.privileged) {
        return;
    }
    draft.warn(
        "privileged",
        "training ran with --privileged, and the plan leaves that out: the default seccomp and AppArmor profiles and \
         the device policy then apply, which training did not test"
            .to_owned(),
        None,
    );
}
