//! The pages of `docs/`, as tests read them.

use std::fs;
use std::path::{Path, PathBuf};

/// Where they are.
pub(crate) fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// A page, or another text there.
pub(crate) fn text(name: &str) -> String {
    fs::read_to_string(docs().join(name)).unwrap()
}

/// The fenced blocks of a language.
pub(crate) fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}
