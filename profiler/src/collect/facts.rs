//! Joins first sights with the kernel's counters into the observations of a profile.

use std::collections::{BTreeMap, HashMap};

use profiler_ebpf::{
    call::op,
    record::{CapKey, CheckCount, Count, NO_STACK, WriteKey, check, outcome, scope},
};
use reports::{
    capability,
    model::{
        BoundPort, Capability, CapabilityCheck, DirectorySize, ExecutableLists, Executables, Execution, Gap,
        Op, Phase, Phases, SubjectPath, UserSeen, Verdict, Write,
    },
    verdict::{self, CheckFacts, Outcome},
};

use super::{Collected, Operation};
use crate::sensor::{Programs, SensorError, calls, symbols::Symbols};

/// What one training run showed.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Operations, sorted.
    pub(crate) writes: Vec<Write>,
    /// Capabilities, by number.
    pub(crate) capabilities: Vec<Capability>,
    /// Executions, sorted.
    pub(crate) executions: Vec<Execution>,
    /// Peaks of what was written.
    pub(crate) sizes: Vec<DirectorySize>,
    /// Who the subject's processes ran as.
    pub(crate) users: Vec<UserSeen>,
    /// Ports below 1024 that were bound, by number.
    pub(crate) ports: Vec<BoundPort>,
    /// What was lost or not seen.
    pub(crate) gaps: Vec<Gap>,
    /// Whether any program of the subject was seen to be executed.
    pub(crate) subject_seen: bool,
}

/// The phases and the bits that stand for them in the kernel half.
pub(crate) const PHASE_BITS: [(Phase, u32); 3] =
    [(Phase::Startup, 1), (Phase::Steady, 2), (Phase::Shutdown, 4)];

/// Times relative to the start of the run.
#[derive(Debug, Clone, Copy)]
struct Clock {
    start_ns: u64,
}

impl Clock {
    fn ms(self, time_ns: u64) -> u64 {
        time_ns.saturating_sub(self.start_ns) / 1_000_000
    }
}

/// The directory so many levels above a path; no higher than the root.
fn above(path: &SubjectPath, levels: usize) -> SubjectPath {
    path.ancestors().nth(levels).unwrap_or_else(SubjectPath::root)
}

fn phases_of(bits: u32) -> Phases {
    PHASE_BITS.iter().filter(|(_, bit)| bits & bit != 0).map(|(phase, _)| *phase).collect()
}

/// The operation that a code of the ABI stands for.
pub(super) fn op_of(code: u8) -> Option<Op> {
    Some(match code {
        op::OPEN => Op::Open,
        op::CREATE => Op::Create,
        op::TMPFILE => Op::Tmpfile,
        op::MKDIR => Op::Mkdir,
        op::MKNOD => Op::Mknod,
        op::SYMLINK => Op::Symlink,
        op::LINK => Op::Link,
        op::UNLINK => Op::Unlink,
        op::RMDIR => Op::Rmdir,
        op::RENAME => Op::Rename,
        op::TRUNCATE => Op::Truncate,
        op::CHMOD => Op::Chmod,
        op::CHOWN => Op::Chown,
        op::UTIMES => Op::Utimes,
        op::SETXATTR => Op::Setxattr,
        op::REMOVEXATTR => Op::Removexattr,
        op::BIND => Op::Bind,
        op::SYNC => Op::Sync,
        _ => return None,
    })
}

impl Collected {
    /// Puts the facts together that are of the subject of this number. `start_ns` is when the run began
    /// (`CLOCK_MONOTONIC`).
    ///
    /// # Errors
    /// Where the kernel's counters cannot be read.
    pub(crate) fn into_facts(
        self,
        slot: u32,
        programs: &Programs,
        start_ns: u64,
    ) -> Result<Facts, SensorError> {
        let clock = Clock { start_ns };
        let mut counts = programs.writes()?;
        counts.retain(|key, _| key.slot == slot);
        let mut checks = programs.capabilities()?;
        checks.retain(|key, _| key.slot == slot);
        let mut gaps: Vec<Gap> = programs
            .losses()?
            .into_iter()
            .map(|(code, message, count)| Gap { code: code.to_owned(), message: message.to_owned(), count })
            .collect();
        if self.unusable != 0 && !gaps.iter().any(|gap| gap.code == "paths-cut") {
            gaps.push(Gap {
                code: "paths-unusable".to_owned(),
                message: "paths that could not be put together".to_owned(),
                count: self.unusable,
            });
        }
        let directories = self.directories();
        Ok(Facts {
            writes: self.writes(&counts, &directories, clock),
            capabilities: self.capabilities(&checks, &counts, programs, clock),
            executions: self.executions(&counts, &directories),
            sizes: self.sizes.report(),
            users: self.users.report(),
            ports: self.ports(&counts),
            gaps,
            subject_seen: !self.executables.is_empty(),
        })
    }

    fn process(&self, exe: u64) -> String {
        self.executables.get(&exe).map_or_else(|| "unknown".to_owned(), SubjectPath::escaped)
    }

