//! What an image holds at the places that were written, so that no mount hides it.
//!
//! Looks into a container of the image that is never started: the trained one has changed its files. Bounded: what an
//! image holds is its maker's choice.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use reports::model::{ImageEntry, ObjectKind, SubjectPath};

use super::{Docker, RuntimeError};

/// The most entries that are kept for one directory.
const MAX_ENTRIES: usize = 20_000;
/// The most bytes of one directory's archive that are read.
const MAX_ARCHIVE_BYTES: usize = 512 << 20;

/// Content of an image.
#[derive(Debug, Default)]
pub(crate) struct ImageContent {
    /// Entries, sorted by path.
    pub(crate) entries: Vec<ImageEntry>,
    /// Directories that hold more than is read.
    pub(crate) cut: Vec<SubjectPath>,
}

impl Docker {
    /// Lists the content of `directories` in an image, with the directories that hold them. Those that the image does
    /// not have are left out.
    ///
    /// # Errors
    /// Where the daemon refuses.
    pub(crate) async fn image_content(
        &self,
        image: &str,
        directories: &BTreeSet<SubjectPath>,
    ) -> Result<ImageContent, RuntimeError> {
        if directories.is_empty() {
            return Ok(ImageContent::default());
        }
        let id = self.create_idle(image).await?;
        let listed = self.list(&id, directories).await;
        let removed = self.remove(&id).await;
        let content = listed?;
        removed?;
        Ok(content)
    }

    async fn list(
        &self,
        id: &str,
        directories: &BTreeSet<SubjectPath>,
    ) -> Result<ImageContent, RuntimeError> {
        let mut entries = BTreeMap::new();
        let mut cut = Vec::new();
        for directory in directories {
            // The root itself is never a mount point.
            let covered = directory.ancestors().skip(1).any(|above| directories.contains(&above));
            let Some(path) = directory.as_str().filter(|_| !directory.is_root() && !covered) else {
                continue;
            };
            let mut stream = self.archive(id, path);
            let mut parser = Listing::new(directory);
            while let Some(chunk) = stream.next().await {
                match chunk {
                    Ok(chunk) => {
                        if !parser.feed(&chunk) {
                            cut.push(directory.clone());
                            break;
                        }
                    }
                    // The image does not have it.
                    Err(_) if parser.entries.is_empty() => break,
                    Err(error) => return Err(error),
                }
            }
            entries.extend(parser.entries.into_iter().map(|entry| (entry.path.clone(), entry)));
        }
        Ok(ImageContent { entries: entries.into_values().collect(), cut })
    }
}

/// Reads the headers of a tar archive as it comes in, and passes over the content.
struct Listing {
    /// The directory that holds the one that is listed: names in the archive are relative to it.
    above: SubjectPath,
    entries: Vec<ImageEntry>,
    /// Bytes that do not fill a block yet.
    pending: Vec<u8>,
    /// Bytes of content still to pass over.
    skip: u64,
    /// Collected content of a long name or extended header, and what it is.
    special: Option<(Special, Vec<u8>, u64)>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    uid: Option<u32>,
    gid: Option<u32>,
    read: usize,
}

#[derive(Clone, Copy)]
enum Special {
    Name,
    Link,
    Pax,
}

const BLOCK: usize = 512;
/// Long names and extended headers larger than this are passed over.
const MAX_SPECIAL: u64 = 64 << 10;

impl Listing {
    fn new(directory: &SubjectPath) -> Self {
        Self {
            above: directory.parent().unwrap_or_else(SubjectPath::root),
            entries: Vec::new(),
            pending: Vec::new(),
            skip: 0,
            special: None,
            long_name: None,
            long_link: None,
            uid: None,
            gid: None,
            read: 0,
        }
    }

    /// Takes in some bytes; false where the limits are reached.
    fn feed(&mut self, mut bytes: &[u8]) -> bool {
        self.read += bytes.len();
        while !bytes.is_empty() {
            if self.skip != 0 {
                let step = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
                bytes = &bytes[step..];
                self.skip -= step as u64;
                continue;
            }
            let step = (BLOCK - self.pending.len()).min(bytes.len());
            self.pending.extend_from_slice(&bytes[..step]);
            bytes = &bytes[step..];
            if self.pending.len() == BLOCK {
                let block = std::mem::take(&mut self.pending);
                self.block(&block);
            }
        }
        self.entries.len() <= MAX_ENTRIES && self.read <= MAX_ARCHIVE_BYTES
    }

