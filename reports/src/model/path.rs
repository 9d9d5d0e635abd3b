//! Paths as the subject sees them: any bytes but NUL, carried through JSON without loss.
//!
//! JSON strings are Unicode, Linux paths are bytes. A backslash is written as `\\`, and a byte that is not part
//! of valid UTF-8 as `\xHH` (two lower-case hexadecimal digits); everything else stands for itself. The escaping
//! is reversible: `SubjectPath::from_escaped(p.escaped()) == p` for every path.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use smallvec::SmallVec;

/// The longest path that is kept, in bytes. The kernel's own limit for one path argument is `PATH_MAX` (4,096);
/// a directory plus a relative name may be longer.
pub const MAX_PATH_BYTES: usize = 3 * 4096;

/// A path in the subject's mount namespace, relative to the container's root: absolute, no NUL, no `.` or `..`
/// component, no trailing slash (but for the root itself).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectPath(Bytes);

/// A profile of a million operations has a million times the same few mount points: short ones stand in place.
type Bytes = SmallVec<[u8; 16]>;

/// Why some text is no [`SubjectPath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path does not start with a slash.
    #[error("a path must be absolute (start with `/`)")]
    NotAbsolute,
    /// The path holds a NUL byte.
    #[error("a path holds no NUL byte")]
    Nul,
    /// The path is longer than [`MAX_PATH_BYTES`].
    #[error("a path is at most {MAX_PATH_BYTES} bytes long")]
    TooLong,
    /// A backslash is followed by neither a backslash nor `xHH`.
    #[error(r"a backslash in a path is written `\\`, a raw byte `\xHH`")]
    BadEscape,
}

impl SubjectPath {
    /// The root directory, `/`.
    #[must_use]
    pub fn root() -> Self {
        Self(Bytes::from_slice(b"/"))
    }

    /// A path from raw bytes. Empty and `.` components are dropped, `..` goes one component up (lexically, never
    /// above the root).
    ///
    /// # Errors
    /// [`PathError`] where the bytes are not absolute, hold a NUL or are too long.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PathError> {
        if bytes.first() != Some(&b'/') {
            return Err(PathError::NotAbsolute);
        }
        if bytes.contains(&0) {
            return Err(PathError::Nul);
        }
        if bytes.len() > MAX_PATH_BYTES {
            return Err(PathError::TooLong);
        }
        if is_normal(bytes) {
            return Ok(Self(Bytes::from_slice(bytes)));
        }
        let mut parts: Vec<&[u8]> = Vec::new();
        for part in bytes.split(|b| *b == b'/') {
            match part {
                b"" | b"." => {}
                b".." => {
                    parts.pop();
                }
                part => parts.push(part),
            }
        }
        let mut path = Bytes::new();
        for part in parts {
            path.push(b'/');
            path.extend_from_slice(part);
        }
        if path.is_empty() {
            path.push(b'/');
        }
        Ok(Self(path))
    }

    /// The inverse of [`SubjectPath::escaped`].
    ///
    /// # Errors
    /// [`PathError`] where the text is no escaped path.
    pub fn from_escaped(text: &str) -> Result<Self, PathError> {
        if !text.contains('\\') {
            return Self::from_bytes(text.as_bytes());
        }
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((&first, tail)) = rest.split_first() {
            if first != b'\\' {
                bytes.push(first);
                rest = tail;
                continue;
            }
            match tail {
                [b'\\', tail @ ..] => {
                    bytes.push(b'\\');
                    rest = tail;
                }
                [b'x', high, low, tail @ ..] => {
                    let digit = |d: u8| char::from(d).to_digit(16).and_then(|d| u8::try_from(d).ok());
                    let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
                        return Err(PathError::BadEscape);
                    };
                    bytes.push(high << 4 | low);
                    rest = tail;
                }
                _ => return Err(PathError::BadEscape),
            }
        }
        Self::from_bytes(&bytes)
    }

    /// The path as reversible text (see the module's documentation). Control characters stand for themselves:
    /// whoever prints it to a terminal escapes those.
    #[must_use]
    pub fn escaped(&self) -> String {
        let mut text = String::with_capacity(self.0.len());
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c == '\\' {
                    text.push('\\');
                }
                text.push(c);
            }
            for byte in chunk.invalid() {
                text.push_str(&format!("\\x{byte:02x}"));
            }
        }
        text
    }

    /// The raw bytes, as the kernel has them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path as Unicode text, where it is any: what a JSON or YAML consumer such as Docker can be handed.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Whether this is `/`.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.as_slice() == b"/"
    }

    /// The directory that holds this path; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let slash = self.0.iter().rposition(|b| *b == b'/')?;
        Some(if slash == 0 { Self::root() } else { Self(Bytes::from_slice(self.0.get(..slash)?)) })
    }

    /// The last component; empty for the root.
    #[must_use]
    pub fn file_name(&self) -> &[u8] {
        self.0.rsplit(|b| *b == b'/').next().unwrap_or_default()
    }

    /// This path, its parent, and so on up to and including the root.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self.clone()), Self::parent)
    }

    /// Whether `self` is `directory` or lies anywhere below it (by whole components).
    #[must_use]
    pub fn is_within(&self, directory: &Self) -> bool {
        directory.is_root()
            || self
                .0
                .strip_prefix(directory.0.as_slice())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }

    /// `self` with one component more.
    ///
    /// # Errors
    /// [`PathError`] where the component holds a NUL or makes the path too long.
    pub fn join(&self, name: &[u8]) -> Result<Self, PathError> {
        let mut bytes = self.0.clone();
        bytes.push(b'/');
        bytes.extend_from_slice(name);
        Self::from_bytes(&bytes)
    }
}

