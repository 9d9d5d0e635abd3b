//! The options of a tmpfs.

use std::collections::BTreeMap;

use super::super::dto::TmpfsMount;
use super::super::layout::Target;
use super::super::overrides::TmpfsOverride;
use super::super::{doubt, image::Image};
use super::tmpfs_or_volume::lies_in;
use super::{Case, Draft, Rule};
use crate::model::{Execution, ObjectKind, Op, SubjectPath};

/// How many times what was seen a tmpfs has room for.
pub(crate) const HEADROOM: u64 = 2;

/// What a tmpfs has room for at least, in bytes.
const LEAST_BYTES: u64 = 16 << 20;

/// What one for temporary files of all sorts has room for at least, in bytes.
const LEAST_TMP_BYTES: u64 = 64 << 20;

/// The largest size that every reader of it can hold, in bytes.
const MOST_BYTES: u64 = 1 << 62;

pub(super) const RULE: Rule = Rule {
    id: "tmpfs-options",
    about: "Every option of a tmpfs is given, as the run showed: size with headroom, mode, owner, exec, suid, dev.",
    doc: "Docker's defaults differ by path, version and restart, so none is left to it.\n\n\
          - `size`: twice the largest size seen, in which files without a name count twice, because they are seldom \
          seen when they are largest; rounded up to a power of two; at least 16 MiB, on `/tmp` and \
          `/var/tmp` 64 MiB; at most what `--max-tmpfs` says.\n\
          - `mode`, `uid`, `gid`: those of the image's directory; where it has none, 0755 of root, for `/tmp` and \
          `/var/tmp` 1777.\n\
          - `exec`: where a program was executed, or a file mapped to be executed, that is not in the image.\n\
          - `suid`: where such a program gained privileges by it.\n\
          - `dev`: where a device file was made.\n\n\
          Without any of the last three: `noexec,nosuid,nodev`.",
    warnings: &[],
    apply,
};

fn apply<'a>(case: &'a Case<'a>, draft: &mut Draft<'a>) {
    // By mount point, what was executed there that is not in the image.
    let mut new: BTreeMap<&SubjectPath, Vec<&Execution>> = BTreeMap::new();
    for execution in &case.profile.run.executions {
        if let Some(target) = draft.layout.around(&execution.path).next()
            && !is_in_image(&case.image, execution)
        {
            new.entry(&target.directory).or_default().push(execution);
        }
    }
    for mount in &mut draft.plan.tmpfs {
        let Some(target) = draft.layout.at(mount.target.as_bytes()) else { continue };
        let new = new.get(&target.directory).map(Vec::as_slice).unwrap_or_default();
        observed(case, target, new, mount);
        mount.grounds.rule.push(RULE.id.to_owned());
        let told = case.overrides.tmpfs_on(&target.directory);
        let holds_data = target
            .writes
            .iter()
            .any(|write| matches!(write.op, Op::Open | Op::Create | Op::Tmpfile | Op::Truncate));
        let sized = told.is_some_and(|told| told.size.is_some());
        if holds_data && !sized && !case.is_measured(&target.directory) {
            doubt::add(&mut mount.grounds, doubt::SIZE_UNKNOWN);
        }
        if let Some(told) = told {
            as_told(told, mount);
        }
    }
}

/// The options that the run and the image speak for.
fn observed(case: &Case<'_>, target: &Target<'_>, new: &[&Execution], mount: &mut TmpfsMount) {
    let ownership = case.image.ownership(&target.directory);
    mount.size = size_bytes(&target.directory, target.peak_bytes, case.overrides.max_tmpfs);
    mount.mode = format!("{:04o}", ownership.mode);
    mount.uid = ownership.uid;
    mount.gid = ownership.gid;
    mount.exec = !new.is_empty();
    mount.suid = new.iter().any(|execution| execution.gains_privileges);
    mount.dev = target.writes.iter().any(|write| write.op == Op::Mknod && write.object == ObjectKind::Device);
}

/// The options that the user gave.
fn as_told(told: &TmpfsOverride, mount: &mut TmpfsMount) {
    let TmpfsOverride { target: _, size, mode, uid, gid, exec, suid, dev } = told;
    mount.size = size.unwrap_or(mount.size);
    if let Some(mode) = mode {
        mount.mode = format!("{mode:04o}");
    }
    mount.uid = uid.unwrap_or(mount.uid);
    mount.gid = gid.unwrap_or(mount.gid);
    mount.exec = exec.unwrap_or(mount.exec);
    mount.suid = suid.unwrap_or(mount.suid);
    mount.dev = dev.unwrap_or(mount.dev);
}

/// Whether what was executed is known to come with the image. A directory that stands for mapped files may hold others.
fn is_in_image(image: &Image<'_>, execution: &Execution) -> bool {
    image.get(&execution.path).is_some_and(|entry| !(execution.mapped && entry.kind == ObjectKind::Directory))
}

/// The size limit of a tmpfs, in bytes: with headroom over what was observed, rounded up to a power of two.
fn size_bytes(directory: &SubjectPath, peak_bytes: u64, most_bytes: Option<u64>) -> u64 {
    let least = if lies_in(directory, &["/tmp", "/var/tmp"]) { LEAST_TMP_BYTES } else { LEAST_BYTES };
    let size = peak_bytes.saturating_mul(HEADROOM).max(least).min(MOST_BYTES).next_power_of_two();
    most_bytes.map_or(size, |most| size.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_two_with_headroom_unless_bounded() {
        for (directory, peak, most, want) in [
            ("/run", 0, None, 16 << 20),
            ("/tmp", 0, None, 64 << 20),
            ("/tmp/x", 0, None, 64 << 20),
            ("/run", 8 << 20, None, 16 << 20),
            ("/run", (8 << 20) + 1, None, 32 << 20),
            ("/run", u64::MAX, None, 1 << 62),
            ("/tmp", 0, Some(1 << 20), 1 << 20),
            ("/run", 9 << 20, Some(20 << 20), 20 << 20),
        ] {
            let path = SubjectPath::from_bytes(directory.as_bytes()).unwrap();
            assert_eq!(size_bytes(&path, peak, most), want, "{directory} {peak}");
        }
    }
}
