//! What the user says about a plan before it is made.
//!
//! Owns the notation of the options (`--tmpfs`, `--volume`, `--ignore`, `--max-tmpfs`), the checks that need no
//! profile, and how two sets of them go together. How they act on a plan is for the rules `override` and
//! `ignored-writes`. The file `writepath.toml` is read in `config`.

use std::collections::BTreeMap;
use std::str::FromStr;

use globset::{Candidate, GlobBuilder, GlobMatcher};

use super::layout::Told;
use super::needs::{is_kernel_file_system, is_representable};
use crate::model::{MountKind, PathError, Profile, SubjectPath, Write};
use crate::text::printable;

/// The longest pattern that is taken, in bytes.
const MAX_GLOB_BYTES: usize = 4096;

/// How many mounts and patterns are taken at most.
const MAX_COUNT: usize = 256;

/// What the user says about a plan.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Places that are to be a tmpfs.
    pub tmpfs: Vec<TmpfsOverride>,
    /// Places that are to be a volume.
    pub volumes: Vec<SubjectPath>,
    /// Operations to leave out.
    pub ignore: Vec<IgnoreGlob>,
    /// The largest tmpfs to make, in bytes; what needs more becomes a volume.
    pub max_tmpfs: Option<u64>,
}

/// A place that is to be a tmpfs, with the options that are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TmpfsOverride {
    /// Where.
    pub target: SubjectPath,
    /// The limit of its size, in bytes.
    pub size: Option<u64>,
    /// The mode of its root directory.
    pub mode: Option<u32>,
    /// The owner of its root directory.
    pub uid: Option<u32>,
    /// The group of its root directory.
    pub gid: Option<u32>,
    /// Whether programs may be executed from it.
    pub exec: Option<bool>,
    /// Whether set-id bits work on it.
    pub suid: Option<bool>,
    /// Whether device files work on it.
    pub dev: Option<bool>,
}

/// A pattern of paths whose operations are left out.
#[derive(Debug, Clone)]
pub struct IgnoreGlob(GlobMatcher);

/// Why what the user says cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// Not a path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Nothing can be mounted over `/`.
    #[error("nothing can be mounted over `/`")]
    Root,
    /// `/proc`, `/sys` or `/dev`.
    #[error("{0} lies in a file system that the runtime mounts in every container")]
    Kernel(SubjectPath),
    /// No mount option can name it.
    #[error("{0} cannot be named as a mount target (bytes that are no UTF-8, or control characters)")]
    Unrepresentable(SubjectPath),
    /// An option of a tmpfs that does not exist or has no such value.
    #[error(
        "`{0}` is no option of a tmpfs: there are size=SIZE, mode=OCTAL, uid=N, gid=N, [no]exec, [no]suid, [no]dev"
    )]
    Option(String),
    /// Not a size.
    #[error("`{0}` is no size: a positive number of bytes, or of k, m, g or t, for instance 512m")]
    Size(String),
    /// Not a pattern.
    #[error("{0}")]
    Glob(String),
    /// Two words on one place.
    #[error("{0} is given twice; a place is either a tmpfs or a volume")]
    Twice(SubjectPath),
    /// The subject has a mount there that is not the image's.
    #[error("{0} is a mount that the subject was given: change it where the subject is run")]
    Mounted(SubjectPath),
    /// The image has something there that is no directory.
    #[error("{0} is no directory in the image")]
    NoDirectory(SubjectPath),
    /// More of them than a plan can sensibly have.
    #[error("there are more than {MAX_COUNT} of them")]
    TooMany,
}

/// Reads a size: a number of bytes, or with `k`, `m`, `g` or `t` behind it (and `b` or `ib` behind that) of 1024 bytes
/// and so on. Never 0.
///
/// # Errors
/// [`OverrideError::Size`].
pub fn parse_size(text: &str) -> Result<u64, OverrideError> {
    let bad = || OverrideError::Size(printable(text));
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits);
    let shift = match unit {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(bad()),
    };
    let number: u64 = number.parse().map_err(|_| bad())?;
    // The kernel's sizes are signed (loff_t).
    let is_size = |bytes: &u64| *bytes > 0 && i64::try_from(*bytes).is_ok();
    number.checked_mul(1 << shift).filter(is_size).ok_or_else(bad)
}

/// Reads the path of a place to mount on.
///
/// # Errors
/// [`OverrideError`] where nothing can be mounted there.
pub fn parse_target(text: &str) -> Result<SubjectPath, OverrideError> {
    let path = SubjectPath::from_escaped(text)?;
    if path.is_root() {
        Err(OverrideError::Root)
    } else if is_kernel_file_system(&path) {
        Err(OverrideError::Kernel(path))
    } else if !is_representable(&path) {
        Err(OverrideError::Unrepresentable(path))
    } else {
        Ok(path)
    }
}

impl FromStr for TmpfsOverride {
    type Err = OverrideError;

    /// Reads `PATH` or `PATH:OPTION,…`, as `docker run --tmpfs` takes it.
    fn from_str(text: &str) -> Result<Self, OverrideError> {
        let (path, options) = text.split_once(':').unwrap_or((text, ""));
        let mut told = Self {
            target: parse_target(path)?,
            size: None,
            mode: None,
            uid: None,
            gid: None,
            exec: None,
            suid: None,
            dev: None,
        };
        for option in options.split(',').filter(|option| !option.is_empty()) {
            told.option(option)?;
        }
        Ok(told)
    }
}

