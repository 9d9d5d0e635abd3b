//! "A system call exited": which operation it was, on what, with what outcome.
//!
//! The cheapest tests come first: the number, the flags of an open, the process; then the key, and only at a first
//! sight the walk and the record.

use core::{ffi::c_void, mem::size_of, ptr};

use aya_ebpf::helpers::generated as helper;
use profiler_ebpf::{
    SYSCALL_SLOTS,
    call::{NO_ARG, form, op},
    config, fields,
    record::{Count, NAMES_MAX, Name, STRING_MAX, Subject, WriteKey, WriteRecord, kind, scope},
    register, stat,
};

use super::{
    count::{Sight, add, bump, first_or_again, lost},
    kernel::{
        current_task, current_tgid, file_of, now, offset, read_u16, read_u32, read_u64, read_word, setting,
    },
    maps::{Anchor, BUSY, CALLS, RECORDS, SCRATCH, SUBJECTS, Scratch, WRITES, scratch},
    name::{hash, keep_string, length, path_at, read_string, walk},
};

const AT_FDCWD: i32 = -100;
const AT_SYMLINK_NOFOLLOW: u64 = 0x100;
const AT_REMOVEDIR: u64 = 0x200;
const AT_EMPTY_PATH: u64 = 0x1000;

// The flags of open that matter, the same on x86-64 and arm64 but for O_DIRECTORY, which is not looked at
// (Linux include/uapi/asm-generic/fcntl.h).
const O_ACCMODE: u64 = 0o3;
const O_CREAT: u64 = 0o100;
const O_EXCL: u64 = 0o200;
const O_TRUNC: u64 = 0o1000;
const O_PATH: u64 = 0o10_000_000;
const O_TMPFILE: u64 = 0o20_000_000;

/// `FMODE_CREATED`, set where an open created the file (Linux 4.19, include/linux/fs.h).
const FMODE_CREATED: u32 = 0x10_0000;

/// Error numbers from here on are the kernel's own (ERESTARTSYS and such): the call will be made again.
const ERESTARTSYS: i64 = 512;

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// A descriptor of the table, unpacked from one load.
#[derive(Clone, Copy)]
pub struct Descriptor(u64, u16);

impl Descriptor {
    #[inline(always)]
    fn of(number: u64) -> Self {
        let calls = ptr::addr_of!(CALLS).cast::<u64>();
        Self(unsafe { ptr::read_volatile(calls.add(number as usize & (SYSCALL_SLOTS - 1))) }, number as u16)
    }
    #[inline(always)]
    fn byte(self, index: u32) -> u8 {
        (self.0 >> (index * 8)) as u8
    }
    #[inline(always)]
    fn op(self) -> u8 {
        self.byte(0)
    }
    #[inline(always)]
    fn form(self) -> u8 {
        self.byte(1)
    }
    #[inline(always)]
    fn dirfd(self) -> u8 {
        self.byte(2)
    }
    #[inline(always)]
    fn path(self) -> u8 {
        self.byte(3)
    }
    #[inline(always)]
    fn dirfd2(self) -> u8 {
        self.byte(4)
    }
    #[inline(always)]
    fn path2(self) -> u8 {
        self.byte(5)
    }
    #[inline(always)]
    fn flags(self) -> u8 {
        self.byte(6)
    }
}

/// Whether flags of open ask for anything that needs write access to a mount.
#[inline(always)]
fn opens_for_writing(flags: u64) -> bool {
    flags & (O_ACCMODE | O_CREAT | O_TRUNC | O_TMPFILE) != 0 && flags & O_PATH == 0
}

/// The cheapest tests, in the order of their cost: the number, the flags of an open, the process. What concerns us.
#[inline(always)]
pub fn concerns(register: impl Fn(usize) -> u64) -> Option<(Descriptor, Subject)> {
    let number = register(register::NUMBER);
    if number >= SYSCALL_SLOTS as u64 {
        return None;
    }
    let call = Descriptor::of(number);
    if call.op() == op::NONE {
        return None;
    }
    if call.form() == form::OPEN {
        let flags =
            if call.flags() == 1 { register(register::ARG0 + 1) } else { register(register::ARG0 + 2) };
        if !opens_for_writing(flags) {
            return None;
        }
    }
    let subject = SUBJECTS.get_ptr(current_tgid())?;
    Some((call, unsafe { *subject }))
}

