//! Folding: a program that makes a million files must cost a million counter bumps, not a million entries.
//!
//! Every operation on a name is counted by itself until its directory has shown enough names; from then on only the
//! directory is counted. Where there are too many directories, the one above is counted instead. Both limits become
//! tight as the table fills, so that what is new always finds room for an entry that its place can be told from.

use aya_ebpf::bindings::BPF_NOEXIST;
use profiler_ebpf::{
    call::op,
    config,
    record::{Count, WriteKey, scope},
    stat,
};

use super::{
    count::{add, bump, lost, met},
    kernel::{now, setting},
    maps::{WRITES, WRITES_USED},
    name::tree_number,
    scratch::Area,
};

/// Directories in one directory, per operation, outcome and executable, before only the one above is counted.
const DIRECTORIES: u32 = 256;

/// Counts the key in the scratch area's head; whether it is a first sight that is to be sent.
#[inline(always)]
pub fn is_first(scratch: &mut Area) -> bool {
    let key = &scratch.head.key;
    if let Some(count) = WRITES.get_ptr_mut(key) {
        bump(count);
        return false;
    }
    // Executions are few, and their names are wanted.
    if key.op == op::EXEC || key.op == op::LOW_PORT {
        return insert(key);
    }
    // Sent with it, so that userspace knows what the entry of the directory above stands for.
    let mut tree = tree_number(scratch.trees[0], scratch.anchors[0].dentry);
    if scratch.anchors[1].dentry != 0 {
        tree = tree.rotate_left(7) ^ tree_number(scratch.trees[1], scratch.anchors[1].dentry);
    }
    scratch.head.tree = tree;
    let key = &scratch.head.key;
    let mut folder = *key;
    folder.scope = scope::DIRECTORY;
    folder.name = scratch.head.directory;
    folder.name2 = 0;
    let directory = match WRITES.get_ptr_mut(&folder) {
        Some(directory) => directory,
        None => {
            folder.scope = scope::TREE;
            folder.name = 0;
            folder.base_ino = tree;
            let Some(tree) = entry(&folder) else { return false };
            // Half of the table is for the directories above.
            if !has_room(tree, DIRECTORIES, 2) {
                return false;
            }
            folder.scope = scope::DIRECTORY;
            folder.name = scratch.head.directory;
            folder.base_ino = key.base_ino;
            let Some(directory) = entry(&folder) else { return false };
            directory
        }
    };
    has_room(directory, setting(config::NAMES_PER_DIRECTORY), 4) && insert(key)
}

/// Whether one more is to be counted by itself, and not in this entry: fewer than `limit` are, or only this one once
/// one part of `parts` of the table is in use.
#[inline(always)]
fn has_room(folder: *mut Count, limit: u32, parts: u64) -> bool {
    let limit = if used() < u64::from(setting(config::TABLE_ENTRIES)) / parts { limit } else { 1 };
    if unsafe { (*folder).names } >= limit {
        bump(folder);
        return false;
    }
    unsafe { (*folder).names += 1 };
    true
}

#[inline(always)]
fn used() -> u64 {
    WRITES_USED.get(0).copied().unwrap_or(0)
}

#[inline(always)]
fn use_one() {
    if let Some(used) = WRITES_USED.get_ptr_mut(0) {
        add(unsafe { &mut *used }, 1);
    }
}

/// The entry of a directory, made where there is none.
#[inline(always)]
fn entry(folder: &WriteKey) -> Option<*mut Count> {
    if let Some(count) = WRITES.get_ptr_mut(folder) {
        return Some(count);
    }
    let empty = Count { count: 0, first_ns: now(), last_ns: 0, phases: 0, names: 0 };
    if WRITES.insert(folder, &empty, 0).is_err() {
        lost(stat::WRITES_FULL);
        return None;
    }
    use_one();
    WRITES.get_ptr_mut(folder)
}

/// Makes an entry; whether it is new and was not made by another CPU meanwhile.
#[inline(always)]
fn insert(key: &WriteKey) -> bool {
    if WRITES.insert(key, &met(1), u64::from(BPF_NOEXIST)).is_ok() {
        use_one();
        return true;
    }
    match WRITES.get_ptr_mut(key) {
        Some(count) => bump(count),
        None => lost(stat::WRITES_FULL),
    }
    false
}
