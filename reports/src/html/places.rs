//! The places of a plan: each mount with its settings, why it is there, and what it rests on.

use super::words;
use crate::format::size_text;
use crate::model::{Profile, SubjectPath};
use crate::plan::{
    Alternative, DOUBTS, Grounds, Plan, ReadOnlyMount, TmpfsMount, VolumeMount, WriteEvidence, rule,
};

/// A mount.
pub(super) struct Place {
    pub(super) target: String,
    pub(super) kind: &'static str,
    pub(super) class: &'static str,
    pub(super) settings: Vec<String>,
    pub(super) why: String,
    pub(super) ground: Ground,
    pub(super) evidence: Vec<Evidence>,
    /// How much of the evidence is not shown.
    pub(super) more: u64,
}

/// What an element rests on.
pub(super) struct Ground {
    pub(super) confidence: &'static str,
    /// The doubts, said in words.
    pub(super) doubts: Vec<Said>,
    pub(super) rules: Vec<Said>,
}

/// A stable name and what it means.
pub(super) struct Said {
    pub(super) code: String,
    pub(super) about: String,
}

/// An operation.
pub(super) struct Evidence {
    pub(super) op: &'static str,
    pub(super) path: String,
    pub(super) from: String,
    pub(super) count: String,
    pub(super) process: String,
    pub(super) phase: &'static str,
}

/// Another way to run the subject.
pub(super) struct Other {
    pub(super) kind: String,
    pub(super) user: String,
    pub(super) message: String,
    pub(super) places: Vec<Place>,
    pub(super) capabilities: String,
    pub(super) ground: Ground,
}

/// The mounts of a plan, those that it makes writable first.
pub(super) fn places(profile: &Profile, plan: &Plan) -> Vec<Place> {
    let mut places = writable(Some(profile), &plan.tmpfs, &plan.volumes);
    places.extend(plan.mounts_read_only.iter().map(|target| {
        let kept = plan.mounts_read_only_grounds.iter().find(|kept| kept.target == *target);
        let (why, grounds) = match kept {
            Some(ReadOnlyMount { target: _, why, grounds }) => (why.as_str(), grounds.clone()),
            None => ("only read in training", Grounds::default()),
        };
        Place {
            target: words::short(&target.to_string()),
            kind: "read-only mount",
            class: "other",
            settings: Vec::new(),
            why: words::passage(why),
            ground: ground(&grounds),
            evidence: Vec::new(),
            more: 0,
        }
    }));
    places
}

/// The plan's alternatives.
pub(super) fn others(plan: &Plan) -> Vec<Other> {
    let other = |alternative: &Alternative| {
        let Alternative { kind, message, user, tmpfs, volumes, cap_add, evidence: _, grounds } = alternative;
        let capabilities: Vec<String> = cap_add.iter().map(|add| words::short(&add.cap)).collect();
        Other {
            kind: words::short(kind),
            user: user.as_deref().map(words::short).unwrap_or_default(),
            message: words::passage(message),
            places: if user.is_some() { writable(None, tmpfs, volumes) } else { Vec::new() },
            capabilities: if capabilities.is_empty() { "none".to_owned() } else { capabilities.join(", ") },
            ground: ground(grounds),
        }
    };
    plan.alternatives.iter().map(other).collect()
}

fn writable(profile: Option<&Profile>, tmpfs: &[TmpfsMount], volumes: &[VolumeMount]) -> Vec<Place> {
    let memory = tmpfs.iter().map(|mount| {
        let TmpfsMount {
            target,
            size,
            mode,
            uid,
            gid,
            exec,
            suid,
            dev,
            why,
            evidence,
            evidence_more,
            grounds,
        } = mount;
        let flags = [(*exec, "exec", "noexec"), (*suid, "suid", "nosuid"), (*dev, "dev", "nodev")];
        let flags: Vec<&str> = flags.iter().map(|(set, yes, no)| if *set { *yes } else { *no }).collect();
        let mut settings = vec![
            size_text(*size),
            format!("mode {}, owner {uid}:{gid}", words::short(mode)),
            flags.join(", "),
        ];
        settings.extend(peak(profile, target));
        Place {
            target: words::short(&target.to_string()),
            kind: "tmpfs",
            class: "tmpfs",
            settings,
            why: words::passage(why),
            ground: ground(grounds),
            evidence: evidence.iter().map(operation).collect(),
            more: *evidence_more,
        }
    });
    let lasting = volumes.iter().map(|volume| {
        let VolumeMount { target, name, seed_from_image, owner, why, evidence, evidence_more, grounds } =
            volume;
        let mut settings = vec![words::short(name)];
        settings.extend(seed_from_image.then(|| "starts as in the image".to_owned()));
        settings.extend(
            owner.as_ref().map(|owner| format!("must belong to {}, with all in it", words::short(owner))),
        );
        settings.extend(peak(profile, target));
        Place {
            target: words::short(&target.to_string()),
            kind: "volume",
            class: "volume",
            settings,
            why: words::passage(why),
            ground: ground(grounds),
            evidence: evidence.iter().map(operation).collect(),
            more: *evidence_more,
        }
    });
    let mut places: Vec<(&SubjectPath, Place)> =
        tmpfs.iter().map(|mount| &mount.target).zip(memory).collect();
    places.extend(volumes.iter().map(|volume| &volume.target).zip(lasting));
    places.sort_by(|a, b| a.0.cmp(b.0));
    places.into_iter().map(|(_, place)| place).collect()
}

/// The largest size that was seen at a place.
fn peak(profile: Option<&Profile>, target: &SubjectPath) -> Option<String> {
    let sizes = &profile?.run.sizes;
    let there = sizes.iter().filter(|size| size.path.is_within(target));
    there.map(|size| size.peak_bytes).max().map(|bytes| format!("at most {} seen", words::size(bytes)))
}

fn operation(evidence: &WriteEvidence) -> Evidence {
    let WriteEvidence { path, from, op, errno: _, count, process, phase } = evidence;
    Evidence {
        op: op.name(),
        path: words::short(&path.to_string()),
        from: from.as_ref().map(|from| words::short(&from.to_string())).unwrap_or_default(),
        count: words::times(*count),
        process: words::short(process),
        phase: phase.map(words::phase).unwrap_or_default(),
    }
}

/// What an element rests on, in words.
pub(super) fn ground(grounds: &Grounds) -> Ground {
    let Grounds { rule: rules, confidence, doubts } = grounds;
    let doubt = |code: &String| {
        let about = DOUBTS.iter().find(|doubt| doubt.code == code).map_or("", |doubt| doubt.about);
        Said { code: words::short(code), about: about.to_owned() }
    };
    let rule = |id: &String| {
        let about = rule(id).map_or("not a rule of this version", |rule| rule.about);
        Said { code: words::short(id), about: about.to_owned() }
    };
    Ground {
        confidence: confidence.name(),
        doubts: doubts.iter().map(doubt).collect(),
        rules: rules.iter().map(rule).collect(),
    }
}
