//! Images with nothing in them but one static program of `xtask/subjects` and the directories it needs.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use tar::{Builder, EntryType, Header};

use super::{Archive, fingerprint, import, is_current};
use crate::command;
use crate::daemon::Daemon;
use crate::{musl, workspace};

/// The program whose verbs do one thing each, for tests.
pub(crate) const SUBJECT: &str = "writepath-test/subject";
/// The sample service of the demo.
pub(crate) const SAMPLE: &str = "writepath-demo/service";

/// The user that the sample service drops to.
const SERVICE_ID: u64 = 10_001;

/// The image of `subject`.
pub(super) fn build_subject(daemon: &dyn Daemon) -> Result<()> {
    let program = build_program("subject")?;
    let mut tree = Tree::with_accounts()?;
    tree.file("subject", &program, 0o755, 0)?;
    tree.directory("data", 0o755, 0)?;
    tree.directory("var/lib/app", 0o755, 0)?;
    tree.file("var/lib/app/seed.txt", b"came with the image\n", 0o644, 0)?;
    tree.directory("etc/app", 0o755, 0)?;
    tree.file("etc/app/app.conf", b"level = 1\n", 0o644, 0)?;
    tree.import(daemon, SUBJECT, &["ENTRYPOINT [\"/subject\"]", "CMD [\"nothing\"]", "WORKDIR /"])
}

/// The image of `sample-service`.
pub(super) fn build_sample(daemon: &dyn Daemon) -> Result<()> {
    let program = build_program("sample-service")?;
    let mut tree = Tree::with_accounts()?;
    tree.file("sample-service", &program, 0o755, 0)?;
    tree.directory("srv/www", 0o755, SERVICE_ID)?;
    tree.file(
        "srv/www/index.html",
        b"<!doctype html><title>Notes</title><h1>Notes</h1>\n",
        0o644,
        SERVICE_ID,
    )?;
    tree.directory("var/lib/notes", 0o755, SERVICE_ID)?;
    tree.import(daemon, SAMPLE, &["ENTRYPOINT [\"/sample-service\"]", "EXPOSE 8080", "WORKDIR /"])
}

/// Links one program of `xtask/subjects` statically and returns it.
fn build_program(name: &str) -> Result<Vec<u8>> {
    let path = program(name)?;
    fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))
}

/// Links one program of `xtask/subjects` statically and returns where it lies.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    let target = workspace::static_target();
    let mut cargo = musl::cargo(&target);
    cargo.args([
        "build",
        "--quiet",
        "--release",
        "--package",
        "subjects",
        "--target",
        &target,
        "--bin",
        name,
    ]);
    command::run_quietly(&mut cargo)?;
    Ok(workspace::target().join(target).join("release").join(name))
}

/// A root file system in the making. Times are fixed, so that the same content gives the same archive.
struct Tree(Builder<Vec<u8>>);

impl Tree {
    /// The directories and files that every image has: accounts, and a `/tmp` that everybody may write to.
    fn with_accounts() -> Result<Self> {
        let mut tree = Self(Builder::new(Vec::new()));
        for directory in ["etc", "var", "var/lib", "var/cache", "run", "srv", "proc", "sys", "dev"] {
            tree.directory(directory, 0o755, 0)?;
        }
        tree.directory("tmp", 0o1777, 0)?;
        let passwd = format!("root:x:0:0:root:/:/none\napp:x:{SERVICE_ID}:{SERVICE_ID}:app:/:/none\n");
        tree.file("etc/passwd", passwd.as_bytes(), 0o644, 0)?;
        tree.file("etc/group", format!("root:x:0:\napp:x:{SERVICE_ID}:\n").as_bytes(), 0o644, 0)?;
        Ok(tree)
    }

    fn directory(&mut self, path: &str, mode: u32, owner: u64) -> Result<()> {
        self.entry(path, EntryType::Directory, &[], mode, owner)
    }

    fn file(&mut self, path: &str, content: &[u8], mode: u32, owner: u64) -> Result<()> {
        self.entry(path, EntryType::Regular, content, mode, owner)
    }

    fn entry(&mut self, path: &str, kind: EntryType, content: &[u8], mode: u32, owner: u64) -> Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(u64::try_from(content.len())?);
        header.set_mode(mode);
        header.set_uid(owner);
        header.set_gid(owner);
        header.set_mtime(0);
        self.0.append_data(&mut header, path, content)?;
        Ok(())
    }

    fn import(self, daemon: &dyn Daemon, name: &str, changes: &[&str]) -> Result<()> {
        let bytes = self.0.into_inner()?;
        let changes: Vec<String> = changes.iter().map(|&change| change.to_owned()).collect();
        let parts = changes.iter().map(String::as_bytes).chain([bytes.as_slice()]);
        let fingerprint = fingerprint(parts);
        if is_current(daemon, name, &fingerprint) {
            return Ok(());
        }
        import(daemon, name, &fingerprint, &changes, &Archive::Bytes(bytes))
    }
}
