//! The parts of a plan that can be taken away: each thing that it allows.
//!
//! Owns their order: what settles fast comes first. Without something that start-up needs a subject fails within
//! moments; without something that the shutdown needs the whole run passes first.

use super::Finding;
use crate::model::{MountKind, Phase, Profile, SubjectPath};
use crate::plan::{ElementKind, NON_ROOT, OptionalElement, Plan, WriteEvidence, with_alternative};
use crate::text::printable;

/// Something that a plan allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// What it is.
    pub kind: ElementKind,
    /// The target of a mount.
    pub target: Option<SubjectPath>,
    /// A capability's name without `CAP_`.
    pub cap: Option<String>,
    /// Why the plan has it.
    why: String,
    /// When training first needed it; `None`: the plan does not say.
    phase: Option<Phase>,
}

impl Element {
    /// For people: `the tmpfs /run`.
    #[must_use]
    pub fn words(&self) -> String {
        let target = self.target.as_ref().map(ToString::to_string).unwrap_or_default();
        match self.kind {
            ElementKind::Tmpfs => format!("the tmpfs {target}"),
            ElementKind::Volume => format!("the volume {target}"),
            ElementKind::Exec => format!("execution from the tmpfs {target}"),
            ElementKind::WritableMount => format!("the mount {target} writable"),
            ElementKind::Capability => {
                format!("the capability {}", printable(self.cap.as_deref().unwrap_or_default()))
            }
            ElementKind::NewPrivileges => "programs that gain privileges".to_owned(),
            ElementKind::Root => "root".to_owned(),
        }
    }

    /// Whether the plan gives no observation that it rests on, as where a person has added it.
    #[must_use]
    pub fn is_unfounded(&self) -> bool {
        self.phase.is_none()
    }

    /// Whether a finding is what taking it away can be expected to cause.
    #[must_use]
    pub fn explains(&self, finding: &Finding) -> bool {
        match self.kind {
            ElementKind::Capability => {
                finding.cap == self.cap || matches!(finding.errno.as_deref(), Some("EPERM" | "EACCES"))
            }
            ElementKind::NewPrivileges => finding.kind == super::FindingKind::Execution,
            ElementKind::Root => matches!(finding.errno.as_deref(), Some("EPERM" | "EACCES")),
            _ => match (&self.target, &finding.path) {
                (Some(target), Some(path)) => path.is_within(target),
                _ => false,
            },
        }
    }

    /// It, found to be optional. `failures` is what failed without it.
    #[must_use]
    pub fn as_optional(&self, failures: &[Finding]) -> OptionalElement {
        const MOST_FAILURES: usize = 8;
        OptionalElement {
            kind: self.kind,
            target: self.target.clone(),
            cap: self.cap.clone(),
            why: self.why.clone(),
            failures: failures.iter().take(MOST_FAILURES).map(|finding| finding.message.clone()).collect(),
        }
    }
}

/// The configured user, where a plan has an alternative without root, and the plan under that alternative.
///
/// It is no part like the others: without it the plan has other mounts and capabilities, with parts of their own.
#[must_use]
pub fn root(plan: &Plan) -> Option<(Element, Plan)> {
    let alternative = plan.alternatives.iter().find(|alternative| alternative.kind == NON_ROOT)?;
    let under = with_alternative(plan, NON_ROOT)?;
    let element = Element {
        kind: ElementKind::Root,
        target: None,
        cap: None,
        why: alternative.message.clone(),
        phase: Some(Phase::Startup),
    };
    Some((element, under))
}