/// The entry point: `register` yields the registers of the call by their index (see [`register`]), `result` is its result.
#[inline(always)]
pub fn exited(register: impl Fn(usize) -> u64, result: i64) {
    let Some((call, subject)) = concerns(&register) else { return };
    if is_compat() {
        lost(stat::COMPAT_CALLS);
        return;
    }
    if call.form() == form::COUNT {
        lost(stat::IO_URING_CALLS);
        return;
    }
    if result <= -ERESTARTSYS {
        return;
    }
    let Some(busy) = BUSY.get_ptr_mut(0) else { return };
    let busy = unsafe { &mut *busy };
    add(busy, 1);
    let area = unsafe { ptr::read_volatile(busy) }.wrapping_sub(1);
    if area < u64::from(scratch::SYSCALL_AREAS)
        && let Some(scratch) = SCRATCH.get_ptr_mut(scratch::SYSCALL + area as u32)
    {
        let scratch = unsafe { &mut *scratch };
        scratch.args[0] = register(register::ARG0);
        scratch.args[1] = register(register::ARG0 + 1);
        scratch.args[2] = register(register::ARG0 + 2);
        scratch.args[3] = register(register::ARG0 + 3);
        scratch.args[4] = register(register::ARG0 + 4);
        scratch.args[5] = register(register::ARG0 + 5);
        let errno = if result < 0 { -result as u32 } else { 0 };
        if operation(scratch, call, &subject, errno, result as u64) {
            report(scratch);
        }
    } else {
        lost(stat::SCRATCH_BUSY);
    }
    add(busy, u64::MAX);
}

/// Whether the current system call is a 32-bit one: its number means something else.
#[inline(always)]
fn is_compat() -> bool {
    let address = current_task() + u64::from(setting(config::COMPAT_OFFSET));
    read_word(address) & setting(config::COMPAT_MASK) != 0
}

#[inline(always)]
fn argument(scratch: &Scratch, index: u8) -> u64 {
    scratch.args[(index & 7) as usize]
}

/// Where a name is looked up: (`struct mount`, dentry) of the root, the working directory or a descriptor.
#[inline(always)]
fn base_of(scratch: &Scratch, which: usize, dirfd: u8) -> (u64, u64) {
    if scratch.strings[which][0] == b'/' {
        let fs = read_u64(current_task(), fields::TASK_FS);
        return path_at(fs + offset(fields::FS_ROOT));
    }
    let descriptor = argument(scratch, dirfd);
    if dirfd == NO_ARG || descriptor as i32 == AT_FDCWD {
        let fs = read_u64(current_task(), fields::TASK_FS);
        return path_at(fs + offset(fields::FS_PWD));
    }
    path_at(file_of(descriptor) + offset(fields::FILE_PATH))
}

#[inline(always)]
fn inode_of(dentry: u64) -> u64 {
    read_u64(dentry, fields::DENTRY_INODE)
}

#[inline(always)]
fn device_of(inode: u64) -> u32 {
    read_u32(read_u64(inode, fields::INODE_SB), fields::SUPER_DEV)
}

#[inline(always)]
pub fn fresh_key(subject: &Subject, op: u8, errno: u32, syscall: u16) -> WriteKey {
    WriteKey {
        base_ino: 0,
        name: 0,
        name2: 0,
        exe: subject.exe,
        base_dev: 0,
        errno,
        slot: subject.slot,
        op,
        scope: scope::NAME,
        syscall,
    }
}

