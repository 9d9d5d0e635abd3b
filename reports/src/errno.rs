//! Names of Linux error numbers, for people.
//!
//! Those that operations on files fail with (include/uapi/asm-generic/errno-base.h, errno.h), the same on every
//! architecture supported.

/// Operation not permitted.
pub const EPERM: i32 = 1;
/// No such file or directory.
pub const ENOENT: i32 = 2;
/// Permission denied.
pub const EACCES: i32 = 13;
/// Device or resource busy.
pub const EBUSY: i32 = 16;
/// Invalid cross-device link.
pub const EXDEV: i32 = 18;
/// Invalid argument.
pub const EINVAL: i32 = 22;
/// No space left on device.
pub const ENOSPC: i32 = 28;
/// Read-only file system.
pub const EROFS: i32 = 30;
/// Operation not supported.
pub const EOPNOTSUPP: i32 = 95;

const NAMES: &[(i32, &str)] = &[
    (EPERM, "EPERM"),
    (ENOENT, "ENOENT"),
    (4, "EINTR"),
    (5, "EIO"),
    (6, "ENXIO"),
    (9, "EBADF"),
    (11, "EAGAIN"),
    (12, "ENOMEM"),
    (EACCES, "EACCES"),
    (14, "EFAULT"),
    (EBUSY, "EBUSY"),
    (17, "EEXIST"),
    (EXDEV, "EXDEV"),
    (19, "ENODEV"),
    (20, "ENOTDIR"),
    (21, "EISDIR"),
    (EINVAL, "EINVAL"),
    (23, "ENFILE"),
    (24, "EMFILE"),
    (26, "ETXTBSY"),
    (27, "EFBIG"),
    (ENOSPC, "ENOSPC"),
    (EROFS, "EROFS"),
    (31, "EMLINK"),
    (36, "ENAMETOOLONG"),
    (38, "ENOSYS"),
    (39, "ENOTEMPTY"),
    (40, "ELOOP"),
    (61, "ENODATA"),
    (EOPNOTSUPP, "EOPNOTSUPP"),
    (98, "EADDRINUSE"),
    (122, "EDQUOT"),
];

/// The name of an error number, for instance `EROFS` for 30; `None` for one that no operation on files is known for.
#[must_use]
pub fn name(errno: i32) -> Option<&'static str> {
    NAMES.iter().find(|(number, _)| *number == errno).map(|(_, name)| *name)
}

/// The name of an error number, or the number itself where it has none here.
#[must_use]
pub fn words(errno: i32) -> String {
    name(errno).map_or_else(|| format!("error {errno}"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_names() {
        for (number, name) in [(30, "EROFS"), (28, "ENOSPC"), (13, "EACCES"), (4095, "error 4095")] {
            assert_eq!(words(number), name);
        }
        assert!(NAMES.is_sorted_by_key(|(number, _)| number));
    }
}
