//! Whether a plan can be followed: for plans that were edited by hand.
//!
//! Owns what is impossible or absurd in a plan. Every problem names its field. Never judges whether a plan suffices:
//! that is found by running under it. A plan that [`super::recommend`] made has no problem.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::dto::{CapAdd, Plan, TmpfsMount, VolumeMount};
use super::needs::is_representable;
use super::rules;
use crate::capability;
use crate::model::SubjectPath;
use crate::text::printable;

/// How many mounts there may be of each kind.
const MAX_MOUNTS: usize = 4096;

/// How many capabilities may be named in a list: more than there are in 64 bits.
const MAX_CAPABILITIES: usize = 64;

/// How many alternatives there may be.
const MAX_ALTERNATIVES: usize = 16;

/// The longest mount target, in bytes: Linux's `PATH_MAX` less the NUL.
const MAX_TARGET_BYTES: usize = 4095;

/// The longest name of a volume, in bytes: that of a directory entry (`NAME_MAX`).
const MAX_VOLUME_NAME_BYTES: usize = 255;

/// The longest user, in bytes (`LOGIN_NAME_MAX`, twice).
const MAX_USER_BYTES: usize = 512;

/// How many problems are told.
const MAX_PROBLEMS: usize = 100;

/// Something impossible or absurd in a plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlanProblem {
    /// The field, for instance `tmpfs[2].size`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for PlanProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "field `{}`: {}", self.field, self.message)
    }
}

impl Plan {
    /// Checks that the plan can be followed: its targets, names, modes, sizes, capabilities and users, and how its mounts
    /// lie to each other. Mounts inside a tmpfs are legal, as the plan itself makes them; inside a volume only those of
    /// the image's VOLUMEs and those that were asked for.
    ///
    /// # Errors
    /// Every problem, up to a hundred.
    pub fn validate(&self) -> Result<(), Vec<PlanProblem>> {
        let mut check = Check::default();
        check.mounts("", &self.tmpfs, &self.volumes, &self.mounts_read_only);
        check.capabilities("cap_add", &self.cap_add);
        check.count("cap_drop", self.cap_drop.len(), MAX_CAPABILITIES);
        for (index, cap) in self.cap_drop.iter().enumerate() {
            if !cap.eq_ignore_ascii_case("ALL") {
                check.capability(&format!("cap_drop[{index}]"), cap);
            }
        }
        check.user("user", self.user.as_deref());
        check.count("alternatives", self.alternatives.len(), MAX_ALTERNATIVES);
        for (index, alternative) in self.alternatives.iter().enumerate().take(MAX_ALTERNATIVES) {
            let at = format!("alternatives[{index}].");
            check.mounts(&at, &alternative.tmpfs, &alternative.volumes, &[]);
            check.capabilities(&format!("{at}cap_add"), &alternative.cap_add);
            check.user(&format!("{at}user"), alternative.user.as_deref());
        }
        if check.problems.is_empty() { Ok(()) } else { Err(check.problems) }
    }
}

/// Problems in how targets are spelt, which a parsed path no longer shows.
pub(super) fn spelling(plan: &Value) -> Vec<PlanProblem> {
    let mut check = Check::default();
    check.spelt("", plan);
    let alternatives = plan.get("alternatives").and_then(Value::as_array);
    for (index, alternative) in alternatives.into_iter().flatten().enumerate() {
        check.spelt(&format!("alternatives[{index}]."), alternative);
    }
    check.problems
}

#[derive(Default)]
struct Check {
    problems: Vec<PlanProblem>,
}

