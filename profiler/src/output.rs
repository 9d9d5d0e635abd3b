//! Where results go: standard output, or a file that is there whole or not at all.

use std::{io::Write, path::Path};

use crate::failure::{Failure, Kind};

/// Writes `bytes` to `path`, or to standard output where it is `-`. A file is written beside its place, synced and
/// renamed, so that nobody ever sees half of it; what is there and no regular file (a device, a pipe) is written into, as a
/// rename would put a file in its place.
///
/// # Errors
/// Where it cannot be written; the message names the file.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if path == Path::new("-") {
        return to_stdout(bytes);
    }
    let written = if is_special(path) { std::fs::write(path, bytes) } else { to_file(path, bytes) };
    written
        .map_err(|error| Failure::new(Kind::Usage, format!("{} cannot be written: {error}", path.display())))
}

/// Writes to standard output. A reader that has gone away is no error.
///
/// # Errors
/// Where it cannot be written.
pub(crate) fn to_stdout(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Kind::Usage, format!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// Whether something is there that is neither a file nor a directory.
fn is_special(path: &Path) -> bool {
    path.metadata().is_ok_and(|there| !there.is_file() && !there.is_dir())
}

fn to_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".writepath-").tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    // Others may read it, as they may read what other programs write.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(mode)?;
    file.persist(path)?;
    std::fs::File::open(directory)?.sync_all()
}

/// Checks early, before minutes of training, that a file can be written at `path`.
///
/// # Errors
/// Where its directory does not exist or cannot be written in, or the path is a directory.
pub(crate) fn check_writable(path: &Path) -> Result<(), Failure> {
    if path == Path::new("-") {
        return Ok(());
    }
    check_file(path, "--output")
        .map_err(|failure| failure.hint("name a file in a directory that exists, or `-` for standard output"))
}

/// The same for a file that `option` names, where standard output is none.
///
/// # Errors
/// Where its directory does not exist or cannot be written in, or the path is a directory.
pub(crate) fn check_file(path: &Path, option: &str) -> Result<(), Failure> {
    let unwritable = |why: String| Failure::new(Kind::Usage, format!("{option} {}: {why}", path.display()));
    if path.is_dir() {
        return Err(unwritable("it is a directory".to_owned()));
    }
    if is_special(path) {
        return Ok(());
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::Builder::new()
        .prefix(".writepath-")
        .tempfile_in(directory)
        .map_err(|error| unwritable(error.to_string()))?;
    Ok(())
}

/// The same for a file that is not to be lost: what exists is written over only where `force` says so, and only where it is
/// a regular file, which a rename may replace.
///
/// # Errors
/// As [`check_writable`], and where something is there already.
pub(crate) fn check_new(path: &Path, force: bool) -> Result<(), Failure> {
    check_writable(path)?;
    let refused = |why: &str| Failure::new(Kind::Usage, format!("--output {}: {why}", path.display()));
    if path == Path::new("-") || !path.exists() {
        Ok(())
    } else if !path.is_file() {
        Err(refused("it is no regular file").hint("name a file, or `-` for standard output"))
    } else if !force {
        Err(refused("it exists").hint("name another file, or write over it with --force"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profile.json");
        write(&path, b"old").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_device_is_written_into_and_not_replaced() {
        use std::os::unix::fs::FileTypeExt as _;
        let folder = tempfile::tempdir().unwrap();
        let null = folder.path().join("null");
        std::os::unix::fs::symlink("/dev/null", &null).unwrap();
        check_writable(&null).unwrap();
        write(&null, b"gone").unwrap();
        assert!(null.metadata().unwrap().file_type().is_char_device());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_path_buf(), folder.path().join("none/profile.json")] {
            let failure = check_writable(&path).unwrap_err();
            assert!(failure.message.contains(path.to_str().unwrap()), "{}", failure.message);
            assert_eq!(failure.kind, Kind::Usage);
        }
    }

    #[test]
    fn what_exists_is_kept_unless_told_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.html");
        assert!(check_new(&path, false).is_ok());
        write(&path, b"old").unwrap();
        assert!(check_new(&path, false).unwrap_err().message.contains("exists"));
        assert!(check_new(&path, true).is_ok());
        assert!(check_new(Path::new("/dev/null"), true).unwrap_err().message.contains("regular file"));
        assert!(check_new(Path::new("-"), false).is_ok());
    }
}
