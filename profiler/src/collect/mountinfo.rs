//! The mount table of a mount namespace, from `/proc/PID/mountinfo` (proc(5)).

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MountEntry {
    /// The mount point, in the namespace's own view.
    pub(crate) target: Vec<u8>,
    /// The file system's type, for instance `overlay`.
    pub(crate) fs_type: Vec<u8>,
    /// Whether this mount is read-only.
    pub(crate) read_only: bool,
}

/// The mounts of one namespace, in the kernel's order: later ones cover earlier ones at the same place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MountTable(Vec<MountEntry>);

impl MountTable {
    /// Parses the text of a mountinfo file; lines of another shape are passed over.
    pub(crate) fn parse(text: &[u8]) -> Self {
        Self(text.split(|byte| *byte == b'\n').filter_map(parse_line).collect())
    }

    /// The mounts.
    pub(crate) fn entries(&self) -> &[MountEntry] {
        &self.0
    }

    /// The mount that a resolved path lies on: the longest mount point that contains it.
    pub(crate) fn mount_of(&self, path: &[u8]) -> Option<&MountEntry> {
        self.0.iter().filter(|mount| contains(&mount.target, path)).max_by_key(|mount| mount.target.len())
    }
}

fn contains(directory: &[u8], path: &[u8]) -> bool {
    directory == b"/"
        || path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'/'))
}

/// `id parent major:minor root mount-point options [optional…] - type source super-options`
fn parse_line(line: &[u8]) -> Option<MountEntry> {
    let mut words = line.split(|byte| *byte == b' ');
    let target = unescape(words.by_ref().nth(4)?);
    let options = words.next()?;
    let fs_type = words.skip_while(|word| *word != b"-").nth(1)?.to_vec();
    let read_only = options.split(|byte| *byte == b',').any(|option| option == b"ro");
    Some(MountEntry { target, fs_type, read_only })
}

/// Space, tab, newline and backslash are written as three octal digits.
fn unescape(word: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'\\'
            && let Some(digits) = tail.first_chunk::<3>()
            && let Some(value) = octal(digits)
        {
            out.push(value);
            rest = &tail[3..];
        } else {
            out.push(first);
            rest = tail;
        }
    }
    out
}

fn octal(digits: &[u8; 3]) -> Option<u8> {
    digits.iter().try_fold(0u8, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 8)?;
        value.checked_mul(8)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"1 0 0:1 / / rw,relatime - overlay overlay rw\n\
        2 1 0:2 / /proc rw,nosuid - proc proc rw\n\
        3 1 8:1 /x /data\\040dir ro,relatime master:1 - ext4 /dev/vda rw\n\
        4 3 0:3 / /data\\040dir/deep rw - tmpfs tmpfs rw\nbroken\n";

    #[test]
    fn the_longest_mount_point_wins() {
        let table = MountTable::parse(TEXT);
        assert_eq!(table.entries().len(), 4);
        let target = |path: &[u8]| table.mount_of(path).unwrap().target.clone();
        assert_eq!(target(b"/data dir/deep/x"), b"/data dir/deep");
        assert_eq!(target(b"/data dir/x"), b"/data dir");
        assert_eq!(target(b"/data dirx"), b"/");
        assert_eq!(target(b"/proc"), b"/proc");
        assert!(table.mount_of(b"/data dir/x").unwrap().read_only);
        assert_eq!(table.mount_of(b"/x").unwrap().fs_type, b"overlay");
    }
}
