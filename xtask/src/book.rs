//! `cargo xtask book`: the pages of `docs/` as one book, in HTML.
//!
//! The pages are complete without it. mdBook is used where it is installed, and never installed here.

use anyhow::{Result, anyhow};

use crate::command::{self, say};
use crate::packages::HostLacks;
use crate::workspace;

/// Renders it to `target/book`.
pub(crate) fn run() -> Result<()> {
    if command::find("mdbook").is_none() {
        let what = "mdbook is missing".to_owned();
        return Err(anyhow!(HostLacks { what, commands: vec!["cargo install mdbook --locked".to_owned()] }));
    }
    let book = workspace::target().join("book");
    let mut render = std::process::Command::new("mdbook");
    command::run(render.arg("build").arg("--dest-dir").arg(&book).arg(workspace::root().join("docs")))?;
    say(&format!("rendered {}", book.join("index.html").display()));
    Ok(())
}
