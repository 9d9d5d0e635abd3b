//! The rules by which a capability check is judged, in order: the first that matches decides.
//!
//! Owns one entry per place in the kernel that asks for a capability and goes on without it. A rule names the
//! kernel source that it rests on (paths of Linux 6.x; the functions are as old as 5.10 unless said).

use super::CheckFacts;
use super::stack::contains;
use crate::model::Verdict;

/// One rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// A stable name.
    pub name: &'static str,
    /// The kernel source that it rests on.
    pub source: &'static str,
    /// Whether it applies.
    pub matches: fn(&CheckFacts<'_>) -> bool,
    /// What the check then amounts to.
    pub verdict: Verdict,
    /// Why, a clause for people.
    pub reason: &'static str,
}

/// Every rule, in the order in which they are tried.
pub const RULES: &[Rule] = &[
    Rule {
        name: "refused",
        source: "security/commoncap.c cap_capable",
        matches: |facts| !facts.granted,
        verdict: Verdict::Attempted,
        reason: "refused, and the subject went on without it",
    },
    Rule {
        name: "own-user-namespace",
        source: "kernel/user_namespace.c create_user_ns",
        matches: |facts| facts.own_namespace,
        verdict: Verdict::Opportunistic,
        reason: "asked in a user namespace that the subject made itself, where it holds every capability anyway",
    },
    Rule {
        name: "memory-overcommit",
        source: "security/commoncap.c cap_vm_enough_memory",
        matches: |facts| {
            facts.cap == "SYS_ADMIN"
                && if facts.stack.is_empty() {
                    // fork copies the address space under the same accounting and can make no namespace; clone
                    // can, and is therefore not here.
                    matches!(
                        facts.syscall,
                        "brk" | "mmap" | "mprotect" | "mremap" | "munmap" | "fork" | "vfork"
                    )
                } else {
                    contains(
                        facts.stack,
                        &["cap_vm_enough_memory", "__vm_enough_memory", "security_vm_enough_memory_mm"],
                    )
                }
        },
        verdict: Verdict::Opportunistic,
        reason: "asked on every allocation of memory, only to see whether the reserve for root may be used",
    },
    Rule {
        name: "set-id-bits-cleared",
        source: "fs/attr.c setattr_prepare, setattr_copy; fs/inode.c file_remove_privs, inode_init_owner",
        matches: |facts| facts.cap == "FSETID",
        verdict: Verdict::Opportunistic,
        reason: "the operation succeeds without it and only clears set-id bits",
    },
    Rule {
        name: "capset-inheritable",
        source: "security/commoncap.c cap_inh_is_capped, cap_capset",
        matches: |facts| {
            facts.cap == "SETPCAP"
                && if facts.stack.is_empty() {
                    facts.syscall == "capset"
                } else {
                    contains(facts.stack, &["cap_inh_is_capped", "cap_capset"])
                }
        },
        verdict: Verdict::Opportunistic,
        reason: "capset asks before it looks at what is to change; giving capabilities up needs none",
    },
    Rule {
        name: "soft-limits",
        source: "fs/pipe.c too_many_pipe_buffers_soft, pipe_is_unprivileged_user; net/unix/af_unix.c \
                 too_many_unix_fds; kernel/fork.c copy_process",
        matches: |facts| {
            matches!(facts.cap, "SYS_RESOURCE" | "SYS_ADMIN")
                && contains(
                    facts.stack,
                    &[
                        "too_many_unix_fds",
                        "unix_attach_fds",
                        "too_many_pipe_buffers_soft",
                        "too_many_pipe_buffers_hard",
                        "pipe_is_unprivileged_user",
                        "alloc_pipe_info",
                    ],
                )
                || matches!(facts.cap, "SYS_RESOURCE" | "SYS_ADMIN")
                    && super::caller(facts.stack) == Some("copy_process")
        },
        verdict: Verdict::Opportunistic,
        reason: "asked only above a per-user limit (pipes, descriptors in flight, processes): raise the limit instead",
    },
    Rule {
        name: "filter-without-new-privileges",
        source: "kernel/seccomp.c seccomp_prepare_filter; security/landlock/syscalls.c landlock_restrict_self",
        matches: |facts| {
            facts.cap == "SYS_ADMIN"
                && contains(
                    facts.stack,
                    &[
                        "seccomp_prepare_filter",
                        "seccomp_set_mode_filter",
                        "do_seccomp",
                        "__do_sys_landlock_restrict_self",
                        "__se_sys_landlock_restrict_self",
                        "__x64_sys_landlock_restrict_self",
                        "__arm64_sys_landlock_restrict_self",
                    ],
                )
        },
        verdict: Verdict::Opportunistic,
        reason: "a process may confine itself without it where no-new-privileges is set",
    },
    Rule {
        name: "trusted-attributes-listed",
        source: "fs/xattr.c simple_xattr_list, xattr_permission; fs/overlayfs/xattrs.c ovl_can_list",
        matches: |facts| {
            facts.cap == "SYS_ADMIN"
                && matches!(facts.syscall, "listxattr" | "llistxattr" | "flistxattr" | "listxattrat")
        },
        verdict: Verdict::Opportunistic,
        reason: "without it the list of extended attributes leaves out `trusted.*`",
    },
    Rule {
        name: "process-state-shown",
        source: "fs/proc/array.c do_task_stat",
        matches: |facts| facts.cap == "SYS_PTRACE" && contains(facts.stack, &["do_task_stat"]),
        verdict: Verdict::Opportunistic,
        reason: "without it /proc/PID/stat shows zeros for addresses",
    },
    Rule {
        name: "kernel-addresses-shown",
        source: "kernel/ksyms_common.c kallsyms_show_value; lib/vsprintf.c restricted_pointer",
        matches: |facts| {
            facts.cap == "SYSLOG" && contains(facts.stack, &["kallsyms_show_value", "restricted_pointer"])
        },
        verdict: Verdict::Opportunistic,
        reason: "without it kernel addresses are shown as zeros",
    },
];

