//! Names: walks from a dentry to the top of its mount namespace, strings from the subject, and their hashes.

use core::{ffi::c_void, ptr};

use aya_ebpf::helpers::generated as helper;
use profiler_ebpf::{
    config, fields,
    record::{COMPONENT_MAX, NAMES_MAX, ROOT_MOUNT, STRING_MAX, WALK_MAX, name_flag},
    stat,
};

use super::{
    count,
    kernel::{mount_of, offset, read_two, read_u64, setting},
    scratch::{Area, Tree},
};

/// Components and mount boundaries of one walk at most. The path of 4,096 bytes that PATH_MAX allows may have more;
/// such a walk is marked as cut.
const WALK_STEPS: u32 = 128;

/// Walks from `scratch.anchors[which]` upward and appends the components, leaf first, to the scratch area's names;
/// fills in `scratch.head.names[which]`.
///
/// All state lives in the scratch area and not in registers: the verifier of Linux 5.10 explores every iteration,
/// and prunes only where the registers look alike. A step up and a step over a mount point are one way through the loop,
/// told apart by arithmetic: every branch in it would double what the verifier goes through, several times over.
#[inline(always)]
fn walk(scratch: &mut Area, which: usize) {
    scratch.dentry = scratch.anchors[which].dentry;
    scratch.mount = scratch.anchors[which].mount;
    let begin = scratch.used;
    let mut in_first = u64::MAX;
    let mut mount_at = u64::from(ROOT_MOUNT);
    let mut at_root = 0;
    let mut moves = 0;
    let mut step = 0;
    while step < WALK_STEPS {
        step += 1;
        let dentry = scratch.dentry;
        let mount = scratch.mount;
        let root = read_u64(mount + offset(fields::MOUNT_MNT), fields::VFSMOUNT_ROOT);
        let over = read_u64(mount, fields::MOUNT_PARENT);
        let up = read_u64(dentry, fields::DENTRY_PARENT);
        at_root = !any(dentry ^ root);
        // A mount is its own parent at the top of the namespace, a dentry at the top of a file system.
        moves = pick(at_root, over ^ mount, (dentry ^ up) & any(up));
        let walked = scratch.used - begin;
        let too_long = ((WALK_MAX - COMPONENT_MAX) as u64).wrapping_sub(walked) >> 63;
        if (!any(moves) | too_long) != 0 {
            break;
        }
        scratch.mount = pick(at_root, over, mount);
        scratch.dentry = pick(at_root, read_u64(mount, fields::MOUNT_MOUNTPOINT), up);
        mount_at = pick(at_root & in_first, walked, mount_at);
        in_first &= !at_root;
        // At the root of a mount there is nothing to copy, and nothing is: the address is null.
        let component = read_u64(dentry + offset(fields::DENTRY_NAME), fields::QSTR_NAME) & !at_root;
        let at = scratch.used as usize & (NAMES_MAX - 1);
        let copied = unsafe {
            helper::bpf_probe_read_kernel_str(
                scratch.names.as_mut_ptr().add(at).cast(),
                COMPONENT_MAX as u32,
                component as *const c_void,
            )
        } as u64;
        // A result above 256 is a negative one, an error. Its bit goes through memory, where the compiler does not see what
        // it is: it would make it a branch.
        unsafe { ptr::write_volatile(ptr::addr_of_mut!(scratch.failed), (copied >> 9) & 1) };
        let failed = unsafe { ptr::read_volatile(ptr::addr_of!(scratch.failed)) };
        scratch.used += copied & failed.wrapping_sub(1) & 0x1ff;
    }
    let used = scratch.used;
    let name = &mut scratch.head.names[which];
    name.mount_at = mount_at as u32;
    name.walk_len = (used - begin) as u32;
    if moves != 0 {
        name.flags |= name_flag::CUT;
        count::lost(stat::PATHS_CUT);
    } else if at_root == 0 {
        // The top of a file system that is not the mount's root: moved away, or never mounted.
        name.flags |= name_flag::DETACHED;
    }
}

/// All ones where any bit is set, else 0.
#[inline(always)]
fn any(bits: u64) -> u64 {
    // The compiler knows the usual ways to say this, and would make them a branch.
    let half = (bits | bits >> 32) & 0xffff_ffff;
    0u64.wrapping_sub((half + 0xffff_ffff) >> 32)
}

/// Reads a string of the subject into `scratch.strings[which]`, at most `limit` bytes with its NUL, and notes its
/// length: see [`length`].
#[inline(always)]
pub fn read_string(scratch: &mut Area, which: usize, address: u64, limit: u32) {
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
pub fn length(scratch: &Area, which: usize) -> u64 {
    unsafe { ptr::read_volatile(ptr::addr_of!(scratch.lengths[which])) }
}

/// [`walk`], verified by itself: the arguments are the area's number and `which`.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn walk_in_area(area: u32, which: u32) -> u32 {
    if let Some(mut scratch) = Area::at(area) {
        walk(&mut scratch, (which & 1) as usize);
    }
    0
}

/// Hashes of a string: of the whole, of all up to its last slash, and of all up to the last but one (0 where it has none).
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Hashes {
    /// Of the whole string.
    pub whole: u64,
    /// Of the directory part.
    pub directory: u64,
    /// Of the directory part of that.
    above: u64,
}

impl Hashes {
    /// What identifies the directory above the one that the string's last component is in.
    #[inline(always)]
    pub fn tree(&self) -> Tree {
        if self.directory == 0 { Tree { above: 1, hash: 0 } } else { Tree { above: 0, hash: self.above } }
    }
}

