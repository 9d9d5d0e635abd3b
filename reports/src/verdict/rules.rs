//! The rules by which a capability check is judged, in order: the first that matches decides.
//!
//! Owns one entry per place in the kernel that asks for a capability and goes on without it. A rule names the
//! kernel source that it rests on (paths of Linux 6.x; the functions are as old as 5.10 unless said).

use super::stack::{caller, contains};
use super::{CheckFacts, Outcome};
use crate::model::Verdict;

/// One rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// A stable name.
    pub name: &'static str,
    /// The capabilities that it is about, without `CAP_`; empty: all.
    pub caps: &'static [&'static str],
    /// The kernel source that it rests on.
    pub source: &'static str,
    /// Whether it applies to a check for one of `caps`.
    matches: fn(&CheckFacts<'_>) -> bool,
    /// What the check then amounts to.
    pub verdict: Verdict,
    /// Why, a clause for people.
    pub reason: &'static str,
}

impl Rule {
    /// Whether it decides about this check, if none before it does.
    #[must_use]
    pub fn applies(&self, facts: &CheckFacts<'_>) -> bool {
        (self.caps.is_empty() || self.caps.contains(&facts.cap)) && (self.matches)(facts)
    }
}

/// Whether the kernel function that asked is one of these.
fn asked_by(facts: &CheckFacts<'_>, names: &[&str]) -> bool {
    caller(facts.stack).is_some_and(|caller| names.contains(&caller))
}

