//! Judging capability checks: did the subject need what the kernel was asked for?
//!
//! Owns the order of the rules ([`rules::RULES`]) and the default that a granted check is taken as needed. Never
//! looks at more than one kind of check at a time, and never at the system call's result: a check that was granted
//! and then made no difference can only be told where the kernel function that asked is known to go on without
//! it. Where there is no kernel stack (symbols cannot be read), rules fall back to the system call, and where that
//! does not tell either, the check counts as required: a plan too generous by a capability still works.

mod rules;
mod stack;

pub use rules::{RULES, Rule};
pub use stack::caller;

use crate::model::Verdict;

/// What is known about checks of one kind.
#[derive(Debug, Clone, Copy)]
pub struct CheckFacts<'a> {
    /// The capability's name without `CAP_`.
    pub cap: &'a str,
    /// Whether the check succeeded.
    pub granted: bool,
    /// The system call's name, for instance `chown`; `-` outside any.
    pub syscall: &'a str,
    /// Whether it was checked against a user namespace that the subject made itself.
    pub own_namespace: bool,
    /// Kernel symbols, innermost first; empty where symbols cannot be read. They may carry an offset and the
    /// compiler's suffixes (`.isra.0`).
    pub stack: &'a [String],
}

/// What a check amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whether the subject needed it.
    pub verdict: Verdict,
    /// Why, a clause for people.
    pub reason: String,
}

/// Judges checks by the first rule of [`RULES`] that matches; a granted check that none matches is required.
#[must_use]
pub fn judge(facts: &CheckFacts<'_>) -> Judgement {
    match RULES.iter().find(|rule| (rule.matches)(facts)) {
        Some(rule) => Judgement { verdict: rule.verdict, reason: rule.reason.to_owned() },
        None => {
            let by = match (facts.syscall, caller(facts.stack)) {
                ("-" | "", None) => "the kernel asked for it and it was granted".to_owned(),
                ("-" | "", Some(caller)) => format!("granted to {caller} in the kernel"),
                (syscall, None) => format!("granted to {syscall}, which fails without it"),
                (syscall, Some(caller)) => format!("granted to {syscall}, whose {caller} fails without it"),
            };
            Judgement { verdict: Verdict::Required, reason: by }
        }
    }
}
