//! Where records are put together: too large for the stack of 512 bytes.
//!
//! A program may be preempted (`fexit` on preemptible kernels, tracepoints since Linux 7.0) and another one run on its
//! CPU meanwhile, so areas are taken and given back.

use core::{
    ops::{Deref, DerefMut},
    ptr,
};

use profiler_ebpf::{
    record::{NAMES_MAX, STRING_MAX, WriteRecord},
    stat,
};

use super::{
    count::{add, lost},
    kernel::current_thread,
    maps::{SCRATCH, TAKEN},
    name::Hashes,
};

/// Areas on each CPU, a power of two.
pub const AREAS: u32 = 4;

/// Where a walk begins.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Anchor {
    /// A `struct mount`.
    pub mount: u64,
    /// A dentry on it.
    pub dentry: u64,
}

/// What identifies the directory above that of a name: so many directories above the anchor, and a hash from there on.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Tree {
    /// 0 to 2.
    pub above: u64,
    /// 0: that directory itself.
    pub hash: u64,
}

/// What one area holds.
#[repr(C)]
pub struct Scratch {
    /// The record's head; the names follow without a gap.
    pub head: WriteRecord,
    /// The names, and room for one string behind them so that every bounded copy stays inside.
    pub names: [u8; NAMES_MAX + STRING_MAX],
    /// Strings as read from the subject, with room for a word of zeroes behind.
    pub strings: [[u8; STRING_MAX + 8]; 2],
    /// Bytes of `strings` in use, NUL included.
    pub lengths: [u64; 2],
    /// The system call's arguments.
    pub args: [u64; 8],
    /// Of a path through `/proc/self/fd`: the descriptor.
    pub link_descriptor: u64,
    /// The bytes up to the end of its number; 0 where the path is none.
    pub link_end: u64,
    /// What remains to be read of the number.
    pub link_digits: u64,
    /// Where the (at most two) walks begin.
    pub anchors: [Anchor; 2],
    /// What identifies the directories above those of the names, see [`super::fold`].
    pub trees: [Tree; 2],
    /// Of `strings`.
    pub hashes: [Hashes; 2],
    /// The inode of the object, or of the directory that its name is relative to.
    pub inode: u64,
    /// Bytes of `names` in use.
    pub used: u64,
    /// The walk's current dentry.
    pub dentry: u64,
    /// The walk's current `struct mount`.
    pub mount: u64,
    /// Whether the walk's last copy failed: 0 or 1.
    pub failed: u64,
}

/// One area: what it holds, and its number, by which a function that is verified by itself finds it.
///
/// Such functions ("global" ones, Linux 5.6) are verified once in a program, whatever their callers know, and take numbers
/// only: pointers to memory came with Linux 5.12. Nobody keeps a reference into the area while one of them runs.
pub struct Area {
    number: u32,
    scratch: *mut Scratch,
}

impl Area {
    /// The area of this number on this CPU.
    #[inline(always)]
    pub fn at(number: u32) -> Option<Self> {
        Some(Self { number, scratch: SCRATCH.get_ptr_mut(number)? })
    }

    #[inline(always)]
    pub fn number(&self) -> u32 {
        self.number
    }
}

impl Deref for Area {
    type Target = Scratch;

    #[inline(always)]
    fn deref(&self) -> &Scratch {
        unsafe { &*self.scratch }
    }
}

impl DerefMut for Area {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Scratch {
        unsafe { &mut *self.scratch }
    }
}

/// Runs `work` with an area of its own, if there is one.
#[inline(always)]
pub fn with(work: impl FnOnce(&mut Area)) {
    if let Some(mut area) = lend() {
        work(&mut area);
        give_back(area);
    }
}

/// An area of the caller's own, if there is one; to be given back.
///
/// Which one is tried first depends on the thread, and is therefore one unknown number to the verifier: with the numbers
/// of a loop it would go through all that follows once for each.
#[inline(always)]
pub fn lend() -> Option<Area> {
    let taken = unsafe { &mut *TAKEN.get_ptr_mut(0)? };
    let mut area = current_thread() & (AREAS - 1);
    let mut mine = take(taken, area);
    if !mine {
        area = area.wrapping_add(1) & (AREAS - 1);
        mine = take(taken, area);
    }
    if !mine {
        lost(stat::SCRATCH_BUSY);
        return None;
    }
    let lent = Area::at(area);
    if lent.is_none() {
        add(&mut taken[(area & (AREAS - 1)) as usize], u64::MAX);
    }
    lent
}

/// Gives back what [`lend`] lent.
#[inline(always)]
pub fn give_back(area: Area) {
    if let Some(taken) = TAKEN.get_ptr_mut(0) {
        add(&mut unsafe { &mut *taken }[(area.number & (AREAS - 1)) as usize], u64::MAX);
    }
}

/// Whether an area was free, and is taken now. Of two that ask at once each may find the other there; both go on to the
/// next then. (An exchange would be exact, but came with Linux 5.12.)
#[inline(always)]
fn take(taken: &mut [u64; AREAS as usize], area: u32) -> bool {
    let holders = &mut taken[(area & (AREAS - 1)) as usize];
    add(holders, 1);
    if unsafe { ptr::read_volatile(holders) } == 1 {
        return true;
    }
    add(holders, u64::MAX);
    false
}
