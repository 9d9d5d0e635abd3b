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

use bpf::{
    capability,
    count::lost,
    kernel::{saved_register, typed_register},
    lifecycle,
    maps::WORKERS,
    syscall,
};
use profiler_ebpf::stat;

/// Every system call's exit: the fallback where `fexit` is refused.
#[btf_tracepoint(function = "sys_exit")]
pub fn sys_exit(ctx: BtfTracePointContext) -> i32 {
    let registers = ctx.arg::<*const c_void>(0);
    syscall::exited(|index| typed_register(registers, index), ctx.arg::<i64>(1));
    0
}

/// What the twins below go on to by a tail call, with their own context. Loaded for the exit of `openat`, attached to
/// nothing: since Linux 6.12 both sides of a tail call must hook functions of one prototype, and all system calls have
/// `long (const struct pt_regs *)` where the architecture wraps them (x86-64 since 4.17, arm64 since 4.19).
#[fexit]
pub fn syscall_worker(ctx: FExitContext) -> i32 {
    let registers = ctx.arg::<*const c_void>(0);
    syscall::exited(|index| typed_register(registers, index), ctx.arg::<i64>(1));
    0
}

/// The same, attached itself where a system call's function has another prototype than the worker's in the kernel's BTF,
/// so that it cannot be reached by a tail call. bind is one: where its source file is compiled `struct pt_regs` is only
/// declared, and such a parameter cannot be used (Linux 5.10: "type is not a struct"), so the saved registers are read.
macro_rules! direct {
    ($($name:ident)*) => {
        $(
            #[fexit]
            pub fn $name(ctx: FExitContext) -> i32 {
                syscall::exited(saved_register, ctx.arg::<i64>(1));
                0
            }
        )*
    };
}

direct! { syscall_direct_0 syscall_direct_1 syscall_direct_2 syscall_direct_3 }

#[inline(always)]
fn twin(ctx: &FExitContext) -> i32 {
    let registers = ctx.arg::<*const c_void>(0);
    if syscall::concerns(|index| typed_register(registers, index)).is_some() {
        // Does not come back where it succeeds.
        unsafe { WORKERS.tail_call(ctx, 0) };
        lost(stat::SCRATCH_BUSY);
    }
    0
}

/// One program for each system call of interest, at the exit of its own function: other calls pay nothing.
macro_rules! twins {
    ($($name:ident)*) => {
        $(
            #[fexit]
            pub fn $name(ctx: FExitContext) -> i32 {
                twin(&ctx)
            }
        )*
    };
}

twins! {
    fexit_open fexit_openat fexit_openat2 fexit_creat fexit_mkdir fexit_mkdirat fexit_mknod fexit_mknodat
    fexit_symlink fexit_symlinkat fexit_link fexit_linkat fexit_unlink fexit_unlinkat fexit_rmdir
    fexit_rename fexit_renameat fexit_renameat2 fexit_truncate fexit_ftruncate fexit_fallocate
    fexit_chmod fexit_fchmod fexit_fchmodat fexit_fchmodat2 fexit_chown fexit_lchown fexit_fchown fexit_fchownat
    fexit_utime fexit_utimes fexit_futimesat fexit_utimensat
    fexit_setxattr fexit_lsetxattr fexit_fsetxattr fexit_setxattrat
    fexit_removexattr fexit_lremovexattr fexit_fremovexattr fexit_removexattrat
    fexit_bind fexit_fsync fexit_fdatasync fexit_sync_file_range fexit_syncfs fexit_io_uring_enter
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
