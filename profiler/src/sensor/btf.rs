//! The BPF Type Format, as far as it takes to find the offset of a structure's member.
//!
//! Owns: parsing the type section of `/sys/kernel/btf/vmlinux` (format: Linux Documentation/bpf/btf.rst). Never
//! trusts a length or index in it. aya parses BTF too, but keeps its types to itself; the other parsers
//! stop at older kinds or are under a copyleft licence.

use std::collections::HashMap;

use zerocopy::{FromBytes, Immutable, KnownLayout};

/// Why an offset could not be found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BtfError {
    /// The data ends early, or an index points outside.
    #[error("the kernel's BTF, /sys/kernel/btf/vmlinux, is truncated or malformed ({0})")]
    Malformed(&'static str),
    /// No structure of that name.
    #[error("the kernel's BTF has no `struct {0}`")]
    NoStructure(String),
    /// No such member in it.
    #[error("the kernel's BTF has no member `{1}` in `struct {0}`")]
    NoMember(String, String),
    /// The member does not start at a byte.
    #[error("member `{1}` of `struct {0}` is a bit-field")]
    BitField(String, String),
}

/// `struct btf_header`, without what later versions append.
#[derive(FromBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Header {
    magic: u16,
    version: u8,
    flags: u8,
    length: u32,
    types_at: u32,
    types_length: u32,
    strings_at: u32,
    strings_length: u32,
}

const MAGIC: u16 = 0xeb9f;

// Kinds, `enum` of include/uapi/linux/btf.h.
const KIND_INT: u32 = 1;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_TYPEDEF: u32 = 8;
const KIND_VOLATILE: u32 = 9;
const KIND_CONST: u32 = 10;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;
const KIND_DECL_TAG: u32 = 17;
const KIND_TYPE_TAG: u32 = 18;
const KIND_ENUM64: u32 = 19;

/// How deep anonymous structures and typedefs may nest.
const MAX_DEPTH: u32 = 16;

/// A type, as far as it matters.
enum Type {
    /// A structure or union: its size in bytes, and where its members stand in [`Btf::members`].
    Composite { size: u32, first: usize, count: usize },
    /// Another name for, or a qualifier of, a type.
    Alias(u32),
    /// Anything else.
    Other,
}

struct Member {
    name: u32,
    type_id: u32,
    bit_offset: u32,
    bits: u32,
}

/// Parsed BTF.
pub(crate) struct Btf {
    types: Vec<Type>,
    members: Vec<Member>,
    strings: Vec<u8>,
    structures: HashMap<Vec<u8>, Vec<u32>>,
    /// Names of variables; the kernel has those that every CPU has its own of.
    variables: Vec<u32>,
}

/// A cursor over the type section.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn word(&mut self) -> Result<u32, BtfError> {
        let (word, rest) = self.0.split_first_chunk::<4>().ok_or(BtfError::Malformed("types end early"))?;
        self.0 = rest;
        Ok(u32::from_le_bytes(*word))
    }

    fn skip(&mut self, words: usize) -> Result<(), BtfError> {
        self.0 = self.0.get(words * 4..).ok_or(BtfError::Malformed("types end early"))?;
        Ok(())
    }
}

impl Btf {
    /// Parses the content of `/sys/kernel/btf/vmlinux`.
    ///
    /// # Errors
    /// [`BtfError::Malformed`].
    pub(crate) fn parse(data: &[u8]) -> Result<Self, BtfError> {
        let (header, _) = Header::read_from_prefix(data).map_err(|_| BtfError::Malformed("no header"))?;
        if header.magic != MAGIC || header.version != 1 {
            return Err(BtfError::Malformed("not BTF version 1 of this byte order"));
        }
        let section = |at: u32, length: u32| {
            let begin = (header.length as usize).checked_add(at as usize)?;
            data.get(begin..begin.checked_add(length as usize)?)
        };
        let types = section(header.types_at, header.types_length)
            .ok_or(BtfError::Malformed("the type section lies outside"))?;
        let strings = section(header.strings_at, header.strings_length)
            .ok_or(BtfError::Malformed("the string section lies outside"))?;
        let mut btf = Self {
            types: vec![Type::Other], // Number 0 is void.
            members: Vec::new(),
            strings: strings.to_vec(),
            structures: HashMap::new(),
            variables: Vec::new(),
        };
        let mut cursor = Cursor(types);
        while !cursor.0.is_empty() {
            btf.parse_type(&mut cursor)?;
        }
        Ok(btf)
    }

