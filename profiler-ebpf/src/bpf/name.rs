//! Names: walks from a dentry to the top of its mount namespace, strings from the subject, and their hashes.

use core::{ffi::c_void, ptr};

use aya_ebpf::helpers::generated as helper;
use profiler_ebpf::{
    fields,
    record::{COMPONENT_MAX, NAMES_MAX, ROOT_MOUNT, STRING_MAX, WALK_MAX, name_flag},
    stat,
};

use super::{
    count,
    kernel::{mount_of, offset, read_u64},
    maps::Scratch,
};

/// Components and mount boundaries of one walk at most. The path of 4,096 bytes that PATH_MAX allows may have more;
/// such a walk is marked as cut.
const WALK_STEPS: u32 = 160;

/// Walks from `scratch.anchors[which]` upward and appends the components, leaf first, to the scratch area's names;
/// fills in `scratch.head.names[which]`.
///
/// All state lives in the scratch area and not in registers: the verifier of Linux 5.10 explores every iteration,
/// and prunes only where the registers look alike.
#[inline(always)]
pub fn walk(scratch: &mut Scratch, which: usize) {
    scratch.dentry = scratch.anchors[which].dentry;
    scratch.mount = scratch.anchors[which].mount;
    let begin = scratch.used;
    let name = &mut scratch.head.names[which] as *mut profiler_ebpf::record::Name;
    unsafe {
        (*name).mount_at = ROOT_MOUNT;
        (*name).flags |= name_flag::CUT;
    }
    let mut step = 0;
    while step < WALK_STEPS {
        step += 1;
        let dentry = scratch.dentry;
        let mount = scratch.mount;
        let root = read_u64(mount + offset(fields::MOUNT_MNT), fields::VFSMOUNT_ROOT);
        if dentry == root {
            let parent = read_u64(mount, fields::MOUNT_PARENT);
            if parent == mount {
                unsafe { (*name).flags &= !name_flag::CUT };
                break;
            }
            unsafe {
                if (*name).mount_at == ROOT_MOUNT {
                    (*name).mount_at = (scratch.used - begin) as u32;
                }
            }
            scratch.dentry = read_u64(mount, fields::MOUNT_MOUNTPOINT);
            scratch.mount = parent;
            continue;
        }
        let parent = read_u64(dentry, fields::DENTRY_PARENT);
        if parent == dentry || parent == 0 {
            // The top of a file system that is not the mount's root: moved away, or never mounted.
            unsafe { (*name).flags = (*name).flags & !name_flag::CUT | name_flag::DETACHED };
            break;
        }
        scratch.dentry = parent;
        if scratch.used - begin > (WALK_MAX - COMPONENT_MAX) as u64 {
            break;
        }
        let at = (scratch.used as usize) & (NAMES_MAX - 1);
        let component = read_u64(dentry + offset(fields::DENTRY_NAME), fields::QSTR_NAME);
        let copied = unsafe {
            helper::bpf_probe_read_kernel_str(
                scratch.names.as_mut_ptr().add(at).cast(),
                COMPONENT_MAX as u32,
                component as *const c_void,
            )
        };
        if copied > 0 {
            scratch.used += copied as u64 & 0x1ff;
        }
    }
    unsafe {
        (*name).walk_len = (scratch.used - begin) as u32;
        if (*name).flags & name_flag::CUT != 0 {
            count::lost(stat::PATHS_CUT);
        }
    }
}

/// Reads a string of the subject into `scratch.strings[which]`, at most `limit` bytes with its NUL, and notes its
/// length: see [`length`].
#[inline(always)]
pub fn read_string(scratch: &mut Scratch, which: usize, address: u64, limit: u32) {
    let text = scratch.strings[which].as_mut_ptr();
    let copied = unsafe { helper::bpf_probe_read_user_str(text.cast(), limit, address as *const c_void) };
    if copied == 0 {
        // The empty string, in kernels before 6.13 or so; later ones count its NUL.
        scratch.lengths[which] = 1;
        return;
    }
    if copied < 0 || copied > STRING_MAX as i64 {
        scratch.lengths[which] = 0;
        return;
    }
    let length = copied as u64;
    // Zeroes up to the next word boundary, so that it can be hashed by words.
    unsafe { ptr::write_unaligned(text.add(length as usize).cast::<u64>(), 0) };
    scratch.lengths[which] = length;
}

