//! Operations that failed under the plan and did not in training.
//!
//! What failed in training in the same way is no finding. What succeeded there is one whatever the plan can have to do
//! with its error. What was never seen in training counts where the plan is known to cause the error.

use super::known::Known;
use super::mend::Mender;
use super::{Change, Comparison, Finding};
use crate::errno::{EACCES, EBUSY, EINVAL, ENOENT, ENOSPC, EOPNOTSUPP, EPERM, EROFS, EXDEV};
use crate::model::{Op, SubjectPath, Write};
use crate::plan::{ElementKind, Plan};

/// Errors that mounts and missing privileges can cause.
const OF_A_PLAN: &[i32] = &[EPERM, EACCES, EBUSY, EXDEV, EINVAL, ENOSPC, EROFS, EOPNOTSUPP];

pub(super) fn findings(comparison: &Comparison<'_>, mender: &Mender<'_>) -> Vec<Finding> {
    let known = Known::of(comparison.training);
    let is_new = |write: &&Write| is_new(write, comparison, &known);
    let mut failed: Vec<&Write> = comparison.under_plan.writes.iter().filter(is_new).collect();
    failed.sort_by(|a, b| (a.first_ms, &a.path, a.op).cmp(&(b.first_ms, &b.path, b.op)));
    failed
        .into_iter()
        .map(|write| {
            let change = mender.operation(write);
            let harmless = is_optional(write, change.as_ref(), comparison.plan);
            Finding { harmless, ..Finding::of_operation(write, change) }
        })
        .collect()
}

fn is_new(write: &Write, comparison: &Comparison<'_>, known: &Known) -> bool {
    let plan = comparison.plan;
    if write.succeeded() || write.op == Op::Sync || known.failed(write) {
        return false;
    }
    if known.succeeded(write) && OF_A_PLAN.contains(&write.errno) {
        return true;
    }
    match write.errno {
        EROFS => write.mount.is_root() && plan.read_only || plan.mounts_read_only.contains(&write.mount),
        ENOSPC => tmpfs_of(plan, &write.path).is_some(),
        EXDEV => write.from.as_ref().is_some_and(|from| mount_of(plan, from) != mount_of(plan, &write.path)),
        // A tmpfs hides what the image has there.
        ENOENT => {
            let entries = &comparison.training.subject.image_entries;
            known.succeeded_exactly(write)
                && tmpfs_of(plan, &write.path).is_some()
                && entries.iter().any(|entry| entry.path == write.path)
        }
        _ => false,
    }
}

/// Whether the plan leaves out on purpose what would have let it succeed.
fn is_optional(write: &Write, change: Option<&Change>, plan: &Plan) -> bool {
    plan.optional.iter().any(|element| {
        let is_below = element.target.as_ref().is_some_and(|target| write.path.is_within(target));
        match element.kind {
            ElementKind::Tmpfs | ElementKind::Volume | ElementKind::WritableMount => is_below,
            ElementKind::Capability => {
                matches!(change, Some(Change::AddCapability { cap }) if element.cap.as_ref() == Some(cap))
            }
            ElementKind::Root => matches!(write.errno, EPERM | EACCES),
            ElementKind::Exec | ElementKind::NewPrivileges => false,
        }
    })
}

/// The target of the innermost tmpfs of a plan that a path lies on.
pub(super) fn tmpfs_of<'a>(plan: &'a Plan, path: &SubjectPath) -> Option<&'a SubjectPath> {
    mount_of(plan, path).filter(|target| plan.tmpfs.iter().any(|mount| mount.target == **target))
}

/// The target of the innermost mount of a plan that a path lies on.
fn mount_of<'a>(plan: &'a Plan, path: &SubjectPath) -> Option<&'a SubjectPath> {
    plan.writable_targets().into_iter().filter(|target| path.is_within(target)).max()
}
