//! What the programs for containers share: the calls to the C library that the standard library has no safe form
//! of, and a small HTTP server.
//!
//! The programs are subjects of profiling. They do what they are told to and nothing else, so that a test knows
//! every write, and they use nothing beyond the standard library and the C library.

pub mod bpf;
pub mod calls;
pub mod http;
pub mod measured;
mod privileges;
pub mod system;
