//! The plan under one of its alternatives.

use super::dto::{Alternative, CapDropped, Plan};
use crate::capability;
use crate::model::Verdict;

/// The whole plan under the alternative of that kind: its user, its mounts, its capabilities. `None` where the plan has
/// no such alternative, or one that names no user.
#[must_use]
pub fn with_alternative(plan: &Plan, kind: &str) -> Option<Plan> {
    let alternative = plan.alternatives.iter().find(|alternative| alternative.kind == kind)?;
    // Destructured whole, so that a new field is not forgotten here.
    let Alternative { kind: _, message: _, user, tmpfs, volumes, cap_add, evidence: _, grounds: _ } =
        alternative;
    let user = user.clone()?;
    let mut under = plan.clone();
    let no_longer = plan.cap_add.iter().filter(|had| !cap_add.iter().any(|kept| kept.cap == had.cap));
    under.cap_dropped.extend(no_longer.filter_map(|had| capability::by_name(&had.cap)).map(|info| {
        CapDropped {
            cap: info.name.to_owned(),
            gives_attacker: info.gives_attacker.to_owned(),
            seen: Some(Verdict::Required),
        }
    }));
    under.cap_dropped.sort_by_key(|dropped| capability::number(&dropped.cap));
    under.cap_dropped.dedup_by(|a, b| a.cap == b.cap);
    under.user = Some(user);
    under.tmpfs.clone_from(tmpfs);
    under.volumes.clone_from(volumes);
    under.cap_add.clone_from(cap_add);
    under.alternatives.retain(|other| other.kind != kind);
    Some(under)
}