impl fmt::Debug for SubjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.escaped())
    }
}

/// Text for people: the escaped form with control characters escaped as well, so that a name cannot drive a terminal.
impl fmt::Display for SubjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::text::write_printable(f, &self.escaped())
    }
}

impl Serialize for SubjectPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.escaped())
    }
}

impl<'de> Deserialize<'de> for SubjectPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Takes the text as it lies in what is read.
        struct Escaped;

        impl de::Visitor<'_> for Escaped {
            type Value = SubjectPath;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SubjectPath, E> {
                SubjectPath::from_escaped(text).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Escaped)
    }
}

/// Whether an absolute path has no component that would be dropped, and no slash at its end.
fn is_normal(bytes: &[u8]) -> bool {
    bytes == b"/" || bytes.split(|byte| *byte == b'/').skip(1).all(|part| !matches!(part, b"" | b"." | b".."))
}

impl JsonSchema for SubjectPath {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SubjectPath".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^/",
            "description": "An absolute path as the subject sees it; a backslash is written `\\\\`, a byte that is no UTF-8 `\\xHH`."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(bytes: &[u8]) -> SubjectPath {
        SubjectPath::from_bytes(bytes).unwrap()
    }

    #[test]
    fn components_are_normalised() {
        for (raw, want) in [
            (&b"/"[..], &b"/"[..]),
            (b"//a//b/", b"/a/b"),
            (b"/a/./b", b"/a/b"),
            (b"/a/../../b", b"/b"),
            (b"/..", b"/"),
        ] {
            assert_eq!(path(raw).as_bytes(), want);
        }
    }

    #[test]
    fn bad_paths_are_refused() {
        assert_eq!(SubjectPath::from_bytes(b"a"), Err(PathError::NotAbsolute));
        assert_eq!(SubjectPath::from_bytes(b""), Err(PathError::NotAbsolute));
        assert_eq!(SubjectPath::from_bytes(b"/a\0b"), Err(PathError::Nul));
        assert_eq!(SubjectPath::from_bytes(&[b'/'; MAX_PATH_BYTES + 1]), Err(PathError::TooLong));
        for text in ["/\\", "/\\y", "/\\x1", "/\\xzz"] {
            assert_eq!(SubjectPath::from_escaped(text), Err(PathError::BadEscape), "{text}");
        }
    }

    #[test]
    fn containment_is_by_whole_components() {
        assert!(path(b"/run/a").is_within(&path(b"/run")));
        assert!(path(b"/run").is_within(&path(b"/run")));
        assert!(!path(b"/running").is_within(&path(b"/run")));
        assert!(path(b"/x").is_within(&SubjectPath::root()));
        assert_eq!(path(b"/a/b").parent(), Some(path(b"/a")));
        assert_eq!(path(b"/a").parent(), Some(SubjectPath::root()));
        assert_eq!(SubjectPath::root().parent(), None);
    }

    proptest! {
        #[test]
        fn escaping_is_reversible(name in proptest::collection::vec(1u8..=255, 0..64)) {
            let path = SubjectPath::root().join(&name).unwrap();
            prop_assert_eq!(SubjectPath::from_escaped(&path.escaped()).unwrap(), path);
        }

        #[test]
        fn display_never_holds_control_characters(name in proptest::collection::vec(1u8..=255, 0..64)) {
            let text = SubjectPath::root().join(&name).unwrap().to_string();
            prop_assert!(!text.chars().any(char::is_control));
        }
    }
}
