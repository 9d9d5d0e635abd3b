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
    capability::{self, Check},
    count::lost,
    kernel::{number_of, saved_register, typed_register},
    lifecycle,
    maps::WORKERS,
    skipped::Hook,
    syscall,
};
use profiler_ebpf::{register, stat};

/// A program at a tracepoint, and its stand-in (see [`skipped`]).
macro_rules! tracepoint {
    ($(#[$doc:meta])* $name:ident, $stand_in:ident at $function:literal, $hook:ident: |$ctx:ident| $work:expr) => {
        $(#[$doc])*
        #[btf_tracepoint(function = $function)]
        pub fn $name($ctx: BtfTracePointContext) -> i32 {
            Hook::$hook.enter();
            $work;
            Hook::$hook.leave();
            0
        }

        #[btf_tracepoint(function = $function)]
        pub fn $stand_in($ctx: BtfTracePointContext) -> i32 {
            if Hook::$hook.is_skipped() {
                $work;
            }
            0
        }
    };
}

tracepoint! {
    /// Every system call's exit: the fallback where `fexit` is refused.
    sys_exit, sys_exit_again at "sys_exit", SYS_EXIT: |ctx| {
        let registers = ctx.arg::<*const c_void>(0);
        let result = ctx.arg::<i64>(1);
        capability::settle(|| number_of(|index| typed_register(registers, index)), result);
        syscall::exited(|index| typed_register(registers, index), result);
    }
}

/// What the twins below go on to by a tail call, with their own context. Loaded for the exit of `openat`, attached to
/// nothing: since Linux 6.12 both sides of a tail call must hook functions of one prototype, and all system calls have
/// `long (const struct pt_regs *)` where the architecture wraps them (x86-64 since 4.17, arm64 since 4.19).
#[fexit]
pub fn syscall_worker(ctx: FExitContext) -> i32 {
    let registers = ctx.arg::<*const c_void>(0);
    syscall::exited(|index| typed_register(registers, index), ctx.arg::<i64>(1));
    Hook::syscall(typed_register(registers, register::NUMBER)).leave();
    0
}

/// The same, attached itself where a system call's function has another prototype than the worker's in the kernel's BTF,
/// so that it cannot be reached by a tail call (see [`saved`]).
macro_rules! direct {
    ($($name:ident $stand_in:ident)*) => {
        $(
            #[fexit]
            pub fn $name(ctx: FExitContext) -> i32 {
                let hook = Hook::syscall(saved_register(register::NUMBER));
                hook.enter();
                let result = ctx.arg::<i64>(1);
                capability::settle(|| number_of(saved_register), result);
                syscall::exited(saved_register, result);
                hook.leave();
                0
            }

            #[fexit]
            pub fn $stand_in(ctx: FExitContext) -> i32 {
                if Hook::syscall(saved_register(register::NUMBER)).is_skipped() {
                    let result = ctx.arg::<i64>(1);
                    capability::settle(|| number_of(saved_register), result);
                    syscall::exited(saved_register, result);
                }
                0
            }
        )*
    };
}

direct! {
    syscall_direct_0 syscall_direct_0_again
    syscall_direct_1 syscall_direct_1_again
    syscall_direct_2 syscall_direct_2_again
    syscall_direct_3 syscall_direct_3_again
    syscall_direct_4 syscall_direct_4_again
    syscall_direct_5 syscall_direct_5_again
}

#[inline(always)]
fn twin(ctx: &FExitContext, register: impl Fn(usize) -> u64) {
    let hook = Hook::syscall(register(register::NUMBER));
    hook.enter();
    capability::settle(|| number_of(&register), ctx.arg::<i64>(1));
    if syscall::concerns(register).is_some() {
        // Does not come back where it succeeds; the worker leaves.
        unsafe { WORKERS.tail_call(ctx, 0) };
        lost(stat::SCRATCH_BUSY);
    }
    hook.leave();
}

/// Twins for functions whose parameter cannot be used: where the source file of bind, for instance, is compiled `struct
/// pt_regs` is only declared (Linux 5.10: "type is not a struct"), so the saved registers are read. They reach the worker
/// where the kernel does not compare prototypes (5.10 does not; 6.12, and 6.1 with its latest fixes, do).
macro_rules! saved {
    ($($name:ident $stand_in:ident)*) => {
        $(
            #[fexit]
            pub fn $name(ctx: FExitContext) -> i32 {
                twin(&ctx, saved_register);
                0
            }

            #[fexit]
            pub fn $stand_in(ctx: FExitContext) -> i32 {
                if Hook::syscall(saved_register(register::NUMBER)).is_skipped() {
                    twin(&ctx, saved_register);
                }
                0
            }
        )*
    };
}

saved! {
    syscall_saved_0 syscall_saved_0_again
    syscall_saved_1 syscall_saved_1_again
    syscall_saved_2 syscall_saved_2_again
    syscall_saved_3 syscall_saved_3_again
    syscall_saved_4 syscall_saved_4_again
    syscall_saved_5 syscall_saved_5_again
}

/// One program for each system call of interest, at the exit of its own function: other calls pay nothing.
macro_rules! twins {
    ($($name:ident $stand_in:ident)*) => {
        $(
            #[fexit]
            pub fn $name(ctx: FExitContext) -> i32 {
                let registers = ctx.arg::<*const c_void>(0);
                twin(&ctx, |index| typed_register(registers, index));
                0
            }

            #[fexit]
            pub fn $stand_in(ctx: FExitContext) -> i32 {
                let registers = ctx.arg::<*const c_void>(0);
                if Hook::syscall(typed_register(registers, register::NUMBER)).is_skipped() {
                    twin(&ctx, |index| typed_register(registers, index));
                }
                0
            }
        )*
    };
}

twins! {
    fexit_open fexit_open_again
    fexit_openat fexit_openat_again
    fexit_openat2 fexit_openat2_again
    fexit_creat fexit_creat_again
    fexit_mkdir fexit_mkdir_again
    fexit_mkdirat fexit_mkdirat_again
    fexit_mknod fexit_mknod_again
    fexit_mknodat fexit_mknodat_again
    fexit_symlink fexit_symlink_again
    fexit_symlinkat fexit_symlinkat_again
    fexit_link fexit_link_again
    fexit_linkat fexit_linkat_again
    fexit_unlink fexit_unlink_again
    fexit_unlinkat fexit_unlinkat_again
    fexit_rmdir fexit_rmdir_again
    fexit_rename fexit_rename_again
    fexit_renameat fexit_renameat_again
    fexit_renameat2 fexit_renameat2_again
    fexit_truncate fexit_truncate_again
    fexit_ftruncate fexit_ftruncate_again
    fexit_fallocate fexit_fallocate_again
    fexit_chmod fexit_chmod_again
    fexit_fchmod fexit_fchmod_again
    fexit_fchmodat fexit_fchmodat_again
    fexit_fchmodat2 fexit_fchmodat2_again
    fexit_chown fexit_chown_again
    fexit_lchown fexit_lchown_again
    fexit_fchown fexit_fchown_again
    fexit_fchownat fexit_fchownat_again
    fexit_utime fexit_utime_again
    fexit_utimes fexit_utimes_again
    fexit_futimesat fexit_futimesat_again
    fexit_utimensat fexit_utimensat_again
    fexit_setxattr fexit_setxattr_again
    fexit_lsetxattr fexit_lsetxattr_again
    fexit_fsetxattr fexit_fsetxattr_again
    fexit_setxattrat fexit_setxattrat_again
    fexit_removexattr fexit_removexattr_again
    fexit_lremovexattr fexit_lremovexattr_again
    fexit_fremovexattr fexit_fremovexattr_again
    fexit_removexattrat fexit_removexattrat_again
    fexit_open_by_handle_at fexit_open_by_handle_at_again
    fexit_file_setattr fexit_file_setattr_again
    fexit_ioctl fexit_ioctl_again
    fexit_bind fexit_bind_again
    fexit_fsync fexit_fsync_again
    fexit_fdatasync fexit_fdatasync_again
    fexit_sync_file_range fexit_sync_file_range_again
    fexit_syncfs fexit_syncfs_again
    fexit_msync fexit_msync_again
    fexit_mmap fexit_mmap_again
}

/// Twins that need no worker: they count and that is all.
macro_rules! counting {
    ($($name:ident $stand_in:ident)*) => {
        $(
            #[fexit]
            pub fn $name(ctx: FExitContext) -> i32 {
                let hook = Hook::syscall(saved_register(register::NUMBER));
                hook.enter();
                syscall::ring_used(saved_register, ctx.arg::<i64>(1));
                hook.leave();
                0
            }

            #[fexit]
            pub fn $stand_in(ctx: FExitContext) -> i32 {
                if Hook::syscall(saved_register(register::NUMBER)).is_skipped() {
                    syscall::ring_used(saved_register, ctx.arg::<i64>(1));
                }
                0
            }
        )*
    };
}

counting! {
    fexit_io_uring_setup fexit_io_uring_setup_again
    fexit_io_uring_enter fexit_io_uring_enter_again
}

/// Programs at the exits of system calls that ask for a capability and are of no other interest: the result of those that
/// asked for one. They do not look at their argument, so that its type does not matter. They need no stand-ins: where a
/// run is skipped the result stays unknown, and a check in that call counts as needed.
macro_rules! results {
    ($($name:ident)*) => {
        $(
            #[fexit]
            pub fn $name(ctx: FExitContext) -> i32 {
                capability::settle(|| number_of(saved_register), ctx.arg::<i64>(1));
                0
            }
        )*
    };
}

results! {
    result_setuid result_setgid result_setresuid result_setresgid result_setgroups result_prctl
    result_mount result_umount result_pivot_root result_unshare result_setns result_socket result_setsockopt
    result_kill result_ptrace result_bpf result_perf_event_open
}

tracepoint! {
    /// Capability checks, where the kernel has the tracepoint.
    cap_capable, cap_capable_again at "cap_capable", CAPABLE: |ctx| capability::checked(
        ctx.as_ptr(),
        Check { cred: ctx.arg(0), namespace: ctx.arg(1), cap: ctx.arg(3), options: 0, result: ctx.arg(4) },
    )
}

/// Capability checks, by the function itself.
#[fexit(function = "cap_capable")]
pub fn cap_capable_exit(ctx: FExitContext) -> i32 {
    Hook::CAPABLE_EXIT.enter();
    capable_exited(&ctx);
    Hook::CAPABLE_EXIT.leave();
    0
}

#[fexit(function = "cap_capable")]
pub fn cap_capable_exit_again(ctx: FExitContext) -> i32 {
    if Hook::CAPABLE_EXIT.is_skipped() {
        capable_exited(&ctx);
    }
    0
}

#[inline(always)]
fn capable_exited(ctx: &FExitContext) {
    let check = Check {
        cred: ctx.arg(0),
        namespace: ctx.arg(1),
        cap: ctx.arg(2),
        options: ctx.arg(3),
        result: ctx.arg(4),
    };
    capability::checked(ctx.as_ptr(), check);
}

tracepoint! {
    /// New cgroups.
    cgroup_mkdir, cgroup_mkdir_again at "cgroup_mkdir", CGROUP: |ctx| lifecycle::cgroup_made(ctx.arg::<*const c_void>(0))
}

tracepoint! {
    /// Executions.
    sched_process_exec, sched_process_exec_again at "sched_process_exec", EXEC: |ctx| {
        lifecycle::executed(ctx.arg::<*const c_void>(0), ctx.arg::<*const c_void>(2))
    }
}

tracepoint! {
    /// Forks.
    sched_process_fork, sched_process_fork_again at "sched_process_fork", FORK: |ctx| {
        lifecycle::forked(ctx.arg::<*const c_void>(0), ctx.arg::<*const c_void>(1))
    }
}

tracepoint! {
    /// Exits.
    sched_process_exit, sched_process_exit_again at "sched_process_exit", EXIT: |ctx| {
        lifecycle::exited(ctx.arg::<*const c_void>(0))
    }
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