impl Check {
    fn problem(&mut self, field: &str, message: impl Into<String>) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(PlanProblem { field: field.to_owned(), message: message.into() });
        }
    }

    fn count(&mut self, field: &str, count: usize, most: usize) {
        if count > most {
            self.problem(field, format!("{count} entries are too many; at most {most} are taken"));
        }
    }

    fn spelt(&mut self, at: &str, value: &Value) {
        let list = |key: &str| value.get(key).and_then(Value::as_array).into_iter().flatten().enumerate();
        let mounts = ["tmpfs", "volumes"].into_iter().flat_map(|key| {
            list(key).map(move |(index, mount)| (format!("{key}[{index}].target"), mount.get("target")))
        });
        let read_only = list("mounts_read_only")
            .map(|(index, target)| (format!("mounts_read_only[{index}]"), Some(target)));
        let texts = mounts.chain(read_only).filter_map(|(field, value)| Some((field, value?.as_str()?)));
        for (field, text) in texts {
            let message = if !text.starts_with('/') {
                "is relative; a target starts with `/`"
            } else if text.split('/').any(|part| part == "..") {
                "has a `..` component; write where it leads"
            } else {
                continue;
            };
            self.problem(&format!("{at}{field}"), format!("`{}` {message}", printable(&shortened(text))));
        }
    }

    fn mounts(&mut self, at: &str, tmpfs: &[TmpfsMount], volumes: &[VolumeMount], read_only: &[SubjectPath]) {
        for (key, count) in
            [("tmpfs", tmpfs.len()), ("volumes", volumes.len()), ("mounts_read_only", read_only.len())]
        {
            self.count(&format!("{at}{key}"), count, MAX_MOUNTS);
        }
        // What is there already: the target, with its field and whether it is a volume of the plan.
        let mut there: BTreeMap<&SubjectPath, (String, bool)> = BTreeMap::new();
        let targets = tmpfs
            .iter()
            .enumerate()
            .map(|(index, mount)| (format!("{at}tmpfs[{index}].target"), &mount.target, false))
            .chain(
                volumes
                    .iter()
                    .enumerate()
                    .map(|(index, volume)| (format!("{at}volumes[{index}].target"), &volume.target, true)),
            )
            .chain(
                read_only
                    .iter()
                    .enumerate()
                    .map(|(index, target)| (format!("{at}mounts_read_only[{index}]"), target, false)),
            )
            .take(MAX_MOUNTS.saturating_mul(3));
        for (field, target, is_volume) in targets {
            // Those that were only read are the subject's own, whatever they are called.
            if !field.contains("mounts_read_only") {
                self.target(&field, target);
            }
            if let Some((other, _)) = there.get(target) {
                let message = format!("{target} is the target of `{other}` already");
                self.problem(&field, message);
            } else {
                there.insert(target, (field, is_volume));
            }
        }
        let made_on_purpose =
            |rule: &[String]| rule.iter().any(|id| rules::MAY_LIE_IN_A_VOLUME.contains(&id.as_str()));
        let inner = tmpfs
            .iter()
            .map(|mount| (&mount.target, &mount.grounds))
            .chain(volumes.iter().map(|volume| (&volume.target, &volume.grounds)));
        for (target, grounds) in inner.filter(|(_, grounds)| !made_on_purpose(&grounds.rule)) {
            let around = target.ancestors().skip(1).find_map(|above| {
                there.get(&above).map(|(field, is_volume)| (above, field.clone(), *is_volume))
            });
            if let (Some((above, other, true)), Some((field, _))) = (around, there.get(target)) {
                let (field, _) = (field.clone(), grounds);
                self.problem(&field, format!("{target} lies inside the volume on {above} (`{other}`)"));
            }
        }
        for (index, mount) in tmpfs.iter().enumerate().take(MAX_MOUNTS) {
            self.tmpfs(&format!("{at}tmpfs[{index}]"), mount);
        }
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, volume) in volumes.iter().enumerate().take(MAX_MOUNTS) {
            let field = format!("{at}volumes[{index}]");
            self.volume_name(&format!("{field}.name"), &volume.name);
            self.user(&format!("{field}.owner"), volume.owner.as_deref());
            if let Some(first) = names.insert(&volume.name, index) {
                let message =
                    format!("`{}` is the name of `{at}volumes[{first}]` already", printable(&volume.name));
                self.problem(&format!("{field}.name"), message);
            }
        }
    }

    fn target(&mut self, field: &str, target: &SubjectPath) {
        if target.is_root() {
            self.problem(field, "nothing can be mounted over `/`");
        } else if target.as_bytes().len() > MAX_TARGET_BYTES {
            self.problem(field, format!("it is longer than {MAX_TARGET_BYTES} bytes"));
        } else if !is_representable(target) {
            self.problem(
                field,
                format!(
                    "{target} holds control characters, characters that hide text, or bytes that are no UTF-8"
                ),
            );
        } else if [&b"/proc"[..], b"/sys"].iter().any(|top| {
            target.as_bytes().strip_prefix(*top).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        }) || target.as_bytes() == b"/dev"
        {
            self.problem(field, format!("{target} is the runtime's own to mount"));
        }
    }

    fn tmpfs(&mut self, field: &str, mount: &TmpfsMount) {
        if mount.size == 0 {
            self.problem(&format!("{field}.size"), "it is 0; a tmpfs without room serves nothing");
        } else if i64::try_from(mount.size).is_err() {
            self.problem(&format!("{field}.size"), "it is more than any memory holds");
        }
        let octal = matches!(mount.mode.len(), 3 | 4) && mount.mode.bytes().all(|b| matches!(b, b'0'..=b'7'));
        if !octal {
            let message = format!(
                "`{}` is no mode; it is octal, three or four digits, for instance \"0755\"",
                printable(&shortened(&mount.mode))
            );
            self.problem(&format!("{field}.mode"), message);
        }
        // (uid_t) -1 means "leave it" to chown(2) and nobody to anybody.
        for (key, id) in [("uid", mount.uid), ("gid", mount.gid)] {
            if id == u32::MAX {
                self.problem(&format!("{field}.{key}"), format!("{id} is no id"));
            }
        }
    }

    /// Docker's rule for names (moby:volume/names).
    fn volume_name(&mut self, field: &str, name: &str) {
        let rest = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let good = name.chars().next().is_some_and(|first| first.is_ascii_alphanumeric())
            && name.chars().all(rest)
            && (2..=MAX_VOLUME_NAME_BYTES).contains(&name.len());
        if !good {
            let message = format!(
                "`{}` is no name for a volume: a letter or digit, then letters, digits, `_`, `.` and `-`, two to {MAX_VOLUME_NAME_BYTES} in all",
                printable(&shortened(name))
            );
            self.problem(field, message);
        }
    }

    fn capabilities(&mut self, field: &str, added: &[CapAdd]) {
        self.count(field, added.len(), MAX_CAPABILITIES);
        let mut seen: BTreeMap<u8, usize> = BTreeMap::new();
        for (index, add) in added.iter().enumerate().take(MAX_CAPABILITIES) {
            let at = format!("{field}[{index}].cap");
            self.capability(&at, &add.cap);
            if let Some(first) = capability::number(&add.cap).and_then(|number| seen.insert(number, index)) {
                let message = format!("{} is in `{field}[{first}]` already", printable(&add.cap));
                self.problem(&at, message);
            }
        }
    }

    fn capability(&mut self, field: &str, name: &str) {
        match capability::by_name(name) {
            None => {
                let message = format!("`{}` is no capability", printable(&shortened(name)));
                self.problem(field, message);
            }
            Some(info) if info.name != name => {
                let message = format!("`{}` is written `{}` here", printable(name), info.name);
                self.problem(field, message);
            }
            Some(_) => {}
        }
    }

    /// `USER[:GROUP]`, each a number or a name of letters, digits, `_`, `.` and `-`.
    fn user(&mut self, field: &str, user: Option<&str>) {
        let Some(user) = user else { return };
        let part = |text: &str| {
            !text.is_empty()
                && !text.starts_with('-')
                && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
        };
        let good = user.len() <= MAX_USER_BYTES && user.split(':').count() <= 2 && user.split(':').all(part);
        if !good {
            let message = format!("`{}` is no USER[:GROUP]", printable(&shortened(user)));
            self.problem(field, message);
        }
    }
}

/// The beginning of a text that may be long.
fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}
