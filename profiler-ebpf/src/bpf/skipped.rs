//! Runs that the kernel skips, and who stands in for them.
//!
//! A program does not run twice at once on one CPU: where it is preempted, and another task comes to the same hook, the
//! kernel skips that run and counts it (`recursion_misses`, Linux 5.12). `fexit` programs can be preempted where the
//! kernel can; tracepoints disable preemption up to Linux 6.19 and no longer since 7.0 (include/linux/tracepoint.h).
//!
//! There a second program, the stand-in, is at the same hook: it does the work where it finds that another task's run
//! of the first stands still on this CPU, as the run for its own task was skipped then. Tasks do not migrate while they
//! run a program. What neither sees is counted: skipped runs, less those that were stood in for.

use profiler_ebpf::{SYSCALL_SLOTS, config};

use super::{
    count::add,
    kernel::setting,
    maps::{RUNNING, STOOD_IN},
};

/// A hook whose runs are counted while they are under way.
#[derive(Clone, Copy)]
pub struct Hook {
    /// Index into the map `RUNNING`.
    index: u32,
    /// The setting that says whether it has a stand-in.
    setting: usize,
}

impl Hook {
    /// Hooks in all.
    pub const COUNT: u32 = SYSCALL_SLOTS as u32 + 6;

    pub const SYS_EXIT: Self = Self::tracepoint(0);
    pub const CAPABLE: Self = Self::tracepoint(1);
    pub const EXEC: Self = Self::tracepoint(2);
    pub const FORK: Self = Self::tracepoint(3);
    pub const EXIT: Self = Self::tracepoint(4);
    pub const CGROUP: Self = Self::tracepoint(5);
    /// The function that the tracepoint is in: one of the two is used.
    pub const CAPABLE_EXIT: Self = Self { setting: config::FEXIT_SKIPS, ..Self::CAPABLE };

    const fn tracepoint(number: u32) -> Self {
        Self { index: SYSCALL_SLOTS as u32 + number, setting: config::TRACEPOINTS_SKIP }
    }

    /// The exit of a system call's own function.
    #[inline(always)]
    pub fn syscall(number: u64) -> Self {
        Self { index: number as u32 & (SYSCALL_SLOTS as u32 - 1), setting: config::FEXIT_SKIPS }
    }

    /// The first thing that the program there does.
    #[inline(always)]
    pub fn enter(self) {
        self.change(1);
    }

    /// The last thing that it does.
    #[inline(always)]
    pub fn leave(self) {
        self.change(u64::MAX);
    }

    #[inline(always)]
    fn change(self, by: u64) {
        // A constant to the verifier: where there are no stand-ins this is no code.
        if setting(self.setting) != 0
            && let Some(running) = RUNNING.get_ptr_mut(self.index)
        {
            // Atomic, as runs need not end in the order in which they began.
            add(unsafe { &mut *running }, by);
        }
    }

    /// Whether the program's run was skipped for this task. The first thing that the stand-in asks.
    #[inline(always)]
    pub fn is_skipped(self) -> bool {
        if RUNNING.get(self.index).is_none_or(|running| *running == 0) {
            return false;
        }
        if let Some(stood_in) = STOOD_IN.get_ptr_mut(0) {
            add(unsafe { &mut *stood_in }, 1);
        }
        true
    }
}
