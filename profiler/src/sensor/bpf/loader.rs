//! Attaching the programs of one object to their hooks, the one kind or the other, found out by trying.

use aya::{
    Btf as KernelBtf, Ebpf,
    maps::ProgramArray,
    programs::{BtfTracePoint, FExit, Program, ProgramError},
};

use super::{
    super::{Hooks, SensorError, arch, asks, calls},
    LIFECYCLE,
    errors::{chain, load_error, map_error, no_map, refused},
};

/// What the twins of all system calls tail-call.
const WORKER: &str = "syscall_worker";

/// The tracepoint of every system call's exit, and the program for it.
pub(super) const ALL_EXITS: &str = "sys_exit";

/// The tracepoint of capability checks, and the program for it.
pub(super) const CAPABILITIES: &str = "cap_capable";

/// Programs that take the place of twins whose parameter the kernel does not let them use.
const SAVED: [&str; 6] = [
    "syscall_saved_0",
    "syscall_saved_1",
    "syscall_saved_2",
    "syscall_saved_3",
    "syscall_saved_4",
    "syscall_saved_5",
];

/// Programs that take the place of twins that cannot reach the worker.
const DIRECT: [&str; 6] = [
    "syscall_direct_0",
    "syscall_direct_1",
    "syscall_direct_2",
    "syscall_direct_3",
    "syscall_direct_4",
    "syscall_direct_5",
];

/// How the names of programs begin that see results of system calls only.
pub(super) const RESULT: &str = "result_";

/// How the names of programs end that do the work where the kernel skipped a run of another.
pub(super) const STAND_IN: &str = "_again";

/// The kernel's function of a system call.
fn function(call: &str) -> String {
    format!("{}{call}", arch::SYSCALL_PREFIX)
}

/// Whether a program is in the kernel, be it since before.
fn loaded(result: Result<(), ProgramError>) -> Result<(), ProgramError> {
    match result {
        Err(ProgramError::AlreadyLoaded) => Ok(()),
        result => result,
    }
}

/// Loads and attaches the programs of one object.
pub(super) struct Loader<'a> {
    pub(super) ebpf: &'a mut Ebpf,
    pub(super) btf: &'a KernelBtf,
    /// Whether the kernel skips runs of programs at tracepoints, which takes stand-ins.
    pub(super) tracepoints_skip: bool,
    /// Whether it skips runs of `fexit` programs.
    pub(super) fexit_skips: bool,
}

