//! Counting: first sights make an entry, repetitions bump it.

use profiler_ebpf::{control, record::Count};

use super::{
    kernel,
    maps::{CONTROL, STATS},
};

/// Adds one to a counter of [`profiler_ebpf::stat`].
#[inline(always)]
pub fn lost(stat: u32) {
    if let Some(counter) = STATS.get_ptr_mut(stat) {
        add(unsafe { &mut (*counter) }, 1);
    }
}

/// An atomic addition whose result nobody wants: `BPF_XADD`, which every supported kernel has (the fetching forms
/// came with Linux 5.12).
#[inline(always)]
pub fn add(counter: &mut u64, by: u64) {
    use core::intrinsics::{AtomicOrdering, atomic_xadd};
    // The stable `fetch_add` is not offered on the BPF target.
    unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(counter, by) };
}

/// The current phase's bit.
#[inline(always)]
pub fn phase() -> u32 {
    CONTROL.get(control::PHASE_BIT).copied().unwrap_or(0)
}

/// Bumps an entry.
#[inline(always)]
pub fn bump(count: *mut Count) {
    let count = unsafe { &mut *count };
    add(&mut count.count, 1);
    count.last_ns = kernel::now();
    // Several CPUs may set bits at once and lose one another's; the next repetition sets it again.
    let phase = phase();
    if count.phases & phase != phase {
        count.phases |= phase;
    }
}

/// A new entry that has been met so many times.
#[inline(always)]
pub fn met(count: u64) -> Count {
    let now = kernel::now();
    Count { count, first_ns: now, last_ns: now, phases: phase(), names: 0 }
}
