//! What differs between architectures: register names, the mark of a 32-bit system call, the kernel stack.

use profiler_ebpf::{config, fields, register};

use super::btf::{Btf, BtfError};

/// Members of `struct pt_regs` that hold the six arguments and the number at the exit of a system call.
///
/// x86-64: rax holds the result, orig_ax the number (arch/x86/include/asm/syscall.h). arm64: x0 holds the result,
/// orig_x0 the first argument; the others stand in the array `regs`, and the number in x8 (arch/arm64/kernel/syscall.c):
/// not in `syscallno`, which has only 32 bits, where the programs read 64.
#[cfg(target_arch = "x86_64")]
const REGISTERS: [(&str, u32); register::LEN] =
    [("di", 0), ("si", 0), ("dx", 0), ("r10", 0), ("r8", 0), ("r9", 0), ("orig_ax", 0)];
#[cfg(target_arch = "aarch64")]
const REGISTERS: [(&str, u32); register::LEN] =
    [("orig_x0", 0), ("regs", 8), ("regs", 16), ("regs", 24), ("regs", 32), ("regs", 40), ("regs", 64)];

/// `TS_COMPAT` in `thread_info.status` (arch/x86/include/asm/thread_info.h), set for a 32-bit system call and, by
/// `set_personality_ia32`, from the execution of a 32-bit program to its first instruction. (The flag that stays,
/// `TIF_ADDR32`, has another number since Linux 6.18.)
#[cfg(target_arch = "x86_64")]
const COMPAT: (&str, u32) = ("status", 2);
/// `TIF_32BIT` in `thread_info.flags` (arch/arm64/include/asm/thread_info.h).
#[cfg(target_arch = "aarch64")]
const COMPAT: (&str, u32) = ("flags", 1 << 22);

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

/// The structures and members that are resolved here.
#[cfg(test)]
pub(super) fn members() -> impl Iterator<Item = (&'static str, &'static str)> {
    let registers = REGISTERS.map(|(name, _)| ("pt_regs", name));
    registers.into_iter().chain([("thread_info", COMPAT.0), ("thread_info", "flags")])
}

/// Fills in the settings that depend on the architecture.
pub(super) fn settings(
    btf: &Btf,
    field_offsets: &[u32; fields::COUNT],
    settings: &mut [u32; config::LEN],
) -> Result<(), BtfError> {
    let thread_info = field_offsets[fields::TASK_THREAD_INFO];
    settings[config::COMPAT_OFFSET] = thread_info + btf.offset_of("thread_info", COMPAT.0)?;
    settings[config::COMPAT_MASK] = COMPAT.1;
    Ok(())
}

/// Where the system call's registers stand, from the begin of a task's stack, for kernels without the helper that finds
/// them (before Linux 5.15). Those have no FRED either, whose padding would come on top.
pub(super) fn pt_regs_from_stack(btf: &Btf) -> Result<u32, BtfError> {
    Ok(THREAD_SIZE_BYTES.saturating_sub(btf.size_of("pt_regs")?))
}
