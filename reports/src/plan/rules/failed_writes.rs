//! Writes that failed in training.

use super::super::evidence::listed;
use super::super::needs::is_kernel_file_system;
use super::{Case, Draft, Rule};
use crate::errno;
use crate::model::{Op, Write};

/// How many are named.
const NAMED: usize = 4;

/// Errors by which the system, and not the state of the files, refuses a write.
const REFUSALS: &[&str] = &["EPERM", "EACCES", "EFBIG", "ENOSPC", "EROFS", "EDQUOT"];

pub(super) const RULE: Rule = Rule {
    id: "failed-writes",
    about: "Writes that were refused in training are attempted, not needed; they are told, and add nothing.",
    doc: "What failed in training will fail under the plan, and the subject lived with it. The plan makes no place \
          for it. Yet a refusal may hide a need (a file that would be written once permissions are right), so they \
          are summed up in one warning: those refused by permissions, read-only file systems, full disks and quotas. \
          Ordinary failures, such as creating what exists, are not told.",
    warnings: &["failed-writes"],
    apply,
};

fn apply<'a>(case: &'a Case<'a>, draft: &mut Draft<'a>) {
    let refusal = |write: &'a Write| {
        let name = errno::name(write.errno).filter(|name| REFUSALS.contains(name))?;
        (write.op != Op::Sync && !is_kernel_file_system(&write.path)).then_some((&write.path, write.op, name))
    };
    let mut refused: Vec<_> = case.profile.writes.iter().filter_map(refusal).collect();
    refused.sort();
    refused.dedup();
    let Some(&(first, ..)) = refused.first() else { return };
    let texts: Vec<String> =
        refused.iter().map(|(path, op, errno)| format!("{} {path}: {errno}", op.name())).collect();
    draft.warn(
        "failed-writes",
        format!(
            "writes were refused in training, and will be under the plan ({}); where the subject would need them, \
             mend the refusal and profile again",
            listed(texts.iter().map(String::as_str), NAMED)
        ),
        Some(first.clone()),
    );
}
