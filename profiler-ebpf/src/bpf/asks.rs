//! What a system call asks for, told by its arguments and the credentials at a capability check: whether the call would
//! come to the same without the capability.

use core::{ffi::c_void, ptr};

use aya_ebpf::helpers::generated as helper;
use profiler_ebpf::{ask::kind, fields, register};

use super::kernel::{file_of, is_regular, offset, read_u32, read_u64, saved_register};

// Linux include/uapi/linux/capability.h.
const CAP_SETGID: u32 = 6;
const CAP_SETUID: u32 = 7;
const CAP_SETPCAP: u32 = 8;
pub const CAP_NET_ADMIN: u32 = 12;
pub const CAP_SYS_ADMIN: u32 = 21;

/// `CLONE_NEWTIME`, `CLONE_NEWNS`, `CLONE_NEWCGROUP`, `CLONE_NEWUTS`, `CLONE_NEWIPC`, `CLONE_NEWUSER`, `CLONE_NEWPID`,
/// `CLONE_NEWNET` (Linux include/uapi/linux/sched.h). For clone the first is part of the exit signal.
const NAMESPACES: u64 = 0x7e02_0080;

/// In `struct clone_args`: where `set_tid_size` stands, and the size from which on it is there (Linux 5.5).
const SET_TID_SIZE: u64 = 72;
const CLONE_ARGS_SIZE_VER1: u64 = 80;

/// `_LINUX_CAPABILITY_VERSION_1`: the sets have 32 bits.
const CAPABILITY_VERSION_1: u32 = 0x1998_0330;

/// The same on x86-64 and arm64.
const MAP_ANONYMOUS: u64 = 0x20;

/// An id that stands for "leave it".
const LEAVE: u32 = u32::MAX;

/// Whether the current system call would come to the same without `cap`.
#[inline(always)]
pub fn for_nothing_new(cred: u64, cap: u32, asks: u8) -> bool {
    match (cap, asks) {
        (CAP_SYS_ADMIN, kind::MEMORY) => true,
        (CAP_SYS_ADMIN, kind::MMAP) => maps_no_device(),
        (CAP_SYS_ADMIN, kind::CLONE) => saved_register(register::ARG0) & NAMESPACES & !0xff == 0,
        (CAP_SYS_ADMIN, kind::CLONE3) => clone3_is_plain(),
        // With the capability setuid sets all of the ids, without it the effective one only, and only to the real or the
        // saved one: it comes to the same where these two are it already (kernel/sys.c, __sys_setuid and __sys_setgid).
        (CAP_SETUID, kind::SETUID) => {
            let ids = Ids::of(cred, &USER);
            let id = ids.kernel_id(saved_register(register::ARG0) as u32);
            id == Some(ids.real) && id == Some(ids.saved)
        }
        (CAP_SETGID, kind::SETGID) => {
            let ids = Ids::of(cred, &GROUP);
            let id = ids.kernel_id(saved_register(register::ARG0) as u32);
            id == Some(ids.real) && id == Some(ids.saved)
        }
        // Any of the three ids may become any of the three without it; newer kernels do not even ask then
        // (__sys_setresuid; since 6.3).
        (CAP_SETUID, kind::SETRESUID) => has_all_three(&Ids::of(cred, &USER)),
        (CAP_SETGID, kind::SETRESGID) => has_all_three(&Ids::of(cred, &GROUP)),
        (CAP_SETPCAP, kind::CAPSET) => inherits_no_more(cred),
        _ => false,
    }
}

/// Whether the effective user is root of the host.
#[inline(always)]
pub fn is_root(cred: u64) -> bool {
    read_u32(cred, fields::CRED_EUID) == 0
}

/// Where ids of one sort are found.
struct Sort {
    real: usize,
    effective: usize,
    saved: usize,
    map: usize,
}

const USER: Sort = Sort {
    real: fields::CRED_UID,
    effective: fields::CRED_EUID,
    saved: fields::CRED_SUID,
    map: fields::USER_NS_UID_MAP,
};
const GROUP: Sort = Sort {
    real: fields::CRED_GID,
    effective: fields::CRED_EGID,
    saved: fields::CRED_SGID,
    map: fields::USER_NS_GID_MAP,
};

