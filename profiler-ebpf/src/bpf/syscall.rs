//! "A system call exited": which operation it was, on what, with what outcome.
//!
//! The cheapest tests come first: the number, the flags of an open, the process; then the key, and only at a first
//! sight the walk and the record.

use core::{ffi::c_void, mem::size_of, ptr};

use aya_ebpf::helpers::generated as helper;
use profiler_ebpf::{
    SYSCALL_SLOTS,
    call::{NO_ARG, form, last, op},
    config, fields,
    record::{NAMES_MAX, Name, STRING_MAX, Subject, WriteKey, WriteRecord, kind, scope},
    register, stat,
};

use super::{
    count::lost,
    fold::is_first,
    kernel::{
        ERESTARTSYS, current_task, current_tgid, file_of, file_of_new, is_regular, number_of, offset,
        read_u16, read_u32, read_u64, read_word, setting,
    },
    maps::{CALLS, RECORDS, SUBJECTS},
    name::{hash_in_area, keep_string, length, path_at, read_string, walk_in_area},
    scratch::{self, Anchor, Area, Tree},
};

const AT_FDCWD: i32 = -100;
const AT_SYMLINK_NOFOLLOW: u64 = 0x100;
const AT_REMOVEDIR: u64 = 0x200;
const AT_SYMLINK_FOLLOW: u64 = 0x400;
const AT_EMPTY_PATH: u64 = 0x1000;

// The flags of open that matter, the same on x86-64 and arm64 but for O_DIRECTORY, which is not looked at
// (Linux include/uapi/asm-generic/fcntl.h).
const O_ACCMODE: u64 = 0o3;
const O_CREAT: u64 = 0o100;
const O_EXCL: u64 = 0o200;
const O_TRUNC: u64 = 0o1000;
const O_PATH: u64 = 0o10_000_000;
const O_TMPFILE: u64 = 0o20_000_000;

const PROT_WRITE: u64 = 2;
const PROT_EXEC: u64 = 4;
/// The part of mmap's flags that says how it is shared: `MAP_SHARED` is 1, `MAP_SHARED_VALIDATE` 3.
const MAP_TYPE: u64 = 0xf;
const MAP_ANONYMOUS: u64 = 0x20;
const MS_SYNC: u64 = 4;

// Commands of ioctl that take write access to the mount of a file that need not be open for writing: flags of a file
// (fs/file_attr.c), its generation, verity and encryption (ext4, f2fs and others), deduplication (fs/remap_range.c).
const FS_IOC_SETFLAGS: u32 = 0x4008_6602;
const FS_IOC_FSSETXATTR: u32 = 0x401c_5820;
const FS_IOC_SETVERSION: u32 = 0x4008_7602;
const FS_IOC_ENABLE_VERITY: u32 = 0x4080_6685;
const FS_IOC_SET_ENCRYPTION_POLICY: u32 = 0x800c_6613;
const FIDEDUPERANGE: u32 = 0xc018_9436;

/// `IORING_SETUP_SQPOLL`, in the flags of `struct io_uring_params`.
const SETUP_SQPOLL: u32 = 2;
/// Where those flags stand.
const URING_FLAGS_AT: u64 = 8;

/// `FMODE_CREATED`, set where an open created the file (Linux 4.19, include/linux/fs.h).
const FMODE_CREATED: u32 = 0x10_0000;

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
    #[inline(always)]
    fn last(self) -> u8 {
        self.byte(7)
    }

    /// The flags, where they are `AT_…` flags that say how the path is taken.
    #[inline(always)]
    fn at_flags(self, flags: u64) -> u64 {
        match self.last() {
            last::UNLESS_FLAG | last::ONLY_WITH_FLAG => flags,
            _ => 0,
        }
    }

    /// Whether the last component of the (first) path is the object itself where it is a symbolic link.
    #[inline(always)]
    fn spares_last_link(self, flags: u64) -> bool {
        match self.last() {
            last::SPARED => true,
            last::UNLESS_FLAG => flags & AT_SYMLINK_NOFOLLOW != 0,
            last::ONLY_WITH_FLAG => flags & AT_SYMLINK_FOLLOW == 0,
            // An open that succeeded is known by its file; of one that failed the name is enough as it is written.
            last::UNLESS_OPEN_FLAG => true,
            _ => false,
        }
    }
}

