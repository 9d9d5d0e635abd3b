//! Reading JSON within the bounds in one go, where all is as it should be.
//!
//! Owns a deserializer around another one that counts what passes. It lets through what the types of a profile are made
//! of and every field of which is known; whatever else there is, and whatever is beyond a bound, makes it fail without
//! saying why: that is for the pass that keeps track of the place (see the module above).

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;

use super::{Lists, MAX_MEMBERS, MAX_TEXT_BYTES, MAX_VALUES, most};

/// Reads `text`, or `None` where it is not what is expected.
pub(super) fn read<'de, T: Deserialize<'de>>(text: &'de str, lists: Lists<'_>) -> Option<T> {
    let mut state = State { lists, values: 0, name: "" };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = T::deserialize(Bounded { inner: &mut deserializer, state: &mut state }).ok()?;
    deserializer.end().ok()?;
    Some(value)
}

struct State<'l, 'de> {
    lists: Lists<'l>,
    values: usize,
    /// The name of the member at hand.
    name: &'de str,
}

impl State<'_, '_> {
    fn count<E: Error>(&mut self) -> Result<(), E> {
        self.values += 1;
        if self.values > MAX_VALUES { Err(refused()) } else { Ok(()) }
    }
}

fn refused<E: Error>() -> E {
    E::custom("not read in one go")
}

/// A deserializer, or a visitor, or a list, and so on, with what is counted.
struct Bounded<'s, 'l, 'de, T> {
    inner: T,
    state: &'s mut State<'l, 'de>,
}

macro_rules! counted {
    ($visitor:path: $($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.state.count()?;
            self.inner.$method($visitor(visitor))
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Bounded<'_, '_, 'de, D> {
    type Error = D::Error;

    counted! {
        std::convert::identity: deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64
    }

    counted! { Text: deserialize_str deserialize_string }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.state.count()?;
        self.inner.deserialize_option(Bounded { inner: visitor, state: self.state })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.state.count()?;
        self.inner.deserialize_seq(Bounded { inner: visitor, state: self.state })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.state.count()?;
        self.inner.deserialize_map(Map(Bounded { inner: visitor, state: self.state }))
    }

    // That no field is there twice is what the visitor of a structure sees to.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.state.count()?;
        self.inner.deserialize_struct(name, fields, Bounded { inner: visitor, state: self.state })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.state.count()?;
        self.inner.deserialize_enum(name, variants, Unit(visitor))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, D::Error> {
        Err(refused())
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Bounded<'_, '_, 'de, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Bounded { inner: deserializer, state: self.state })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<V::Value, A::Error> {
        let most = most(self.state.lists, self.state.name);
        self.inner.visit_seq(List { inner: Bounded { inner: list, state: self.state }, left: most })
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Bounded { inner: object, state: self.state })
    }
}

/// A list, and how many elements it may have from here on.
struct List<'s, 'l, 'de, A> {
    inner: Bounded<'s, 'l, 'de, A>,
    left: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for List<'_, '_, 'de, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let element = self.inner.inner.next_element_seed(Bounded { inner: seed, state: self.inner.state })?;
        if element.is_some() {
            self.left = self.left.checked_sub(1).ok_or_else(refused)?;
        }
        Ok(element)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Bounded<'_, '_, 'de, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Bounded { inner: deserializer, state: self.state })
    }
}

/// The members of a structure.
impl<'de, A: MapAccess<'de>> MapAccess<'de> for Bounded<'_, '_, 'de, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        match self.inner.next_key_seed(Name)? {
            Some(name) => {
                self.state.name = name;
                seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some)
            }
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(Bounded { inner: seed, state: self.state })
    }
}

/// The name of a member that is written without escapes, as all that are known are.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = &'de str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<&'de str, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = &'de str;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<&'de str, E> {
        Ok(name)
    }
}

/// A visitor of an object with any names, or that object.
struct Map<T>(T);

impl<'de, V: Visitor<'de>> Visitor<'de> for Map<Bounded<'_, '_, 'de, V>> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.inner.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<V::Value, A::Error> {
        let Bounded { inner: visitor, state } = self.0;
        visitor.visit_map(Distinct { object: Bounded { inner: object, state }, names: Vec::new() })
    }
}

/// The members of such an object, and their names so far: few, by [`MAX_MEMBERS`].
struct Distinct<'s, 'l, 'de, A> {
    object: Bounded<'s, 'l, 'de, A>,
    names: Vec<&'de str>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Distinct<'_, '_, 'de, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let key = self.object.next_key_seed(seed)?;
        if key.is_some() {
            let name = self.object.state.name;
            if self.names.len() >= MAX_MEMBERS || self.names.contains(&name) {
                return Err(refused());
            }
            self.names.push(name);
        }
        Ok(key)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.object.next_value_seed(seed)
    }
}