    fn writes(
        &self,
        counts: &HashMap<WriteKey, Count>,
        directories: &HashMap<WriteKey, &Operation>,
        clock: Clock,
    ) -> Vec<Write> {
        // Sorted by what it is; the same thing may have several keys (executables, forms of the call).
        let mut merged: BTreeMap<(SubjectPath, Option<SubjectPath>, Op, u32, bool), Write> = BTreeMap::new();
        let mut executables = ExecutableLists::default();
        let syncs: HashMap<u64, &Count> = counts
            .iter()
            .filter(|(key, _)| key.op == op::MSYNC && key.scope == scope::NAME)
            .map(|(key, count)| (key.exe, count))
            .collect();
        for (key, count) in counts {
            let (op, count) = match key.op {
                // What is mapped lasts if its program says so, which it does without naming what.
                op::MAP_SHARED => match syncs.get(&key.exe) {
                    Some(&synced) if key.scope == scope::NAME || count.count != 0 => (Op::Sync, synced),
                    _ => continue,
                },
                code => match op_of(code) {
                    Some(op) => (op, count),
                    None => continue,
                },
            };
            let Some((operation, levels)) = self.counted(key, count, directories) else { continue };
            let path = above(&operation.path, levels);
            let from = operation.from.as_ref().map(|from| above(from, levels));
            let collapsed = levels != 0;
            let (first_ms, last_ms) = (clock.ms(count.first_ns), clock.ms(count.last_ns));
            let write =
                merged.entry((path.clone(), from.clone(), op, key.errno, collapsed)).or_insert_with(|| {
                    Write {
                        path,
                        from,
                        op,
                        errno: i32::try_from(key.errno).unwrap_or(i32::MAX),
                        count: 0,
                        mount: operation.mount.clone(),
                        object: operation.object,
                        collapsed,
                        first_ms,
                        last_ms,
                        phases: Phases::default(),
                        processes: Executables::default(),
                    }
                });
            write.count += count.count;
            write.first_ms = write.first_ms.min(first_ms);
            write.last_ms = write.last_ms.max(last_ms);
            write.phases.unite(phases_of(count.phases));
            let process = self.process(key.exe);
            if let Err(at) = write.processes.binary_search(&process) {
                let mut list = write.processes.to_vec();
                list.insert(at, process);
                write.processes = executables.shared(list.into());
            }
        }
        merged.into_values().collect()
    }

    /// For every key of a directory, and of one above, one of the operations that it counts.
    fn directories(&self) -> HashMap<WriteKey, &Operation> {
        self.operations
            .iter()
            .flat_map(|(key, operation)| {
                let folder =
                    WriteKey { scope: scope::DIRECTORY, name: operation.directory, name2: 0, ..*key };
                let tree = WriteKey { scope: scope::TREE, name: 0, base_ino: operation.tree, ..folder };
                [(folder, operation), (tree, operation)]
            })
            .collect()
    }

