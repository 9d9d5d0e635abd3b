//! Whom to follow: cgroups as they appear, processes as they execute, fork and exit.

use core::{ffi::c_void, ptr};

use aya_ebpf::helpers::generated as helper;
use profiler_ebpf::{
    CONTAINER_ID_LEN,
    call::op,
    config, fields,
    record::{NO_SYSCALL, Subject, execution},
    stat,
};

use super::{
    count::lost,
    kernel::{offset, read_u32, read_u64, read_word, setting, typed_u32, typed_u64},
    maps::{FOLLOWED, SCRATCH, SUBJECTS, WANTED, scratch},
    name::path_at,
    syscall,
};

const SUFFIX: &[u8; 8] = b".scope\0\0";

/// A cgroup was made: `cgroup_mkdir(struct cgroup *, const char *path)`, before any task is in it.
///
/// The name of the cgroup of a container ends in its id, or in its id and `.scope` (`docker-ID.scope`,
/// `libpod-ID.scope`, `cri-containerd-ID.scope`, or plain `ID`). Children of a followed cgroup are followed.
#[inline(always)]
pub fn cgroup_made(cgroup: *const c_void) {
    let root = typed_u64(cgroup, fields::CGROUP_ROOT);
    // The event comes for the hierarchies of version 1 as well; the default one is number 0.
    if read_u32(root, fields::CGROUP_ROOT_HIERARCHY) != 0 {
        return;
    }
    let node = typed_u64(cgroup, fields::CGROUP_KN);
    let id = read_u64(node, fields::KERNFS_ID);

    let parent_css = read_u64(cgroup as u64 + offset(fields::CGROUP_SELF), fields::CSS_PARENT);
    let parent = parent_css.wrapping_sub(offset(fields::CGROUP_SELF));
    let parent_id = read_u64(read_u64(parent, fields::CGROUP_KN), fields::KERNFS_ID);
    let mut slot = unsafe { FOLLOWED.get(parent_id) }.copied();
    if slot.is_none() {
        slot = wanted(read_u64(node, fields::KERNFS_NAME));
    }
    if let Some(slot) = slot
        && FOLLOWED.insert(id, slot, 0).is_err()
    {
        lost(stat::CGROUPS_FULL);
    }
}

/// The slot of the wanted container whose id the name ends in.
#[inline(always)]
fn wanted(name: u64) -> Option<u32> {
    let scratch = SCRATCH.get_ptr_mut(scratch::CGROUP)?;
    let text = unsafe { (*scratch).names.as_mut_ptr() };
    let copied = unsafe { helper::bpf_probe_read_kernel_str(text.cast(), 256, name as *const c_void) };
    if copied <= CONTAINER_ID_LEN as i64 || copied > 256 {
        return None;
    }
    let mut end = copied as usize - 1;
    // `end` is at least 64 here.
    let tail = unsafe { ptr::read_unaligned(text.add(end - 6).cast::<u64>()) } & 0x0000_ffff_ffff_ffff;
    if tail == u64::from_le_bytes(*SUFFIX) {
        end -= 6;
    }
    if end < CONTAINER_ID_LEN {
        return None;
    }
    let mut id = [0u8; CONTAINER_ID_LEN];
    unsafe {
        helper::bpf_probe_read_kernel(
            id.as_mut_ptr().cast(),
            CONTAINER_ID_LEN as u32,
            text.add(end - CONTAINER_ID_LEN).cast(),
        );
    }
    unsafe { WANTED.get(&id) }.copied()
}

/// A program was executed: `sched_process_exec(task, old_pid, bprm)`, with the new program in place.
///
/// In a followed cgroup a process is the subject's from its first execution of a file that lies on a mount of its own
/// mount namespace. The runtime's set-up (a memfd, a host file, a detached mount) does not: its mount belongs to
/// another namespace or to none. What the subject executes later counts wherever it lies, a memfd of its own too.
#[inline(always)]
pub fn executed(task: *const c_void, bprm: *const c_void) {
    let tgid = typed_u32(task, fields::TASK_TGID);
    let file = read_u64(typed_u64(task, fields::TASK_MM), fields::MM_EXE_FILE);
    let inode = read_u64(file, fields::FILE_INODE);
    let device = read_u32(read_u64(inode, fields::INODE_SB), fields::SUPER_DEV);
    let number = read_u64(inode, fields::INODE_INO);
    let (mount, dentry) = path_at(file + offset(fields::FILE_PATH));
    let slot = match unsafe { SUBJECTS.get(tgid) } {
        Some(subject) => subject.slot,
        None => {
            let Some(slot) = (unsafe { FOLLOWED.get(helper::bpf_get_current_cgroup_id()) }) else { return };
            let namespace = read_u64(typed_u64(task, fields::TASK_NSPROXY), fields::NSPROXY_MNT_NS);
            if read_u64(mount, fields::MOUNT_NS) != namespace {
                return;
            }
            *slot
        }
    };
    // The highest bit is left to ids that userspace chooses.
    let exe = (u64::from(device).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number) & (u64::MAX >> 1);
    let subject = Subject { exe, slot, reserved: 0 };
    if SUBJECTS.insert(tgid, &subject, 0).is_err() {
        lost(stat::SUBJECTS_FULL);
        return;
    }
    if read_word(task as u64 + u64::from(setting(config::COMPAT_TASK_OFFSET)))
        & setting(config::COMPAT_TASK_MASK)
        != 0
    {
        lost(stat::COMPAT_CALLS);
    }
    let Some(scratch) = SCRATCH.get_ptr_mut(scratch::EXEC) else { return };
    let mut flags = 0;
    if typed_u32(bprm, fields::BPRM_PER_CLEAR) != 0 {
        flags |= execution::GAINS_PRIVILEGES;
    }
    let scratch = unsafe { &mut *scratch };
    let key = syscall::fresh_key(&subject, op::EXEC, 0, NO_SYSCALL);
    syscall::by_object(scratch, &key, flags, mount, dentry);
    syscall::report(scratch);
}

/// A process or thread was made: `sched_process_fork(parent, child)`, before the child runs.
#[inline(always)]
pub fn forked(parent: *const c_void, child: *const c_void) {
    let parent = typed_u32(parent, fields::TASK_TGID);
    let child = typed_u32(child, fields::TASK_TGID);
    if parent == child {
        return;
    }
    let Some(subject) = SUBJECTS.get_ptr(parent) else { return };
    let subject = unsafe { *subject };
    if SUBJECTS.insert(child, &subject, 0).is_err() {
        lost(stat::SUBJECTS_FULL);
    }
}

/// A thread ended: `sched_process_exit(task)`. The process is gone with its last one; the count of live threads is
/// down already (Linux kernel/exit.c, do_exit).
#[inline(always)]
pub fn exited(task: *const c_void) {
    let tgid = typed_u32(task, fields::TASK_TGID);
    if SUBJECTS.get_ptr(tgid).is_none() {
        return;
    }
    if read_u32(typed_u64(task, fields::TASK_SIGNAL), fields::SIGNAL_LIVE) == 0 {
        let _ = SUBJECTS.remove(tgid);
    }
}