/// One number for a directory: the inode number of `tree.above` directories above `dentry`, and the hash from there on.
#[inline(always)]
pub fn tree_number(tree: Tree, mut dentry: u64) -> u64 {
    if tree.above != 0 {
        dentry = read_u64(dentry, fields::DENTRY_PARENT);
    }
    if tree.above == 2 {
        dentry = read_u64(dentry, fields::DENTRY_PARENT);
    }
    mix(hash_keys(), tree.hash, read_u64(read_u64(dentry, fields::DENTRY_INODE), fields::INODE_INO))
}

const SEED: u64 = 0xcbf2_9ce4_8422_2325;
const SLASHES: u64 = 0x2f2f_2f2f_2f2f_2f2f;
const LOW_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;

/// The subject chooses the words. A product of two halves, each with a secret number added, has no differences that
/// cancel whatever the numbers are, as those of a product with a constant have.
#[inline(always)]
fn mix(keys: [u64; 2], hash: u64, word: u64) -> u64 {
    let mixed = hash ^ word;
    let low = (mixed & u64::from(u32::MAX)) + keys[0];
    let high = (mixed >> 32) + keys[1];
    low.wrapping_mul(high) ^ mixed.rotate_left(29)
}

#[inline(always)]
fn hash_keys() -> [u64; 2] {
    [u64::from(setting(config::HASH_KEYS[0])), u64::from(setting(config::HASH_KEYS[1]))]
}

/// [`hash`] to `scratch.hashes[which]`, verified by itself: the arguments are the area's number and `which`.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hash_in_area(area: u32, which: u32) -> u32 {
    if let Some(mut scratch) = Area::at(area) {
        let which = (which & 1) as usize;
        scratch.hashes[which] = hash(&scratch, which);
    }
    0
}

/// Hashes `scratch.strings[which]`, eight bytes at a time: a byte-wise
/// loop of 4,096 steps with a branch each is too complex for the verifier ("sequence of 8192 jumps").
///
/// The loop only notes which words have slashes, and decides by arithmetic: every branch in it would double what the
/// verifier goes through, several times over.
#[inline(always)]
fn hash(scratch: &Area, which: usize) -> Hashes {
    let length = length(scratch, which);
    let words = scratch.strings[which].as_ptr().cast::<u64>();
    let keys = hash_keys();
    let mut whole = SEED;
    // The last word with a slash, and the last before it: their indices, and the hashes of all before them.
    let (mut last, mut last_hash, mut other, mut other_hash) = (NONE, 0, NONE, 0);
    let mut index = 0usize;
    while index < STRING_MAX / 8 {
        if (index * 8) as u64 >= length {
            break;
        }
        let word = unsafe { ptr::read_volatile(words.add(index)) };
        let here = at_least(slashes(word), 1);
        other = pick(here, last, other);
        other_hash = pick(here, last_hash, other_hash);
        last = pick(here, index as u64, last);
        last_hash = pick(here, whole, last_hash);
        whole = mix(keys, whole, word);
        index += 1;
    }
    let word = |index: u64| unsafe { ptr::read_volatile(words.add(index as usize & (STRING_MAX / 8 - 1))) };
    let (word, other_word) = (word(last), word(other));
    let mark = slashes(word);
    // The last slash is the highest bit: little-endian.
    let end = up_to_highest(mark);
    let before = mark & (end >> 1);
    let directory = mix(keys, last_hash, word & end);
    let in_same = mix(keys, last_hash, word & up_to_highest(before));
    let in_other = mix(keys, other_hash, other_word & up_to_highest(slashes(other_word)));
    let in_other = if other == NONE { 0 } else { in_other };
    if last == NONE {
        return Hashes { whole, directory: 0, above: 0 };
    }
    Hashes { whole, directory, above: if before == 0 { in_other } else { in_same } }
}

/// No word.
const NONE: u64 = u64::MAX;

/// The high bit of every byte of a word that is a slash; exact, without carries between bytes.
#[inline(always)]
fn slashes(word: u64) -> u64 {
    let other = word ^ SLASHES;
    !(((other & LOW_BITS) + LOW_BITS) | other | LOW_BITS)
}

/// All ones where at least `count` of the eight high bits are set, else 0.
#[inline(always)]
fn at_least(mark: u64, count: u64) -> u64 {
    let set = (mark >> 7).wrapping_mul(0x0101_0101_0101_0101) >> 56;
    0u64.wrapping_sub((set + 8 - count) >> 3)
}

/// `one` where the mask is all ones, `other` where it is 0.
#[inline(always)]
fn pick(mask: u64, one: u64, other: u64) -> u64 {
    other ^ ((one ^ other) & mask)
}

/// All bits up to the highest that is set.
#[inline(always)]
fn up_to_highest(mut bits: u64) -> u64 {
    bits |= bits >> 1;
    bits |= bits >> 2;
    bits |= bits >> 4;
    bits |= bits >> 8;
    bits |= bits >> 16;
    bits | bits >> 32
}

/// Appends `scratch.strings[which]` without its NUL to the record's names, if there is one.
#[inline(always)]
pub fn keep_string(scratch: &mut Area, which: usize) {
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

/// Vfs mount and dentry of a `struct path`, as (`struct mount`, dentry). It is two pointers, read at once.
#[inline(always)]
pub fn path_at(address: u64) -> (u64, u64) {
    let path = read_two(address);
    let member = |field| path[((offset(field) / 8) & 1) as usize];
    (mount_of(member(fields::PATH_MNT)), member(fields::PATH_DENTRY))
}
