//! What a plan recommends, and what others would: a naive reading of the same observations, and `docker diff`.
//!
//! Works on profiles and plans as documents of their schemas, as any other reader would. Never runs anything.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Something that a plan allows beyond nothing at all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Element {
    /// `tmpfs`, `volume`, `exec` (from a tmpfs), `capability` or `new-privileges`, as plans name kinds.
    pub(super) kind: String,
    /// The mount's target, or the capability; empty where the kind says it all.
    pub(super) what: String,
}

impl Element {
    fn new(kind: &str, what: &str) -> Self {
        Self { kind: kind.to_owned(), what: what.to_owned() }
    }
}

/// The entries of the list `key`, none where there is no such list.
fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Everything that a plan allows.
pub(super) fn elements(plan: &Value) -> Vec<Element> {
    let mounts = [("tmpfs", "tmpfs"), ("volumes", "volume")]
        .into_iter()
        .flat_map(|(key, kind)| list(plan, key).map(move |mount| Element::new(kind, text(mount, "target"))));
    let exec = list(plan, "tmpfs").filter(|mount| mount["exec"] == Value::Bool(true));
    let exec = exec.map(|mount| Element::new("exec", text(mount, "target")));
    let capabilities = list(plan, "cap_add").map(|cap| Element::new("capability", text(cap, "cap")));
    let privileges =
        (plan["no_new_privileges"] == Value::Bool(false)).then(|| Element::new("new-privileges", ""));
    mounts.chain(exec).chain(capabilities).chain(privileges).collect()
}

/// What an amended plan marks as unnecessary.
pub(super) fn optional(plan: &Value) -> Vec<Element> {
    list(plan, "optional")
        .map(|entry| {
            let target = entry["target"].as_str().or(entry["cap"].as_str());
            Element::new(text(entry, "kind"), target.unwrap_or_default())
        })
        .collect()
}

/// The kinds of a plan's alternatives.
pub(super) fn alternatives(plan: &Value) -> Vec<String> {
    list(plan, "alternatives").map(|one| text(one, "kind").to_owned()).collect()
}

/// What somebody would allow who reads observations without asking what they mean.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Naive {
    /// Every directory of the root file system in which something was written, top-most or not.
    pub(super) directories: BTreeSet<String>,
    /// Every capability that was granted when it was asked for.
    pub(super) capabilities: BTreeSet<String>,
}

/// The naive reading of a profile.
pub(super) fn naive(profile: &Value) -> Naive {
    let written = list(profile, "writes").filter(|write| write["errno"] == 0 && write["mount"] == "/");
    let directories = written.map(|write| {
        let path = text(write, "path");
        if write["collapsed"] == Value::Bool(true) || write["object"] == "directory" && !names_entry(write) {
            path.to_owned()
        } else {
            parent(path).to_owned()
        }
    });
    let granted =
        |capability: &&Value| list(capability, "evidence").any(|check| check["granted"] == Value::Bool(true));
    let capabilities = list(profile, "capabilities").filter(granted);
    Naive {
        directories: directories.collect(),
        capabilities: capabilities.map(|capability| text(capability, "cap").to_owned()).collect(),
    }
}

/// Whether the operation makes or removes the object's name, so that the directory above is written.
fn names_entry(write: &Value) -> bool {
    matches!(text(write, "op"), "mkdir" | "rmdir" | "rename")
}

fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        None | Some(("", _)) => "/",
        Some((parent, _)) => parent,
    }
}

/// What one would make writable by `docker diff`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DockerDiff {
    /// The directories of what was added, and what was changed itself.
    pub(super) places: BTreeSet<String>,
    /// Mounts of the plan of which it shows nothing.
    pub(super) missed: BTreeSet<String>,
}

