//! One pass over JSON that keeps nothing but where it is, so that it can say what is beyond a bound and where.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::de::Read;

use super::{JsonError, Lists, MAX_MEMBERS, MAX_TEXT_BYTES, MAX_VALUES, most};
use crate::text::printable;

/// How many steps of a field's name are shown, and how much of each.
const SHOWN_STEPS: usize = 16;
const SHOWN_KEY_CHARS: usize = 40;

/// What a pass over an object told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scanned<'a> {
    /// What was gone over.
    text: &'a str,
    /// The member `schema`: a text as it is, anything else as JSON or by its kind; `None` where it is missing.
    schema: Option<String>,
}

impl<'a> Scanned<'a> {
    /// Nothing, where the schema is the one that is read; else what stands there, for a message.
    pub(crate) fn is_of(&self, schema: &str) -> Result<(), String> {
        match &self.schema {
            Some(found) if found == schema => Ok(()),
            Some(found) => {
                Err(format!("`{}`", printable(&found.chars().take(SHOWN_KEY_CHARS).collect::<String>())))
            }
            None => Err("missing".to_owned()),
        }
    }

    /// Reads it; where it has another shape the error names the field.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        let error = match serde_json::from_str::<T>(self.text) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        // Following the path costs time, so that only what cannot be read is read that way.
        let mut deserializer = serde_json::Deserializer::from_str(self.text);
        let field = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
            Err(error) => error.path().to_string(),
            Ok(_) => String::new(),
        };
        Err(JsonError::new(&error, if field == "." { "" } else { &field }))
    }
}

/// Goes over `bytes`, which are one object, and checks the bounds. `lists` are the names of members whose lists may
/// be of another length than [`super::MAX_LIST`].
pub(crate) fn scan<'a>(bytes: &'a [u8], lists: Lists<'_>) -> Result<Scanned<'a>, JsonError> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        // Which text it is that is none, and where, the reader of bytes finds.
        let found = scan_with(serde_json::Deserializer::from_slice(bytes), lists);
        return Err(found.err().unwrap_or_else(|| JsonError {
            line: 0,
            column: 0,
            field: String::new(),
            message: "it is no UTF-8".to_owned(),
        }));
    };
    let schema = scan_with(serde_json::Deserializer::from_str(text), lists)?;
    Ok(Scanned { text, schema })
}

fn scan_with<'de, R: Read<'de>>(
    mut deserializer: serde_json::Deserializer<R>,
    lists: Lists<'_>,
) -> Result<Option<String>, JsonError> {
    let mut state =
        State { lists, path: Vec::new(), keys: Vec::new(), distinct: Vec::new(), values: 0, schema: None };
    let result = Any(&mut state).deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match result {
        Ok(()) => Ok(state.schema),
        Err(error) => Err(JsonError::new(&error, &state.field())),
    }
}

/// A step from a value to one in it.
enum Step<'de> {
    Member(Cow<'de, str>),
    Element(usize),
}

struct State<'s, 'de> {
    lists: Lists<'s>,
    /// Where the value at hand is; left as it is by an error.
    path: Vec<Step<'de>>,
    /// The names of the members so far of all objects around.
    keys: Vec<Cow<'de, str>>,
    /// The names of the last object of which it was found that none is there twice. Objects of one list mostly have the same.
    distinct: Vec<Cow<'de, str>>,
    values: usize,
    schema: Option<String>,
}

impl<'de> State<'_, 'de> {
    fn field(&self) -> String {
        let mut text = String::new();
        for step in self.path.iter().take(SHOWN_STEPS) {
            match step {
                Step::Member(name) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.extend(name.chars().take(SHOWN_KEY_CHARS));
                }
                Step::Element(index) => text.push_str(&format!("[{index}]")),
            }
        }
        if self.path.len() > SHOWN_STEPS {
            text.push('…');
        }
        text
    }

    fn count<E: de::Error>(&mut self) -> Result<(), E> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(E::custom(format_args!("more than {MAX_VALUES} values in all")));
        }
        Ok(())
    }

    /// A value that is no list and no object.
    fn scalar<E: de::Error>(&mut self, text: impl FnOnce() -> String) -> Result<(), E> {
        self.count()?;
        match self.path.as_slice() {
            [] => Err(E::custom("expected an object with a field `schema`")),
            [Step::Member(name)] if name == "schema" => {
                self.schema = Some(text());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A name that is there twice among those from `first` on.
    fn twice(&mut self, first: usize) -> Option<Cow<'de, str>> {
        let own = self.keys.get_mut(first..).unwrap_or_default();
        if own.len() < 2 || *own == *self.distinct {
            return None;
        }
        self.distinct.clear();
        self.distinct.extend_from_slice(own);
        own.sort_unstable();
        let twice = own.windows(2).find_map(|pair| match pair {
            [a, b] if a == b => Some(a.clone()),
            _ => None,
        });
        if twice.is_some() {
            self.distinct.clear();
        }
        twice
    }

    fn most(&self) -> usize {
        let name = self.path.iter().rev().find_map(|step| match step {
            Step::Member(name) => Some(name.as_ref()),
            Step::Element(_) => None,
        });
        most(self.lists, name.unwrap_or_default())
    }
}

/// Any value, looked at and dropped.
struct Any<'a, 's, 'de>(&'a mut State<'s, 'de>);

impl<'de> DeserializeSeed<'de> for Any<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.0.scalar(|| value.to_string())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.0.scalar(|| value.to_string())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.0.scalar(|| value.to_string())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        self.0.scalar(|| value.to_string())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.0.scalar(|| "null".to_owned())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(E::custom(format_args!("a text of more than {} MiB", MAX_TEXT_BYTES >> 20)));
        }
        self.0.scalar(|| text.chars().take(2 * SHOWN_KEY_CHARS).collect())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let state = self.0;
        state.scalar(|| "a list".to_owned())?;
        let most = state.most();
        let mut index = 0;
        loop {
            state.path.push(Step::Element(index));
            if list.next_element_seed(Any(state))?.is_none() {
                break;
            }
            state.path.pop();
            index += 1;
            if index > most {
                // The list is what is wrong, and that is where the path ends now.
                return Err(de::Error::custom(format_args!("more than {most} elements")));
            }
        }
        state.path.pop();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let state = self.0;
        state.count()?;
        if let [Step::Member(name)] = state.path.as_slice()
            && name == "schema"
        {
            state.schema = Some("an object".to_owned());
        }
        let first = state.keys.len();
        while let Some(name) = object.next_key_seed(Name)? {
            if state.keys.len() - first >= MAX_MEMBERS {
                return Err(de::Error::custom(format_args!("an object of more than {MAX_MEMBERS} members")));
            }
            state.path.push(Step::Member(name.clone()));
            state.keys.push(name);
            object.next_value_seed(Any(state))?;
            state.path.pop();
        }
        if let Some(twice) = state.twice(first) {
            state.path.push(Step::Member(twice));
            return Err(de::Error::custom("it is there twice"));
        }
        state.keys.truncate(first);
        Ok(())
    }
}

/// A member's name, borrowed where it holds no escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: de::Error>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}
