//! A tmpfs that was full.
//!
//! write(2) is not observed, so that a full tmpfs shows in three ways: an observed operation failed with ENOSPC (see
//! `operations`), the measured size reaches the limit, or the subject said so when it ended.

use super::mend::Mender;
use super::operations::tmpfs_of;
use super::{Comparison, Finding, FindingKind};
use crate::errno::{self, ENOSPC};
use crate::plan::TmpfsMount;

/// What programs print for ENOSPC (glibc and musl, and the error's name as Node and others print it).
const COMPLAINTS: [&str; 3] = ["No space left on device", "ENOSPC", "no space left on device"];

pub(super) fn findings(comparison: &Comparison<'_>, mender: &Mender<'_>) -> Vec<Finding> {
    let Comparison { plan, last_lines, .. } = comparison;
    let complaints: Vec<&str> = last_lines
        .lines()
        .filter(|line| COMPLAINTS.iter().any(|complaint| line.contains(complaint)))
        .collect();
    let full = plan.tmpfs.iter().filter(|mount| is_full(comparison, mount));
    let mut chosen: Vec<&TmpfsMount> = full.collect();
    if chosen.is_empty() && !complaints.is_empty() {
        let is_named = |mount: &&TmpfsMount| {
            let target = mount.target.escaped();
            complaints.iter().any(|line| line.contains(&format!("{target}/")))
        };
        chosen = plan.tmpfs.iter().filter(is_named).collect();
        if chosen.is_empty() {
            chosen = plan.tmpfs.iter().filter(|mount| is_used(comparison, mount)).collect();
        }
    }
    let finding = |mount: &TmpfsMount| Finding {
        path: Some(mount.target.clone()),
        errno: Some(errno::words(ENOSPC)),
        change: mender.larger(&mount.target),
        ..Finding::of_run(FindingKind::Operation, format!("the tmpfs {} is full (ENOSPC)", mount.target))
    };
    chosen.into_iter().map(finding).collect()
}

/// The largest size measured of what lies on a tmpfs, in bytes.
fn peak_bytes(comparison: &Comparison<'_>, mount: &TmpfsMount) -> u64 {
    let sizes = comparison.under_plan.run.sizes.iter();
    let on_it = sizes.filter(|size| tmpfs_of(comparison.plan, &size.path) == Some(&mount.target));
    on_it.map(|size| size.peak_bytes).max().unwrap_or(0)
}

fn is_full(comparison: &Comparison<'_>, mount: &TmpfsMount) -> bool {
    const PAGE_BYTES: u64 = 4096;
    // What is left is less than a page of the last file.
    peak_bytes(comparison, mount).saturating_add(PAGE_BYTES) > mount.size && mount.size > PAGE_BYTES
}

fn is_used(comparison: &Comparison<'_>, mount: &TmpfsMount) -> bool {
    let writes = &comparison.under_plan.writes;
    writes
        .iter()
        .any(|write| write.succeeded() && tmpfs_of(comparison.plan, &write.path) == Some(&mount.target))
}