impl TmpfsOverride {
    fn option(&mut self, option: &str) -> Result<(), OverrideError> {
        let bad = || OverrideError::Option(printable(option));
        match option.split_once('=') {
            None => match option {
                "rw" => {}
                "exec" | "noexec" => self.exec = Some(option == "exec"),
                "suid" | "nosuid" => self.suid = Some(option == "suid"),
                "dev" | "nodev" => self.dev = Some(option == "dev"),
                _ => return Err(bad()),
            },
            Some(("size", size)) => self.size = Some(parse_size(size)?),
            Some(("mode", mode)) => {
                let octal = mode.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
                let mode = octal.then(|| u32::from_str_radix(mode, 8).ok()).flatten();
                self.mode = Some(mode.filter(|mode| *mode <= 0o7777).ok_or_else(bad)?);
            }
            Some(("uid", uid)) => self.uid = Some(parse_id(uid).ok_or_else(bad)?),
            Some(("gid", gid)) => self.gid = Some(parse_id(gid).ok_or_else(bad)?),
            Some(_) => return Err(bad()),
        }
        Ok(())
    }
}

/// A user or group id; the highest number stands for none (chown(2)).
fn parse_id(text: &str) -> Option<u32> {
    text.parse().ok().filter(|id| *id != u32::MAX)
}

impl FromStr for IgnoreGlob {
    type Err = OverrideError;

    /// Reads a pattern for absolute paths: `*` and `?` match within one component, `**` across them.
    fn from_str(text: &str) -> Result<Self, OverrideError> {
        if !(text.starts_with('/') || text.starts_with("**")) {
            return Err(OverrideError::Glob(format!(
                "`{}` matches no path: a pattern starts with `/` or `**`",
                printable(text)
            )));
        }
        if text.len() > MAX_GLOB_BYTES {
            return Err(OverrideError::Glob(format!("a pattern is at most {MAX_GLOB_BYTES} bytes long")));
        }
        GlobBuilder::new(text)
            .literal_separator(true)
            .backslash_escape(true)
            .build()
            .map(|glob| Self(glob.compile_matcher()))
            .map_err(|error| OverrideError::Glob(printable(&error.to_string())))
    }
}

impl IgnoreGlob {
    /// The pattern as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.glob().glob()
    }

    /// Whether the path, or a directory that it lies in, matches.
    #[must_use]
    pub fn matches(&self, path: &SubjectPath) -> bool {
        path.ancestors().any(|above| self.0.is_match_candidate(&Candidate::from_bytes(above.as_bytes())))
    }
}

impl Overrides {
    /// These and, where they do not say, those of `other`. Patterns of both count.
    #[must_use]
    pub fn over(mut self, other: Self) -> Self {
        let Self { tmpfs, volumes, ignore, max_tmpfs } = other;
        let own: Vec<SubjectPath> = self.told().into_keys().cloned().collect();
        self.tmpfs.extend(tmpfs.into_iter().filter(|told| !own.contains(&told.target)));
        self.volumes.extend(volumes.into_iter().filter(|target| !own.contains(target)));
        self.ignore.extend(ignore);
        self.max_tmpfs = self.max_tmpfs.or(max_tmpfs);
        self
    }

    /// Whether an operation is to be left out: all its names match.
    #[must_use]
    pub fn ignores(&self, write: &Write) -> bool {
        let matches = |path: &SubjectPath| self.ignore.iter().any(|pattern| pattern.matches(path));
        matches(&write.path) && write.from.as_ref().is_none_or(matches)
    }

    /// Where the user wants what.
    pub(super) fn told(&self) -> BTreeMap<&SubjectPath, Told> {
        let tmpfs = self.tmpfs.iter().map(|told| (&told.target, Told::Tmpfs));
        tmpfs.chain(self.volumes.iter().map(|target| (target, Told::Volume))).collect()
    }

    /// What is said about a tmpfs there.
    pub(super) fn tmpfs_on(&self, target: &SubjectPath) -> Option<&TmpfsOverride> {
        self.tmpfs.iter().find(|told| told.target == *target)
    }

    /// Checks that all of it can be done with the subject of a profile.
    ///
    /// # Errors
    /// [`OverrideError`] names the first that cannot.
    pub fn check(&self, profile: &Profile) -> Result<(), OverrideError> {
        if self.tmpfs.len().saturating_add(self.volumes.len()).max(self.ignore.len()) > MAX_COUNT {
            return Err(OverrideError::TooMany);
        }
        let mut targets: Vec<&SubjectPath> =
            self.tmpfs.iter().map(|told| &told.target).chain(&self.volumes).collect();
        targets.sort();
        let mut pairs = targets.iter().zip(targets.iter().skip(1));
        if let Some((twice, _)) = pairs.find(|(a, b)| a == b) {
            return Err(OverrideError::Twice((*twice).clone()));
        }
        for target in targets {
            let mount = profile.subject.mounts.iter().find(|mount| mount.target == *target);
            if mount.is_some_and(|mount| mount.kind != MountKind::ImageVolume) {
                return Err(OverrideError::Mounted(target.clone()));
            }
            let entry = profile.subject.image_entries.iter().find(|entry| entry.path == *target);
            if entry.is_some_and(|entry| entry.kind != crate::model::ObjectKind::Directory) {
                return Err(OverrideError::NoDirectory(target.clone()));
            }
        }
        Ok(())
    }
}
