//! Reading the kernel's structures, by offsets that userspace resolved.
//!
//! `read_*` go through `bpf_probe_read_kernel` (Linux 5.5), which zeroes its target where the address is bad: no
//! branch is needed, and a null pointer yields zeroes all the way down. `typed_*` load directly from a pointer whose
//! type the verifier knows (arguments of `tp_btf` and `fexit`); the offset comes from a frozen read-only map and is
//! a constant to the verifier (Linux 5.5).

use core::{ffi::c_void, ptr};

use aya_ebpf::helpers::generated as helper;
use profiler_ebpf::{config, fields, register};

use super::maps::{CONFIG, FIELDS, REGISTERS};

/// Error numbers from here on are the kernel's own (ERESTARTSYS and such): the call will be made again.
pub const ERESTARTSYS: i64 = 512;

const S_IFMT: u16 = 0o170_000;
const S_IFREG: u16 = 0o100_000;

/// The offset of a field, in bytes.
#[inline(always)]
pub fn offset(field: usize) -> u64 {
    // Volatile: the value is userspace's, not the zero that stands in the source.
    u64::from(unsafe { ptr::read_volatile(ptr::addr_of!(FIELDS[field])) })
}

/// A setting.
#[inline(always)]
pub fn setting(index: usize) -> u32 {
    unsafe { ptr::read_volatile(ptr::addr_of!(CONFIG[index])) }
}

macro_rules! reader {
    ($name:ident, $type:ty) => {
        /// The value at `address` plus the offset of `field`; 0 where it cannot be read.
        #[inline(always)]
        pub fn $name(address: u64, field: usize) -> $type {
            let mut value: $type = 0;
            unsafe {
                helper::bpf_probe_read_kernel(
                    ptr::addr_of_mut!(value).cast(),
                    core::mem::size_of::<$type>() as u32,
                    (address + offset(field)) as *const c_void,
                );
            }
            value
        }
    };
}

reader!(read_u64, u64);
reader!(read_u32, u32);
reader!(read_u16, u16);

/// The address at `address`, without a field.
#[inline(always)]
pub fn read_at(address: u64) -> u64 {
    let mut value = 0u64;
    unsafe {
        helper::bpf_probe_read_kernel(ptr::addr_of_mut!(value).cast(), 8, address as *const c_void);
    }
    value
}

/// The two words of 64 bits at `address`.
#[inline(always)]
pub fn read_two(address: u64) -> [u64; 2] {
    let mut value = [0u64; 2];
    unsafe {
        helper::bpf_probe_read_kernel(value.as_mut_ptr().cast(), 16, address as *const c_void);
    }
    value
}

/// The 32-bit word at `address`.
#[inline(always)]
pub fn read_word(address: u64) -> u32 {
    let mut value = 0u32;
    unsafe {
        helper::bpf_probe_read_kernel(ptr::addr_of_mut!(value).cast(), 4, address as *const c_void);
    }
    value
}

/// A 64-bit field of a pointer whose type the verifier knows.
#[inline(always)]
pub fn typed_u64(pointer: *const c_void, field: usize) -> u64 {
    unsafe { ptr::read_volatile(pointer.cast::<u8>().add(offset(field) as usize).cast()) }
}

/// A 32-bit field of a pointer whose type the verifier knows.
#[inline(always)]
pub fn typed_u32(pointer: *const c_void, field: usize) -> u32 {
    unsafe { ptr::read_volatile(pointer.cast::<u8>().add(offset(field) as usize).cast()) }
}

/// A register of a `struct pt_regs` whose type the verifier knows; see [`register`].
#[inline(always)]
pub fn typed_register(registers: *const c_void, index: usize) -> u64 {
    unsafe {
        let offset = ptr::read_volatile(ptr::addr_of!(REGISTERS[index])) as usize;
        ptr::read_volatile(registers.cast::<u8>().add(offset).cast())
    }
}

/// A register of the system call that the current task is in, from where the kernel saved it.
#[inline(always)]
pub fn saved_register(index: usize) -> u64 {
    let distance = setting(config::PT_REGS_FROM_STACK);
    let registers = if distance == 0 {
        // Linux 5.15; the verifier does not look at this branch where the setting says otherwise.
        unsafe { helper::bpf_task_pt_regs(helper::bpf_get_current_task_btf()) as u64 }
    } else {
        read_u64(current_task(), fields::TASK_STACK) + u64::from(distance)
    };
    let offset = unsafe { ptr::read_volatile(ptr::addr_of!(REGISTERS[index])) };
    read_at(registers + u64::from(offset))
}

/// The number of a system call, given its registers. The kernel takes the low half for an int and keeps what the program
/// left in the high half, on x86-64 as on arm64.
#[inline(always)]
pub fn number_of(register: impl Fn(usize) -> u64) -> u64 {
    register(register::NUMBER) & 0xffff_ffff
}

/// The current `struct task_struct`.
#[inline(always)]
pub fn current_task() -> u64 {
    unsafe { helper::bpf_get_current_task() }
}

/// The current process.
#[inline(always)]
pub fn current_tgid() -> u32 {
    (unsafe { helper::bpf_get_current_pid_tgid() } >> 32) as u32
}

/// The current thread.
#[inline(always)]
pub fn current_thread() -> u32 {
    (unsafe { helper::bpf_get_current_pid_tgid() }) as u32
}

/// `CLOCK_MONOTONIC` in nanoseconds.
#[inline(always)]
pub fn now() -> u64 {
    unsafe { helper::bpf_ktime_get_ns() }
}

/// The `struct mount` around a `struct vfsmount`; 0 for 0.
#[inline(always)]
pub fn mount_of(vfsmount: u64) -> u64 {
    vfsmount.wrapping_sub(offset(fields::MOUNT_MNT))
}

/// The open file of the current task behind a descriptor; 0 where there is none.
#[inline(always)]
pub fn file_of(descriptor: u64) -> u64 {
    let table = descriptor_table();
    // A descriptor is an int; negative ones fail the comparison as unsigned numbers.
    let descriptor = u64::from(descriptor as u32);
    if descriptor >= u64::from(read_u32(table, fields::FDTABLE_MAX_FDS)) {
        return 0;
    }
    read_at(read_u64(table, fields::FDTABLE_FD) + descriptor * 8)
}

/// The open file behind a descriptor that the kernel has just handed out: the table has room for it.
#[inline(always)]
pub fn file_of_new(descriptor: u64) -> u64 {
    read_at(read_u64(descriptor_table(), fields::FDTABLE_FD) + u64::from(descriptor as u32) * 8)
}

/// Whether an open file is a regular one.
#[inline(always)]
pub fn is_regular(file: u64) -> bool {
    read_u16(read_u64(file, fields::FILE_INODE), fields::INODE_MODE) & S_IFMT == S_IFREG
}

#[inline(always)]
fn descriptor_table() -> u64 {
    read_u64(read_u64(current_task(), fields::TASK_FILES), fields::FILES_FDT)
}
