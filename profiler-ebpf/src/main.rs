//! The BPF programs: thin attach points around the logic in `bpf/`.
//!
//! Prototypes of what is hooked, by kernel version:
//! - `tp_btf/sys_exit`: `(struct pt_regs *, long ret)`, 5.5 to today.
//! - `tp_btf/cap_capable`: `(const struct cred *, struct user_namespace *target, const struct user_namespace *capable,
//!   int cap, int ret)`, since 6.14.
//! - `fexit/cap_capable`: `(const struct cred *, struct user_namespace *target, int cap, unsigned int opts) -> int`,
//!   5.1 to today (`const` was added to the second in 6.15).
//! - `tp_btf/cgroup_mkdir`: `(struct cgroup *, const char *path)`, 4.18 to today.
//! - `tp_btf/sched_process_exec`: `(struct task_struct *, pid_t old_pid, struct linux_binprm *)`, 3.4 to today.
//! - `tp_btf/sched_process_fork`: `(struct task_struct *parent, struct task_struct *child)`.
//! - `tp_btf/sched_process_exit`: `(struct task_struct *)`; `bool group_dead` was added in 6.16.

#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![expect(internal_features, reason = "atomic addition is an intrinsic only on this target")]

mod bpf;

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext,
    macros::{btf_tracepoint, fexit},
    programs::{BtfTracePointContext, FExitContext},
};

use bpf::{capability, lifecycle, syscall};

/// Every system call's exit: the fallback where `fexit` is refused.
#[btf_tracepoint(function = "sys_exit")]
pub fn sys_exit(ctx: BtfTracePointContext) -> i32 {
    syscall::exited(ctx.arg::<*const c_void>(0), ctx.arg::<i64>(1));
    0
}

/// Capability checks, where the kernel has the tracepoint.
#[btf_tracepoint(function = "cap_capable")]
pub fn cap_capable(ctx: BtfTracePointContext) -> i32 {
    capability::checked(
        ctx.as_ptr(),
        ctx.arg::<u64>(0),
        ctx.arg::<u64>(1),
        ctx.arg::<u32>(3),
        ctx.arg::<i32>(4),
    );
    0
}

/// Capability checks, by the function itself.
#[fexit(function = "cap_capable")]
pub fn cap_capable_exit(ctx: FExitContext) -> i32 {
    capability::checked(
        ctx.as_ptr(),
        ctx.arg::<u64>(0),
        ctx.arg::<u64>(1),
        ctx.arg::<u32>(2),
        ctx.arg::<i32>(4),
    );
    0
}

/// New cgroups.
#[btf_tracepoint(function = "cgroup_mkdir")]
pub fn cgroup_mkdir(ctx: BtfTracePointContext) -> i32 {
    lifecycle::cgroup_made(ctx.arg::<*const c_void>(0));
    0
}

/// Executions.
#[btf_tracepoint(function = "sched_process_exec")]
pub fn sched_process_exec(ctx: BtfTracePointContext) -> i32 {
    lifecycle::executed(ctx.arg::<*const c_void>(0), ctx.arg::<*const c_void>(2));
    0
}

/// Forks.
#[btf_tracepoint(function = "sched_process_fork")]
pub fn sched_process_fork(ctx: BtfTracePointContext) -> i32 {
    lifecycle::forked(ctx.arg::<*const c_void>(0), ctx.arg::<*const c_void>(1));
    0
}

/// Exits.
#[btf_tracepoint(function = "sched_process_exit")]
pub fn sched_process_exit(ctx: BtfTracePointContext) -> i32 {
    lifecycle::exited(ctx.arg::<*const c_void>(0));
    0
}

/// bpf_get_stackid and other helpers are for GPL-compatible programs only; the sources are `MIT OR Apache-2.0`, and
/// this is the kernel's name for the combination with its own.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
pub static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
