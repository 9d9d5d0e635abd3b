//! What a capability check wants to know of the system call it is made in: one byte for each number, in the read-only
//! global `ASKS`, filled in by userspace.

/// The bits that hold one of [`kind`].
pub const KIND: u8 = 0x0f;
/// The call's exit is seen by the `fexit` sensor as well, so that its result can be waited for.
pub const RESULT_SEEN: u8 = 0x40;
/// The call never comes back to the program that made it.
pub const NO_RESULT: u8 = 0x80;

/// Calls whose arguments tell whether they ask for anything new, see [`crate::record::check::NOTHING_NEW`].
pub mod kind {
    /// Nothing is known about it.
    pub const OTHER: u8 = 0;
    /// brk and its kin, fork: SYS_ADMIN is asked for memory only.
    pub const MEMORY: u8 = 1;
    /// clone: its flags are the first argument.
    pub const CLONE: u8 = 2;
    /// clone3: its arguments are a structure.
    pub const CLONE3: u8 = 3;
    /// setuid
    pub const SETUID: u8 = 4;
    /// setgid
    pub const SETGID: u8 = 5;
    /// setresuid
    pub const SETRESUID: u8 = 6;
    /// setresgid
    pub const SETRESGID: u8 = 7;
    /// capset
    pub const CAPSET: u8 = 8;
    /// mmap: a device may ask for more than memory.
    pub const MMAP: u8 = 9;
}
