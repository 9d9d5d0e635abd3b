//! The alternative without root: the user that the entrypoint becomes, from the first instruction.

use std::collections::{BTreeMap, BTreeSet};

use super::super::doubt::{self, Doubt};
use super::super::dto::{Alternative, TmpfsMount, VolumeMount};
use super::super::evidence::listed;
use super::super::existing;
use super::super::grounds::UserEvidence;
use super::super::needs::takes_write_access;
use super::{Case, Draft, Rule};
use crate::capability;
use crate::model::{MountKind, ObjectKind, Phase, Profile, SubjectPath, UserSeen, Verdict};

/// The alternative's kind.
pub const KIND: &str = "non-root";

/// How many pieces of evidence are kept.
const KEPT: usize = 8;

/// Capabilities with which a program prepares files for another user, becomes it, and signals its processes that did.
const PREPARING: &[&str] =
    &["CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID"];

pub(super) const RULE: Rule = Rule {
    id: "non-root",
    about: "Where root merely prepares files and becomes another user, the same without root is offered.",
    doc: "Offered where the subject starts as root, needs SETUID or SETGID, and needs nothing but capabilities of \
          that trade (CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, KILL, SETGID, SETUID): all during \
          start-up only, or with a single user besides root that processes ran as. A service that becomes several \
          users while it serves needs root, and gets no such offer. The alternative has `user` set, every tmpfs owned by that user, every volume marked with the `owner` \
          that it must have before the start, and no capability at all.\n\n\
          The user is the one that processes ended up as (`run.users`), of several the one with processes after \
          start-up; where the profile does not tell, the owner of the image's directories that the plan mounts on. \
          Where neither tells, the alternative names no user and cannot be applied as it stands.\n\n\
          It is not how training ran the subject: its confidence is never high before it is verified. On Docker's \
          private networks it may bind any port; on the host's network a port below 1024 needs NET_BIND_SERVICE, \
          which does not reach a process that is not root, and so it is not offered there.",
    warnings: &[],
    apply,
};

fn apply<'a>(case: &'a Case<'a>, draft: &mut Draft<'a>) {
    let Some(when) = is_offered(case.profile, draft) else { return };
    let found = find(case, draft);
    let names = listed(draft.plan.cap_add.iter().map(|entry| entry.cap.as_str()), PREPARING.len());
    let are = if draft.plan.cap_add.len() == 1 { "is" } else { "are" };
    let mut doubts: Vec<Doubt> = doubt::of_presence(case.profile).chain([doubt::NOT_RUN]).collect();
    doubts.extend(found.doubts);
    let only = match when {
        When::Startup => "during start-up only, ",
        When::Later => {
            doubts.push(doubt::AFTER_STARTUP);
            ""
        }
    };
    let why = format!(
        "{names} {are} needed {only}to prepare files and become another user. Started as that user from the beginning"
    );
    let alternative = match found.user {
        None => {
            doubts.push(doubt::USER_UNKNOWN);
            Alternative {
                kind: KIND.to_owned(),
                message: format!(
                    "{why} (--user UID:GID, with the writable mounts owned by it), the subject may need no capability \
                     at all; which user it is the profile does not tell"
                ),
                user: None,
                tmpfs: Vec::new(),
                volumes: Vec::new(),
                cap_add: Vec::new(),
                evidence: Vec::new(),
                grounds: doubt::grounds(&[&RULE], doubts),
            }
        }
        Some((uid, gid)) => {
            if writes_to_mounts_of_its_own(case.profile) {
                doubts.push(doubt::OWNER_OF_MOUNTS);
            }
            Alternative {
                kind: KIND.to_owned(),
                message: format!(
                    "{why} (--user {uid}:{gid}, with the writable mounts owned by it), the subject should need no \
                     capability at all; training did not run it so"
                ),
                user: Some(format!("{uid}:{gid}")),
                tmpfs: draft.plan.tmpfs.iter().map(|mount| owned_tmpfs(mount, uid, gid)).collect(),
                volumes: draft
                    .plan
                    .volumes
                    .iter()
                    .map(|volume| owned_volume(case, volume, uid, gid))
                    .collect(),
                cap_add: Vec::new(),
                evidence: found.evidence,
                grounds: doubt::grounds(&[&RULE], doubts),
            }
        }
    };
    draft.plan.alternatives.push(alternative);
}

/// When capabilities are needed to prepare files and become another user.
enum When {
    Startup,
    /// Later as well, or the profile does not tell start-up from what follows.
    Later,
}

/// Whether root is there for such work only, and when.
fn is_offered(profile: &Profile, draft: &Draft<'_>) -> Option<When> {
    let config = profile.subject.config.as_ref()?;
    let user = config.user.as_deref().unwrap_or(&config.image_user);
    let is_root = matches!(user.split(':').next(), None | Some("" | "0" | "root"));
    let cap_add = &draft.plan.cap_add;
    let has = |name: &str| cap_add.iter().any(|entry| entry.cap == name);
    let prepares = cap_add.iter().all(|entry| PREPARING.contains(&entry.cap.as_str()));
    if !is_root || !prepares || !(has("SETUID") || has("SETGID")) {
        return None;
    }
    if cap_add.iter().all(|entry| entry.phase == Phase::Startup && only_in_startup(profile, &entry.cap)) {
        return Some(When::Startup);
    }
    let others: BTreeSet<u32> =
        profile.run.users.iter().map(|seen| seen.uid).filter(|uid| *uid != 0).collect();
    (others.len() == 1).then_some(When::Later)
}

