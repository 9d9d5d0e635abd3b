//! Joins first sights with the kernel's counters into the observations of a profile.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use profiler_ebpf::{
    call::op,
    record::{CapKey, Count, NO_STACK, WriteKey, check, scope},
};
use reports::{
    capability,
    model::{
        Capability, CapabilityCheck, DirectorySize, Execution, Gap, Op, Phase, SubjectPath, Verdict, Write,
    },
    verdict::{self, CheckFacts},
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

fn phases_of(bits: u32) -> BTreeSet<Phase> {
    PHASE_BITS.iter().filter(|(_, bit)| bits & bit != 0).map(|(phase, _)| *phase).collect()
}

/// The operation that a code of the ABI stands for.
fn op_of(code: u8) -> Option<Op> {
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
    /// Puts the facts together. `start_ns` is when the run began (`CLOCK_MONOTONIC`).
    ///
    /// # Errors
    /// Where the kernel's counters cannot be read.
    pub(crate) fn into_facts(self, programs: &Programs, start_ns: u64) -> Result<Facts, SensorError> {
        let clock = Clock { start_ns };
        let counts = programs.writes()?;
        let checks = programs.capabilities()?;
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
        Ok(Facts {
            writes: self.writes(&counts, clock),
            capabilities: self.capabilities(&checks, &counts, programs, clock),
            executions: self.executions(&counts),
            sizes: self.sizes.report(),
            gaps,
            subject_seen: !self.executables.is_empty(),
        })
    }

    fn process(&self, exe: u64) -> String {
        self.executables.get(&exe).map_or_else(|| "unknown".to_owned(), SubjectPath::escaped)
    }

    fn writes(&self, counts: &HashMap<WriteKey, Count>, clock: Clock) -> Vec<Write> {
        // Sorted by what it is; the same thing may have several keys (executables, forms of the call).
        let mut merged: BTreeMap<(SubjectPath, Option<SubjectPath>, Op, u32, bool), Write> = BTreeMap::new();
        let directories = self.directories();
        for (key, count) in counts {
            let Some(op) = op_of(key.op) else { continue };
            let collapsed = key.scope == scope::DIRECTORY;
            let found = if collapsed {
                if count.count == 0 {
                    continue;
                }
                directories.get(key).copied()
            } else {
                self.operations.get(key)
            };
            // Without a first sight its record was lost, which is counted as such.
            let Some(operation) = found else { continue };
            let mut path = operation.path.clone();
            let mut from = operation.from.clone();
            if collapsed && op != Op::Tmpfile {
                path = path.parent().unwrap_or(path);
                from = from.map(|from| from.parent().unwrap_or(from));
            }
            if op == Op::Tmpfile && !collapsed && key.errno == 0 {
                // The object has no name that counts: what was asked for is its directory.
                path = path.parent().unwrap_or(path);
            }
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
                        phases: Vec::new(),
                        processes: Vec::new(),
                    }
                });
            write.count += count.count;
            write.first_ms = write.first_ms.min(first_ms);
            write.last_ms = write.last_ms.max(last_ms);
            merge_phases(&mut write.phases, count.phases);
            let process = self.process(key.exe);
            if let Err(at) = write.processes.binary_search(&process) {
                write.processes.insert(at, process);
            }
        }
        merged.into_values().collect()
    }

    /// For every key of a directory, one of the operations that it counts.
    fn directories(&self) -> HashMap<WriteKey, &Operation> {
        self.operations
            .iter()
            .map(|(key, operation)| {
                let folder =
                    WriteKey { scope: scope::DIRECTORY, name: operation.directory, name2: 0, ..*key };
                (folder, operation)
            })
            .collect()
    }

    fn executions(&self, counts: &HashMap<WriteKey, Count>) -> Vec<Execution> {
        let mut executions: BTreeMap<SubjectPath, Execution> = BTreeMap::new();
        for (key, operation) in self.operations.iter().filter(|(key, _)| key.op == op::EXEC) {
            let count = counts.get(key).map_or(1, |count| count.count);
            let execution = executions.entry(operation.path.clone()).or_insert_with(|| Execution {
                path: operation.path.clone(),
                mount: operation.mount.clone(),
                count: 0,
                gains_privileges: false,
            });
            execution.count += count;
            execution.gains_privileges |= Self::gains_privileges(operation);
        }
        executions.into_values().collect()
    }

    fn capabilities(
        &self,
        checks: &HashMap<CapKey, Count>,
        writes: &HashMap<WriteKey, Count>,
        programs: &Programs,
        clock: Clock,
    ) -> Vec<Capability> {
        let symbols = Symbols::of_kernel();
        let mut by_cap: BTreeMap<u8, BTreeMap<CheckId, CapabilityCheck>> = BTreeMap::new();
        for (key, count) in checks {
            let evidence = self.judge(key, count, programs, &symbols, clock);
            let id = CheckId::of(&evidence);
            merge_check(by_cap.entry(key.cap).or_default(), id, evidence, count.phases);
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
                phases: Vec::new(),
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

    fn judge(
        &self,
        key: &CapKey,
        count: &Count,
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
        let granted = key.flags & check::GRANTED != 0;
        let judgement = verdict::judge(&CheckFacts {
            cap: capability::name(key.cap).unwrap_or(""),
            granted,
            syscall: &syscall,
            own_namespace: key.flags & check::OTHER_NAMESPACE != 0,
            stack: &stack,
        });
        CapabilityCheck {
            process: self.process(key.exe),
            syscall,
            caller: verdict::caller(&stack).map(str::to_owned),
            stack,
            granted,
            verdict: judgement.verdict,
            reason: judgement.reason,
            count: count.count,
            first_ms: clock.ms(count.first_ns),
            last_ms: clock.ms(count.last_ns),
            phases: Vec::new(),
        }
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
    merge_phases(&mut check.phases, phase_bits);
}

fn merge_phases(phases: &mut Vec<Phase>, bits: u32) {
    let mut all: BTreeSet<Phase> = phases.iter().copied().collect();
    all.extend(phases_of(bits));
    *phases = all.into_iter().collect();
}
