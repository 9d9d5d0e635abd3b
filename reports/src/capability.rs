//! Linux capabilities: their numbers and names, Docker's default set, and what each is worth to an attacker.
//!
//! Owns the one table that everything else looks names up in. Never decides whether a subject needs a capability
//! (see [`crate::verdict`]). A number that this table does not know (a newer kernel) has no name; callers then
//! write the number.
//!
//! Sources: numbers and names from the kernel's `include/uapi/linux/capability.h` (0–40, unchanged since
//! Linux 5.9); Docker's default set from `moby/moby:daemon/pkg/oci/caps/defaults.go`; the uses from
//! capabilities(7).

/// One capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapabilityInfo {
    /// Its number, as in `linux/capability.h`.
    pub number: u8,
    /// Its name without `CAP_`, for instance `CHOWN`.
    pub name: &'static str,
    /// Whether Docker grants it to a container that asks for nothing.
    pub docker_default: bool,
    /// What it would give an attacker who runs code in the container; a clause that follows on from "lets an
    /// attacker".
    pub gives_attacker: &'static str,
}

const fn cap(
    number: u8,
    name: &'static str,
    docker_default: bool,
    gives_attacker: &'static str,
) -> CapabilityInfo {
    CapabilityInfo { number, name, docker_default, gives_attacker }
}

/// Every capability, indexed by its number.
pub const ALL: [CapabilityInfo; 41] = [
    cap(0, "CHOWN", true, "take over any file of a volume or bind by making it their own"),
    cap(1, "DAC_OVERRIDE", true, "read and write every file and directory, whatever its mode says"),
    cap(2, "DAC_READ_SEARCH", false, "read every file, and reach host files by handle (open_by_handle_at)"),
    cap(3, "FOWNER", true, "change mode, times and attributes of files that belong to others"),
    cap(
        4,
        "FSETID",
        true,
        "keep set-id bits on files they change, and so plant a set-id program on a writable mount",
    ),
    cap(
        5,
        "KILL",
        true,
        "signal processes of other users, in a shared PID namespace those of other workloads",
    ),
    cap(6, "SETGID", true, "take on any group, and with it what that group may read and write"),
    cap(7, "SETUID", true, "become any user of the container"),
    cap(
        8,
        "SETPCAP",
        true,
        "rearrange the capability sets of their processes to keep privileges across an exec",
    ),
    cap(9, "LINUX_IMMUTABLE", false, "make files immutable or append-only, so that nobody can repair them"),
    cap(10, "NET_BIND_SERVICE", true, "pose as a system service on a port below 1024"),
    cap(11, "NET_BROADCAST", false, "send broadcasts (the kernel checks it nowhere today)"),
    cap(12, "NET_ADMIN", false, "reroute, mirror and filter the traffic of the network namespace"),
    cap(13, "NET_RAW", true, "forge packets: ARP and DNS spoofing against neighbours, and sniffing"),
    cap(14, "IPC_LOCK", false, "pin memory beyond every limit and starve the host"),
    cap(15, "IPC_OWNER", false, "read and change System V shared memory and queues of others"),
    cap(16, "SYS_MODULE", false, "load code into the host's kernel"),
    cap(17, "SYS_RAWIO", false, "reach the host's I/O ports, and disks below their file systems"),
    cap(
        18,
        "SYS_CHROOT",
        true,
        "change root directories, a step in several escapes from a confined directory",
    ),
    cap(
        19,
        "SYS_PTRACE",
        false,
        "read and control other processes, with a shared PID namespace those outside too",
    ),
    cap(20, "SYS_PACCT", false, "switch process accounting of the host on and off"),
    cap(21, "SYS_ADMIN", false, "mount file systems and much else: as good as root on the host"),
    cap(22, "SYS_BOOT", false, "reboot the host or start another kernel"),
    cap(23, "SYS_NICE", false, "take processor time away from other workloads by real-time priorities"),
    cap(24, "SYS_RESOURCE", false, "go beyond quotas, reserved disk blocks and resource limits"),
    cap(25, "SYS_TIME", false, "set the host's clock, and so outlive certificates and confuse logs"),
    cap(26, "SYS_TTY_CONFIG", false, "hang up and configure the host's terminals"),
    cap(
        27,
        "MKNOD",
        true,
        "make device files, which where the device policy permits means raw access to disks",
    ),
    cap(28, "LEASE", false, "hold leases on files of others and so delay whoever opens them"),
    cap(29, "AUDIT_WRITE", true, "bury their traces under forged records in the host's audit log"),
    cap(30, "AUDIT_CONTROL", false, "switch the host's auditing off"),
    cap(31, "SETFCAP", true, "put capabilities on a file and so keep privileges for later"),
    cap(32, "MAC_OVERRIDE", false, "bypass mandatory access control (Smack)"),
    cap(33, "MAC_ADMIN", false, "rewrite the policy of mandatory access control (Smack, AppArmor)"),
    cap(34, "SYSLOG", false, "read kernel messages and addresses, of use in an attack on the kernel"),
    cap(35, "WAKE_ALARM", false, "wake the host from suspension"),
    cap(36, "BLOCK_SUSPEND", false, "keep the host from suspending"),
    cap(37, "AUDIT_READ", false, "read the host's audit log"),
    cap(38, "PERFMON", false, "observe the kernel and other workloads through performance counters"),
    cap(39, "BPF", false, "load BPF programs and use them against the kernel"),
    cap(40, "CHECKPOINT_RESTORE", false, "choose process ids and read memory maps meant for checkpointing"),
];

