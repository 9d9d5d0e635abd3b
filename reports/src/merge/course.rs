//! How the runs went: where each comes from, and what of their course can be joined.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use sha2::{Digest as _, Sha256};

use super::fold::Folded;
use crate::model::{
    BoundPort, Coverage, DirectorySize, Execution, Gap, Host, MAX_ENTRIES, MergedRun, Phase, PhaseSpan,
    Phases, Profile, Run, SubjectPath, UserSeen,
};

#[derive(Debug)]
pub(super) struct Course {
    complete: bool,
    /// By code; the largest count, with its message.
    gaps: BTreeMap<String, (u64, String)>,
    /// Begin and end, the earliest and the latest of any run.
    phases: BTreeMap<Phase, (u64, u64)>,
    /// By path, whether mapped, and mount: how often, and whether it gained privileges.
    executions: BTreeMap<(SubjectPath, bool, SubjectPath), (u64, bool)>,
    /// Largest total, and largest part without a name.
    sizes: BTreeMap<SubjectPath, (u64, u64)>,
    users: BTreeMap<(u32, u32, String), (u64, Phases)>,
    ports: BTreeMap<(u16, String), Phases>,
    /// Whether there is something below a folded directory.
    lifted: Folded,
}

impl Default for Course {
    fn default() -> Self {
        Self {
            complete: true,
            gaps: BTreeMap::new(),
            phases: BTreeMap::new(),
            executions: BTreeMap::new(),
            sizes: BTreeMap::new(),
            users: BTreeMap::new(),
            ports: BTreeMap::new(),
            lifted: Folded::default(),
        }
    }
}

