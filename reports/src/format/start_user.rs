//! The user that a subject starts as, in numbers.
//!
//! Owns the order of who has a say: the plan, `--user`, the image. A name says nothing outside the image's own
//! `/etc/passwd`, so a user that is given by name is not known here.

use crate::model::Profile;
use crate::plan::Plan;

/// A user in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StartUser {
    pub(super) uid: u32,
    /// The group; `None` where it is for the image to say.
    pub(super) gid: Option<u32>,
}

impl StartUser {
    const ROOT: Self = Self { uid: 0, gid: Some(0) };

    pub(super) fn is_root(self) -> bool {
        self.uid == 0
    }

    /// Whether that is this owner.
    pub(super) fn owns(self, uid: u32, gid: u32) -> bool {
        self.uid == uid && self.gid == Some(gid)
    }
}

/// The user as it is given: empty is root.
pub(super) fn given<'a>(profile: &'a Profile, plan: &'a Plan) -> &'a str {
    let config = profile.subject.config.as_ref();
    plan.user
        .as_deref()
        .or_else(|| config?.user.as_deref())
        .or_else(|| config.map(|config| config.image_user.as_str()))
        .unwrap_or_default()
}

/// The user in numbers, where they are known.
pub(super) fn start_user(profile: &Profile, plan: &Plan) -> Option<StartUser> {
    parse(given(profile, plan))
}

fn parse(user: &str) -> Option<StartUser> {
    let (user, group) = match user.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (user, None),
    };
    if matches!(user, "" | "root") && group.is_none() {
        return Some(StartUser::ROOT);
    }
    let uid = if user == "root" { 0 } else { user.parse().ok()? };
    let gid = match group {
        None => None,
        Some(group) => Some(if group == "root" { 0 } else { group.parse().ok()? }),
    };
    Some(StartUser { uid, gid })
}

#[cfg(test)]
mod tests {
    use super::{StartUser, parse};

    #[test]
    fn users_in_numbers_are_understood_and_names_are_not() {
        for (user, want) in [
            ("", Some(StartUser::ROOT)),
            ("root", Some(StartUser::ROOT)),
            ("0:0", Some(StartUser::ROOT)),
            ("999", Some(StartUser { uid: 999, gid: None })),
            ("33:34", Some(StartUser { uid: 33, gid: Some(34) })),
            ("www-data", None),
            ("33:www-data", None),
        ] {
            assert_eq!(parse(user), want, "{user}");
        }
    }
}
