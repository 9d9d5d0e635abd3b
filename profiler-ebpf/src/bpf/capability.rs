//! "A capability was checked": by whom, for which system call, from where in the kernel, with what outcome.

use core::{ffi::c_void, mem::size_of, ptr};

use aya_ebpf::helpers::generated as helper;
use profiler_ebpf::{
    fields,
    record::{CapKey, CapRecord, NO_STACK, NO_SYSCALL, check, kind},
    register, stat,
};

use super::{
    count::{Sight, first_or_again, lost},
    kernel::{current_task, current_tgid, now, read_u64, saved_register},
    maps::{CAPS, RECORDS, STACKS, SUBJECTS},
};

/// `BPF_F_FAST_STACK_CMP`: stacks are compared by hash alone. `BPF_F_REUSE_STACKID` is not set: an id stays what it was.
const FAST_STACK_CMP: u64 = 1 << 9;

/// The entry point: the arguments of the kernel's `cap_capable`, and its result.
#[inline(always)]
pub fn checked(context: *mut c_void, cred: u64, namespace: u64, cap: u32, result: i32) {
    let Some(subject) = SUBJECTS.get_ptr(current_tgid()) else { return };
    let subject = unsafe { *subject };
    if is_lent(cred) {
        return;
    }
    let mut flags = 0;
    if result == 0 {
        flags |= check::GRANTED;
    }
    if namespace != read_u64(cred, fields::CRED_USER_NS) {
        flags |= check::OTHER_NAMESPACE;
    }
    let number = saved_register(register::NUMBER);
    let stack =
        unsafe { helper::bpf_get_stackid(context, ptr::addr_of!(STACKS).cast_mut().cast(), FAST_STACK_CMP) };
    let key = CapKey {
        exe: subject.exe,
        slot: subject.slot,
        stack: if stack < 0 { NO_STACK } else { stack as u32 },
        syscall: if number < u64::from(NO_SYSCALL) { number as u16 } else { NO_SYSCALL },
        cap: cap as u8,
        flags,
        reserved: 0,
    };
    match first_or_again(&CAPS, &key) {
        Sight::Again => return,
        Sight::Full => {
            lost(stat::CAPS_FULL);
            return;
        }
        Sight::First => {}
    }
    let mut record =
        CapRecord { kind: kind::CAPABILITY, tgid: current_tgid(), key, time_ns: now(), comm: [0; 16] };
    let sent = unsafe {
        helper::bpf_get_current_comm(record.comm.as_mut_ptr().cast(), 16);
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