/// The reading of `docker diff`'s output. Directories that it lists as changed because of what lies in them are left
/// out, and of what was added only the top.
pub(super) fn docker_diff(output: &str, mounts: &BTreeSet<String>) -> DockerDiff {
    let entries: Vec<(&str, &str)> = output.lines().filter_map(|line| line.split_once(' ')).collect();
    let added: BTreeSet<&str> =
        entries.iter().filter(|(kind, _)| *kind == "A").map(|(_, path)| *path).collect();
    let holds_another = |path: &str| {
        entries.iter().any(|(_, other)| other.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
    };
    let places: BTreeSet<String> = entries
        .iter()
        .filter_map(|&(kind, path)| match kind {
            "A" if added.contains(parent(path)) => None,
            "A" | "D" => Some(parent(path).to_owned()),
            _ if holds_another(path) => None,
            _ => Some(path.to_owned()),
        })
        .collect();
    let is_within = |inner: &str, outer: &str| {
        outer == "/" || inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let seen = |mount: &&String| places.iter().any(|place| is_within(place, mount));
    let missed = mounts.iter().filter(|mount| !seen(mount)).cloned().collect();
    DockerDiff { places, missed }
}

/// The targets of a plan that are mounts of its own, not volumes that the image declares anyhow.
pub(super) fn new_mounts(profile: &Value, plan: &Value) -> BTreeSet<String> {
    let existing: BTreeSet<&str> =
        list(&profile["subject"], "mounts").map(|mount| text(mount, "target")).collect();
    let mounts = list(plan, "tmpfs").chain(list(plan, "volumes")).map(|mount| text(mount, "target"));
    mounts.filter(|target| !existing.contains(target)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn all_that_a_plan_allows_is_counted() {
        let plan = json!({
            "tmpfs": [{"target": "/tmp", "exec": true}, {"target": "/run", "exec": false}],
            "volumes": [{"target": "/data"}],
            "cap_add": [{"cap": "CHOWN"}],
            "no_new_privileges": false,
            "optional": [{"kind": "capability", "cap": "KILL"}, {"kind": "tmpfs", "target": "/x"}],
        });
        let kinds: Vec<String> = elements(&plan).into_iter().map(|element| element.kind).collect();
        assert_eq!(kinds, ["tmpfs", "tmpfs", "volume", "exec", "capability", "new-privileges"]);
        assert_eq!(optional(&plan), [Element::new("capability", "KILL"), Element::new("tmpfs", "/x")]);
        assert!(elements(&json!({"no_new_privileges": true})).is_empty());
    }

    #[test]
    fn a_naive_reading_takes_every_directory_and_every_grant() {
        let profile = json!({
            "writes": [
                {"path": "/run/a/x.pid", "op": "create", "errno": 0, "mount": "/"},
                {"path": "/run/a", "op": "mkdir", "object": "directory", "errno": 0, "mount": "/"},
                {"path": "/srv", "op": "chmod", "object": "directory", "errno": 0, "mount": "/"},
                {"path": "/many", "op": "create", "collapsed": true, "errno": 0, "mount": "/"},
                {"path": "/etc/x", "op": "create", "errno": 13, "mount": "/"},
                {"path": "/data/x", "op": "create", "errno": 0, "mount": "/data"},
            ],
            "capabilities": [
                {"cap": "SYS_ADMIN", "verdict": "opportunistic", "evidence": [{"granted": true}]},
                {"cap": "NET_ADMIN", "verdict": "attempted", "evidence": [{"granted": false}]},
            ],
        });
        let naive = naive(&profile);
        assert_eq!(naive.directories, set(&["/run/a", "/run", "/srv", "/many"]));
        assert_eq!(naive.capabilities, set(&["SYS_ADMIN"]));
    }

    #[test]
    fn docker_diff_shows_what_is_left() {
        let output = "C /run\nA /run/app\nA /run/app/x.pid\nC /etc\nC /etc/hosts\nD /var/old\nC /var\n";
        let diff = docker_diff(output, &set(&["/run", "/tmp", "/runs"]));
        assert_eq!(diff.places, set(&["/run", "/etc/hosts", "/var"]));
        assert_eq!(diff.missed, set(&["/runs", "/tmp"]));
    }

    #[test]
    fn volumes_of_the_image_are_no_mounts_of_the_plan() {
        let profile = json!({"subject": {"mounts": [{"target": "/data"}]}});
        let plan =
            json!({"tmpfs": [{"target": "/run"}], "volumes": [{"target": "/data"}, {"target": "/log"}]});
        assert_eq!(new_mounts(&profile, &plan), set(&["/log", "/run"]));
    }
}