    fn parse_type(&mut self, cursor: &mut Cursor<'_>) -> Result<(), BtfError> {
        let name = cursor.word()?;
        let info = cursor.word()?;
        let size_or_type = cursor.word()?;
        let count = (info & 0xffff) as usize;
        let has_bit_fields = info >> 31 == 1;
        let id = u32::try_from(self.types.len()).map_err(|_| BtfError::Malformed("too many types"))?;
        let parsed = match (info >> 24) & 0x1f {
            kind @ (KIND_STRUCT | KIND_UNION) => {
                let first = self.members.len();
                for _ in 0..count {
                    let (name, type_id, offset) = (cursor.word()?, cursor.word()?, cursor.word()?);
                    let (bit_offset, bits) =
                        if has_bit_fields { (offset & 0xff_ffff, offset >> 24) } else { (offset, 0) };
                    self.members.push(Member { name, type_id, bit_offset, bits });
                }
                if kind == KIND_STRUCT && name != 0 {
                    let name = self.string(name)?.to_vec();
                    self.structures.entry(name).or_default().push(id);
                }
                Type::Composite { size: size_or_type, first, count }
            }
            KIND_TYPEDEF | KIND_VOLATILE | KIND_CONST | KIND_TYPE_TAG => Type::Alias(size_or_type),
            kind => {
                if kind == KIND_VAR {
                    self.variables.push(name);
                }
                // How many words follow, by kind.
                cursor.skip(match kind {
                    KIND_INT | KIND_VAR | KIND_DECL_TAG => 1,
                    KIND_ARRAY => 3,
                    KIND_ENUM | KIND_FUNC_PROTO => 2 * count,
                    KIND_DATASEC | KIND_ENUM64 => 3 * count,
                    0 | 20.. => return Err(BtfError::Malformed("an unknown kind of type")),
                    _ => 0,
                })?;
                Type::Other
            }
        };
        self.types.push(parsed);
        Ok(())
    }

    fn string(&self, at: u32) -> Result<&[u8], BtfError> {
        let rest = self.strings.get(at as usize..).ok_or(BtfError::Malformed("a name lies outside"))?;
        rest.split(|byte| *byte == 0).next().ok_or(BtfError::Malformed("a name lies outside"))
    }

    /// The offset in bytes of a member of a structure; members of anonymous structures and unions inside it count as
    /// its own.
    ///
    /// # Errors
    /// [`BtfError`] naming what is missing.
    pub(crate) fn offset_of(&self, structure: &str, member: &str) -> Result<u32, BtfError> {
        let ids = self.ids_of(structure)?;
        for id in ids {
            match self.find(*id, member.as_bytes(), 0)? {
                Some((bits, 0)) if bits % 8 == 0 => return Ok(bits / 8),
                Some(_) => return Err(BtfError::BitField(structure.to_owned(), member.to_owned())),
                None => {}
            }
        }
        Err(BtfError::NoMember(structure.to_owned(), member.to_owned()))
    }

    /// Whether there is a variable of that name that every CPU has its own of.
    pub(crate) fn has_variable(&self, name: &str) -> bool {
        self.variables.iter().any(|at| self.string(*at).is_ok_and(|known| known == name.as_bytes()))
    }

    /// The size of a structure in bytes.
    ///
    /// # Errors
    /// [`BtfError::NoStructure`].
    pub(crate) fn size_of(&self, structure: &str) -> Result<u32, BtfError> {
        self.ids_of(structure)?
            .iter()
            .find_map(|id| match self.types.get(*id as usize) {
                Some(Type::Composite { size, .. }) => Some(*size),
                _ => None,
            })
            .ok_or_else(|| BtfError::NoStructure(structure.to_owned()))
    }