/// Whether every check that a capability was required for fell into start-up.
fn only_in_startup(profile: &Profile, cap: &str) -> bool {
    profile
        .capabilities
        .iter()
        .filter(|entry| capability::by_name(&entry.cap).is_some_and(|info| info.name == cap))
        .flat_map(|entry| &entry.evidence)
        .filter(|check| check.verdict == Verdict::Required)
        .all(|check| check.phases.iter().all(|phase| *phase == Phase::Startup))
}

/// A user with what speaks for it.
#[derive(Default)]
struct Found {
    user: Option<(u32, u32)>,
    evidence: Vec<UserEvidence>,
    doubts: Vec<Doubt>,
}

fn find(case: &Case<'_>, draft: &Draft<'_>) -> Found {
    let seen = by_processes(&case.profile.run.users);
    if seen.user.is_some() { seen } else { by_ownership(case, draft) }
}

/// The user that processes ended up as: of several the one that has processes after start-up, and most of them.
fn by_processes(users: &[UserSeen]) -> Found {
    let mut by_user: BTreeMap<(u32, u32), Vec<&UserSeen>> = BTreeMap::new();
    for seen in users.iter().filter(|seen| seen.uid != 0) {
        by_user.entry((seen.uid, seen.gid)).or_default().push(seen);
    }
    let weight = |seen: &[&UserSeen]| {
        let later = seen.iter().any(|seen| seen.phases.iter().any(|phase| *phase != Phase::Startup));
        (later, seen.iter().fold(0u64, |sum, seen| sum.saturating_add(seen.count)))
    };
    // Of equals the one with the smallest number, whatever the order in the profile.
    let best = by_user.iter().rev().max_by_key(|(_, seen)| weight(seen));
    let Some((user, seen)) = best else { return Found::default() };
    let mut evidence: Vec<UserEvidence> = seen
        .iter()
        .map(|seen| UserEvidence {
            uid: seen.uid,
            gid: seen.gid,
            process: Some(seen.executable.clone()),
            path: None,
            phase: seen.phases.first(),
        })
        .collect();
    evidence.sort_by(|a, b| (a.phase, &a.process).cmp(&(b.phase, &b.process)));
    evidence.truncate(KEPT);
    let users: BTreeSet<u32> = by_user.keys().map(|(uid, _)| *uid).collect();
    let doubts = if users.len() > 1 { vec![doubt::SEVERAL_USERS] } else { Vec::new() };
    Found { user: Some(*user), evidence, doubts }
}

/// The owner of the image's directories that the plan mounts on: the one of most of them.
fn by_ownership(case: &Case<'_>, draft: &Draft<'_>) -> Found {
    let mut owners: BTreeMap<(u32, u32), Vec<&SubjectPath>> = BTreeMap::new();
    for target in draft.plan.writable_targets() {
        if let Some(entry) = case.image.get(target)
            && entry.kind == ObjectKind::Directory
            && entry.uid != 0
        {
            owners.entry((entry.uid, entry.gid)).or_default().push(target);
        }
    }
    let best = owners.iter().rev().max_by_key(|(_, directories)| directories.len());
    let Some(((uid, gid), directories)) = best else { return Found::default() };
    let evidence = directories
        .iter()
        .take(KEPT)
        .map(|directory| UserEvidence {
            uid: *uid,
            gid: *gid,
            process: None,
            path: Some((*directory).clone()),
            phase: None,
        })
        .collect();
    let mut doubts = vec![doubt::USER_BY_OWNER];
    doubts.extend((owners.len() > 1).then_some(doubt::SEVERAL_USERS));
    Found { user: Some((*uid, *gid)), evidence, doubts }
}

/// Whether the subject writes to a mount that the plan neither makes nor names, and whose owner it does not know.
fn writes_to_mounts_of_its_own(profile: &Profile) -> bool {
    existing::configured(profile).into_iter().filter(|mount| mount.kind != MountKind::ImageVolume).any(
        |mount| profile.writes.iter().any(|write| write.mount == mount.target && takes_write_access(write)),
    )
}

fn owned_tmpfs(mount: &TmpfsMount, uid: u32, gid: u32) -> TmpfsMount {
    let mut owned = mount.clone();
    owned.uid = uid;
    owned.gid = gid;
    owned.grounds.rule.push(RULE.id.to_owned());
    owned
}

/// The volume with the owner that it must have, unless the image's directory and all in it has that owner.
fn owned_volume(case: &Case<'_>, volume: &VolumeMount, uid: u32, gid: u32) -> VolumeMount {
    let mut owned = volume.clone();
    if !(volume.seed_from_image && case.image.belongs_to(&volume.target, uid)) {
        owned.owner = Some(format!("{uid}:{gid}"));
        owned.grounds.rule.push(RULE.id.to_owned());
    }
    owned
}
