//! A set of the parts of a run, as small as it can be: every operation of a profile has one.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Phase;

/// The phases that something was seen in, each once and in their order; in JSON a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Phases(u8);

/// All there are, in their order.
const ALL: [Phase; 3] = [Phase::Startup, Phase::Steady, Phase::Shutdown];

fn bit(phase: Phase) -> u8 {
    match phase {
        Phase::Startup => 1,
        Phase::Steady => 2,
        Phase::Shutdown => 4,
    }
}

impl Phases {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// Each phase, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &'static Phase> + use<> {
        let bits = self.0;
        ALL.iter().filter(move |phase| bits & bit(**phase) != 0)
    }

    /// The first of them.
    #[must_use]
    pub fn first(&self) -> Option<Phase> {
        self.iter().next().copied()
    }

    /// Adds all that are in the other set.
    pub fn unite(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl Extend<Phase> for Phases {
    fn extend<I: IntoIterator<Item = Phase>>(&mut self, phases: I) {
        for phase in phases {
            self.0 |= bit(phase);
        }
    }
}

impl FromIterator<Phase> for Phases {
    fn from_iter<I: IntoIterator<Item = Phase>>(phases: I) -> Self {
        let mut all = Self::default();
        all.extend(phases);
        all
    }
}

impl Serialize for Phases {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Phases {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Takes one after the other, without a list of its own.
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Phases;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of phases")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Phases, A::Error> {
                let mut phases = Phases::default();
                while let Some(phase) = list.next_element()? {
                    phases.extend([phase]);
                }
                Ok(phases)
            }
        }

        deserializer.deserialize_seq(List)
    }
}

impl JsonSchema for Phases {
    fn schema_name() -> Cow<'static, str> {
        "Phases".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        <Vec<Phase>>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_list_in_order_with_each_once() {
        let phases: Phases = serde_json::from_str(r#"["shutdown", "startup", "shutdown"]"#).unwrap();
        assert_eq!(serde_json::to_string(&phases).unwrap(), r#"["startup","shutdown"]"#);
        assert_eq!(phases.iter().copied().collect::<Phases>(), phases);
        assert_eq!((phases.first(), phases.is_empty()), (Some(Phase::Startup), false));
        assert!(Phases::default().is_empty() && Phases::default().first().is_none());
        assert!(serde_json::from_str::<Phases>(r#"["later"]"#).is_err());
    }
}