#[cfg(test)]
mod tests {
    use super::super::judge;
    use super::*;

    /// (rule or `-`, capability, granted, system call, own namespace, stack)
    type Case = (&'static str, &'static str, bool, &'static str, bool, &'static [&'static str]);

    const CASES: &[Case] = &[
        ("refused", "DAC_READ_SEARCH", false, "openat", false, &["cap_capable", "generic_permission"]),
        ("refused", "SYS_ADMIN", false, "brk", true, &[]),
        ("own-user-namespace", "SYS_ADMIN", true, "mount", true, &["capable", "ns_capable", "path_mount"]),
        ("memory-overcommit", "SYS_ADMIN", true, "brk", false, &[]),
        ("memory-overcommit", "SYS_ADMIN", true, "munmap", false, &[]),
        (
            "memory-overcommit",
            "SYS_ADMIN",
            true,
            "clone",
            false,
            &["cap_capable", "cap_vm_enough_memory.isra.0"],
        ),
        (
            "memory-overcommit",
            "SYS_ADMIN",
            true,
            "execve",
            false,
            &["cap_capable", "__vm_enough_memory+0x3/0x9"],
        ),
        ("-", "SYS_ADMIN", true, "mmap", false, &["cap_capable", "capable", "perf_mmap"]),
        ("-", "SYS_ADMIN", true, "clone", false, &[]),
        ("-", "SYS_ADMIN", true, "mount", false, &[]),
        ("set-id-bits-cleared", "FSETID", true, "chmod", false, &["setattr_prepare"]),
        ("set-id-bits-cleared", "FSETID", true, "write", false, &[]),
        ("capset-inheritable", "SETPCAP", true, "capset", false, &["cap_capable", "cap_capset.cold"]),
        ("capset-inheritable", "SETPCAP", true, "capset", false, &[]),
        ("-", "SETPCAP", true, "prctl", false, &["cap_capable", "ns_capable", "cap_task_prctl"]),
        ("-", "SETPCAP", true, "prctl", false, &[]),
        ("soft-limits", "SYS_RESOURCE", true, "pipe2", false, &["capable", "alloc_pipe_info"]),
        ("soft-limits", "SYS_ADMIN", true, "sendmsg", false, &["capable", "too_many_unix_fds"]),
        ("soft-limits", "SYS_RESOURCE", true, "clone3", false, &["capable", "copy_process", "kernel_clone"]),
        ("-", "SYS_ADMIN", true, "clone3", false, &["ns_capable", "create_new_namespaces", "copy_process"]),
        ("-", "SYS_RESOURCE", true, "setrlimit", false, &["capable", "do_prlimit"]),
        ("filter-without-new-privileges", "SYS_ADMIN", true, "seccomp", false, &["seccomp_prepare_filter"]),
        ("trusted-attributes-listed", "SYS_ADMIN", true, "llistxattr", false, &["ovl_listxattr"]),
        ("process-state-shown", "SYS_PTRACE", true, "read", false, &["ptrace_may_access", "do_task_stat"]),
        ("kernel-addresses-shown", "SYSLOG", true, "openat", false, &["kallsyms_show_value"]),
        ("-", "CHOWN", true, "fchownat", false, &["capable_wrt_inode_uidgid", "chown_ok"]),
        ("-", "SETUID", true, "setuid", false, &[]),
        ("-", "NET_BIND_SERVICE", true, "bind", false, &["ns_capable", "__inet_bind"]),
    ];

    #[test]
    fn checks_are_judged_by_the_first_rule_that_matches() {
        for (want, cap, granted, syscall, own_namespace, stack) in CASES {
            let stack: Vec<String> = stack.iter().map(|s| (*s).to_owned()).collect();
            let facts =
                CheckFacts { cap, granted: *granted, syscall, own_namespace: *own_namespace, stack: &stack };
            let rule = RULES.iter().find(|rule| (rule.matches)(&facts));
            assert_eq!(rule.map_or("-", |rule| rule.name), *want, "{facts:?}");
            let judgement = judge(&facts);
            assert_eq!(judgement.verdict, rule.map_or(Verdict::Required, |rule| rule.verdict), "{facts:?}");
            assert!(!judgement.reason.is_empty());
        }
    }

    #[test]
    fn every_rule_has_a_case_a_source_and_a_name_of_its_own() {
        for (index, rule) in RULES.iter().enumerate() {
            assert!(CASES.iter().any(|case| case.0 == rule.name), "{}", rule.name);
            assert!(!rule.source.is_empty() && !rule.reason.contains('\n'));
            assert!(!RULES.iter().take(index).any(|other| other.name == rule.name));
        }
    }

    #[test]
    fn a_required_check_says_who_asked() {
        let stack = ["cap_capable".to_owned(), "chown_ok".to_owned()];
        let facts =
            CheckFacts { cap: "CHOWN", granted: true, syscall: "chown", own_namespace: false, stack: &stack };
        assert_eq!(judge(&facts).reason, "granted to chown, whose chown_ok fails without it");
    }
}
