//! "A capability was checked": by whom, for which system call, from where in the kernel, with what outcome; and, once
//! the system call is over, with what result of that.

use core::{ffi::c_void, mem::size_of, ptr};

use aya_ebpf::{bindings::BPF_NOEXIST, helpers::generated as helper};
use profiler_ebpf::{
    SYSCALL_SLOTS, ask, control, fields,
    record::{
        CapKey, CapRecord, CheckCount, LEVEL_UNKNOWN, NO_STACK, NO_SYSCALL, Subject, check, kind, outcome,
    },
    stat,
};

use super::{
    asks,
    count::{add, bump, lost, met},
    kernel::{ERESTARTSYS, current_task, current_tgid, number_of, read_u32, read_u64, saved_register},
    maps::{ASKS, AWAITED, AWAITING, AWAITING_MAX, Awaiting, CAPS, CONTROL, RECORDS, STACKS, SUBJECTS},
};

/// `BPF_F_FAST_STACK_CMP`: stacks are compared by hash alone. `BPF_F_REUSE_STACKID` is not set: an id stays what it was.
const FAST_STACK_CMP: u64 = 1 << 9;

/// `CAP_OPT_NOAUDIT` (Linux 5.1, include/linux/security.h).
const CAP_OPT_NOAUDIT: u32 = 1 << 1;

const EPERM: i64 = 1;
const EACCES: i64 = 13;

/// A check, as the hooks tell it: the arguments of the kernel's `cap_capable`, and its result.
#[derive(Clone, Copy)]
pub struct Check {
    /// The `struct cred`.
    pub cred: u64,
    /// The `struct user_namespace` that the capability is wanted in.
    pub namespace: u64,
    /// The capability.
    pub cap: u32,
    /// `CAP_OPT_…`; 0 where the hook does not tell.
    pub options: u32,
    /// 0 where it is granted.
    pub result: i32,
}

/// The entry point.
#[inline(always)]
pub fn checked(context: *mut c_void, check: Check) {
    let Some(subject) = SUBJECTS.get_ptr(current_tgid()) else { return };
    let subject = unsafe { *subject };
    if is_lent(check.cred) {
        return;
    }
    let number = number_of(saved_register);
    let (syscall, ask) = if number < SYSCALL_SLOTS as u64 {
        let asks = ptr::addr_of!(ASKS).cast::<u8>();
        (number as u16, unsafe { ptr::read_volatile(asks.add(number as usize & (SYSCALL_SLOTS - 1))) })
    } else if (number as i32) < 0 {
        // In no system call: a fault.
        (NO_SYSCALL, ask::kind::MEMORY)
    } else {
        (NO_SYSCALL, ask::kind::OTHER)
    };
    let mut key = CapKey {
        exe: subject.exe,
        slot: subject.slot,
        stack: NO_STACK,
        syscall,
        cap: check.cap as u8,
        flags: flags(&check, &subject, ask & ask::KIND),
        reserved: 0,
    };
    if is_frequent(&key) && !is_sampled(&key) {
        return;
    }
    key.stack = stack(context);
    let is_new = match CAPS.get_ptr_mut(&key) {
        Some(entry) => {
            bump(unsafe { ptr::addr_of_mut!((*entry).count) });
            false
        }
        None => insert(&key, 1),
    };
    if key.flags & check::GRANTED != 0 {
        await_result(&key, ask);
    }
    if is_new {
        send(&key);
    }
}

/// The kernel stack's place in [`STACKS`], or [`NO_STACK`].
///
/// The map keeps one stack where two hash alike, and refuses the second (kernel/bpf/stackmap.c, `bpf_get_stackid`). Without
/// its innermost frames, which are those of this program and its hook, that one hashes otherwise.
#[inline(always)]
fn stack(context: *mut c_void) -> u32 {
    const MOST_SKIPPED: u64 = 2;
    let mut skipped = 0;
    while skipped <= MOST_SKIPPED {
        let stacks = ptr::addr_of!(STACKS).cast_mut().cast();
        let stack = unsafe { helper::bpf_get_stackid(context, stacks, FAST_STACK_CMP | skipped) };
        if stack >= 0 {
            return stack as u32;
        }
        skipped += 1;
    }
    NO_STACK
}