/// Prepares what the call amounts to in the scratch area; false where that is nothing.
#[inline(always)]
fn operation(scratch: &mut Scratch, call: Descriptor, subject: &Subject, errno: u32, result: u64) -> bool {
    let mut op = call.op();
    let mut flags = argument(scratch, call.flags());
    let mut path = argument(scratch, call.path());
    let mut limit = STRING_MAX as u32;
    match call.form() {
        form::CREAT => flags = O_CREAT | O_TRUNC | 1,
        form::OPENAT2 => {
            let mut how = 0u64;
            unsafe { helper::bpf_probe_read_user(ptr::addr_of_mut!(how).cast(), 8, flags as *const c_void) };
            flags = how;
            if !opens_for_writing(flags) {
                return false;
            }
        }
        form::BIND => {
            let mut address = 0u64;
            let length = scratch.args[2];
            unsafe {
                helper::bpf_probe_read_user(ptr::addr_of_mut!(address).cast(), 8, path as *const c_void)
            };
            let family = address as u16;
            if family == AF_INET || family == AF_INET6 {
                let port = ((address >> 16) as u16).swap_bytes();
                if port != 0 && port < 1024 && errno == 0 {
                    by_port(scratch, &fresh_key(subject, op::LOW_PORT, 0, call.1), port);
                    return true;
                }
                return false;
            }
            // Abstract names start with a NUL; a bare family asks the kernel for an abstract one.
            if family != AF_UNIX || length <= 2 || length > 110 || (address >> 16) & 0xff == 0 {
                return false;
            }
            path += 2;
            // The path need not end in a NUL; this makes room for one. Loaded anew: the compiler would fold the mask into
            // the comparisons above, where the verifier of Linux 6.1 loses the bounds.
            let length = unsafe { ptr::read_volatile(ptr::addr_of!(scratch.args[2])) };
            limit = (length as u32).wrapping_sub(1) & 0x7f;
        }
        _ => {}
    }
    let opens = op == op::OPEN;
    if opens && errno != 0 {
        if flags & O_TMPFILE != 0 {
            op = op::TMPFILE;
        } else if flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL {
            op = op::CREATE;
        }
    }
    if op == op::UNLINK && flags & AT_REMOVEDIR != 0 {
        op = op::RMDIR;
    }

    // An object that has a `struct file`, or a name to look up?
    let mut file = 0;
    let mut named = false;
    if opens && errno == 0 {
        file = file_of(result);
        if file == 0 {
            return false;
        }
        if flags & O_TMPFILE != 0 {
            op = op::TMPFILE;
        } else if read_u32(file, fields::FILE_MODE) & FMODE_CREATED != 0 {
            op = op::CREATE;
        } else if flags & (O_ACCMODE | O_TRUNC) == 0 {
            // O_CREAT on what existed already, opened for reading.
            return false;
        }
    } else if call.path() == NO_ARG {
        file = file_of(argument(scratch, call.dirfd()));
    } else if path == 0 {
        // A null pointer to utimensat: the descriptor itself.
        if call.dirfd() == NO_ARG {
            return false;
        }
        file = file_of(argument(scratch, call.dirfd()));
    } else {
        read_string(scratch, 0, path, limit);
        match length(scratch, 0) {
            0 => {
                // The kernel could not read it either, or it was paged out between: only a success is worth a word.
                if errno == 0 {
                    lost(stat::STRINGS_UNREADABLE);
                }
                return false;
            }
            1 => {
                // The empty name: the descriptor itself (AT_EMPTY_PATH), else an error.
                if flags & AT_EMPTY_PATH == 0 || call.dirfd() == NO_ARG {
                    return false;
                }
                file = file_of(argument(scratch, call.dirfd()));
            }
            _ => named = true,
        }
    }

    let key = fresh_key(subject, op, errno, call.1);
    if named {
        by_name(scratch, call, &key, flags)
    } else if file != 0 {
        let (mount, dentry) = path_at(file + offset(fields::FILE_PATH));
        by_object(scratch, &key, flags, mount, dentry);
        true
    } else {
        false
    }
}

/// Prepares an operation on an object that is known by mount and dentry.
#[inline(always)]
pub fn by_object(scratch: &mut Scratch, fresh: &WriteKey, flags: u64, mount: u64, dentry: u64) {
    let inode = inode_of(dentry);
    let parent = inode_of(read_u64(dentry, fields::DENTRY_PARENT));
    let key = &mut scratch.head.key;
    *key = *fresh;
    key.base_ino = read_u64(parent, fields::INODE_INO);
    key.base_dev = device_of(inode);
    key.name = read_u64(dentry + offset(fields::DENTRY_NAME), fields::QSTR_HASH_LEN);
    // The same object seen through another mount is another place.
    key.name2 = mount;
    scratch.head.directory = 0;
    scratch.head.call_flags = flags;
    scratch.inode = inode;
    scratch.anchors = [Anchor { mount, dentry }, Anchor { mount: 0, dentry: 0 }];
    scratch.lengths = [0, 0];
}

/// Prepares an operation on a name, or two. False where the second cannot be read.
#[inline(always)]
fn by_name(scratch: &mut Scratch, call: Descriptor, fresh: &WriteKey, flags: u64) -> bool {
    let (mount, dentry) = base_of(scratch, 0, call.dirfd());
    let inode = inode_of(dentry);
    let hashes = hash(scratch, 0);
    let key = &mut scratch.head.key;
    *key = *fresh;
    key.base_ino = read_u64(inode, fields::INODE_INO);
    key.base_dev = device_of(inode);
    key.name = hashes.whole;
    // Of a link and of what it leads to, the same name is two objects.
    key.name2 = flags & AT_SYMLINK_NOFOLLOW;
    scratch.head.directory = hashes.directory;
    scratch.head.call_flags = flags;
    scratch.inode = inode;
    scratch.anchors[0] = Anchor { mount, dentry };
    scratch.lengths[1] = 0;
    if call.path2() == NO_ARG {
        return true;
    }

    let path2 = argument(scratch, call.path2());
    read_string(scratch, 1, path2, STRING_MAX as u32);
    if length(scratch, 1) <= 1 {
        return false;
    }
    let (mount, dentry) = base_of(scratch, 1, call.dirfd2());
    let hashes = hash(scratch, 1);
    let base = read_u64(inode_of(dentry), fields::INODE_INO);
    scratch.head.key.name2 = hashes.whole ^ base.rotate_left(32) | 1;
    scratch.head.directory = scratch.head.directory.rotate_left(7) ^ hashes.directory ^ base;
    scratch.anchors[1] = Anchor { mount, dentry };
    true
}