/// The ids of credentials, as the kernel counts them, and how to get there from those of their user namespace.
struct Ids {
    real: u32,
    effective: u32,
    saved: u32,
    /// First id inside, first id outside, number. A map of several extents is left alone: none of its ids is known.
    first: u32,
    lower: u32,
    count: u32,
}

impl Ids {
    #[inline(always)]
    fn of(cred: u64, sort: &Sort) -> Self {
        let map = read_u64(cred, fields::CRED_USER_NS) + offset(sort.map);
        let extent = map + offset(fields::ID_MAP_EXTENT);
        let single = read_u32(map, fields::ID_MAP_EXTENTS) == 1;
        Self {
            real: read_u32(cred, sort.real),
            effective: read_u32(cred, sort.effective),
            saved: read_u32(cred, sort.saved),
            first: read_u32(extent, fields::ID_EXTENT_FIRST),
            lower: read_u32(extent, fields::ID_EXTENT_LOWER),
            count: if single { read_u32(extent, fields::ID_EXTENT_COUNT) } else { 0 },
        }
    }

    /// What the kernel makes of an id (`make_kuid`).
    #[inline(always)]
    fn kernel_id(&self, id: u32) -> Option<u32> {
        let distance = id.wrapping_sub(self.first);
        (distance < self.count).then(|| self.lower.wrapping_add(distance))
    }

    #[inline(always)]
    fn has(&self, id: u32) -> bool {
        let kernel_id = self.kernel_id(id);
        id == LEAVE
            || kernel_id == Some(self.real)
            || kernel_id == Some(self.effective)
            || kernel_id == Some(self.saved)
    }
}

#[inline(always)]
fn has_all_three(ids: &Ids) -> bool {
    ids.has(saved_register(register::ARG0) as u32)
        && ids.has(saved_register(register::ARG0 + 1) as u32)
        && ids.has(saved_register(register::ARG0 + 2) as u32)
}

/// Whether mmap maps plain memory or a regular file: the drivers of others are asked as well.
#[inline(always)]
fn maps_no_device() -> bool {
    if saved_register(register::ARG0 + 3) & MAP_ANONYMOUS != 0 {
        return true;
    }
    is_regular(file_of(saved_register(register::ARG0 + 4)))
}

/// Whether clone3 asks for no namespace and no process ids.
#[inline(always)]
fn clone3_is_plain() -> bool {
    let arguments = saved_register(register::ARG0);
    let Some(flags) = user_u64(arguments) else { return false };
    if flags & NAMESPACES != 0 {
        return false;
    }
    saved_register(register::ARG0 + 1) < CLONE_ARGS_SIZE_VER1 || user_u64(arguments + SET_TID_SIZE) == Some(0)
}

/// Whether capset asks for no inheritable capability beyond those that are inheritable or permitted: only such take
/// SETPCAP, but it is asked first (security/commoncap.c, cap_capset).
#[inline(always)]
fn inherits_no_more(cred: u64) -> bool {
    let Some(header) = user_u64(saved_register(register::ARG0)) else { return false };
    // Each half is three words: effective, permitted, inheritable.
    let data = saved_register(register::ARG0 + 1);
    let Some(low) = user_u64(data + 8) else { return false };
    let mut inheritable = low & 0xffff_ffff;
    if header as u32 != CAPABILITY_VERSION_1 {
        let Some(high) = user_u64(data + 16) else { return false };
        inheritable |= high & 0xffff_ffff_0000_0000;
    }
    let may = read_u64(cred, fields::CRED_CAP_INHERITABLE) | read_u64(cred, fields::CRED_CAP_PERMITTED);
    inheritable & !may == 0
}

/// The word at an address of the subject's; the kernel has just read the same place, so it is resident.
#[inline(always)]
fn user_u64(address: u64) -> Option<u64> {
    let mut value = 0u64;
    let result =
        unsafe { helper::bpf_probe_read_user(ptr::addr_of_mut!(value).cast(), 8, address as *const c_void) };
    (result == 0).then_some(value)
}
