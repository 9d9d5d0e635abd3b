//! What differs between architectures: register names, the mark of a 32-bit system call, the kernel stack.

use profiler_ebpf::{config, fields, register};

use super::btf::{Btf, BtfError};

/// Members of `struct pt_regs` that hold the six arguments and the number at the exit of a system call.
///
/// x86-64: rax holds the result, orig_ax the number (arch/x86/include/asm/syscall.h). arm64: x0 holds the result,
/// orig_x0 the first argument; the others stand in the array `regs` (arch/arm64/include/asm/syscall.h).
#[cfg(target_arch = "x86_64")]
const REGISTERS: [(&str, u32); register::LEN] =
    [("di", 0), ("si", 0), ("dx", 0), ("r10", 0), ("r8", 0), ("r9", 0), ("orig_ax", 0)];
#[cfg(target_arch = "aarch64")]
const REGISTERS: [(&str, u32); register::LEN] =
    [("orig_x0", 0), ("regs", 8), ("regs", 16), ("regs", 24), ("regs", 32), ("regs", 40), ("syscallno", 0)];

/// `TS_COMPAT` in `thread_info.status` (arch/x86/include/asm/thread_info.h).
#[cfg(target_arch = "x86_64")]
const COMPAT: (&str, u32) = ("status", 2);
/// `TIF_32BIT` in `thread_info.flags` (arch/arm64/include/asm/thread_info.h).
#[cfg(target_arch = "aarch64")]
const COMPAT: (&str, u32) = ("flags", 1 << 22);

/// `TIF_ADDR32` in `thread_info.flags` (x86), `TIF_32BIT` (arm64): the task executes a 32-bit program.
#[cfg(target_arch = "x86_64")]
const COMPAT_TASK_MASK: u32 = 1 << 29;
#[cfg(target_arch = "aarch64")]
const COMPAT_TASK_MASK: u32 = 1 << 22;

/// What the kernel's functions for system calls are named before the call's own name.
#[cfg(target_arch = "x86_64")]
pub(super) const SYSCALL_PREFIX: &str = "__x64_sys_";
#[cfg(target_arch = "aarch64")]
pub(super) const SYSCALL_PREFIX: &str = "__arm64_sys_";

/// Size of a task's kernel stack without KASAN: `THREAD_SIZE` (x86-64: page_64_types.h; arm64: memory.h).
const THREAD_SIZE_BYTES: u32 = 16 * 1024;

/// Offsets in `struct pt_regs`, in the order of [`register`].
pub(super) fn registers(btf: &Btf) -> Result<[u32; register::LEN], BtfError> {
    let mut offsets = [0; register::LEN];
    for (offset, (name, add)) in offsets.iter_mut().zip(REGISTERS) {
        *offset = btf.offset_of("pt_regs", name)? + add;
    }
    Ok(offsets)
}

/// Fills in the settings that depend on the architecture.
pub(super) fn settings(
    btf: &Btf,
    field_offsets: &[u32; fields::COUNT],
    has_task_pt_regs: bool,
    settings: &mut [u32; config::LEN],
) -> Result<(), BtfError> {
    let thread_info = field_offsets[fields::TASK_THREAD_INFO];
    settings[config::COMPAT_OFFSET] = thread_info + btf.offset_of("thread_info", COMPAT.0)?;
    settings[config::COMPAT_MASK] = COMPAT.1;
    settings[config::COMPAT_TASK_OFFSET] = thread_info + btf.offset_of("thread_info", "flags")?;
    settings[config::COMPAT_TASK_MASK] = COMPAT_TASK_MASK;
    // Without the helper (before Linux 5.15) there is no FRED either, whose padding would come on top.
    settings[config::PT_REGS_FROM_STACK] =
        if has_task_pt_regs { 0 } else { THREAD_SIZE_BYTES.saturating_sub(btf.size_of("pt_regs")?) };
    Ok(())
}
