//! The logic, once; the programs in `main.rs` only attach it.

pub mod asks;
pub mod capability;
pub mod count;
pub mod fold;
pub mod kernel;
pub mod lifecycle;
pub mod maps;
pub mod name;
pub mod scratch;
pub mod skipped;
pub mod syscall;
