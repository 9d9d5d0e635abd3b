//! A 32-bit program.

use std::ffi::{CString, OsStr, c_long};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;

/// Writes a 32-bit program that exits with status 0.
pub(super) fn write_program(path: &CString) -> io::Result<c_long> {
    const BASE: u32 = 0x1_0000;
    const HEADERS: u32 = 52 + 32;
    // mov eax, 1; xor ebx, ebx; int 0x80
    const CODE: [u8; 9] = [0xb8, 1, 0, 0, 0, 0x31, 0xdb, 0xcd, 0x80];
    let size = HEADERS + CODE.len() as u32;
    let mut program = vec![0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    // ET_EXEC, EM_386.
    program.extend([2u16, 3].map(u16::to_le_bytes).concat());
    // Version, entry, program headers, section headers, flags.
    program.extend([1, BASE + HEADERS, 52, 0, 0].map(u32::to_le_bytes).concat());
    program.extend([52u16, 32, 1, 0, 0, 0].map(u16::to_le_bytes).concat());
    // PT_LOAD, offset, both addresses, both sizes, readable and executable, alignment.
    program.extend([1, 0, BASE, BASE, size, size, 5, 0x1000].map(u32::to_le_bytes).concat());
    program.extend(CODE);
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.create(true).write(true).mode(0o755).open(OsStr::from_bytes(path.as_bytes()))?;
    io::Write::write_all(&mut file, &program)?;
    Ok(0)
}
