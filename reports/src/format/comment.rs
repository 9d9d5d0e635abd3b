//! Comments: the plan's reasons as single lines that cannot end early or drive a terminal.

use crate::text::printable;

/// The longest comment, in characters.
const MAX_CHARS: usize = 160;

/// Text as a comment: one line, printable, at most [`MAX_CHARS`] characters.
pub(super) fn line(text: &str) -> String {
    let text = printable(text);
    let trimmed = text.trim();
    if trimmed.chars().count() <= MAX_CHARS {
        return trimmed.to_owned();
    }
    let mut short: String = trimmed.chars().take(MAX_CHARS.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// A size in bytes for people: `64 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        b if b >= 1 << 30 && b.trailing_zeros() >= 30 => format!("{} GiB", b >> 30),
        b if b >= 1 << 20 && b.trailing_zeros() >= 20 => format!("{} MiB", b >> 20),
        b if b >= 1 << 10 && b.trailing_zeros() >= 10 => format!("{} KiB", b >> 10),
        b => format!("{b} bytes"),
    }
}

/// The options of a tmpfs in Docker's short notation: `rw,noexec,nosuid,nodev,size=…,mode=…,uid=…,gid=…`.
pub(super) fn tmpfs_options(mount: &crate::plan::TmpfsMount) -> String {
    format!(
        "rw,{},{},{},size={},mode={},uid={},gid={}",
        if mount.exec { "exec" } else { "noexec" },
        if mount.suid { "suid" } else { "nosuid" },
        if mount.dev { "dev" } else { "nodev" },
        mount.size,
        mount.mode,
        mount.uid,
        mount.gid
    )
}