/// What is known about a capability by its number.
#[must_use]
pub fn by_number(number: u8) -> Option<&'static CapabilityInfo> {
    ALL.get(usize::from(number))
}

/// What is known about a capability by its name, with or without `CAP_`, in any case.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static CapabilityInfo> {
    let bare = match name.get(..4) {
        Some(prefix) if prefix.eq_ignore_ascii_case("CAP_") => name.get(4..)?,
        _ => name,
    };
    ALL.iter().find(|info| info.name.eq_ignore_ascii_case(bare))
}

/// The name of a capability without `CAP_`.
#[must_use]
pub fn name(number: u8) -> Option<&'static str> {
    by_number(number).map(|info| info.name)
}

/// The number of a capability, named with or without `CAP_`, in any case.
#[must_use]
pub fn number(name: &str) -> Option<u8> {
    by_name(name).map(|info| info.number)
}

/// The capabilities that Docker grants by default, by number.
pub fn docker_defaults() -> impl Iterator<Item = &'static CapabilityInfo> {
    ALL.iter().filter(|info| info.docker_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_indexed_by_number() {
        for (index, info) in ALL.iter().enumerate() {
            assert_eq!(usize::from(info.number), index, "{}", info.name);
            assert_eq!(number(info.name), Some(info.number));
            assert_eq!(name(info.number), Some(info.name));
            assert!(!info.gives_attacker.is_empty());
        }
        assert_eq!(name(41), None);
    }

    #[test]
    fn names_are_found_however_they_are_spelt() {
        for spelling in ["NET_RAW", "CAP_NET_RAW", "cap_net_raw", "net_raw"] {
            assert_eq!(number(spelling), Some(13), "{spelling}");
        }
        for unknown in ["", "CAP_", "ALL", "CAP", "né", "CAP_CAP_CHOWN"] {
            assert_eq!(number(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn docker_grants_fourteen() {
        let names: Vec<_> = docker_defaults().map(|info| info.name).collect();
        assert_eq!(
            names,
            [
                "CHOWN",
                "DAC_OVERRIDE",
                "FOWNER",
                "FSETID",
                "KILL",
                "SETGID",
                "SETUID",
                "SETPCAP",
                "NET_BIND_SERVICE",
                "NET_RAW",
                "SYS_CHROOT",
                "MKNOD",
                "AUDIT_WRITE",
                "SETFCAP"
            ]
        );
    }
}