    /// What an entry counts: one of its operations, and how far above the name there the counted directory is. `None`
    /// where the entry counts nothing, or the record of the first sight was lost, which is counted as such.
    fn counted<'a>(
        &'a self,
        key: &WriteKey,
        count: &Count,
        directories: &HashMap<WriteKey, &'a Operation>,
    ) -> Option<(&'a Operation, usize)> {
        let levels = match key.scope {
            scope::NAME => return self.operations.get(key).map(|operation| (operation, 0)),
            scope::DIRECTORY => 1,
            _ => 2,
        };
        // Where it is 0 all that was seen below has an entry of its own.
        let operation = if count.count == 0 { None } else { directories.get(key) };
        operation.map(|operation| (*operation, levels))
    }

    fn executions(
        &self,
        counts: &HashMap<WriteKey, Count>,
        directories: &HashMap<WriteKey, &Operation>,
    ) -> Vec<Execution> {
        let mut executions: BTreeMap<(SubjectPath, bool), Execution> = BTreeMap::new();
        for (key, count) in counts {
            let mapped = match key.op {
                op::EXEC => false,
                op::MAP_EXEC => true,
                _ => continue,
            };
            let Some((operation, levels)) = self.counted(key, count, directories) else { continue };
            let path = above(&operation.path, levels);
            let execution = executions.entry((path.clone(), mapped)).or_insert_with(|| Execution {
                path,
                mount: operation.mount.clone(),
                count: 0,
                gains_privileges: false,
                mapped,
            });
            execution.count += count.count;
            execution.gains_privileges |= !mapped && Self::gains_privileges(operation);
        }
        executions.into_values().collect()
    }

    fn capabilities(
        &self,
        checks: &HashMap<CapKey, CheckCount>,
        writes: &HashMap<WriteKey, Count>,
        programs: &Programs,
        clock: Clock,
    ) -> Vec<Capability> {
        let symbols = Symbols::of_kernel();
        let mut by_cap: BTreeMap<u8, BTreeMap<CheckId, CapabilityCheck>> = BTreeMap::new();
        // Frequent checks may all have been counted under their kernel stacks.
        for (key, count) in checks.iter().filter(|(_, check)| check.count.count != 0) {
            let evidence = self.judge(key, count, programs, &symbols, clock);
            let id = CheckId::of(&evidence);
            merge_check(by_cap.entry(key.cap).or_default(), id, evidence, count.count.phases);
        }
        for (key, port) in &self.low_ports {
            let Some(count) = writes.get(key) else { continue };
            let Some(number) = capability::number("NET_BIND_SERVICE") else { continue };
            let evidence = CapabilityCheck {
                process: self.process(key.exe),
                syscall: calls::name_of(key.syscall),
                caller: None,
                stack: Vec::new(),
                granted: true,
                verdict: Verdict::Opportunistic,
                reason: format!("bound port {port}, which this network namespace lets any process bind"),
                count: count.count,
                first_ms: clock.ms(count.first_ns),
                last_ms: clock.ms(count.last_ns),
                phases: Phases::default(),
            };
            let id = CheckId::of(&evidence);
            merge_check(by_cap.entry(number).or_default(), id, evidence, count.phases);
        }
        by_cap
            .into_iter()
            .map(|(cap, evidence)| {
                let evidence: Vec<_> = evidence.into_values().collect();
                Capability {
                    cap: capability::name(cap).map_or_else(|| format!("CAP_{cap}"), str::to_owned),
                    verdict: evidence.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Attempted),
                    count: evidence.iter().map(|check| check.count).sum(),
                    evidence,
                }
            })
            .collect()
    }

    fn ports(&self, writes: &HashMap<WriteKey, Count>) -> Vec<BoundPort> {
        let mut ports: BTreeMap<(u16, String), u32> = BTreeMap::new();
        for (key, port) in &self.low_ports {
            if let Some(count) = writes.get(key) {
                *ports.entry((*port, self.process(key.exe))).or_default() |= count.phases;
            }
        }
        let bound = |((port, executable), phases): ((u16, String), u32)| BoundPort {
            port,
            executable,
            phases: phases_of(phases),
        };
        ports.into_iter().map(bound).collect()
    }

    fn judge(
        &self,
        key: &CapKey,
        check_count: &CheckCount,
        programs: &Programs,
        symbols: &Symbols,
        clock: Clock,
    ) -> CapabilityCheck {
        let stack: Vec<String> = if symbols.is_empty() || key.stack == NO_STACK {
            Vec::new()
        } else {
            programs
                .stack(key.stack)
                .iter()
                .filter_map(|address| symbols.name_of(*address))
                .map(str::to_owned)
                .collect()
        };
        let syscall = calls::name_of(key.syscall);
        let has = |flag: u8| key.flags & flag != 0;
        let judgement = verdict::judge(&CheckFacts {
            cap: capability::name(key.cap).unwrap_or(""),
            granted: has(check::GRANTED),
            syscall: &syscall,
            own_namespace: has(check::OWN_NAMESPACE),
            optional: has(check::NO_AUDIT),
            nothing_new: has(check::NOTHING_NEW),
            as_root: has(check::AS_ROOT),
            outcome: outcome_of(check_count),
            stack: &stack,
        });
        let count = &check_count.count;
        CapabilityCheck {
            process: self.process(key.exe),
            syscall,
            caller: verdict::caller(&stack).map(str::to_owned),
            stack,
            granted: has(check::GRANTED),
            verdict: judgement.verdict,
            reason: judgement.reason,
            count: count.count,
            first_ms: clock.ms(count.first_ns),
            last_ms: clock.ms(count.last_ns),
            phases: Phases::default(),
        }
    }
}

/// The best of what came of the system calls in which a check was granted: one success tells that it was of use.
fn outcome_of(check: &CheckCount) -> Outcome {
    let seen = |index: usize| check.outcomes.get(index).is_some_and(|seen| *seen != 0);
    if seen(outcome::SUCCEEDED) {
        Outcome::Succeeded
    } else if seen(outcome::UNKNOWN) {
        Outcome::Unknown
    } else if seen(outcome::FAILED) {
        Outcome::Failed
    } else if seen(outcome::REFUSED) {
        Outcome::Refused
    } else {
        Outcome::Unknown
    }
}

/// Checks that are reported together: they differ in their kernel stacks at most.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct CheckId {
    process: String,
    syscall: String,
    caller: Option<String>,
    granted: bool,
    reason: String,
}

impl CheckId {
    fn of(check: &CapabilityCheck) -> Self {
        Self {
            process: check.process.clone(),
            syscall: check.syscall.clone(),
            caller: check.caller.clone(),
            granted: check.granted,
            reason: check.reason.clone(),
        }
    }
}

fn merge_check(
    checks: &mut BTreeMap<CheckId, CapabilityCheck>,
    id: CheckId,
    evidence: CapabilityCheck,
    phase_bits: u32,
) {
    let check = checks.entry(id).or_insert_with(|| CapabilityCheck { count: 0, ..evidence.clone() });
    check.count += evidence.count;
    check.first_ms = check.first_ms.min(evidence.first_ms);
    check.last_ms = check.last_ms.max(evidence.last_ms);
    check.phases.unite(phases_of(phase_bits));
}