/// Everything that can be taken from a plan, what settles fast first.
#[must_use]
pub fn elements(training: &Profile, plan: &Plan) -> Vec<Element> {
    let of_mount = |kind, target: &SubjectPath, why: &str, evidence: &[WriteEvidence]| Element {
        kind,
        target: Some(target.clone()),
        cap: None,
        why: why.to_owned(),
        phase: evidence.iter().map(|one| one.phase.unwrap_or(Phase::Steady)).min(),
    };
    let mut elements = Vec::new();
    for mount in &plan.tmpfs {
        elements.push(of_mount(ElementKind::Tmpfs, &mount.target, &mount.why, &mount.evidence));
        if mount.exec {
            elements.push(of_mount(ElementKind::Exec, &mount.target, &mount.why, &mount.evidence));
        }
    }
    for volume in &plan.volumes {
        elements.push(of_mount(ElementKind::Volume, &volume.target, &volume.why, &volume.evidence));
    }
    let is_writable = |target: &&SubjectPath| {
        !plan.mounts_read_only.contains(target)
            && !plan.volumes.iter().any(|volume| volume.target == **target)
            && !plan.tmpfs.iter().any(|mount| mount.target == **target)
    };
    let own = training.subject.mounts.iter().filter(|mount| !mount.read_only && is_configured(mount.kind));
    for target in own.map(|mount| &mount.target).filter(is_writable) {
        let why = "the subject has this mount, and wrote to it in training";
        let mut element = of_mount(ElementKind::WritableMount, target, why, &[]);
        element.phase = Some(Phase::Steady);
        elements.push(element);
    }
    for add in &plan.cap_add {
        elements.push(Element {
            kind: ElementKind::Capability,
            target: None,
            cap: Some(add.cap.clone()),
            why: add.why.clone(),
            phase: (!add.evidence.is_empty()).then_some(add.phase),
        });
    }
    if !plan.no_new_privileges {
        elements.push(Element {
            kind: ElementKind::NewPrivileges,
            target: None,
            cap: None,
            why: "programs gained privileges in training".to_owned(),
            phase: Some(Phase::Steady),
        });
    }
    // `None`, what nothing speaks for, comes first. The sort is stable.
    elements.sort_by_key(|element| element.phase);
    elements
}

fn is_configured(kind: MountKind) -> bool {
    match kind {
        MountKind::Volume | MountKind::ImageVolume | MountKind::Bind | MountKind::Tmpfs => true,
        MountKind::Runtime | MountKind::Other => false,
    }
}

/// A plan with something taken away.
#[must_use]
pub fn without(training: &Profile, plan: &Plan, element: &Element) -> Plan {
    let mut plan = plan.clone();
    let is_it = |target: &SubjectPath| element.target.as_ref() == Some(target);
    match element.kind {
        ElementKind::Tmpfs | ElementKind::Volume => {
            plan.tmpfs.retain(|mount| !is_it(&mount.target));
            plan.volumes.retain(|volume| !is_it(&volume.target));
            // Docker makes a VOLUME of the image anyway, and a writable one.
            let mounts = training.subject.mounts.iter();
            let of_image =
                mounts.filter(|mount| mount.kind == MountKind::ImageVolume && is_it(&mount.target));
            plan.mounts_read_only.extend(of_image.map(|mount| mount.target.clone()));
        }
        ElementKind::Exec => {
            for mount in plan.tmpfs.iter_mut().filter(|mount| is_it(&mount.target)) {
                mount.exec = false;
            }
        }
        ElementKind::WritableMount => plan.mounts_read_only.extend(element.target.clone()),
        ElementKind::Capability => plan.cap_add.retain(|add| element.cap.as_ref() != Some(&add.cap)),
        ElementKind::NewPrivileges => plan.no_new_privileges = true,
        ElementKind::Root => {
            if let Some((_, under)) = root(&plan) {
                plan = under;
            }
        }
    }
    plan.mounts_read_only.sort();
    plan
}

/// A plan with everything taken away: nothing is writable, no capability is granted.
#[must_use]
pub fn bare(training: &Profile, plan: &Plan) -> Plan {
    let all = elements(training, plan);
    all.iter().fold(plan.clone(), |plan, element| without(training, &plan, element))
}
