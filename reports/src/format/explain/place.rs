//! The answers about paths: mounts of the plan, mounts of the subject's, and paths that are neither.

use super::super::comment::size;
use super::super::page::phase;
use super::{Answer, ROWS, named, times, tmpfs};
use crate::errno;
use crate::model::{Mount, MountKind, Profile, SubjectPath, Write};
use crate::plan::{Grounds, is_kernel_file_system, is_needed, listed, takes_write_access};

/// Whether an operation is of a group.
type Belongs = fn(&Write) -> bool;

impl Answer<'_> {
    pub(super) fn path(&mut self, path: &SubjectPath) {
        if let Some(mount) = self.plan.tmpfs.iter().find(|mount| mount.target == *path) {
            self.title(&path.to_string(), &tmpfs(mount));
            self.mount(path, &mount.why, &mount.grounds);
            return;
        }
        if let Some(volume) = self.plan.volumes.iter().find(|volume| volume.target == *path) {
            self.title(&path.to_string(), &named(volume));
            self.mount(path, &volume.why, &volume.grounds);
            return;
        }
        if self.plan.mounts_read_only.contains(path) {
            self.title(&path.to_string(), "a mount of the subject's, read-only");
            let kept = self.plan.mounts_read_only_grounds.iter().find(|kept| kept.target == *path);
            if let Some(kept) = kept {
                self.why(&kept.why);
                self.grounds(&kept.grounds);
            }
            self.observations(path);
            return;
        }
        self.title(&path.to_string(), "not in the plan");
        let why = self.why_not(path);
        self.why(&why);
        self.observations(path);
        let around = path.ancestors().find_map(|above| self.plan.tmpfs.iter().find(|m| m.target == above));
        let volume = path.ancestors().find_map(|above| self.plan.volumes.iter().find(|m| m.target == above));
        match (around, volume) {
            (Some(mount), volume) if volume.is_none_or(|volume| mount.target.is_within(&volume.target)) => {
                self.covered(&mount.target, &tmpfs(mount), &mount.why, &mount.grounds);
            }
            (_, Some(volume)) => {
                self.covered(&volume.target, &named(volume), &volume.why, &volume.grounds);
            }
            _ => {}
        }
    }

    fn mount(&mut self, path: &SubjectPath, why: &str, grounds: &Grounds) {
        self.why(why);
        self.grounds(grounds);
        self.observations(path);
        let sizes = self.profile.run.sizes.iter().filter(|size| size.path.is_within(path));
        if let Some(peak) = sizes.map(|size| size.peak_bytes).max() {
            self.page.heading("Size");
            self.line(format_args!("  at most {} were seen in one directory there", size(peak)));
        }
        let runs: Vec<String> = self
            .profile
            .run
            .executions
            .iter()
            .filter(|execution| execution.path.is_within(path))
            .take(ROWS)
            .map(|execution| {
                let how = if execution.mapped { "mapped to be executed" } else { "executed" };
                let gains = if execution.gains_privileges { ", gaining privileges" } else { "" };
                format!("  {} {how} {}{gains}", execution.path, times(execution.count))
            })
            .collect();
        if !runs.is_empty() {
            self.page.heading("Executed there");
            for run in runs {
                self.line(format_args!("{run}"));
            }
        }
    }

    fn covered(&mut self, target: &SubjectPath, what: &str, why: &str, grounds: &Grounds) {
        self.page.heading(&format!("Lies on {target}"));
        self.page.paragraph(2, what);
        self.why(why);
        self.grounds(grounds);
    }

    /// Why a path is no target of the plan.
    fn why_not(&self, path: &SubjectPath) -> String {
        if path.is_root() {
            return if self.plan.read_only {
                "nothing is ever mounted over `/`; the root file system is read-only".to_owned()
            } else {
                "nothing can be mounted over `/`; the root file system stays writable, and the warnings say why"
                    .to_owned()
            };
        }
        if let Some(target) = self.plan.writable_targets().into_iter().rev().find(|t| path.is_within(t)) {
            return format!("it lies on {target}, which the plan makes writable");
        }
        if is_kernel_file_system(path) {
            return "it lies in a file system that the runtime mounts in every container, whatever the plan"
                .to_owned();
        }
        let mounts = self.profile.subject.mounts.iter().filter(|mount| path.is_within(&mount.target));
        if let Some(mount) = mounts.max_by_key(|mount| mount.target.as_bytes().len()) {
            return format!("it lies on {}, {}, which stays as it is", mount.target, kind(mount));
        }
        let inside: Vec<String> = self
            .plan
            .writable_targets()
            .into_iter()
            .filter(|target| target.is_within(path))
            .map(ToString::to_string)
            .collect();
        if !inside.is_empty() {
            return format!(
                "only narrower places in it need to be writable: {}",
                listed(inside.iter().map(String::as_str), 8)
            );
        }
        let touching: Vec<&Write> = touching(self.profile, path).collect();
        let ignored = touching.iter().filter(|write| self.overrides.ignores(write)).count();
        if touching.is_empty() {
            "nothing was seen to be written there".to_owned()
        } else if ignored > 0 {
            format!("{ignored} of the operations there were left out, as --ignore says")
        } else if touching.iter().all(|write| !write.succeeded()) {
            "what was tried there failed in training: it is attempted, not needed".to_owned()
        } else if !touching.iter().any(|write| is_needed(write)) {
            "what succeeded there takes no write access to a file system (syncing; opening FIFOs, sockets and devices)"
                .to_owned()
        } else if self.plan.read_only {
            "what was written there is served by another place".to_owned()
        } else {
            "it is served by the root file system, which stays writable".to_owned()
        }
    }

    /// Everything seen at or below a path, what bears on the plan first.
    fn observations(&mut self, path: &SubjectPath) {
        let groups: [(&str, Belongs); 3] = [
            ("Seen there, and impossible on a read-only file system", takes_write_access),
            ("Tried there, in vain", |write| !write.succeeded()),
            ("Also seen there", |write| write.succeeded() && !takes_write_access(write)),
        ];
        for (title, belongs) in groups {
            let mut writes: Vec<&Write> =
                touching(self.profile, path).filter(|write| belongs(write)).collect();
            writes.sort_by_key(|w| {
                (w.first_ms, w.path.clone(), w.op, w.from.clone(), w.errno, w.processes.clone())
            });
            if writes.is_empty() {
                continue;
            }
            self.page.heading(title);
            for write in writes.iter().take(ROWS) {
                self.write(write);
            }
            self.more(writes.len());
        }
    }

    fn write(&mut self, write: &Write) {
        let dim = self.page.style.dim;
        let from = write.from.as_ref().map(|from| format!(" from {from}")).unwrap_or_default();
        let many = if write.collapsed { " (many names in this directory)" } else { "" };
        let ignored = if self.overrides.ignores(write) { ", left out as told" } else { "" };
        self.page.name(2, "", &format!("{} {}{from}{many}", write.op.name(), write.path));
        let phases = write.phases.iter().map(|seen| phase(*seen)).collect::<Vec<_>>().join(", ");
        let detail = format!(
            "{}, {}{}{}{ignored}; mount {}, first after {} ms",
            result(write.errno),
            times(write.count),
            if phases.is_empty() { String::new() } else { format!(", {phases}") },
            by(&write.processes),
            write.mount,
            write.first_ms
        );
        self.page.aside(6, dim, &detail);
    }
}

/// What was seen at or below a path, or changed the directory entry that it is.
fn touching<'a>(profile: &'a Profile, path: &SubjectPath) -> impl Iterator<Item = &'a Write> {
    let path = path.clone();
    profile.writes.iter().filter(move |write| {
        write.path.is_within(&path) || write.from.as_ref().is_some_and(|from| from.is_within(&path))
    })
}

fn kind(mount: &Mount) -> &'static str {
    match mount.kind {
        MountKind::Volume => "a volume of the subject's",
        MountKind::ImageVolume => "a VOLUME of the image",
        MountKind::Bind => "a bind of the subject's",
        MountKind::Tmpfs => "a tmpfs of the subject's",
        MountKind::Runtime => "which the runtime supplies",
        MountKind::Other => "a mount that the subject made itself, or that is not known",
    }
}

fn result(errno: i32) -> String {
    match errno::name(errno) {
        _ if errno == 0 => "succeeded".to_owned(),
        Some(name) => format!("failed with {name}"),
        None => format!("failed with error {errno}"),
    }
}

fn by(processes: &[String]) -> String {
    if processes.is_empty() {
        return String::new();
    }
    format!(", by {}", listed(processes.iter().map(String::as_str), 4))
}