/// The number of bytes in `scratch.strings[which]`, NUL included; 0 where the string could not be read.
///
/// It is loaded anew wherever it is needed: a register that was compared in a loop leaves it with other bounds at every
/// exit, and the verifier would explore the rest of the program for each.
#[inline(always)]
pub fn length(scratch: &Scratch, which: usize) -> u64 {
    unsafe { ptr::read_volatile(ptr::addr_of!(scratch.lengths[which])) }
}

/// Hashes of a string: of the whole, and of all up to its last slash (0 where it has none).
pub struct Hashes {
    /// Of the whole string.
    pub whole: u64,
    /// Of the directory part.
    pub directory: u64,
}

const SEED: u64 = 0xcbf2_9ce4_8422_2325;
const SLASHES: u64 = 0x2f2f_2f2f_2f2f_2f2f;
const LOW_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;

#[inline(always)]
fn mix(hash: u64, word: u64) -> u64 {
    let hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 29)
}

/// Hashes `scratch.strings[which]`, eight bytes at a time: a byte-wise
/// loop of 4,096 steps with a branch each is too complex for the verifier ("sequence of 8192 jumps").
#[inline(always)]
pub fn hash(scratch: &Scratch, which: usize) -> Hashes {
    let length = length(scratch, which);
    let words = scratch.strings[which].as_ptr().cast::<u64>();
    let mut whole = SEED;
    let mut directory = 0u64;
    let mut index = 0usize;
    while index < STRING_MAX / 8 {
        if (index * 8) as u64 >= length {
            break;
        }
        let word = unsafe { ptr::read_volatile(words.add(index)) };
        // The high bit of every byte that is a slash; exact, without carries between bytes.
        let other = word ^ SLASHES;
        let mut mark = !(((other & LOW_BITS) + LOW_BITS) | other | LOW_BITS);
        if mark != 0 {
            // All bits up to the last slash (little-endian: the highest).
            mark |= mark >> 1;
            mark |= mark >> 2;
            mark |= mark >> 4;
            mark |= mark >> 8;
            mark |= mark >> 16;
            mark |= mark >> 32;
            directory = mix(whole, word & mark);
        }
        whole = mix(whole, word);
        index += 1;
    }
    Hashes { whole, directory }
}

/// Appends `scratch.strings[which]` without its NUL to the record's names, if there is one.
#[inline(always)]
pub fn keep_string(scratch: &mut Scratch, which: usize) {
    if length(scratch, which) <= 1 {
        return;
    }
    // Loaded anew and masked, not compared: the verifier of Linux 6.1 does not carry the bounds of a comparison over the
    // subtraction. A string is at least 2 and at most `STRING_MAX` bytes long here.
    let length = length(scratch, which).wrapping_sub(1) & (STRING_MAX as u64 - 1);
    if scratch.used > NAMES_MAX as u64 - length {
        scratch.head.names[which].flags |= name_flag::CUT;
        count::lost(stat::PATHS_CUT);
        return;
    }
    let at = (scratch.used as usize) & (NAMES_MAX - 1);
    unsafe {
        helper::bpf_probe_read_kernel(
            scratch.names.as_mut_ptr().add(at).cast(),
            length as u32,
            scratch.strings[which].as_ptr().cast(),
        );
    }
    scratch.head.names[which].string_len = length as u32;
    scratch.used += length;
}

/// Vfs mount and dentry of a `struct path`, as (`struct mount`, dentry).
#[inline(always)]
pub fn path_at(address: u64) -> (u64, u64) {
    (mount_of(read_u64(address, fields::PATH_MNT)), read_u64(address, fields::PATH_DENTRY))
}