    fn block(&mut self, block: &[u8]) {
        if let Some((kind, mut content, left)) = self.special.take() {
            let step = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
            content.extend_from_slice(&block[..step]);
            let left = left - step as u64;
            if left != 0 {
                self.special = Some((kind, content, left));
            } else {
                self.end_special(kind, content);
            }
            return;
        }
        let mut header = tar::Header::new_old();
        header.as_mut_bytes().copy_from_slice(block);
        // Two blocks of zeroes end the archive.
        if block.iter().all(|byte| *byte == 0) {
            return;
        }
        let size = header.entry_size().unwrap_or(0);
        let kind = match header.entry_type() {
            tar::EntryType::GNULongName => Some(Special::Name),
            tar::EntryType::GNULongLink => Some(Special::Link),
            tar::EntryType::XHeader => Some(Special::Pax),
            _ => None,
        };
        match kind {
            Some(kind) if size != 0 && size <= MAX_SPECIAL => self.special = Some((kind, Vec::new(), size)),
            Some(_) => self.skip = size.next_multiple_of(BLOCK as u64),
            None => {
                self.entry(&header, size);
                self.skip = size.next_multiple_of(BLOCK as u64);
            }
        }
    }

    fn end_special(&mut self, kind: Special, mut content: Vec<u8>) {
        match kind {
            Special::Name => {
                content.truncate(content.iter().position(|byte| *byte == 0).unwrap_or(content.len()));
                self.long_name = Some(content);
            }
            Special::Link => {
                content.truncate(content.iter().position(|byte| *byte == 0).unwrap_or(content.len()));
                self.long_link = Some(content);
            }
            Special::Pax => {
                for extension in tar::PaxExtensions::new(&content).flatten() {
                    match extension.key_bytes() {
                        b"path" => self.long_name = Some(extension.value_bytes().to_vec()),
                        b"linkpath" => self.long_link = Some(extension.value_bytes().to_vec()),
                        b"uid" => self.uid = extension.value().ok().and_then(|uid| uid.parse().ok()),
                        b"gid" => self.gid = extension.value().ok().and_then(|gid| gid.parse().ok()),
                        _ => {}
                    }
                }
            }
        }
    }

    fn entry(&mut self, header: &tar::Header, size: u64) {
        let name = self.long_name.take().unwrap_or_else(|| header.path_bytes().into_owned());
        let id = |known: Option<u32>, header: std::io::Result<u64>| {
            known.or_else(|| header.ok().and_then(|id| u32::try_from(id).ok())).unwrap_or(0)
        };
        let (uid, gid) = (id(self.uid.take(), header.uid()), id(self.gid.take(), header.gid()));
        let link = self.long_link.take().or_else(|| header.link_name_bytes().map(|link| link.into_owned()));
        let kind = match header.entry_type() {
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::Link => ObjectKind::File,
            tar::EntryType::Directory => ObjectKind::Directory,
            tar::EntryType::Symlink => ObjectKind::Symlink,
            tar::EntryType::Fifo => ObjectKind::Fifo,
            tar::EntryType::Char | tar::EntryType::Block => ObjectKind::Device,
            _ => return,
        };
        let Ok(path) = SubjectPath::from_bytes(&[self.above.as_bytes(), b"/", &name].concat()) else {
            return;
        };
        self.entries.push(ImageEntry {
            path,
            kind,
            mode: format!("{:04o}", header.mode().unwrap_or(0) & 0o7777),
            uid,
            gid,
            size: if kind == ObjectKind::File { size } else { 0 },
            link: (kind == ObjectKind::Symlink)
                .then(|| String::from_utf8_lossy(&link.unwrap_or_default()).into_owned()),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut add = |name: &str, kind: tar::EntryType, mode: u32, content: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_mode(mode);
            header.set_uid(33);
            header.set_gid(34);
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, name, content).unwrap();
        };
        add("cache/", tar::EntryType::Directory, 0o1777, b"");
        add("cache/file", tar::EntryType::Regular, 0o640, &[7; 1300]);
        add(&format!("cache/{}", "long".repeat(60)), tar::EntryType::Regular, 0o600, b"x");
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        link.set_mode(0o777);
        builder.append_link(&mut link, "cache/link", "../elsewhere").unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn entries_are_read_whatever_the_chunks() {
        let directory = SubjectPath::from_bytes(b"/var/cache").unwrap();
        let archive = archive();
        for chunk in [1, 511, 512, 513, 100_000] {
            let mut listing = Listing::new(&directory);
            assert!(archive.chunks(chunk).all(|chunk| listing.feed(chunk)));
            let found: Vec<_> = listing
                .entries
                .iter()
                .map(|entry| (entry.path.to_string(), entry.kind, entry.mode.as_str(), entry.uid, entry.size))
                .collect();
            assert_eq!(found.len(), 4, "{found:?}");
            assert_eq!(found[0], ("/var/cache".to_owned(), ObjectKind::Directory, "1777", 33, 0));
            assert_eq!(found[1], ("/var/cache/file".to_owned(), ObjectKind::File, "0640", 33, 1300));
            assert_eq!(found[2].0, format!("/var/cache/{}", "long".repeat(60)));
            assert_eq!(listing.entries[3].link.as_deref(), Some("../elsewhere"));
        }
    }
}
