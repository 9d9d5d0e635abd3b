//! Judging capability checks: did the subject need what the kernel was asked for?
//!
//! Owns the order of the rules ([`rules::RULES`]) and the default that a granted check is taken as needed. Never
//! looks at more than one kind of check at a time. A check that was granted and made no difference can be told by the
//! kernel function that asked, where that goes on without it; by the system call's arguments, where they ask for
//! nothing that the process does not have; or by the system call's result, where it was refused all the same. Where
//! there is no kernel stack (symbols cannot be read), rules fall back to the system call, and where that does not tell
//! either, the check counts as required: a plan too generous by a capability still works.

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
    /// Whether the kernel function that asked wants no audit of it (`CAP_OPT_NOAUDIT`): a hint that it goes on without,
    /// never a proof, and not known of every check.
    pub optional: bool,
    /// Whether the system call's arguments ask for nothing that the capability gives: only for ids that the process has
    /// already, for no namespace, for memory alone.
    pub nothing_new: bool,
    /// Whether the effective user was root of the host; known for NET_ADMIN only.
    pub as_root: bool,
    /// What came of the system call.
    pub outcome: Outcome,
    /// Kernel symbols, innermost first; empty where symbols cannot be read. They may carry an offset and the
    /// compiler's suffixes (`.isra.0`).
    pub stack: &'a [String],
}

impl CheckFacts<'_> {
    /// Whether the function that asked wants no audit of it, by the check's options or by the kernel's call chain.
    fn is_unaudited(&self) -> bool {
        self.optional
            || stack::contains(
                self.stack,
                &[
                    "capable_noaudit",
                    "ns_capable_noaudit",
                    "has_capability_noaudit",
                    "has_ns_capability_noaudit",
                ],
            )
    }
}

/// What came of the system calls in which a check was made: the best of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Outcome {
    /// It was not seen.
    #[default]
    Unknown,
    /// One succeeded.
    Succeeded,
    /// All failed, none for want of permission only.
    Failed,
    /// All failed with `EPERM` or `EACCES`.
    Refused,
}

/// What a check amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whether the subject needed it.
    pub verdict: Verdict,
    /// Why, a clause for people.
    pub reason: String,
}

/// Whether a required check for `cap` would have been granted for DAC_OVERRIDE as well, so that a subject that has that
/// needs no other.
///
/// DAC_OVERRIDE permits all that DAC_READ_SEARCH does where a file's mode is looked at (fs/namei.c generic_permission:
/// reading and searching ask for the latter first). Opening files by handle and linking descriptors do not go by that.
#[must_use]
pub fn is_covered_by_override(cap: &str, syscall: &str, caller: Option<&str>) -> bool {
    cap == "DAC_READ_SEARCH"
        && match caller {
            Some(caller) => caller == "generic_permission",
            None => !matches!(syscall, "open_by_handle_at" | "linkat"),
        }
}

/// Judges checks by the first rule of [`RULES`] that matches; a granted check that none matches is required.
#[must_use]
pub fn judge(facts: &CheckFacts<'_>) -> Judgement {
    match RULES.iter().find(|rule| rule.applies(facts)) {
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