impl Loader<'_> {
    /// Has the kernel verify the largest programs side by side, which takes most of the time. Whatever fails here is tried
    /// again when it is to be attached, and told then.
    pub(super) fn load_ahead(&mut self, hooks: Hooks) {
        let btf = self.btf;
        let (mut worker, mut exits, mut others) = (None, None, Vec::new());
        for (name, program) in self.ebpf.programs_mut() {
            match program {
                Program::FExit(program) if name == WORKER => worker = Some(program),
                Program::BtfTracePoint(program) => match name {
                    ALL_EXITS => exits = Some(program),
                    CAPABILITIES if hooks == Hooks::Fexit => {}
                    CAPABILITIES => others.push((name, program)),
                    name if LIFECYCLE.contains(&name) => others.push((name, program)),
                    _ => {}
                },
                _ => {}
            }
        }
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for (name, program) in others {
                    let _ = program.load(name, btf);
                }
            });
            let worker = worker.filter(|_| hooks != Hooks::Tracepoint);
            let is_loaded = worker.is_some_and(|worker| worker.load(&function("openat"), btf).is_ok());
            if let Some(exits) = exits.filter(|_| hooks != Hooks::Fexit && !is_loaded) {
                let _ = exits.load(ALL_EXITS, btf);
            }
        });
    }

    /// Attaches one of two equivalent hooks, the preferred one where it is not asked for the other.
    pub(super) fn attach_either(
        &mut self,
        hooks: Hooks,
        fexit: impl FnOnce(&mut Self) -> Result<String, SensorError>,
        tracepoint: impl FnOnce(&mut Self) -> Result<String, SensorError>,
    ) -> Result<String, SensorError> {
        let neither = |first: SensorError| {
            move |second: SensorError| SensorError::Neither {
                first: Box::new(first),
                second: Box::new(second),
            }
        };
        match hooks {
            Hooks::Fexit => fexit(self),
            Hooks::Tracepoint => tracepoint(self).or_else(|error| match error {
                // A kernel without the tracepoint has no choice.
                SensorError::NoHook { .. } => fexit(self).map_err(neither(error)),
                error => Err(error),
            }),
            Hooks::Auto => fexit(self).or_else(|error| tracepoint(self).map_err(neither(error))),
        }
    }

    /// Attaches the twins to the exits of the system calls that the kernel has; how many. All or none.
    pub(super) fn attach_twins(&mut self) -> Result<usize, SensorError> {
        let attached = self.try_attach_twins();
        if attached.is_err() {
            let twins = calls::names().map(|(_, name)| format!("fexit_{name}"));
            let results = asks::functions_with_result().map(|function| format!("{RESULT}{function}"));
            for name in twins.chain(results).chain(SAVED.map(str::to_owned)).chain(DIRECT.map(str::to_owned))
            {
                for name in [format!("{name}{STAND_IN}"), name] {
                    if let Some(Program::FExit(program)) = self.ebpf.program_mut(&name) {
                        // Detaches it; one that was not loaded has nothing to unload.
                        let _ = program.unload();
                    }
                }
            }
        }
        attached
    }

    fn try_attach_twins(&mut self) -> Result<usize, SensorError> {
        self.load_fexit(WORKER, &function("openat"))?;
        let worker = self.ebpf.program(WORKER).ok_or_else(|| no_map(WORKER))?;
        let worker = worker.fd().map_err(|error| map_error("WORKERS", &error))?.try_clone();
        let worker = worker.map_err(|error| map_error("WORKERS", &error))?;
        let workers = self.ebpf.map_mut("WORKERS").ok_or_else(|| no_map("WORKERS"))?;
        ProgramArray::try_from(workers)
            .and_then(|mut workers| workers.set(0, &worker, 0))
            .map_err(|error| map_error("WORKERS", &error))?;
        let mut count = 0;
        let (mut saved, mut direct) = (SAVED.iter(), DIRECT.iter());
        for (_, name) in calls::names() {
            let function = function(&name);
            let attached = match self.attach_fexit(&format!("fexit_{name}"), &function) {
                // A call that this kernel does not have yet.
                Err(SensorError::NoHook { .. }) => continue,
                attached => attached,
            };
            // Perhaps its parameter cannot be used, or its function cannot reach the worker: both must have one
            // prototype.
            attached
                .or_else(|error| saved.next().map_or(Err(error), |saved| self.attach_fexit(saved, &function)))
                .or_else(|error| {
                    direct.next().map_or(Err(error), |direct| self.attach_fexit(direct, &function))
                })?;
            count += 1;
        }
        for name in asks::functions_with_result() {
            // Without it the result of that call stays unknown, and a check in it counts as needed.
            if self.attach_to_fexit(&format!("{RESULT}{name}"), &function(name)).is_ok() {
                count += 1;
            }
        }
        Ok(count)
    }

    /// Attaches a program to the tracepoint of its name, and its stand-in where it needs one.
    pub(super) fn attach_tracepoint(&mut self, name: &str) -> Result<(), SensorError> {
        self.attach_to_tracepoint(name, name)?;
        if self.tracepoints_skip {
            self.attach_to_tracepoint(&format!("{name}{STAND_IN}"), name)?;
        }
        Ok(())
    }

    fn attach_to_tracepoint(&mut self, name: &str, tracepoint: &str) -> Result<(), SensorError> {
        let hook = format!("tp_btf/{tracepoint}");
        let program = self.ebpf.program_mut(name).ok_or_else(|| refused(&hook, "it is not in the object"))?;
        let program: &mut BtfTracePoint =
            program.try_into().map_err(|error| refused(&hook, &chain(&error)))?;
        loaded(program.load(tracepoint, self.btf)).map_err(|error| load_error(&hook, &error))?;
        program.attach().map_err(|error| refused(&hook, &chain(&error)))?;
        Ok(())
    }

    /// Attaches a program to the exit of a function, and its stand-in where it needs one.
    pub(super) fn attach_fexit(&mut self, name: &str, function: &str) -> Result<(), SensorError> {
        self.attach_to_fexit(name, function)?;
        if self.fexit_skips {
            self.attach_to_fexit(&format!("{name}{STAND_IN}"), function)?;
        }
        Ok(())
    }

    fn attach_to_fexit(&mut self, name: &str, function: &str) -> Result<(), SensorError> {
        self.load_fexit(name, function)?
            .attach()
            .map_err(|error| refused(&format!("fexit/{function}"), &chain(&error)))?;
        Ok(())
    }

    fn load_fexit(&mut self, name: &str, function: &str) -> Result<&mut FExit, SensorError> {
        let hook = format!("fexit/{function}");
        let program = self.ebpf.program_mut(name).ok_or_else(|| refused(&hook, "it is not in the object"))?;
        let program: &mut FExit = program.try_into().map_err(|error| refused(&hook, &chain(&error)))?;
        loaded(program.load(function, self.btf)).map_err(|error| load_error(&hook, &error))?;
        Ok(program)
    }
}
