//! Records as bytes from the ring buffer, decoded with every length checked.

use profiler_ebpf::record::{CapRecord, Name, ROOT_MOUNT, WriteRecord, kind, name_flag};
use zerocopy::FromBytes;

/// A record from the kernel.
#[derive(Debug)]
pub(crate) enum Record<'a> {
    /// A first sight of an operation.
    Write(WriteSight<'a>),
    /// A first sight of a capability check.
    Capability(CapRecord),
}

impl Record<'_> {
    /// The subject that it is of, as numbered by userspace.
    pub(crate) fn slot(&self) -> u32 {
        match self {
            Self::Write(sight) => sight.head.key.slot,
            Self::Capability(check) => check.key.slot,
        }
    }
}

/// A first sight of an operation.
#[derive(Debug)]
pub(crate) struct WriteSight<'a> {
    /// The fixed part.
    pub(crate) head: WriteRecord,
    /// The object's name.
    pub(crate) name: RawName<'a>,
    /// The second name of rename and link.
    pub(crate) second: Option<RawName<'a>>,
}

/// A name as the kernel half reports it.
#[derive(Debug)]
pub(crate) struct RawName<'a> {
    /// Components from the leaf upward, each ending in a NUL.
    walk: &'a [u8],
    /// The part of `walk` that lies behind the first mount boundary; none on the root mount.
    mount_walk: Option<&'a [u8]>,
    /// The string relative to the walk; empty where the walk names the object.
    pub(crate) string: &'a [u8],
    flags: u32,
}

impl RawName<'_> {
    /// The absolute path of the walk, in the subject's mount namespace.
    pub(crate) fn base(&self) -> Vec<u8> {
        join(self.walk)
    }

    /// The mount point of the mount that the walk starts on; `/` on the root mount.
    pub(crate) fn mount_point(&self) -> Vec<u8> {
        self.mount_walk.map_or_else(|| b"/".to_vec(), join)
    }

    /// Whether the object lies in no mount namespace: a pipe, a memfd, a lazily unmounted file system.
    pub(crate) fn is_detached(&self) -> bool {
        self.flags & name_flag::DETACHED != 0
    }

    /// Whether the kernel half could not record it whole.
    pub(crate) fn is_cut(&self) -> bool {
        self.flags & name_flag::CUT != 0
    }
}

/// Turns components from the leaf upward into an absolute path.
fn join(walk: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(walk.len() + 1);
    for component in walk.split(|byte| *byte == 0).rev().filter(|component| !component.is_empty()) {
        path.push(b'/');
        path.extend_from_slice(component);
    }
    if path.is_empty() {
        path.push(b'/');
    }
    path
}

/// Decodes one record; `None` where it is malformed, which only a bug could make it.
pub(crate) fn decode(bytes: &[u8]) -> Option<Record<'_>> {
    let (kind, _) = u32::read_from_prefix(bytes).ok()?;
    match kind {
        kind::WRITE => {
            let (head, rest) = WriteRecord::read_from_prefix(bytes).ok()?;
            let (name, rest) = take_name(&head.names[0], rest)?;
            let (second, _) = take_name(&head.names[1], rest)?;
            let second = (head.names[1].string_len != 0).then_some(second);
            Some(Record::Write(WriteSight { head, name, second }))
        }
        kind::CAPABILITY => {
            CapRecord::read_from_prefix(bytes).ok().map(|(record, _)| Record::Capability(record))
        }
        _ => None,
    }
}

fn take_name<'a>(name: &Name, bytes: &'a [u8]) -> Option<(RawName<'a>, &'a [u8])> {
    let (walk, rest) = bytes.split_at_checked(name.walk_len as usize)?;
    let (string, rest) = rest.split_at_checked(name.string_len as usize)?;
    let mount_walk = match name.mount_at {
        ROOT_MOUNT => None,
        at => Some(walk.get(at as usize..)?),
    };
    Some((RawName { walk, mount_walk, string, flags: name.flags }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use profiler_ebpf::record::WriteKey;
    use zerocopy::IntoBytes;

    fn record(names: [Name; 2], data: &[u8]) -> Vec<u8> {
        let key = WriteKey {
            base_ino: 1,
            name: 2,
            name2: 3,
            exe: 4,
            base_dev: 5,
            errno: 0,
            slot: 0,
            op: 1,
            scope: 0,
            syscall: 257,
        };
        let head = WriteRecord {
            kind: kind::WRITE,
            tgid: 7,
            key,
            directory: 0,
            tree: 0,
            call_flags: 0,
            mode: 0,
            reserved: 0,
            names,
        };
        [head.as_bytes(), data].concat()
    }

    #[test]
    fn walks_are_turned_round() {
        let first = Name { walk_len: 14, mount_at: 6, string_len: 4, flags: 0 };
        let second = Name { walk_len: 0, mount_at: ROOT_MOUNT, string_len: 2, flags: 0 };
        let bytes = record([first, second], b"b.pid\0run\0var\0x/yzab");
        let Some(Record::Write(sight)) = decode(&bytes) else { panic!("a write") };
        assert_eq!(sight.name.base(), b"/var/run/b.pid");
        assert_eq!(sight.name.mount_point(), b"/var/run");
        assert_eq!(sight.name.string, b"x/yz");
        let second = sight.second.unwrap();
        assert_eq!(
            (second.base(), second.mount_point(), second.string),
            (b"/".to_vec(), b"/".to_vec(), &b"ab"[..])
        );
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let name = Name { walk_len: 100, mount_at: ROOT_MOUNT, string_len: 0, flags: 0 };
        assert!(decode(&record([name, Name::default()], b"short")).is_none());
        let name = Name { walk_len: 2, mount_at: 3, string_len: 0, flags: 0 };
        assert!(decode(&record([name, Name::default()], b"a\0")).is_none());
        assert!(decode(&[]).is_none());
        assert!(decode(&[9, 0, 0, 0]).is_none());
        let whole = record([Name::default(), Name::default()], b"");
        for length in 0..whole.len() {
            assert!(decode(&whole[..length]).is_none());
        }
    }
}