/// Prepares the bind of a port below 1024: nothing with a name.
#[inline(always)]
fn by_port(scratch: &mut Scratch, fresh: &WriteKey, port: u16) {
    scratch.head.key = *fresh;
    scratch.head.key.name = u64::from(port);
    scratch.head.directory = 0;
    scratch.head.call_flags = u64::from(port);
    scratch.inode = 0;
    scratch.anchors = [Anchor { mount: 0, dentry: 0 }; 2];
    scratch.lengths = [0, 0];
}

/// Counts what was prepared in the scratch area, and sends it where it is a first sight.
///
/// All that it needs stands in the scratch area, so that the verifier finds one state here whatever came before.
#[inline(always)]
pub fn report(scratch: &mut Scratch) {
    if !is_first(scratch) {
        return;
    }
    let inode = scratch.inode;
    let head = &mut scratch.head;
    head.kind = kind::WRITE;
    head.tgid = current_tgid();
    head.time_ns = now();
    let superblock = read_u64(inode, fields::INODE_SB);
    head.magic = read_u64(superblock, fields::SUPER_MAGIC);
    head.dev = read_u32(superblock, fields::SUPER_DEV);
    head.names = [Name { walk_len: 0, mount_at: 0, string_len: 0, flags: 0 }; 2];
    unsafe { helper::bpf_get_current_comm(head.comm.as_mut_ptr().cast(), 16) };
    // Of an object whose name alone is known, the inode is that of a directory on the way.
    head.mode = 0;
    if length(scratch, 0) <= 1 {
        scratch.head.mode = u32::from(read_u16(inode, fields::INODE_MODE));
    }
    scratch.used = 0;
    walk(scratch, 0);
    keep_string(scratch, 0);
    if length(scratch, 1) > 1 {
        walk(scratch, 1);
        keep_string(scratch, 1);
    }
    send(scratch);
}

/// Counts the key in the scratch area's head; whether it is a first sight that is to be sent.
#[inline(always)]
fn is_first(scratch: &Scratch) -> bool {
    let key = &scratch.head.key;
    if let Some(count) = WRITES.get_ptr_mut(key) {
        bump(count);
        return false;
    }
    // Executions are few, and their names are wanted.
    if key.op == op::EXEC || key.op == op::LOW_PORT {
        return insert(key);
    }
    let mut folder = *key;
    folder.scope = scope::DIRECTORY;
    folder.name = scratch.head.directory;
    folder.name2 = 0;
    let names = match WRITES.get_ptr_mut(&folder) {
        Some(count) => count,
        None => {
            let empty = Count { count: 0, first_ns: now(), last_ns: 0, phases: 0, names: 0 };
            if WRITES.insert(&folder, &empty, 0).is_err() {
                lost(stat::WRITES_FULL);
                return false;
            }
            let Some(count) = WRITES.get_ptr_mut(&folder) else { return false };
            count
        }
    };
    if unsafe { (*names).names } >= setting(config::NAMES_PER_DIRECTORY) {
        bump(names);
        return false;
    }
    unsafe { (*names).names += 1 };
    insert(key)
}

#[inline(always)]
fn insert(key: &WriteKey) -> bool {
    match first_or_again(&WRITES, key) {
        Sight::First => true,
        Sight::Again => false,
        Sight::Full => {
            lost(stat::WRITES_FULL);
            false
        }
    }
}

/// Sends the record.
#[inline(always)]
fn send(scratch: &mut Scratch) {
    let used = scratch.used;
    if used > NAMES_MAX as u64 {
        return;
    }
    let record = ptr::addr_of_mut!(scratch.head);
    let sent = unsafe {
        helper::bpf_ringbuf_output(
            ptr::addr_of!(RECORDS).cast_mut().cast(),
            record.cast(),
            size_of::<WriteRecord>() as u64 + used,
            0,
        )
    };
    if sent != 0 {
        lost(stat::RECORDS_LOST);
    }
}
