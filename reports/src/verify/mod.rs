//! Verification, the pure part: what a run under a plan shows that training did not, which change of the plan mends
//! it, and which parts of a plan there are to take away.
//!
//! Owns the comparison of two profiles of one subject, the first of training, the second of a run under the plan
//! ([`compare()`]), the changes of a plan ([`Change`]), its parts ([`Element`]) and the formats of the result
//! ([`render`]). Never runs anything, and never decides whether to try again.

mod capabilities;
mod change;
mod compare;
mod course;
mod dto;
mod element;
mod executions;
mod finding;
mod format;
mod junit;
mod known;
mod mend;
mod operations;
mod space;

pub use change::Change;
pub use compare::{Comparison, compare};
pub use dto::{Necessary, Outcome, VERIFICATION_SCHEMA, VerificationReport};
pub use element::{Element, bare, elements, root, without};
pub use finding::{Finding, FindingKind};
pub use format::{VerificationFormat, VerificationFormatError, render};