/// The bits of [`check`] that can be told before the system call is over.
#[inline(always)]
fn flags(check: &Check, subject: &Subject, kind: u8) -> u8 {
    let mut flags = 0;
    if check.result == 0 {
        flags |= check::GRANTED;
    }
    // Whoever makes a user namespace has every capability in it, whether by its own credentials or as its owner
    // (security/commoncap.c, cap_capable).
    let own = if subject.level == LEVEL_UNKNOWN {
        check.namespace != read_u64(check.cred, fields::CRED_USER_NS)
    } else {
        read_u32(check.namespace, fields::USER_NS_LEVEL) > subject.level
    };
    if own {
        flags |= check::OWN_NAMESPACE;
    }
    if check.options & CAP_OPT_NOAUDIT != 0 {
        flags |= check::NO_AUDIT;
    }
    if asks::for_nothing_new(check.cred, check.cap, kind) {
        flags |= check::NOTHING_NEW;
    }
    if check.cap == asks::CAP_NET_ADMIN && asks::is_root(check.cred) {
        flags |= check::AS_ROOT;
    }
    flags
}

/// Whether so many checks of this kind are to be expected that a kernel stack cannot be taken of each: the kernel asks
/// for SYS_ADMIN whenever it commits memory (`cap_vm_enough_memory`), and a stack takes longer than what it is asked for.
#[inline(always)]
fn is_frequent(key: &CapKey) -> bool {
    u32::from(key.cap) == asks::CAP_SYS_ADMIN && key.flags & check::NOTHING_NEW != 0
}

/// Counts a frequent check by the system call alone, unless it is the 1st, 2nd, 4th, 8th … of its key: of these the
/// stack is taken, and they are counted under that.
///
/// What can be missed is a check for SYS_ADMIN from another place in the kernel, by falling between the samples: in a
/// call that maps memory or a regular file, changes such a mapping or forks without asking for a namespace, or in no call
/// at all (a fault grows the stack). There is no such place that the call hangs on: on the way of these calls mm/ asks for
/// SYS_ADMIN in `cap_vm_enough_memory` only; drivers may, where a device is mapped, which does not come here; copy_process
/// where it makes namespaces or sets process ids (clone3 with `set_tid`), which do not come here either, and above the
/// limit of processes, after SYS_RESOURCE.
#[inline(always)]
fn is_sampled(key: &CapKey) -> bool {
    let Some(entry) = CAPS.get_ptr_mut(key) else {
        insert(key, 0);
        return true;
    };
    let entry = unsafe { &mut *entry };
    let met = entry.met;
    add(&mut entry.met, 1);
    if (met & (met + 1)) == 0 {
        return true;
    }
    bump(ptr::addr_of_mut!(entry.count));
    false
}

/// Makes an entry; whether it is new and was not made by another CPU meanwhile.
#[inline(always)]
fn insert(key: &CapKey, count: u64) -> bool {
    let fresh = CheckCount { count: met(count), met: 1, outcomes: [0; 8] };
    if CAPS.insert(key, &fresh, u64::from(BPF_NOEXIST)).is_ok() {
        return true;
    }
    match CAPS.get_ptr_mut(key) {
        Some(entry) => bump(unsafe { ptr::addr_of_mut!((*entry).count) }),
        None => lost(stat::CAPS_FULL),
    }
    false
}

#[inline(always)]
fn send(key: &CapKey) {
    let mut record = CapRecord { kind: kind::CAPABILITY, tgid: current_tgid(), key: *key };
    let sent = unsafe {
        helper::bpf_ringbuf_output(
            ptr::addr_of!(RECORDS).cast_mut().cast(),
            ptr::addr_of_mut!(record).cast(),
            size_of::<CapRecord>() as u64,
            0,
        )
    };
    if sent != 0 {
        lost(stat::RECORDS_LOST);
    }
}

