//! Whom to follow: cgroups as they appear, processes as they execute, fork and exit.

use core::ffi::c_void;

use aya_ebpf::helpers::generated as helper;
use profiler_ebpf::{
    CONTAINER_ID_LEN,
    call::op,
    fields,
    record::{Followed, NO_SYSCALL, Subject, execution},
    stat,
};

use super::{
    capability,
    count::lost,
    kernel::{current_task, offset, read_at, read_u16, read_u32, read_u64, typed_u32, typed_u64},
    maps::{FOLLOWED, SUBJECTS, WANTED},
    name::path_at,
    scratch, syscall,
};

/// The longest name of a container's cgroup that is known, `cri-containerd-ID.scope`, and then some, with its NUL.
const NAME_MAX: usize = 128;

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
    let mut followed = unsafe { FOLLOWED.get(parent_id) }.copied();
    if followed.is_none()
        && let Some(slot) = wanted(read_u64(node, fields::KERNFS_NAME))
    {
        followed = Some(Followed { maker: mount_namespace_of(current_task()), slot, unused: 0 });
    }
    if let Some(followed) = followed
        && FOLLOWED.insert(id, &followed, 0).is_err()
    {
        lost(stat::CGROUPS_FULL);
    }
}

/// The address of a task's mount namespace.
#[inline(always)]
fn mount_namespace_of(task: u64) -> u64 {
    read_u64(read_u64(task, fields::TASK_NSPROXY), fields::NSPROXY_MNT_NS)
}

/// The slot of the wanted container whose id the name ends in.
#[inline(always)]
fn wanted(name: u64) -> Option<u32> {
    let mut text = [0u8; NAME_MAX];
    let copied = unsafe {
        helper::bpf_probe_read_kernel_str(text.as_mut_ptr().cast(), NAME_MAX as u32, name as *const c_void)
    };
    if copied <= CONTAINER_ID_LEN as i64 || copied > NAME_MAX as i64 {
        return None;
    }
    // Only its length is of use: Linux 5.10 allows no variable offset into the stack. `end` is at least 64 here.
    let mut end = copied as u64 - 1;
    if read_at(name + end - 8) >> 16 == u64::from_le_bytes(*SUFFIX) {
        end -= 6;
    }
    if end < CONTAINER_ID_LEN as u64 {
        return None;
    }
    let mut id = [0u8; CONTAINER_ID_LEN];
    unsafe {
        helper::bpf_probe_read_kernel(
            id.as_mut_ptr().cast(),
            CONTAINER_ID_LEN as u32,
            (name + end - CONTAINER_ID_LEN as u64) as *const c_void,
        );
    }
    unsafe { WANTED.get(&id) }.copied()
}

/// A program was executed: `sched_process_exec(task, old_pid, bprm)`, with the new program in place.
///
/// In a followed cgroup a process is the subject's from its first execution of a file that lies on a mount of its own
/// mount namespace. The runtime's set-up (a memfd, a host file, a detached mount) does not: its mount belongs to
/// another namespace or to none. Nor does the runtime itself, which is executed in the namespace in which the container's
/// cgroup was made, and may be moved into that before its execution is reported: the parent learns of an execution as the
/// descriptors are closed that are not to survive it (Linux fs/exec.c, `begin_new_exec`), and the tracepoint comes later.
/// What the subject executes later counts wherever it lies, a memfd of its own too.
#[inline(always)]
pub fn executed(task: *const c_void, bprm: *const c_void) {
    let tgid = typed_u32(task, fields::TASK_TGID);
    let file = read_u64(typed_u64(task, fields::TASK_MM), fields::MM_EXE_FILE);
    let inode = read_u64(file, fields::FILE_INODE);
    let device = read_u32(read_u64(inode, fields::INODE_SB), fields::SUPER_DEV);
    let number = read_u64(inode, fields::INODE_INO);
    let (mount, dentry) = path_at(file + offset(fields::FILE_PATH));
    let (slot, level) = match unsafe { SUBJECTS.get(tgid) } {
        Some(subject) => (subject.slot, subject.level),
        None => {
            let Some(followed) = (unsafe { FOLLOWED.get(helper::bpf_get_current_cgroup_id()) }) else {
                return;
            };
            let namespace = read_u64(typed_u64(task, fields::TASK_NSPROXY), fields::NSPROXY_MNT_NS);
            if read_u64(mount, fields::MOUNT_NS) != namespace || namespace == followed.maker {
                return;
            }
            let user_namespace = read_u64(typed_u64(task, fields::TASK_CRED), fields::CRED_USER_NS);
            (followed.slot, read_u32(user_namespace, fields::USER_NS_LEVEL))
        }
    };
    // The highest bit is left to ids that userspace chooses.
    let exe = (u64::from(device).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number) & (u64::MAX >> 1);
    let subject = Subject { exe, slot, level };
    if SUBJECTS.insert(tgid, &subject, 0).is_err() {
        lost(stat::SUBJECTS_FULL);
        return;
    }
    if syscall::is_compat() {
        lost(stat::COMPAT_CALLS);
    }
    let mut flags = 0;
    if typed_u32(bprm, fields::BPRM_PER_CLEAR) != 0
        && gains_privileges(typed_u64(task, fields::TASK_CRED), inode)
    {
        flags |= execution::GAINS_PRIVILEGES;
    }
    scratch::with(|scratch| {
        let key = syscall::fresh_key(&subject, op::EXEC, 0, NO_SYSCALL);
        syscall::by_object(scratch, &key, flags, mount, dentry);
        syscall::report(scratch.number());
    });
}

const S_ISUID: u16 = 0o4000;
/// Set-group-id counts where the group may execute; else it meant mandatory locking.
const S_ISGID_IXGRP: u16 = 0o2010;

/// Whether the credentials after an execution, of which it is known that something changed them, hold more by the file's
/// own doing: another effective user or group by its set-id bits, or capabilities, of which a user other than root keeps
/// none but the ambient ones through an execution.
#[inline(always)]
fn gains_privileges(cred: u64, inode: u64) -> bool {
    let mode = read_u16(inode, fields::INODE_MODE);
    let user = read_u32(cred, fields::CRED_UID);
    let effective = read_u32(cred, fields::CRED_EUID);
    if mode & S_ISUID != 0 && effective != user {
        return true;
    }
    if mode & S_ISGID_IXGRP == S_ISGID_IXGRP
        && read_u32(cred, fields::CRED_EGID) != read_u32(cred, fields::CRED_GID)
    {
        return true;
    }
    let permitted = read_u64(cred, fields::CRED_CAP_PERMITTED);
    user != 0 && effective != 0 && permitted & !read_u64(cred, fields::CRED_CAP_AMBIENT) != 0
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
    capability::forget(task as u64);
    if read_u32(typed_u64(task, fields::TASK_SIGNAL), fields::SIGNAL_LIVE) == 0 {
        let _ = SUBJECTS.remove(tgid);
    }
}
