//! Changes of a plan that mend a failure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capability;
use crate::format::size_text;
use crate::model::{Phase, SubjectPath};
use crate::plan::{CapAdd, ElementKind, Grounds, OptionalElement, Plan, TmpfsMount, VolumeMount};

/// What the plan must allow so that something works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Change {
    /// One more tmpfs.
    AddTmpfs {
        /// It.
        mount: TmpfsMount,
    },
    /// One more volume; it replaces a tmpfs at the same target.
    AddVolume {
        /// It.
        volume: VolumeMount,
    },
    /// A higher limit.
    EnlargeTmpfs {
        /// Of the tmpfs.
        target: SubjectPath,
        /// The new limit, in bytes.
        size: u64,
    },
    /// Execution from a tmpfs.
    AllowExec {
        /// Of the tmpfs.
        target: SubjectPath,
    },
    /// One more capability.
    AddCapability {
        /// Its name without `CAP_`.
        cap: String,
    },
    /// A mount of the subject's own stays writable.
    KeepWritable {
        /// Of the mount.
        target: SubjectPath,
    },
    /// `no-new-privileges` is not set.
    AllowNewPrivileges,
    /// The user that was configured, instead of the plan's.
    RunAsConfigured,
}

impl Change {
    /// For people, as an order: `add the tmpfs /run`.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::AddTmpfs { mount } => format!("add the tmpfs {}", mount.target),
            Self::AddVolume { volume } => format!("add the volume {}", volume.target),
            Self::EnlargeTmpfs { target, size } => {
                format!("let the tmpfs {target} grow to {}", size_text(*size))
            }
            Self::AllowExec { target } => format!("mount the tmpfs {target} with exec"),
            Self::AddCapability { cap } => format!("add the capability {}", crate::text::printable(cap)),
            Self::KeepWritable { target } => format!("keep the mount {target} writable"),
            Self::AllowNewPrivileges => "do not set no-new-privileges".to_owned(),
            Self::RunAsConfigured => "run as the user that the subject was trained as".to_owned(),
        }
    }

    /// Makes the change. Whether it changed anything. What it allows is not optional any more.
    pub fn apply(&self, plan: &mut Plan) -> bool {
        let before = plan.clone();
        plan.optional.retain(|element| !self.allows(element));
        match self {
            Self::AddTmpfs { mount } => {
                if !plan.writable_targets().contains(&&mount.target) {
                    plan.tmpfs.push(mount.clone());
                    plan.tmpfs.sort_by(|a, b| a.target.cmp(&b.target));
                }
            }
            Self::AddVolume { volume } => {
                plan.tmpfs.retain(|mount| mount.target != volume.target);
                if !plan.writable_targets().contains(&&volume.target) {
                    plan.volumes.push(volume.clone());
                    plan.volumes.sort_by(|a, b| a.target.cmp(&b.target));
                }
            }
            Self::EnlargeTmpfs { target, size } => {
                for mount in plan.tmpfs.iter_mut().filter(|mount| mount.target == *target) {
                    mount.size = mount.size.max(*size);
                }
            }
            Self::AllowExec { target } => {
                for mount in plan.tmpfs.iter_mut().filter(|mount| mount.target == *target) {
                    mount.exec = true;
                }
            }
            Self::AddCapability { cap } => add_capability(plan, cap),
            Self::KeepWritable { target } => plan.mounts_read_only.retain(|mount| mount != target),
            Self::AllowNewPrivileges => plan.no_new_privileges = false,
            Self::RunAsConfigured => plan.user = None,
        }
        *plan != before
    }
}

impl Change {
    fn allows(&self, element: &OptionalElement) -> bool {
        let is_at = |target: &SubjectPath| element.target.as_ref() == Some(target);
        match self {
            Self::AddTmpfs { mount } => element.kind == ElementKind::Tmpfs && is_at(&mount.target),
            Self::AddVolume { volume } => {
                matches!(element.kind, ElementKind::Tmpfs | ElementKind::Volume) && is_at(&volume.target)
            }
            Self::AllowExec { target } => element.kind == ElementKind::Exec && is_at(target),
            Self::KeepWritable { target } => {
                matches!(element.kind, ElementKind::WritableMount | ElementKind::Volume) && is_at(target)
            }
            Self::AddCapability { cap } => {
                element.kind == ElementKind::Capability && element.cap.as_ref() == Some(cap)
            }
            Self::AllowNewPrivileges => element.kind == ElementKind::NewPrivileges,
            Self::RunAsConfigured => element.kind == ElementKind::Root,
            Self::EnlargeTmpfs { .. } => false,
        }
    }
}

fn add_capability(plan: &mut Plan, cap: &str) {
    if plan.cap_add.iter().any(|add| add.cap == cap) {
        return;
    }
    plan.cap_add.push(CapAdd {
        cap: cap.to_owned(),
        why: "refused under the plan, and something hung on it".to_owned(),
        phase: Phase::Startup,
        evidence: Vec::new(),
        evidence_more: 0,
        grounds: Grounds::default(),
    });
    plan.cap_add.sort_by_key(|add| capability::number(&add.cap));
    plan.cap_dropped.retain(|dropped| dropped.cap != cap);
}
