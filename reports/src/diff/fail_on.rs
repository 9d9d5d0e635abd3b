//! Which kinds of differences decide the exit status.

use std::str::FromStr;

use super::dto::{Diff, Difference, Kind};

/// What of a comparison counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailOn {
    /// A kind of difference.
    Kind(Kind),
    /// Any of them.
    Any,
    /// None.
    None,
}

/// Not a kind of finding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of {names}, any, none", names = names())]
pub struct UnknownFailOn(String);

/// The words for kinds.
pub(super) fn names() -> String {
    Kind::ALL.map(Kind::name).join(", ")
}

impl FromStr for FailOn {
    type Err = UnknownFailOn;

    fn from_str(name: &str) -> Result<Self, UnknownFailOn> {
        match name.trim() {
            "any" => Ok(Self::Any),
            "none" => Ok(Self::None),
            name => match Kind::ALL.into_iter().find(|kind| kind.name() == name) {
                Some(kind) => Ok(Self::Kind(kind)),
                None => Err(UnknownFailOn(crate::text::printable(name))),
            },
        }
    }
}

impl FailOn {
    /// Reads a comma-separated list.
    ///
    /// # Errors
    /// [`UnknownFailOn`] names the first entry that is no kind of finding.
    pub fn parse_list(list: &str) -> Result<Vec<Self>, UnknownFailOn> {
        list.split(',').map(str::parse).collect()
    }

    fn counts(self, difference: &Difference) -> bool {
        match self {
            Self::Kind(kind) => difference.kind == kind,
            Self::Any => true,
            Self::None => false,
        }
    }
}

impl Difference {
    /// Whether it is a finding that no baseline accepts.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.finding && self.accepted.is_none()
    }
}

impl Diff {
    /// All differences of all comparisons.
    pub fn differences(&self) -> impl Iterator<Item = &Difference> {
        self.comparisons.iter().flat_map(|comparison| &comparison.differences).chain(&self.services)
    }

    /// Whether there is a finding of one of these kinds that is not accepted.
    #[must_use]
    pub fn fails(&self, kinds: &[FailOn]) -> bool {
        self.differences()
            .filter(|difference| difference.is_open())
            .any(|difference| kinds.iter().any(|kind| kind.counts(difference)))
    }

    /// Whether what was looked at is known to be incomplete: that nothing new was found then proves nothing.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        self.comparisons.iter().any(|comparison| !comparison.new.complete)
    }

    /// Counts findings and what is accepted of them anew.
    pub(super) fn count(&mut self) {
        let count = |accepted: bool| {
            let found = self.differences().filter(|d| d.finding && d.accepted.is_some() == accepted).count();
            u64::try_from(found).unwrap_or(u64::MAX)
        };
        (self.findings, self.accepted) = (count(false), count(true));
    }
}