impl Course {
    /// The parts that may become too large, with the most that there may be.
    pub(super) fn lengths(&self) -> [(&'static str, usize, usize); 5] {
        [
            ("coverage.gaps", self.gaps.len(), MAX_ENTRIES),
            ("run.executions", self.executions.len(), MAX_ENTRIES),
            ("run.sizes", self.sizes.len(), MAX_ENTRIES),
            ("run.users", self.users.len(), MAX_ENTRIES),
            ("run.ports", self.ports.len(), MAX_ENTRIES),
        ]
    }

    pub(super) fn add(&mut self, run: Run, coverage: Coverage) {
        let Coverage { complete, gaps } = coverage;
        self.complete &= complete;
        for Gap { code, message, count } in gaps {
            let known = self.gaps.entry(code).or_default();
            if *known < (count, message.clone()) {
                *known = (count, message);
            }
        }
        // The others are known of each run: see `MergedRun`.
        let Run {
            started: _,
            duration_ms: _,
            phases,
            load: _,
            exit: _,
            executions,
            sizes,
            users,
            ports,
            merged: _,
        } = run;
        for PhaseSpan { phase, start_ms, end_ms } in phases {
            let known = self.phases.entry(phase).or_insert((start_ms, end_ms));
            *known = (known.0.min(start_ms), known.1.max(end_ms));
        }
        for Execution { path, mount, count, gains_privileges, mapped } in executions {
            self.executed((path, mapped, mount), (count, gains_privileges));
        }
        for DirectorySize { path, peak_bytes, unlinked_bytes } in sizes {
            self.sized(path, (peak_bytes, unlinked_bytes));
        }
        for UserSeen { uid, gid, executable, count, phases } in users {
            let known = self.users.entry((uid, gid, executable)).or_default();
            known.0 = known.0.max(count);
            known.1.unite(phases);
        }
        for BoundPort { port, executable, phases } in ports {
            self.ports.entry((port, executable)).or_default().unite(phases);
        }
    }

    fn executed(&mut self, key: (SubjectPath, bool, SubjectPath), seen: (u64, bool)) {
        let (path, mapped, mount) = key;
        // What a directory stands for is listed as mapped there.
        let key = match self.lifted.above(&path) {
            Some(above) if mount.is_within(&above) => (mount.clone(), true, mount),
            Some(above) => (above, true, mount),
            None => (path, mapped, mount),
        };
        let known = self.executions.entry(key).or_default();
        *known = (known.0.max(seen.0), known.1 | seen.1);
    }

    fn sized(&mut self, path: SubjectPath, seen: (u64, u64)) {
        let known = self.sizes.entry(self.lifted.above(&path).unwrap_or(path)).or_default();
        *known = (known.0.max(seen.0), known.1.max(seen.1));
    }

    /// Lets directories stand for what lies below them. A directory's own size is recorded with those below it.
    pub(super) fn lift(&mut self, folded: &Folded) {
        if self.lifted == *folded {
            return;
        }
        self.lifted.clone_from(folded);
        for (key, seen) in std::mem::take(&mut self.executions) {
            self.executed(key, seen);
        }
        for (path, seen) in std::mem::take(&mut self.sizes) {
            self.sized(path, seen);
        }
    }

    pub(super) fn finish(self, first: &MergedRun, runs: &BTreeSet<MergedRun>) -> (Run, Coverage) {
        let Self { complete, gaps, phases, executions, sizes, users, ports, lifted: _ } = self;
        let gaps = gaps.into_iter().map(|(code, (count, message))| Gap { code, message, count }).collect();
        // What failed tells more than what did not.
        let loads = runs.iter().filter_map(|run| run.load.as_ref());
        let exits = runs.iter().filter_map(|run| run.exit.as_ref());
        let run = Run {
            started: first.started.clone(),
            duration_ms: runs.iter().map(|run| run.duration_ms).max().unwrap_or_default(),
            phases: phases
                .into_iter()
                .map(|(phase, (start_ms, end_ms))| PhaseSpan { phase, start_ms, end_ms })
                .collect(),
            load: loads.min_by_key(|load| load.exit_status == Some(0)).cloned(),
            exit: exits.min_by_key(|exit| !exit.oom_killed && exit.status == 0).cloned(),
            executions: executions
                .into_iter()
                .map(|((path, mapped, mount), (count, gains_privileges))| Execution {
                    path,
                    mount,
                    count,
                    gains_privileges,
                    mapped,
                })
                .collect(),
            sizes: sizes
                .into_iter()
                .map(|(path, (peak_bytes, unlinked_bytes))| DirectorySize {
                    path,
                    peak_bytes,
                    unlinked_bytes,
                })
                .collect(),
            users: users
                .into_iter()
                .map(|((uid, gid, executable), (count, phases))| UserSeen {
                    uid,
                    gid,
                    executable,
                    count,
                    phases,
                })
                .collect(),
            ports: ports
                .into_iter()
                .map(|((port, executable), phases)| BoundPort { port, executable, phases })
                .collect(),
            merged: None,
        };
        (run, Coverage { complete, gaps })
    }
}

/// The host of the first run, with the sensors of all.
pub(super) fn host(first: &MergedRun, runs: &BTreeSet<MergedRun>) -> Host {
    let sensors: BTreeSet<&String> = runs.iter().flat_map(|run| &run.host.sensors).collect();
    Host { sensors: sensors.into_iter().cloned().collect(), ..first.host.clone() }
}

/// What is kept of a profile of one run.
pub(super) fn origin(profile: &Profile) -> MergedRun {
    // A hash takes all that it is given, and what is written is a tree of types that can be.
    let mut hash = io::BufWriter::with_capacity(1 << 16, Hash(Sha256::new()));
    let _ = serde_json::to_writer(&mut hash, profile);
    let digest = hash.into_inner().map(|hash| hash.0.finalize()).unwrap_or_default();
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut gaps: Vec<String> = profile.coverage.gaps.iter().map(|gap| gap.code.clone()).collect();
    gaps.sort_unstable();
    gaps.dedup();
    MergedRun {
        started: profile.run.started.clone(),
        id: format!("sha256:{digest}"),
        duration_ms: profile.run.duration_ms,
        tool: profile.tool.clone(),
        host: profile.host.clone(),
        subject: profile.subject.name.clone(),
        image_id: profile.subject.image_id.clone(),
        load: profile.run.load.clone(),
        exit: profile.run.exit.clone(),
        complete: profile.coverage.complete,
        gaps,
    }
}

/// A hash that can be written to.
struct Hash(Sha256);

impl io::Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