/// Whether flags of open ask for anything that needs write access to a mount.
#[inline(always)]
fn opens_for_writing(flags: u64) -> bool {
    flags & (O_ACCMODE | O_CREAT | O_TRUNC | O_TMPFILE) != 0 && flags & O_PATH == 0
}

/// Whether a mapping is one to note: of a file, and either executable or writable and shared.
#[inline(always)]
fn maps_file(protection: u64, flags: u64) -> bool {
    // The two shared types have the lowest bit set, and MAP_PRIVATE (2) has not.
    flags & MAP_ANONYMOUS == 0
        && (protection & PROT_EXEC != 0 || protection & PROT_WRITE != 0 && flags & MAP_TYPE & 1 != 0)
}

#[inline(always)]
fn changes_file(command: u32) -> bool {
    matches!(
        command,
        FS_IOC_SETFLAGS
            | FS_IOC_FSSETXATTR
            | FS_IOC_SETVERSION
            | FS_IOC_ENABLE_VERITY
            | FS_IOC_SET_ENCRYPTION_POLICY
            | FIDEDUPERANGE
    )
}

/// The cheapest tests, in the order of their cost: the number, the flags of an open, the process. What concerns us.
#[inline(always)]
pub fn concerns(register: impl Fn(usize) -> u64) -> Option<(Descriptor, Subject)> {
    let number = number_of(&register);
    if number >= SYSCALL_SLOTS as u64 {
        return None;
    }
    let call = Descriptor::of(number);
    if call.op() == op::NONE {
        return None;
    }
    let of_interest = match call.form() {
        form::OPEN => {
            let flags =
                if call.flags() == 1 { register(register::ARG0 + 1) } else { register(register::ARG0 + 2) };
            opens_for_writing(flags)
        }
        form::MMAP => maps_file(register(register::ARG0 + 2), register(register::ARG0 + 3)),
        form::IOCTL => changes_file(register(register::ARG0 + 1) as u32),
        form::MSYNC => register(register::ARG0 + 2) & MS_SYNC != 0,
        // Without anything to submit it only waits.
        form::URING_ENTER => register(register::ARG0 + 1) as u32 != 0,
        _ => true,
    };
    if !of_interest {
        return None;
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
    if call.op() == op::IO_URING {
        count_ring(&register, call, result);
        return;
    }
    if result <= -ERESTARTSYS {
        return;
    }
    // No closure: the compiler would make it a function that several programs share, whose frame comes on top of theirs, and
    // the chain of calls would take more than the 512 bytes that there are (kernel/bpf/verifier.c `MAX_BPF_STACK`).
    let Some(mut scratch) = scratch::lend() else { return };
    scratch.args[0] = register(register::ARG0);
    scratch.args[1] = register(register::ARG0 + 1);
    scratch.args[2] = register(register::ARG0 + 2);
    scratch.args[3] = register(register::ARG0 + 3);
    scratch.args[4] = register(register::ARG0 + 4);
    scratch.args[5] = register(register::ARG0 + 5);
    let errno = if result < 0 { -result as u32 } else { 0 };
    if operation(&mut scratch, call, &subject, errno, result as u64) {
        report(scratch.number());
    }
    scratch::give_back(scratch);
}

/// Whether the current system call is a 32-bit one: its number means something else. In an execution, whether the
/// program is a 32-bit one.
#[inline(always)]
pub fn is_compat() -> bool {
    let address = current_task() + u64::from(setting(config::COMPAT_OFFSET));
    read_word(address) & setting(config::COMPAT_MASK) != 0
}

/// The entry point for io_uring's own system calls alone.
#[inline(always)]
pub fn ring_used(register: impl Fn(usize) -> u64, result: i64) {
    if let Some((call, _)) = concerns(&register) {
        count_ring(&register, call, result);
    }
}

#[inline(always)]
fn count_ring(register: impl Fn(usize) -> u64, call: Descriptor, result: i64) {
    if call.form() == form::URING_ENTER || result >= 0 && is_polled(register(register::ARG0 + 1)) {
        lost(stat::IO_URING_CALLS);
    }
}

/// Whether a ring was set up for a thread of the kernel's to look at: its submissions take no system call.
#[inline(always)]
fn is_polled(parameters: u64) -> bool {
    let mut flags = 0u32;
    let address = parameters.wrapping_add(URING_FLAGS_AT) as *const c_void;
    unsafe { helper::bpf_probe_read_user(ptr::addr_of_mut!(flags).cast(), 4, address) };
    flags & SETUP_SQPOLL != 0
}

#[inline(always)]
fn argument(scratch: &Area, index: u8) -> u64 {
    scratch.args[(index & 7) as usize]
}

/// Where a name is looked up: (`struct mount`, dentry) of the root, the working directory or a descriptor.
#[inline(always)]
fn base_of(scratch: &Area, which: usize, dirfd: u8) -> (u64, u64) {
    if link_end(scratch) != 0 {
        return path_at(file_of(scratch.link_descriptor) + offset(fields::FILE_PATH));
    }
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
fn operation(scratch: &mut Area, call: Descriptor, subject: &Subject, errno: u32, result: u64) -> bool {
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
        form::MMAP => {
            if errno != 0 {
                return false;
            }
            // Protection is the third argument.
            op = if scratch.args[2] & PROT_EXEC != 0 { op::MAP_EXEC } else { op::MAP_SHARED };
        }
        form::MSYNC => {
            by_port(scratch, &fresh_key(subject, op, errno, call.1), 0);
            return errno == 0;
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
        file = file_of_new(result);
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
        // A handle that could not be opened has no name.
        if opens {
            return false;
        }
        file = file_of(argument(scratch, call.dirfd()));
    } else if path == 0 {
        // A null pointer to utimensat: the descriptor itself.
        if call.dirfd() == NO_ARG {
            return false;
        }
        file = file_of(argument(scratch, call.dirfd()));
    } else {
        match read_name(scratch, 0, path, limit, call.spares_last_link(flags)) {
            Spelling::Unreadable => {
                // The kernel could not read it either, or it was paged out between: only a success is worth a word.
                if errno == 0 {
                    lost(stat::STRINGS_UNREADABLE);
                }
                return false;
            }
            Spelling::Empty => {
                // The descriptor itself (AT_EMPTY_PATH), else an error.
                if call.at_flags(flags) & AT_EMPTY_PATH == 0 || call.dirfd() == NO_ARG {
                    return false;
                }
                file = file_of(argument(scratch, call.dirfd()));
            }
            Spelling::Descriptor => file = file_of(scratch.link_descriptor),
            Spelling::Name => named = true,
        }
    }

    let key = fresh_key(subject, op, errno, call.1);
    if named {
        by_name(scratch, call, &key, flags);
    } else if file != 0 {
        let is_mapping = op == op::MAP_EXEC || op == op::MAP_SHARED;
        if is_mapping && !is_regular(file) {
            return false;
        }
        let (mount, mut dentry) = path_at(file + offset(fields::FILE_PATH));
        if op == op::TMPFILE {
            // The file has no name: what was written to is the directory that it was asked for in.
            dentry = read_u64(dentry, fields::DENTRY_PARENT);
        }
        by_object(scratch, &key, flags, mount, dentry);
    } else {
        return false;
    }
    call.path2() == NO_ARG || second_name(scratch, call)
}

/// What a path argument is.
enum Spelling {
    /// It cannot be read.
    Unreadable,
    /// The empty string.
    Empty,
    /// A link to the descriptor `scratch.link_descriptor`, which is followed.
    Descriptor,
    /// A name: `scratch.strings[which]`, relative to that descriptor where `scratch.link_end` is set.
    Name,
}

/// Reads a path argument. One that leads through the links of `/proc/self/fd` names what the descriptor is: the C
/// library has no other way for fchmodat with AT_SYMLINK_NOFOLLOW, nor to give an unnamed file a name.
#[inline(always)]
fn read_name(scratch: &mut Area, which: usize, path: u64, limit: u32, spares_last: bool) -> Spelling {
    read_string(scratch, which, path, limit);
    find_descriptor_link(scratch, which);
    match length(scratch, which) {
        0 => return Spelling::Unreadable,
        1 => return Spelling::Empty,
        _ => {}
    }
    let end = link_end(scratch);
    if end == 0 {
        return Spelling::Name;
    }
    if scratch.link_digits & 0xff == 0 {
        if !spares_last {
            return Spelling::Descriptor;
        }
        // Calls on the link itself work on /proc.
        scratch.link_end = 0;
        return Spelling::Name;
    }
    // The rest behind the slash. Masked for the verifier: the number is at most 28 and the limit 4,096.
    let rest = limit.wrapping_sub(end as u32 + 1) & (STRING_MAX as u32 - 1);
    read_string(scratch, which, path + end + 1, rest);
    match length(scratch, which) {
        0 => Spelling::Unreadable,
        1 => Spelling::Descriptor,
        _ => Spelling::Name,
    }
}

/// The end of the descriptor's number in a path through `/proc/self/fd`; 0 where it is none. Loaded anew wherever it is
/// needed, as [`length`] is.
#[inline(always)]
fn link_end(scratch: &Area) -> u64 {
    unsafe { ptr::read_volatile(ptr::addr_of!(scratch.link_end)) }
}

const PROC_SELF_FD: (u64, u64) = (u64::from_le_bytes(*b"/proc/se"), u64::from_le_bytes(*b"lf/fd/\0\0"));
const PROC_THREAD_SELF_FD: (u64, u64, u64) =
    (u64::from_le_bytes(*b"/proc/th"), u64::from_le_bytes(*b"read-sel"), u64::from_le_bytes(*b"f/fd/\0\0\0"));
const DEV_FD: u64 = u64::from_le_bytes(*b"/dev/fd/");
/// Descriptors have at most seven digits (`fs.nr_open` is a million by default).
const DIGITS_MAX: u32 = 7;

/// Looks for `/proc/self/fd/N`, `/proc/thread-self/fd/N` or `/dev/fd/N`, whole or followed by a slash, at the start of
/// `scratch.strings[which]`; notes the descriptor and where its number ends.
///
/// All state lives in the scratch area, so that the verifier finds one state behind the loop whatever way it was left.
#[inline(always)]
fn find_descriptor_link(scratch: &mut Area, which: usize) {
    scratch.link_end = 0;
    let text = scratch.strings[which].as_ptr();
    let word = |at: usize| unsafe { ptr::read_unaligned(text.add(at).cast::<u64>()) };
    let start = if word(0) == PROC_SELF_FD.0 && word(8) & 0x0000_ffff_ffff_ffff == PROC_SELF_FD.1 {
        scratch.link_digits = word(14);
        14
    } else if word(0) == PROC_THREAD_SELF_FD.0
        && word(8) == PROC_THREAD_SELF_FD.1
        && word(16) & 0x00ff_ffff_ffff == PROC_THREAD_SELF_FD.2
    {
        scratch.link_digits = word(21);
        21
    } else if word(0) == DEV_FD {
        scratch.link_digits = word(8);
        8
    } else {
        return;
    };
    scratch.link_descriptor = 0;
    let mut step = 0;
    let mut digits = 0u64;
    while step < DIGITS_MAX {
        step += 1;
        let rest = unsafe { ptr::read_volatile(ptr::addr_of!(scratch.link_digits)) };
        let digit = (rest & 0xff).wrapping_sub(u64::from(b'0'));
        if digit > 9 {
            break;
        }
        digits += 1;
        let number = unsafe { ptr::read_volatile(ptr::addr_of!(scratch.link_descriptor)) };
        unsafe {
            ptr::write_volatile(ptr::addr_of_mut!(scratch.link_descriptor), number * 10 + digit);
            ptr::write_volatile(ptr::addr_of_mut!(scratch.link_digits), rest >> 8);
            ptr::write_volatile(ptr::addr_of_mut!(scratch.link_end), start + digits);
        }
    }
    let behind = unsafe { ptr::read_volatile(ptr::addr_of!(scratch.link_digits)) } & 0xff;
    if behind != 0 && behind != u64::from(b'/') {
        scratch.link_end = 0;
    }
}

/// Prepares an operation on an object that is known by mount and dentry.
#[inline(always)]
pub fn by_object(scratch: &mut Area, fresh: &WriteKey, flags: u64, mount: u64, dentry: u64) {
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
    scratch.trees[0] = Tree { above: 2, hash: 0 };
    scratch.lengths = [0, 0];
}

/// Prepares an operation on a name.
#[inline(always)]
fn by_name(scratch: &mut Area, call: Descriptor, fresh: &WriteKey, flags: u64) {
    let (mount, dentry) = base_of(scratch, 0, call.dirfd());
    let inode = inode_of(dentry);
    hash_in_area(scratch.number(), 0);
    let hashes = scratch.hashes[0];
    let key = &mut scratch.head.key;
    *key = *fresh;
    key.base_ino = read_u64(inode, fields::INODE_INO);
    key.base_dev = device_of(inode);
    key.name = hashes.whole;
    // Of a link and of what it leads to, the same name is two objects.
    key.name2 = flags & AT_SYMLINK_NOFOLLOW;
    scratch.head.directory = hashes.directory;
    scratch.trees[0] = hashes.tree();
    scratch.head.call_flags = flags;
    scratch.inode = inode;
    scratch.anchors = [Anchor { mount, dentry }, Anchor { mount: 0, dentry: 0 }];
    scratch.lengths[1] = 0;
}

/// Adds the second name of a rename or link to what was prepared. False where it cannot be read.
#[inline(always)]
fn second_name(scratch: &mut Area, call: Descriptor) -> bool {
    let path = argument(scratch, call.path2());
    // A new name is never a link that is followed.
    if !matches!(read_name(scratch, 1, path, STRING_MAX as u32, true), Spelling::Name) {
        return false;
    }
    let (mount, dentry) = base_of(scratch, 1, call.dirfd2());
    hash_in_area(scratch.number(), 1);
    let hashes = scratch.hashes[1];
    let base = read_u64(inode_of(dentry), fields::INODE_INO);
    scratch.head.key.name2 = hashes.whole ^ base.rotate_left(32) | 1;
    scratch.head.directory = scratch.head.directory.rotate_left(7) ^ hashes.directory ^ base;
    scratch.trees[1] = hashes.tree();
    scratch.anchors[1] = Anchor { mount, dentry };
    true
}

/// Prepares what has no name: the bind of a port below 1024, or with 0 an msync.
#[inline(always)]
fn by_port(scratch: &mut Area, fresh: &WriteKey, port: u16) {
    scratch.head.key = *fresh;
    scratch.head.key.name = u64::from(port);
    scratch.head.directory = 0;
    scratch.trees[0] = Tree { above: 0, hash: 0 };
    scratch.head.call_flags = u64::from(port);
    scratch.inode = 0;
    scratch.anchors = [Anchor { mount: 0, dentry: 0 }; 2];
    scratch.lengths = [0, 0];
}

/// Counts what was prepared in the scratch area of this number, and sends it where it is a first sight. Verified by itself.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn report(area: u32) -> u32 {
    if let Some(mut scratch) = Area::at(area)
        && is_first(&mut scratch)
    {
        complete(&mut scratch);
        send(&mut scratch);
    }
    0
}

/// Fills in what is not needed for counting: what the object is, and its names.
#[inline(always)]
fn complete(scratch: &mut Area) {
    let inode = scratch.inode;
    let area = scratch.number();
    let head = &mut scratch.head;
    head.kind = kind::WRITE;
    head.tgid = current_tgid();
    head.names = [Name { walk_len: 0, mount_at: 0, string_len: 0, flags: 0 }; 2];
    // Of an object whose name alone is known, the inode is that of a directory on the way.
    head.mode = 0;
    if length(scratch, 0) <= 1 {
        scratch.head.mode = u32::from(read_u16(inode, fields::INODE_MODE));
    }
    scratch.used = 0;
    walk_in_area(area, 0);
    keep_string(scratch, 0);
    if length(scratch, 1) > 1 {
        walk_in_area(area, 1);
        keep_string(scratch, 1);
    }
}

/// Sends the record.
#[inline(always)]
fn send(scratch: &mut Area) {
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