    fn ids_of(&self, structure: &str) -> Result<&[u32], BtfError> {
        self.structures
            .get(structure.as_bytes())
            .map(Vec::as_slice)
            .ok_or_else(|| BtfError::NoStructure(structure.to_owned()))
    }

    /// Bit offset and bit-field size (0: none) of a member.
    fn find(&self, id: u32, wanted: &[u8], depth: u32) -> Result<Option<(u32, u32)>, BtfError> {
        if depth > MAX_DEPTH {
            return Err(BtfError::Malformed("types nest too deeply"));
        }
        let (first, count) = match self.types.get(id as usize) {
            Some(Type::Composite { first, count, .. }) => (*first, *count),
            Some(Type::Alias(id)) => return self.find(*id, wanted, depth + 1),
            Some(Type::Other) => return Ok(None),
            None => return Err(BtfError::Malformed("a type lies outside")),
        };
        for member in self.members.iter().skip(first).take(count) {
            let name = self.string(member.name)?;
            if name == wanted {
                return Ok(Some((member.bit_offset, member.bits)));
            }
            if name.is_empty()
                && let Some((bits, size)) = self.find(member.type_id, wanted, depth + 1)?
            {
                return Ok(Some((bits.saturating_add(member.bit_offset), size)));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod kernels;

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds small BTF by hand.
    #[derive(Default)]
    struct Builder {
        types: Vec<u8>,
        strings: Vec<u8>,
    }

    impl Builder {
        fn new() -> Self {
            Self { types: Vec::new(), strings: vec![0] }
        }
        fn name(&mut self, name: &str) -> u32 {
            if name.is_empty() {
                return 0;
            }
            let at = self.strings.len() as u32;
            self.strings.extend_from_slice(name.as_bytes());
            self.strings.push(0);
            at
        }
        fn words(&mut self, words: &[u32]) {
            for word in words {
                self.types.extend_from_slice(&word.to_le_bytes());
            }
        }
        /// A structure (or union) of (name, type, offset word).
        fn composite(&mut self, kind: u32, name: &str, bit_fields: bool, members: &[(&str, u32, u32)]) {
            let name = self.name(name);
            let info = u32::from(bit_fields) << 31 | kind << 24 | members.len() as u32;
            self.words(&[name, info, 64]);
            for (member, type_id, offset) in members {
                let member = self.name(member);
                self.words(&[member, *type_id, *offset]);
            }
        }
        fn build(&self) -> Vec<u8> {
            let mut data = Vec::new();
            data.extend_from_slice(&MAGIC.to_le_bytes());
            data.extend_from_slice(&[1, 0]);
            for word in [24, 0, self.types.len() as u32, self.types.len() as u32, self.strings.len() as u32] {
                data.extend_from_slice(&word.to_le_bytes());
            }
            data.extend_from_slice(&self.types);
            data.extend_from_slice(&self.strings);
            data
        }
    }

    fn sample() -> Vec<u8> {
        let mut builder = Builder::new();
        let int = builder.name("int");
        builder.words(&[int, KIND_INT << 24, 4, 32]); // 1
        builder.composite(KIND_STRUCT, "", false, &[("deep", 1, 32)]); // 2
        builder.composite(KIND_UNION, "", false, &[("left", 1, 0), ("", 2, 0)]); // 3
        builder.words(&[0, KIND_CONST << 24, 3]); // 4
        builder.composite(KIND_STRUCT, "outer", false, &[("first", 1, 0), ("", 4, 64)]); // 5
        builder.composite(
            KIND_STRUCT,
            "flags",
            true,
            &[("bit", 1, 1 << 24), ("later", 1, 3 << 24 | 1), ("whole", 1, 32)],
        ); // 6
        builder.build()
    }

    #[test]
    fn members_of_anonymous_nesting_are_found() {
        let btf = Btf::parse(&sample()).unwrap();
        assert_eq!(btf.offset_of("outer", "first"), Ok(0));
        assert_eq!(btf.offset_of("outer", "left"), Ok(8));
        assert_eq!(btf.offset_of("outer", "deep"), Ok(12));
        assert_eq!(btf.size_of("outer"), Ok(64));
    }

    #[test]
    fn bit_fields_and_missing_members_are_named() {
        let btf = Btf::parse(&sample()).unwrap();
        assert_eq!(btf.offset_of("flags", "whole"), Ok(4));
        assert_eq!(btf.offset_of("flags", "bit"), Err(BtfError::BitField("flags".into(), "bit".into())));
        assert_eq!(btf.offset_of("flags", "later"), Err(BtfError::BitField("flags".into(), "later".into())));
        assert_eq!(btf.offset_of("outer", "nope"), Err(BtfError::NoMember("outer".into(), "nope".into())));
        assert_eq!(btf.offset_of("nope", "x"), Err(BtfError::NoStructure("nope".into())));
    }

    #[test]
    fn every_kind_is_stepped_over() {
        // Kind, number of elements, words that follow the first three.
        let kinds = [
            (KIND_INT, 0, 1),
            (2, 0, 0), // pointer
            (KIND_ARRAY, 0, 3),
            (KIND_ENUM, 2, 4),
            (7, 0, 0), // forward declaration
            (KIND_TYPEDEF, 0, 0),
            (KIND_VOLATILE, 0, 0),
            (KIND_CONST, 0, 0),
            (11, 0, 0), // restrict
            (12, 0, 0), // function
            (KIND_FUNC_PROTO, 2, 4),
            (KIND_VAR, 0, 1),
            (KIND_DATASEC, 2, 6),
            (16, 0, 0), // float
            (KIND_DECL_TAG, 0, 1),
            (KIND_TYPE_TAG, 0, 0),
            (KIND_ENUM64, 2, 6),
        ];
        for (kind, count, words) in kinds {
            let mut builder = Builder::new();
            builder.words(&[0, kind << 24 | count, 1]);
            builder.words(&vec![0; words]);
            builder.composite(KIND_STRUCT, "after", false, &[("member", 0, 64)]);
            let btf = Btf::parse(&builder.build()).unwrap();
            assert_eq!(btf.offset_of("after", "member"), Ok(8), "kind {kind}");
        }
        let mut builder = Builder::new();
        builder.words(&[0, 20 << 24, 1]);
        assert!(matches!(Btf::parse(&builder.build()), Err(BtfError::Malformed(_))), "an unknown kind");
    }

    #[test]
    fn variables_are_known_by_name() {
        let mut builder = Builder::new();
        let name = builder.name("counter");
        builder.words(&[name, KIND_VAR << 24, 0, 1]);
        let btf = Btf::parse(&builder.build()).unwrap();
        assert!(btf.has_variable("counter"));
        assert!(!btf.has_variable("count"));
    }

    #[test]
    fn the_structure_of_that_name_that_has_the_member_counts() {
        let mut builder = Builder::new();
        builder.composite(KIND_STRUCT, "twin", false, &[("a", 0, 0)]);
        builder.composite(KIND_STRUCT, "twin", false, &[("b", 0, 32)]);
        let btf = Btf::parse(&builder.build()).unwrap();
        assert_eq!((btf.offset_of("twin", "a"), btf.offset_of("twin", "b")), (Ok(0), Ok(4)));
    }

    #[test]
    fn truncated_data_is_refused_at_every_length() {
        let data = sample();
        for length in 0..data.len() {
            assert!(matches!(Btf::parse(&data[..length]), Err(BtfError::Malformed(_))), "{length} bytes");
        }
    }

    #[test]
    fn types_that_hold_themselves_end() {
        let mut builder = Builder::new();
        builder.composite(KIND_STRUCT, "loop", false, &[("", 1, 0)]);
        let btf = Btf::parse(&builder.build()).unwrap();
        assert!(matches!(btf.offset_of("loop", "x"), Err(BtfError::Malformed(_))));
    }
}
