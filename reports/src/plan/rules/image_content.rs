//! Content of the image that a mount would hide.

use super::super::image::Content;
use super::super::layout::Told;
use super::{Case, Draft, Rule};

pub(super) const RULE: Rule = Rule {
    id: "image-content",
    about: "No tmpfs hides files of the image: such a directory becomes a volume, which is filled from it.",
    doc: "Docker's tmpfs starts empty (moby #35546). Where the image has files or links in a directory, or where \
          what it has there is not known, the plan uses a named volume, which Docker and Podman fill from the image \
          on first use. Two things follow, and the warning says them: later versions of the image do not change \
          what is in the volume, and Kubernetes never fills one.",
    warnings: &["shadows-image-content", "image-content-unknown"],
    apply,
};

fn apply<'a>(case: &'a Case<'a>, draft: &mut Draft<'a>) {
    let mut warnings = Vec::new();
    for target in &draft.layout.targets {
        let told = case.told(&target.directory);
        let (code, what) = match target.content {
            Content::None => continue,
            Content::Files(1) => ("shadows-image-content", "a file of the image".to_owned()),
            Content::Files(count) => ("shadows-image-content", format!("{count} files of the image")),
            Content::Unknown => (
                "image-content-unknown",
                "whatever the image has there, which the profile does not list".to_owned(),
            ),
        };
        let directory = &target.directory;
        let message = match told {
            Some(Told::Tmpfs) => format!(
                "the tmpfs on {directory}, there because of --tmpfs, hides {what}; a volume would be filled with it"
            ),
            Some(Told::Volume) => continue,
            None => {
                // What a volume is filled with is whatever the image has, but what was needed of it is not known.
                draft.plan.complete &= target.content != Content::Unknown;
                format!(
                    "a tmpfs on {directory} would hide {what}, so the plan uses a named volume: Docker and Podman fill \
                     it from the image on first use, and later versions of the image do not change it; Kubernetes \
                     never fills a volume, an init container must"
                )
            }
        };
        warnings.push((code, message, directory.clone()));
    }
    for (code, message, directory) in warnings {
        draft.warn(code, message, Some(directory));
    }
}
