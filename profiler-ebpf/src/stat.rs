//! Counters of what could not be followed, in the array map `STATS`. Anything but zero makes a profile incomplete.

macro_rules! stats {
    ($($name:ident = $code:literal, $message:literal;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "a table of indices")]
        enum Index { $($name,)* }
        $(
            #[doc = $message]
            pub const $name: u32 = Index::$name as u32;
        )*
        /// Code and message of each counter, in the order of their indices.
        pub const ALL: &[(&str, &str)] = &[$(($code, $message),)*];
        /// How many counters there are.
        pub const COUNT: u32 = ALL.len() as u32;
    };
}

stats! {
    RECORDS_LOST = "records-lost", "records that found the ring buffer full; enlarge it with --ring-size";
    WRITES_FULL = "write-table-full", "operations that found the table of operations full; enlarge it with --table-size";
    CAPS_FULL = "capability-table-full", "capability checks that found their table full";
    SUBJECTS_FULL = "process-table-full", "processes that found the process table full, and were not followed";
    CGROUPS_FULL = "cgroup-table-full", "cgroups that could not be followed";
    PATHS_CUT = "paths-cut", "paths that were too long or too deep to be recorded whole";
    STRINGS_UNREADABLE = "strings-unreadable", "path arguments that could not be read";
    COMPAT_CALLS = "32-bit-calls", "system calls, or executions, of 32-bit programs, which are not followed";
    SCRATCH_BUSY = "programs-busy", "system calls that found no room to be looked at in: too many were interrupted at once";
    IO_URING_CALLS = "io-uring", "submissions to io_uring, whose file operations are not followed";
}
