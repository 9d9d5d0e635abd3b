//! The kernel structure fields that the programs read. Userspace resolves their offsets from the running kernel's
//! BTF and hands them over in the read-only global `FIELDS`, so that one object runs on every kernel.

/// A field of a kernel structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The structure's name, without `struct`.
    pub structure: &'static str,
    /// The member's name; members of anonymous structures and unions inside count as the structure's own.
    pub member: &'static str,
}

macro_rules! fields {
    ($($name:ident = $structure:literal . $member:literal;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "a table of indices")]
        enum Index { $($name,)* }

        $(
            #[doc = concat!("Index of the offset of `", $structure, ".", $member, "`.")]
            pub const $name: usize = Index::$name as usize;
        )*

        /// The fields, in the order of their indices.
        pub const ALL: &[Field] = &[
            $(Field { structure: $structure, member: $member },)*
        ];

        /// How many fields there are.
        pub const COUNT: usize = ALL.len();
    };
}

fields! {
    TASK_TGID = "task_struct"."tgid";
    TASK_MM = "task_struct"."mm";
    TASK_FILES = "task_struct"."files";
    TASK_FS = "task_struct"."fs";
    TASK_NSPROXY = "task_struct"."nsproxy";
    TASK_CRED = "task_struct"."cred";
    TASK_REAL_CRED = "task_struct"."real_cred";
    TASK_SIGNAL = "task_struct"."signal";
    TASK_STACK = "task_struct"."stack";
    TASK_THREAD_INFO = "task_struct"."thread_info";
    SIGNAL_LIVE = "signal_struct"."live";
    MM_EXE_FILE = "mm_struct"."exe_file";
    FILES_FDT = "files_struct"."fdt";
    FDTABLE_MAX_FDS = "fdtable"."max_fds";
    FDTABLE_FD = "fdtable"."fd";
    FS_ROOT = "fs_struct"."root";
    FS_PWD = "fs_struct"."pwd";
    PATH_MNT = "path"."mnt";
    PATH_DENTRY = "path"."dentry";
    // An anonymous union holds f_path since Linux 6.13 (const view, and the writable `__f_path`).
    FILE_PATH = "file"."f_path";
    FILE_INODE = "file"."f_inode";
    FILE_MODE = "file"."f_mode";
    DENTRY_PARENT = "dentry"."d_parent";
    // Likewise `__d_name` beside the const view `d_name`.
    DENTRY_NAME = "dentry"."d_name";
    DENTRY_INODE = "dentry"."d_inode";
    QSTR_NAME = "qstr"."name";
    QSTR_HASH_LEN = "qstr"."hash_len";
    INODE_INO = "inode"."i_ino";
    INODE_MODE = "inode"."i_mode";
    INODE_SB = "inode"."i_sb";
    SUPER_DEV = "super_block"."s_dev";
    VFSMOUNT_ROOT = "vfsmount"."mnt_root";
    MOUNT_MNT = "mount"."mnt";
    MOUNT_PARENT = "mount"."mnt_parent";
    MOUNT_MOUNTPOINT = "mount"."mnt_mountpoint";
    MOUNT_NS = "mount"."mnt_ns";
    NSPROXY_MNT_NS = "nsproxy"."mnt_ns";
    CRED_UID = "cred"."uid";
    CRED_GID = "cred"."gid";
    CRED_EUID = "cred"."euid";
    CRED_EGID = "cred"."egid";
    CRED_CAP_AMBIENT = "cred"."cap_ambient";
    CRED_CAP_PERMITTED = "cred"."cap_permitted";
    CRED_USER_NS = "cred"."user_ns";
    CRED_SUID = "cred"."suid";
    CRED_SGID = "cred"."sgid";
    CRED_CAP_INHERITABLE = "cred"."cap_inheritable";
    USER_NS_LEVEL = "user_namespace"."level";
    USER_NS_UID_MAP = "user_namespace"."uid_map";
    USER_NS_GID_MAP = "user_namespace"."gid_map";
    ID_MAP_EXTENTS = "uid_gid_map"."nr_extents";
    ID_MAP_EXTENT = "uid_gid_map"."extent";
    ID_EXTENT_FIRST = "uid_gid_extent"."first";
    ID_EXTENT_LOWER = "uid_gid_extent"."lower_first";
    ID_EXTENT_COUNT = "uid_gid_extent"."count";
    CGROUP_SELF = "cgroup"."self";
    CGROUP_KN = "cgroup"."kn";
    CGROUP_ROOT = "cgroup"."root";
    CSS_PARENT = "cgroup_subsys_state"."parent";
    KERNFS_ID = "kernfs_node"."id";
    KERNFS_NAME = "kernfs_node"."name";
    CGROUP_ROOT_HIERARCHY = "cgroup_root"."hierarchy_id";
    // Set where a set-id execution takes effect (Linux fs/exec.c, bprm_fill_uid), where the permitted capabilities grow
    // (security/commoncap.c), and where AppArmor changes the profile, as it does for a container's first program
    // (security/apparmor/domain.c).
    BPRM_PER_CLEAR = "linux_binprm"."per_clear";
}
