//! The names of volumes.
//!
//! Owns their form: names that Docker takes, the same for the same subject and target. Never looks at a profile.

use std::collections::BTreeSet;

use crate::model::SubjectPath;

/// The short name of a subject: the last part of an image reference without tag and digest, or of a command.
pub(crate) fn short_name(subject: &str) -> &str {
    let reference = subject.split_whitespace().next().unwrap_or(subject);
    let without_digest = reference.split('@').next().unwrap_or(reference);
    let last = without_digest.rsplit('/').find(|part| !part.is_empty()).unwrap_or(without_digest);
    last.split(':').next().unwrap_or(last)
}

/// Text as a name of `[a-zA-Z0-9][a-zA-Z0-9_.-]*` (moby:volume/names), at most `limit` characters; other runs of
/// characters become one hyphen.
pub(crate) fn as_name(text: &str, limit: usize) -> String {
    let mut name = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || (matches!(c, '_' | '.' | '-') && !name.is_empty()) {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
        if name.len() >= limit {
            break;
        }
    }
    name.truncate(name.trim_end_matches('-').len());
    name
}

/// The name for a volume, the same for the same subject and target.
pub(crate) fn volume_name(subject: &str, target: &SubjectPath) -> String {
    let subject = as_name(short_name(subject), 60);
    let subject = if subject.is_empty() { "writepath" } else { &subject };
    as_name(&format!("{subject}-{}", target.escaped()), 120)
}

/// Names for volumes, unique within a plan and the same in every plan for the same subject and target.
#[derive(Debug)]
pub(super) struct Names {
    subject: String,
    given: BTreeSet<String>,
}

impl Names {
    pub(super) fn new(subject: &str) -> Self {
        Self { subject: subject.to_owned(), given: BTreeSet::new() }
    }

    pub(super) fn name(&mut self, target: &SubjectPath) -> String {
        let base = volume_name(&self.subject, target);
        let mut name = base.clone();
        let mut number = 1u32;
        while !self.given.insert(name.clone()) {
            number = number.saturating_add(1);
            name = format!("{base}-{number}");
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volume_names_are_stable_and_unique() {
        let mut names = Names::new("registry.example:5000/library/postgres:16@sha256:0");
        for (target, want) in [
            ("/var/lib/postgresql/data", "postgres-var-lib-postgresql-data"),
            ("/a b", "postgres-a-b"),
            ("/a-b", "postgres-a-b-2"),
            ("/a:b", "postgres-a-b-3"),
        ] {
            assert_eq!(names.name(&SubjectPath::from_bytes(target.as_bytes()).unwrap()), want);
        }
    }

    #[test]
    fn short_names() {
        for (subject, want) in [
            ("nginx", "nginx"),
            ("nginx:1.27", "nginx"),
            ("localhost:5000/a/b:c", "b"),
            ("a@sha256:00", "a"),
            ("/usr/bin/python3 -m http.server", "python3"),
            ("", ""),
        ] {
            assert_eq!(short_name(subject), want, "{subject}");
        }
        assert_eq!(as_name("--é$x\n\ny-", 60), "x-y");
    }
}
