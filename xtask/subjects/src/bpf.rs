//! An empty BPF program at the hooks of the sensors: what the hook alone costs. It is two instructions, `return 0`,
//! loaded by bpf(2) itself, so that no object file, compiler or library is needed for it.
#![expect(unsafe_code, reason = "bpf(2) has no safe form in the standard library")]

use std::ffi::{c_int, c_long};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

/// Commands of bpf(2).
const PROG_LOAD: c_int = 5;
const RAW_TRACEPOINT_OPEN: c_int = 17;
/// `BPF_PROG_TYPE_TRACING`.
const TRACING: u32 = 26;

/// `r0 = 0; exit`, eight bytes each.
static RETURN_ZERO: [u64; 2] = [0x00b7, 0x0095];

/// Where the program is attached.
#[derive(Debug, Clone, Copy)]
pub enum Hook<'a> {
    /// A tracepoint by its name, `tp_btf`.
    Tracepoint(&'a str),
    /// The exit of a kernel function, `fexit`.
    Exit(&'a str),
}

/// The head of `union bpf_attr` for `BPF_PROG_LOAD`, up to `attach_prog_fd`.
#[repr(C)]
#[derive(Default)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log: [u32; 4],
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
    prog_btf_fd: u32,
    func_info_rec_size: u32,
    func_info: u64,
    func_info_cnt: u32,
    line_info_rec_size: u32,
    line_info: u64,
    line_info_cnt: u32,
    attach_btf_id: u32,
    attach_prog_fd: u32,
    padding: u32,
}

/// That of `BPF_RAW_TRACEPOINT_OPEN`.
#[repr(C)]
#[derive(Default)]
struct Open {
    name: u64,
    prog_fd: u32,
    padding: u32,
}

/// Attaches the program; it stays until the descriptor is closed.
///
/// # Errors
/// Where the kernel has no such hook, or refuses the program.
pub fn attach_empty(hook: Hook<'_>) -> io::Result<OwnedFd> {
    let btf = fs::read("/sys/kernel/btf/vmlinux")?;
    // Kinds and attach types by `linux/btf.h` and `linux/bpf.h`: a tracepoint's prototype is a typedef.
    let (name, kind, attach_type) = match hook {
        Hook::Tracepoint(name) => (format!("btf_trace_{name}"), 8, 23),
        Hook::Exit(name) => (name.to_owned(), 12, 25),
    };
    let id = type_id(&btf, &name, kind)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("the kernel has no {name}")))?;
    let mut load = Load {
        prog_type: TRACING,
        insn_cnt: 2,
        insns: RETURN_ZERO.as_ptr() as u64,
        license: c"Dual MIT/GPL".as_ptr() as u64,
        expected_attach_type: attach_type,
        attach_btf_id: id,
        ..Load::default()
    };
    load.prog_name[..5].copy_from_slice(b"empty");
    let program = bpf(PROG_LOAD, &load)?;
    let prog_fd = u32::try_from(program.as_raw_fd()).map_err(io::Error::other)?;
    bpf(RAW_TRACEPOINT_OPEN, &Open { prog_fd, ..Open::default() })
}

fn bpf<A>(command: c_int, attributes: &A) -> io::Result<OwnedFd> {
    // SAFETY: the attributes are valid for reads of their size, as are the addresses in them; the kernel writes to none.
    let fd: c_long =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<A>()) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = c_int::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the call has made this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The id of a type in BTF of this machine's byte order, by name and kind.
fn type_id(btf: &[u8], name: &str, kind: u32) -> Option<u32> {
    let word = |at: usize| Some(u32::from_ne_bytes(btf.get(at..at + 4)?.try_into().ok()?));
    let size = |at: usize| usize::try_from(word(at)?).ok();
    let head = size(4)?;
    let (types, types_len, strings) = (head + size(8)?, size(12)?, head + size(16)?);
    let is_name = |offset: usize| {
        let text = btf.get(strings + offset..).unwrap_or_default();
        text.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
    };
    let (mut at, mut id) = (types, 1);
    while at < types + types_len {
        let info = word(at + 4)?;
        let (this, members) = ((info >> 24) & 0x1f, usize::try_from(info & 0xffff).ok()?);
        if this == kind && is_name(size(at)?) {
            return Some(id);
        }
        // What follows the three words that every type has.
        at += 12
            + match this {
                1 | 14 | 17 => 4,
                3 => 12,
                4 | 5 | 15 | 19 => 12 * members,
                6 | 13 => 8 * members,
                _ => 0,
            };
        id += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::type_id;

    #[test]
    fn types_are_found_by_name_and_kind() {
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<_>>();
        // An int (one word more), a structure with one member (three more), a function.
        let types = words(&[1, 1 << 24, 4, 32, 1, (4 << 24) | 1, 4, 1, 1, 0, 1, 12 << 24, 2]);
        let head = words(&[0x0001_eb9f, 24, 0, 52, 52, 6]);
        let btf = [head, types, b"\0name\0".to_vec()].concat();
        assert_eq!(type_id(&btf, "name", 12), Some(3));
        assert_eq!(type_id(&btf, "name", 4), Some(2));
        assert_eq!(type_id(&btf, "nam", 12), None);
        assert_eq!(type_id(&btf[..40], "name", 12), None);
    }
}
