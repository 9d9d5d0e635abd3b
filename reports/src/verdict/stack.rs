//! Reading kernel call chains: which symbol asked for the capability.
//!
//! Owns the list of functions that only pass the question on (tracing, BPF, the `capable` family, the security
//! hooks). Never needs symbols to be complete: an inlined function is simply not there, and the next one out is
//! the caller.

/// Functions that pass a capability check on (kernel/capability.c, security/commoncap.c, security/security.c),
/// and those by which a tracer gets at the stack.
const PLUMBING: &[&str] = &[
    "__netlink_ns_capable",
    "arch_stack_walk",
    "bpf_token_capable",
    "capable",
    "capable_noaudit",
    "capable_wrt_inode_uidgid",
    "file_ns_capable",
    "get_perf_callchain",
    "has_capability",
    "netlink_capable",
    "netlink_net_capable",
    "netlink_ns_capable",
    "ns_capable",
    "ns_capable_common",
    "ns_capable_noaudit",
    "ns_capable_setid",
    "perf_callchain",
    "perf_callchain_kernel",
    "privileged_wrt_inode_uidgid",
    "ptracer_capable",
    "sk_capable",
    "sk_net_capable",
    "sk_ns_capable",
    "sockopt_capable",
    "sockopt_ns_capable",
    "stack_trace_save",
];

/// Beginnings of such names.
const PLUMBING_PREFIXES: &[&str] = &[
    "__bpf_prog_",
    "__bpf_trace_",
    "__bpf_tramp_",
    "__traceiter_",
    "bpf_get_stack",
    "bpf_prog_",
    "bpf_trace_run",
    "bpf_trampoline_",
    "cap_capable",
    "has_capability_",
    "has_ns_capability",
    "perf_trace_",
    "privileged_wrt_",
    "security_capable",
    "trace_",
];

/// A symbol without module, offset and the compiler's suffixes: `capable_wrt_inode_uidgid.isra.0+0x12/0x40 [x]`
/// is `capable_wrt_inode_uidgid`.
pub(super) fn bare(symbol: &str) -> &str {
    symbol.split(['.', '+', ' ']).next().unwrap_or(symbol)
}

/// Whether any symbol of the stack has one of these names.
pub(super) fn contains(stack: &[String], names: &[&str]) -> bool {
    stack.iter().any(|symbol| names.contains(&bare(symbol)))
}

/// The kernel function that asked: the first symbol, innermost first, that does not merely pass the question on.
/// `None` where the stack is empty or holds nothing else.
#[must_use]
pub fn caller(stack: &[String]) -> Option<&str> {
    stack.iter().map(|symbol| bare(symbol)).find(|name| {
        !name.is_empty()
            && !PLUMBING.contains(name)
            && !PLUMBING_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_is_behind_the_plumbing() {
        for (stack, want) in [
            (&[][..], None),
            (&["bpf_prog_6deef7357e7b4530_cap [bpf]", "cap_capable", "capable"][..], None),
            (
                &[
                    "bpf_prog_1_x",
                    "bpf_trace_run4",
                    "__bpf_trace_cap_capable",
                    "cap_capable",
                    "security_capable",
                    "ns_capable_setid",
                    "__sys_setuid",
                    "do_syscall_64",
                ][..],
                Some("__sys_setuid"),
            ),
            (
                &[
                    "cap_capable_helper.isra.0+0x1/0x2",
                    "capable_wrt_inode_uidgid.part.0",
                    "chown_ok.constprop.0",
                ][..],
                Some("chown_ok"),
            ),
            (
                &["bpf_trampoline_6442536467", "has_ns_capability_noaudit", "cap_vm_enough_memory"][..],
                Some("cap_vm_enough_memory"),
            ),
            (&["", "capset"][..], Some("capset")),
        ] {
            let stack: Vec<String> = stack.iter().map(|s| (*s).to_owned()).collect();
            assert_eq!(caller(&stack), want, "{stack:?}");
        }
    }
}
