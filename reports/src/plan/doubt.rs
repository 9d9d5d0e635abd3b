//! What lowers the confidence in an element of a plan.
//!
//! Owns the list of doubts ([`DOUBTS`]) and how they add up: an element is as sure as its gravest doubt lets it be,
//! `high` without any. Never decides what is in a plan.

use super::grounds::{Confidence, Grounds};
use super::rules::Rule;
use crate::model::Profile;

/// A reason to be less sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubt {
    /// A stable name.
    pub code: &'static str,
    /// What confidence is left.
    pub leaves: Confidence,
    /// What it means, a clause for people.
    pub about: &'static str,
}

macro_rules! doubts {
    ($($name:ident = $code:literal, $leaves:ident, $about:literal;)*) => {
        $(pub(super) const $name: Doubt = Doubt { code: $code, leaves: Confidence::$leaves, about: $about };)*
        /// Every doubt.
        pub const DOUBTS: &[Doubt] = &[$($name),*];
    };
}

doubts! {
    INCOMPLETE = "incomplete-profile", Medium,
        "something was lost or not seen in training; what was seen is needed all the same, perhaps more of it";
    STARTUP_NOT_SEEN = "startup-not-seen", Medium,
        "the subject ran already when it was first seen: what it does while starting is not in the profile";
    INCOMPLETE_ABSENCE = "absence-in-incomplete-profile", Low,
        "it rests on something that did not happen, and something was lost or not seen in training";
    NO_LOAD = "no-load", Medium,
        "it rests on something that did not happen, and training had no load test";
    COLLAPSED = "names-collapsed", Medium,
        "the names of some of the files were not kept, so that their kind is a guess";
    CONTENT_UNKNOWN = "image-content-unknown", Low,
        "what the image has there is not known";
    CONVENTION = "convention-only", Medium,
        "tmpfs or volume by convention of its path alone: nothing seen in training agrees";
    BY_DEFAULT = "nothing-speaks-for-durability", Medium,
        "a tmpfs because nothing speaks for a volume: neither a convention nor a sync";
    SIZE_UNKNOWN = "size-not-measured", Medium,
        "the size of what is written there was not measured";
    NO_CALLER = "kernel-caller-unknown", Medium,
        "which kernel function asked is not known, so that a check that need not succeed cannot be told apart";
    NO_CHECKS = "no-checks-recorded", Low,
        "the profile says that it is required and keeps no check that says why";
    NOT_RUN = "not-run-this-way", Medium,
        "training did not run the subject this way";
    AFTER_STARTUP = "after-start-up", Medium,
        "capabilities were needed after start-up as well, or training did not tell when the subject was ready";
    USER_BY_OWNER = "user-from-ownership", Medium,
        "the user is that of directories of the image; whether processes ran as that user was not seen";
    SEVERAL_USERS = "several-users", Low,
        "processes ran as several users besides root, or directories belong to several";
    USER_UNKNOWN = "user-unknown", Low,
        "which user it is was not seen";
    OWNER_OF_MOUNTS = "owner-of-existing-mounts", Medium,
        "the subject writes to mounts of its own, and whether they belong to that user is not known";
    PORT_ASSUMED = "kernel-not-asked", Medium,
        "the kernel did not ask for it in training, where no port was privileged, but elsewhere it does";
}

/// What an element rests on: `rules` with `doubts`, each said once.
pub(super) fn grounds(rules: &[&Rule], doubts: impl IntoIterator<Item = Doubt>) -> Grounds {
    let mut grounds = Grounds {
        rule: rules.iter().map(|rule| rule.id.to_owned()).collect(),
        confidence: Confidence::High,
        doubts: Vec::new(),
    };
    for doubt in doubts {
        add(&mut grounds, doubt);
    }
    grounds
}

/// Adds a doubt.
pub(super) fn add(grounds: &mut Grounds, doubt: Doubt) {
    if !grounds.doubts.iter().any(|code| code == doubt.code) {
        grounds.doubts.push(doubt.code.to_owned());
    }
    grounds.confidence = grounds.confidence.min(doubt.leaves);
}

/// The doubts about something that was seen.
pub(super) fn of_presence(profile: &Profile) -> impl Iterator<Item = Doubt> + use<> {
    // The code of the gap that attaching to a running subject leaves.
    let late = profile.coverage.gaps.iter().any(|gap| gap.code == STARTUP_NOT_SEEN.code);
    let incomplete = (!profile.coverage.complete).then_some(INCOMPLETE);
    incomplete.into_iter().chain(late.then_some(STARTUP_NOT_SEEN))
}

/// The doubts about something that was not seen to happen.
pub(super) fn of_absence(profile: &Profile) -> impl Iterator<Item = Doubt> + use<> {
    let incomplete = (!profile.coverage.complete).then_some(INCOMPLETE_ABSENCE);
    incomplete.into_iter().chain(profile.run.load.is_none().then_some(NO_LOAD))
}