/// Whether the credentials are lent by the kernel and hold more than the task may: overlayfs works with the mounter's
/// (`override_creds`). access(2) lends the task its own real ones, which are no more than it has.
#[inline(always)]
fn is_lent(cred: u64) -> bool {
    let own = read_u64(current_task(), fields::TASK_REAL_CRED);
    if cred == own {
        return false;
    }
    let lent = read_u64(cred, fields::CRED_CAP_PERMITTED);
    lent & !read_u64(own, fields::CRED_CAP_PERMITTED) != 0
}

/// Has the result of the current system call noted in the entry of `key`, unless one is known to have succeeded.
#[inline(always)]
fn await_result(key: &CapKey, ask: u8) {
    let all_exits = CONTROL.get(control::ALL_EXITS).copied().unwrap_or(0) != 0;
    if key.syscall == NO_SYSCALL || ask & ask::NO_RESULT != 0 || !(all_exits || ask & ask::RESULT_SEEN != 0) {
        return;
    }
    let Some(entry) = CAPS.get_ptr_mut(key) else { return };
    let outcomes = unsafe { &mut (*entry).outcomes };
    if outcomes[outcome::SUCCEEDED] != 0 {
        return;
    }
    let task = current_task();
    if let Some(awaiting) = AWAITING.get_ptr_mut(task) {
        let awaiting = unsafe { &mut *awaiting };
        if awaiting.syscall != u32::from(key.syscall) {
            // Left by a call whose exit was not seen.
            awaiting.syscall = u32::from(key.syscall);
            awaiting.used = 0;
        }
        let used = awaiting.used as usize;
        // Several components of one path are checked from the same place.
        if (0..AWAITING_MAX).any(|index| index < used && is_same(&awaiting.keys[index], key)) {
            return;
        }
        if used < AWAITING_MAX {
            awaiting.keys[used & (AWAITING_MAX - 1)] = *key;
            awaiting.used = used as u32 + 1;
        } else {
            outcomes[outcome::UNKNOWN] = 1;
        }
        return;
    }
    let fresh = Awaiting { syscall: u32::from(key.syscall), used: 1, keys: [*key; AWAITING_MAX] };
    if AWAITING.insert(task, fresh, u64::from(BPF_NOEXIST)).is_ok() {
        add_awaited(1);
    } else {
        outcomes[outcome::UNKNOWN] = 1;
    }
}

/// Whether two keys of the same process and system call are the same.
#[inline(always)]
fn is_same(one: &CapKey, other: &CapKey) -> bool {
    one.stack == other.stack && one.cap == other.cap && one.flags == other.flags
}

/// A system call of the current task has this result: the other entry point.
#[inline(always)]
pub fn settle(number: impl FnOnce() -> u64, result: i64) {
    if unsafe { ptr::read_volatile(ptr::addr_of!(AWAITED).cast::<u64>()) } == 0 {
        return;
    }
    let task = current_task();
    let Some(awaiting) = AWAITING.get_ptr(task) else { return };
    let awaiting = unsafe { &*awaiting };
    if u64::from(awaiting.syscall) == number() && result > -ERESTARTSYS {
        let index = if result >= 0 {
            outcome::SUCCEEDED
        } else if result == -EPERM || result == -EACCES {
            outcome::REFUSED
        } else {
            outcome::FAILED
        };
        for key in 0..AWAITING_MAX {
            if key < awaiting.used as usize
                && let Some(entry) = CAPS.get_ptr_mut(&awaiting.keys[key])
            {
                unsafe { (*entry).outcomes[index] = 1 };
            }
        }
    }
    forget(task);
}

/// The task is gone, or its system call is over.
#[inline(always)]
pub fn forget(task: u64) {
    if AWAITING.remove(task).is_ok() {
        add_awaited(u64::MAX);
    }
}

#[inline(always)]
fn add_awaited(by: u64) {
    add(unsafe { &mut *ptr::addr_of!(AWAITED).cast_mut().cast::<u64>() }, by);
}