/// Every rule, in the order in which they are tried.
pub const RULES: &[Rule] = &[
    Rule {
        name: "refused",
        caps: &[],
        source: "security/commoncap.c cap_capable",
        matches: |facts| !facts.granted,
        verdict: Verdict::Attempted,
        reason: "refused, and the subject went on without it",
    },
    Rule {
        name: "own-user-namespace",
        caps: &[],
        source: "security/commoncap.c cap_capable; kernel/user_namespace.c create_user_ns",
        matches: |facts| facts.own_namespace,
        verdict: Verdict::Opportunistic,
        reason: "asked in a user namespace that the subject made itself, where it holds every capability anyway",
    },
    Rule {
        name: "failed-all-the-same",
        caps: &[],
        source: "include/uapi/asm-generic/errno-base.h EPERM, EACCES",
        matches: |facts| facts.outcome == Outcome::Refused,
        verdict: Verdict::Attempted,
        reason: "granted, but the system call was refused all the same (another capability, a security module, the \
                 object itself), and the subject went on",
    },
    Rule {
        name: "memory-overcommit",
        caps: &["SYS_ADMIN"],
        source: "security/commoncap.c cap_vm_enough_memory",
        matches: |facts| {
            if facts.stack.is_empty() {
                // fork copies the address space under the same accounting and can make no namespace; clone can. The
                // real checks of clone and execve are audited.
                facts.nothing_new
                    || matches!(
                        facts.syscall,
                        "brk" | "mmap" | "mprotect" | "mremap" | "munmap" | "fork" | "vfork"
                    )
                    || facts.optional && matches!(facts.syscall, "clone" | "clone3" | "execve" | "execveat")
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
        name: "ids-kept",
        caps: &["SETUID", "SETGID"],
        source: "kernel/sys.c __sys_setuid, __sys_setgid, __sys_setresuid, __sys_setresgid",
        matches: |facts| facts.nothing_new,
        verdict: Verdict::Opportunistic,
        reason: "the process asked for ids that it had already, which takes no capability; the kernel asks first",
    },
    Rule {
        name: "set-id-bits-cleared",
        caps: &["FSETID"],
        source: "fs/attr.c setattr_prepare, setattr_copy; fs/inode.c file_remove_privs, inode_init_owner",
        matches: |_| true,
        verdict: Verdict::Opportunistic,
        reason: "the operation succeeds without it and only clears set-id bits",
    },
    Rule {
        name: "capset-inheritable",
        caps: &["SETPCAP"],
        source: "security/commoncap.c cap_inh_is_capped, cap_capset",
        matches: |facts| facts.syscall == "capset" && facts.nothing_new,
        verdict: Verdict::Opportunistic,
        reason: "capset asks before it looks at what is to change; giving capabilities up needs none",
    },
    Rule {
        name: "pipe-buffers",
        caps: &["SYS_RESOURCE", "SYS_ADMIN"],
        source: "fs/pipe.c alloc_pipe_info, too_many_pipe_buffers_soft",
        matches: |facts| {
            // fcntl(F_SETPIPE_SZ) asks the same, and fails.
            facts.syscall != "fcntl"
                && contains(
                    facts.stack,
                    &[
                        "alloc_pipe_info",
                        "pipe_is_unprivileged_user",
                        "too_many_pipe_buffers_hard",
                        "too_many_pipe_buffers_soft",
                    ],
                )
        },
        verdict: Verdict::Opportunistic,
        reason: "asked only above the per-user limit of pipe buffers; without it the pipe is made smaller",
    },
    Rule {
        name: "above-a-limit",
        caps: &["SYS_RESOURCE", "SYS_ADMIN"],
        source: "kernel/fork.c copy_process; net/core/scm.c, net/unix/af_unix.c too_many_unix_fds",
        matches: |facts| {
            asked_by(facts, &["copy_process"])
                || contains(facts.stack, &["too_many_unix_fds", "unix_attach_fds", "unix_prepare_fpl"])
        },
        verdict: Verdict::Required,
        reason: "asked only above a per-user limit (processes, descriptors in flight), where the call fails without it; a \
                 higher limit would do instead",
    },
    Rule {
        name: "oom-score-minimum",
        caps: &["SYS_RESOURCE"],
        source: "fs/proc/base.c __set_oom_adj",
        // Lowering the score below the minimum asks as well, with audit, and fails.
        matches: |facts| contains(facts.stack, &["__set_oom_adj"]) && facts.is_unaudited(),
        verdict: Verdict::Opportunistic,
        reason: "the score is written without it; it only decides whether the new score becomes the minimum",
    },
    Rule {
        name: "filter-without-new-privileges",
        caps: &["SYS_ADMIN"],
        source: "kernel/seccomp.c seccomp_prepare_filter; security/landlock/syscalls.c landlock_restrict_self",
        matches: |facts| {
            contains(
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
        name: "constants-blinded",
        caps: &["BPF", "SYS_ADMIN"],
        source: "include/linux/filter.h bpf_jit_blinding_enabled",
        matches: |facts| {
            contains(facts.stack, &["bpf_jit_blind_constants", "bpf_prog_alloc", "bpf_prog_alloc_no_stats"])
        },
        verdict: Verdict::Opportunistic,
        reason: "asked only to see whether a packet or system-call filter is to be hardened",
    },
    Rule {
        name: "trusted-attributes-listed",
        caps: &["SYS_ADMIN"],
        source: "fs/xattr.c simple_xattr_list; fs/ext4/xattr_trusted.c ext4_xattr_trusted_list; fs/overlayfs/xattrs.c \
                 ovl_can_list",
        matches: |facts| matches!(facts.syscall, "listxattr" | "llistxattr" | "flistxattr" | "listxattrat"),
        verdict: Verdict::Opportunistic,
        reason: "without it the list of extended attributes leaves out `trusted.*`",
    },
    Rule {
        name: "raw-labels",
        caps: &["MAC_ADMIN"],
        source: "security/selinux/hooks.c selinux_inode_getsecurity",
        matches: |facts| contains(facts.stack, &["selinux_inode_getsecurity"]),
        verdict: Verdict::Opportunistic,
        reason: "without it a security label that the policy does not know is shown as unlabeled",
    },
    Rule {
        name: "page-frames-shown",
        caps: &["SYS_ADMIN"],
        source: "fs/proc/task_mmu.c pagemap_read",
        matches: |facts| contains(facts.stack, &["pagemap_read"]),
        verdict: Verdict::Opportunistic,
        reason: "without it /proc/PID/pagemap shows zeros for page frames",
    },
    Rule {
        name: "process-state-shown",
        caps: &["SYS_PTRACE"],
        source: "fs/proc/array.c do_task_stat; fs/proc/base.c proc_pid_wchan, proc_pid_readdir",
        matches: |facts| contains(facts.stack, &["do_task_stat", "proc_pid_readdir", "proc_pid_wchan"]),
        verdict: Verdict::Opportunistic,
        reason: "without it /proc shows zeros for addresses of other processes, or leaves them out where it hides them",
    },
    Rule {
        name: "kernel-addresses-shown",
        caps: &["SYSLOG"],
        source: "kernel/ksyms_common.c kallsyms_show_value; lib/vsprintf.c restricted_pointer",
        matches: |facts| contains(facts.stack, &["kallsyms_show_value", "restricted_pointer"]),
        verdict: Verdict::Opportunistic,
        reason: "without it kernel addresses are shown as zeros",
    },
    Rule {
        name: "network-settings",
        caps: &["NET_ADMIN"],
        source: "net/sysctl_net.c net_ctl_permissions",
        matches: |facts| facts.as_root && contains(facts.stack, &["net_ctl_permissions"]),
        verdict: Verdict::Opportunistic,
        reason: "asked on every open below /proc/sys/net; root owns these files and may do the same without it",
    },
    Rule {
        name: "socket-details",
        caps: &["NET_ADMIN"],
        source: "net/ipv4/inet_diag.c inet_diag_dump_icsk, inet_diag_dump_one_icsk; net/ipv4/udp_diag.c; \
                 net/packet/diag.c packet_diag_dump",
        matches: |facts| {
            asked_by(
                facts,
                &[
                    "inet_diag_dump_icsk",
                    "inet_diag_dump_one_icsk",
                    "packet_diag_dump",
                    "raw_diag_dump",
                    "raw_diag_dump_one",
                    "udp_diag_dump",
                    "udp_diag_dump_one",
                    "udp_dump",
                    "udp_dump_one",
                ],
            )
        },
        verdict: Verdict::Opportunistic,
        reason: "without it the list of sockets leaves out marks and filters",
    },
    Rule {
        name: "interface-module",
        caps: &["NET_ADMIN", "SYS_MODULE"],
        source: "net/core/dev_ioctl.c dev_load",
        // Where the call succeeded the module may have brought the interface.
        matches: |facts| facts.outcome != Outcome::Succeeded && contains(facts.stack, &["dev_load"]),
        verdict: Verdict::Opportunistic,
        reason: "asked for a network interface that does not exist, only to see whether a module may be loaded for it",
    },
    Rule {
        name: "suspend-blocked",
        caps: &["BLOCK_SUSPEND"],
        source: "fs/eventpoll.c ep_take_care_of_epollwakeup",
        matches: |facts| facts.syscall == "epoll_ctl",
        verdict: Verdict::Opportunistic,
        reason: "without it EPOLLWAKEUP is left out and the call succeeds",
    },
    Rule {
        name: "quota-forced",
        caps: &["FOWNER"],
        source: "fs/xfs/xfs_iops.c xfs_setattr_nonsize; fs/xfs/xfs_ioctl.c xfs_ioctl_setattr_get_trans",
        matches: |facts| asked_by(facts, &["xfs_setattr_nonsize", "xfs_ioctl_setattr_get_trans"]),
        verdict: Verdict::Opportunistic,
        reason: "asked on every change of an owner on XFS, only to see whether quotas may be exceeded",
    },
];

#[cfg(test)]
mod tests {
    use super::super::judge;
    use super::*;

    /// Rule (or `-`), capability, system call, stack, and what is not as in a granted check of which nothing else is
    /// known.
    type Case = (&'static str, &'static str, &'static str, &'static [&'static str], fn(&mut CheckFacts<'_>));

    const AS_IS: fn(&mut CheckFacts<'_>) = |_| ();
    const REFUSED: fn(&mut CheckFacts<'_>) = |facts| facts.granted = false;
    const OWN: fn(&mut CheckFacts<'_>) = |facts| facts.own_namespace = true;
    const OPTIONAL: fn(&mut CheckFacts<'_>) = |facts| facts.optional = true;
    const NOTHING_NEW: fn(&mut CheckFacts<'_>) = |facts| facts.nothing_new = true;
    const AS_ROOT: fn(&mut CheckFacts<'_>) = |facts| facts.as_root = true;
    const SUCCEEDED: fn(&mut CheckFacts<'_>) = |facts| facts.outcome = Outcome::Succeeded;
    const FAILED: fn(&mut CheckFacts<'_>) = |facts| facts.outcome = Outcome::Failed;
    const FAILED_REFUSED: fn(&mut CheckFacts<'_>) = |facts| facts.outcome = Outcome::Refused;

    const CASES: &[Case] = &[
        ("refused", "DAC_READ_SEARCH", "openat", &["cap_capable", "generic_permission"], REFUSED),
        ("refused", "SETUID", "setuid", &["cap_capable", "__sys_setuid"], REFUSED),
        ("own-user-namespace", "SYS_ADMIN", "mount", &["capable", "ns_capable", "path_mount"], OWN),
        ("failed-all-the-same", "SYS_ADMIN", "mount", &["ns_capable", "path_mount"], FAILED_REFUSED),
        ("failed-all-the-same", "DAC_OVERRIDE", "linkat", &["generic_permission"], FAILED_REFUSED),
        ("-", "SYS_ADMIN", "mount", &["ns_capable", "path_mount"], FAILED),
        ("-", "DAC_OVERRIDE", "openat", &["generic_permission"], SUCCEEDED),
        ("memory-overcommit", "SYS_ADMIN", "brk", &[], AS_IS),
        ("memory-overcommit", "SYS_ADMIN", "munmap", &[], AS_IS),
        ("memory-overcommit", "SYS_ADMIN", "-", &[], NOTHING_NEW),
        ("memory-overcommit", "SYS_ADMIN", "clone3", &[], NOTHING_NEW),
        ("memory-overcommit", "SYS_ADMIN", "clone3", &[], OPTIONAL),
        ("memory-overcommit", "SYS_ADMIN", "clone", &["cap_capable", "cap_vm_enough_memory.isra.0"], AS_IS),
        ("memory-overcommit", "SYS_ADMIN", "execve", &["cap_capable", "__vm_enough_memory+0x3/0x9"], AS_IS),
        ("-", "SYS_ADMIN", "mmap", &["cap_capable", "capable", "perf_mmap"], AS_IS),
        ("-", "SYS_ADMIN", "clone", &[], AS_IS),
        ("-", "SYS_ADMIN", "mount", &[], OPTIONAL),
        ("-", "SYS_ADMIN", "-", &[], AS_IS),
        ("ids-kept", "SETUID", "setuid", &["ns_capable_setid", "__sys_setuid"], NOTHING_NEW),
        ("ids-kept", "SETGID", "setresgid", &[], NOTHING_NEW),
        ("-", "SETUID", "setuid", &["ns_capable_setid", "__sys_setuid"], AS_IS),
        ("-", "SETUID", "setuid", &[], SUCCEEDED),
        ("-", "SETGID", "setgroups", &["ns_capable_setid", "may_setgroups"], AS_IS),
        ("set-id-bits-cleared", "FSETID", "chmod", &["setattr_prepare"], AS_IS),
        ("set-id-bits-cleared", "FSETID", "write", &[], AS_IS),
        ("capset-inheritable", "SETPCAP", "capset", &["cap_capable", "cap_capset.cold"], NOTHING_NEW),
        ("-", "SETPCAP", "capset", &["cap_capable", "cap_capset"], AS_IS),
        ("-", "SETPCAP", "prctl", &["cap_capable", "ns_capable", "cap_task_prctl"], AS_IS),
        ("pipe-buffers", "SYS_RESOURCE", "pipe2", &["capable", "alloc_pipe_info"], AS_IS),
        ("-", "SYS_RESOURCE", "fcntl", &["capable", "pipe_is_unprivileged_user", "pipe_fcntl"], AS_IS),
        ("above-a-limit", "SYS_ADMIN", "sendmsg", &["capable", "too_many_unix_fds"], AS_IS),
        ("above-a-limit", "SYS_RESOURCE", "clone3", &["capable", "copy_process", "kernel_clone"], AS_IS),
        ("-", "SYS_ADMIN", "clone3", &["ns_capable", "create_new_namespaces", "copy_process"], AS_IS),
        ("-", "SYS_RESOURCE", "setrlimit", &["capable", "do_prlimit"], AS_IS),
        ("oom-score-minimum", "SYS_RESOURCE", "write", &["has_capability_noaudit", "__set_oom_adj"], AS_IS),
        ("oom-score-minimum", "SYS_RESOURCE", "write", &["__set_oom_adj"], OPTIONAL),
        ("-", "SYS_RESOURCE", "write", &["capable", "__set_oom_adj"], AS_IS),
        ("filter-without-new-privileges", "SYS_ADMIN", "seccomp", &["seccomp_prepare_filter"], AS_IS),
        ("constants-blinded", "BPF", "seccomp", &["capable", "bpf_prog_alloc_no_stats"], AS_IS),
        ("-", "BPF", "bpf", &["capable", "__sys_bpf"], AS_IS),
        ("trusted-attributes-listed", "SYS_ADMIN", "llistxattr", &["ovl_listxattr"], AS_IS),
        ("raw-labels", "MAC_ADMIN", "getxattr", &["selinux_inode_getsecurity"], AS_IS),
        ("page-frames-shown", "SYS_ADMIN", "pread64", &["file_ns_capable", "pagemap_read"], AS_IS),
        ("process-state-shown", "SYS_PTRACE", "read", &["ptrace_may_access", "do_task_stat"], AS_IS),
        ("-", "SYS_PTRACE", "openat", &["ptrace_may_access", "mm_access", "environ_open"], AS_IS),
        ("kernel-addresses-shown", "SYSLOG", "openat", &["kallsyms_show_value"], AS_IS),
        ("-", "SYSLOG", "syslog", &["capable", "check_syslog_permissions"], AS_IS),
        ("network-settings", "NET_ADMIN", "openat", &["ns_capable_noaudit", "net_ctl_permissions"], AS_ROOT),
        ("-", "NET_ADMIN", "openat", &["ns_capable_noaudit", "net_ctl_permissions"], AS_IS),
        ("socket-details", "NET_ADMIN", "sendmsg", &["netlink_net_capable", "inet_diag_dump_icsk"], AS_IS),
        ("-", "NET_ADMIN", "sendto", &["netlink_net_capable", "rtnetlink_rcv_msg"], AS_IS),
        ("interface-module", "SYS_MODULE", "ioctl", &["capable", "dev_load", "dev_ioctl"], FAILED),
        ("-", "SYS_MODULE", "ioctl", &["capable", "dev_load", "dev_ioctl"], SUCCEEDED),
        ("suspend-blocked", "BLOCK_SUSPEND", "epoll_ctl", &["capable", "do_epoll_ctl"], AS_IS),
        ("quota-forced", "FOWNER", "fchownat", &["has_capability_noaudit", "xfs_setattr_nonsize"], AS_IS),
        (
            "-",
            "FOWNER",
            "chmod",
            &["inode_owner_or_capable", "setattr_prepare", "xfs_setattr_nonsize"],
            AS_IS,
        ),
        ("-", "CHOWN", "fchownat", &["capable_wrt_inode_uidgid", "chown_ok"], AS_IS),
        ("-", "NET_BIND_SERVICE", "bind", &["ns_capable", "__inet_bind"], AS_IS),
    ];

    fn stack_of(symbols: &[&str]) -> Vec<String> {
        symbols.iter().map(|symbol| (*symbol).to_owned()).collect()
    }

    fn granted<'a>(cap: &'a str, syscall: &'a str, stack: &'a [String]) -> CheckFacts<'a> {
        CheckFacts {
            cap,
            granted: true,
            syscall,
            own_namespace: false,
            optional: false,
            nothing_new: false,
            as_root: false,
            outcome: Outcome::Unknown,
            stack,
        }
    }

    #[test]
    fn checks_are_judged_by_the_first_rule_that_matches() {
        for (want, cap, syscall, stack, change) in CASES {
            let stack = stack_of(stack);
            let mut facts = granted(cap, syscall, &stack);
            change(&mut facts);
            let rule = RULES.iter().find(|rule| rule.applies(&facts));
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
            assert!(rule.caps.iter().all(|cap| crate::capability::number(cap).is_some()), "{}", rule.name);
        }
    }

    #[test]
    fn a_hint_that_a_check_is_optional_decides_nothing_alone() {
        for info in &crate::capability::ALL {
            for optional in [false, true] {
                let mut facts = granted(info.name, "ioctl", &[]);
                facts.optional = optional;
                let judgement = judge(&facts);
                let want = if info.name == "FSETID" { Verdict::Opportunistic } else { Verdict::Required };
                assert_eq!(judgement.verdict, want, "{facts:?}");
            }
        }
    }

    #[test]
    fn a_required_check_says_who_asked() {
        let stack = stack_of(&["cap_capable", "chown_ok"]);
        let facts = granted("CHOWN", "chown", &stack);
        assert_eq!(judge(&facts).reason, "granted to chown, whose chown_ok fails without it");
    }
}