/// A visitor of a text.
struct Text<V>(V);

fn within<E: Error>(text: &str) -> Result<&str, E> {
    if text.len() > MAX_TEXT_BYTES { Err(refused()) } else { Ok(text) }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Text<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.expecting(f)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<V::Value, E> {
        self.0.visit_borrowed_str(within(text)?)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<V::Value, E> {
        self.0.visit_str(within(text)?)
    }
}

/// A visitor of one of several words, or that word: nothing may come with it.
struct Unit<T>(T);

impl<'de, V: Visitor<'de>> Visitor<'de> for Unit<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.expecting(f)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, word: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(Unit(word))
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Unit<A> {
    type Error = A::Error;
    type Variant = Unit<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (word, rest) = self.0.variant_seed(seed)?;
        Ok((word, Unit(rest)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Unit<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, _: S) -> Result<S::Value, A::Error> {
        Err(refused())
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, A::Error> {
        Err(refused())
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, A::Error> {
        Err(refused())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::super::{self as json, MAX_LIST};

    #[derive(Debug, PartialEq, Deserialize)]
    struct Shelf {
        #[serde(default)]
        label: Option<String>,
        #[serde(default)]
        books: Vec<Book>,
        #[serde(default)]
        notes: BTreeMap<String, String>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Book {
        pages: u32,
        #[serde(default)]
        cover: Cover,
    }

    #[derive(Debug, PartialEq, Default, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Cover {
        #[default]
        Soft,
        Hard,
    }

    const LISTS: &[(&str, usize)] = &[("books", 3)];

    fn shelf(text: &str) -> Option<Shelf> {
        json::read(text.as_bytes(), LISTS)
    }

    #[test]
    fn what_is_as_it_should_be_is_read_in_one_go() {
        let text = r#"{"books": [{"pages": 7, "cover": "hard"}, {"pages": 9}, {"pages": 1}],
            "label": "a\nb", "notes": {"x": "1", "y": "1"}}"#;
        let read = shelf(text).unwrap();
        assert_eq!(read, serde_json::from_str(text).unwrap());
        assert_eq!((read.books.len(), read.notes.len()), (3, 2));
        assert_eq!(shelf(r#"{"label": null}"#).unwrap().label, None);
    }

    #[test]
    fn anything_else_is_left_to_the_pass_that_tells_why() {
        for text in [
            "",
            "[",
            "{} {}",
            r#"{"label": 1}"#,
            r#"{"unknown": 1}"#,
            r#"{"label": "a", "label": "b"}"#,
            r#"{"notes": {"x": "1", "x": "2"}}"#,
            r#"{"books": [{"pages": 1}, {"pages": 1}, {"pages": 1}, {"pages": 1}]}"#,
            r#"{"books": [{"pages": -1}]}"#,
            r#"{"books": [{"pages": 1, "cover": {"hard": [1]}}]}"#,
            "{\"label\": \"\u{1}\"}",
        ] {
            assert_eq!(shelf(text), None, "{text}");
        }
        let list = |length: usize| format!("[{}]", vec!["\"\""; length].join(","));
        assert!(json::read::<Vec<String>>(list(MAX_LIST).as_bytes(), &[]).is_some());
        assert!(json::read::<Vec<String>>(list(MAX_LIST + 1).as_bytes(), &[]).is_none());
        assert!(json::read::<String>(b"\"\xff\"", &[]).is_none());
        let long = format!("\"{}\"", "x".repeat(json::MAX_TEXT_BYTES + 1));
        assert!(json::read::<String>(long.as_bytes(), &[]).is_none());
        assert!(json::read::<Vec<Vec<u64>>>(b"[[1], [2, 3]]", &[]).is_some());
    }

    proptest! {
        /// The pass over anything refuses nothing that is read in one go.
        #[test]
        fn what_is_read_in_one_go_is_within_the_bounds(
            at in 0usize..200,
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), proptest::sample::select(b"{}[]\",:01x ".to_vec())], 0..4),
            cut in 0usize..8,
        ) {
            let mut text = br#"{"label": "a", "books": [{"pages": 7, "cover": "hard"}], "notes": {"x": "1", "y": "2"}}"#.to_vec();
            let at = at % text.len();
            let end = (at + cut).min(text.len());
            text.splice(at..end, bytes);
            if let Some(read) = json::read::<Shelf>(&text, LISTS) {
                let scanned = json::scan(&text, LISTS);
                prop_assert_eq!(scanned.unwrap().read::<Shelf>().unwrap(), read);
            }
        }
    }
}
