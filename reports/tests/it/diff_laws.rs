//! Laws of the generaliser: it changes nothing but generated parts, sees both lists alike, and never swallows a word.

use proptest::prelude::*;
use reports::diff::{Generalised, generalise};
use reports::model::SubjectPath;

const PLACEHOLDERS: [&str; 6] = ["{uuid}", "{time}", "{pid}", "{n}", "{hex}", "{rand}"];

fn path(bytes: &[u8]) -> SubjectPath {
    SubjectPath::from_bytes(&[b"/", bytes].concat()).unwrap()
}

/// Names with everything that may meet in them.
fn any_name() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        2 => "[a-z]{1,8}".prop_map(String::into_bytes),
        2 => "[0-9]{1,12}".prop_map(String::into_bytes),
        2 => "[a-zA-Z0-9]{6}".prop_map(String::into_bytes),
        1 => "[0-9a-f]{6,20}".prop_map(String::into_bytes),
        1 => "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}".prop_map(String::into_bytes),
        1 => "20[0-9]{2}-[01][0-9]-[0-3][0-9]".prop_map(String::into_bytes),
        1 => "\\{(pid|n|rand)\\}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(1u8..=255, 1..6),
    ];
    (proptest::collection::vec(part, 1..4), proptest::collection::vec("[-._ @]", 3)).prop_map(
        |(parts, between)| {
            let mut name = Vec::new();
            for (index, part) in parts.into_iter().enumerate() {
                if index > 0 {
                    name.extend_from_slice(between[index - 1].as_bytes());
                }
                name.extend(part.into_iter().filter(|byte| *byte != b'/'));
            }
            name
        },
    )
}

fn any_paths() -> impl Strategy<Value = Vec<SubjectPath>> {
    let one = proptest::collection::vec(any_name(), 1..4).prop_map(|names| path(&names.join(&b'/')));
    proptest::collection::vec(one, 0..12)
}

/// Whether a pattern is the path but for its placeholders.
fn covers(pattern: &str, path: &SubjectPath) -> bool {
    let mut literals = vec![pattern.to_owned()];
    for placeholder in PLACEHOLDERS {
        literals = literals.iter().flat_map(|text| text.split(placeholder)).map(str::to_owned).collect();
    }
    let text = path.escaped().replace('{', "\\x7b");
    let mut rest = text.as_str();
    let last = literals.len() - 1;
    for (index, literal) in literals.iter().enumerate() {
        if index == 0 {
            match rest.strip_prefix(literal.as_str()) {
                Some(tail) => rest = tail,
                None => return false,
            }
        } else if index == last {
            return rest.ends_with(literal.as_str()) && rest.len() > literal.len();
        } else {
            match rest.get(1..).and_then(|tail| tail.find(literal.as_str())) {
                Some(at) => rest = &rest[at + 1 + literal.len()..],
                None => return false,
            }
        }
    }
    rest.is_empty()
}

proptest! {
    #[test]
    fn only_generated_parts_are_replaced(old in any_paths(), new in any_paths()) {
        let found = generalise(&old, &new);
        prop_assert_eq!((found.old.len(), found.new.len()), (old.len(), new.len()));
        for (path, pattern) in old.iter().zip(&found.old).chain(new.iter().zip(&found.new)) {
            prop_assert!(covers(pattern, path), "{} {}", path, pattern);
            // Never across a boundary.
            prop_assert_eq!(pattern.matches('/').count(), path.escaped().matches('/').count());
        }
    }

    #[test]
    fn both_lists_are_seen_alike_in_any_order(old in any_paths(), new in any_paths()) {
        let Generalised { old: a, new: b } = generalise(&old, &new);
        let Generalised { old: d, new: c } = generalise(&new, &old);
        prop_assert_eq!((&a, &b), (&c, &d));
        let backwards: Vec<SubjectPath> = new.iter().rev().cloned().collect();
        let mut again = generalise(&old, &backwards);
        again.new.reverse();
        prop_assert_eq!((a, b), (again.old, again.new));
    }

    #[test]
    fn what_both_have_has_one_pattern(paths in any_paths()) {
        let found = generalise(&paths, &paths);
        prop_assert_eq!(found.old, found.new);
    }

    #[test]
    fn a_word_is_never_swallowed(
        old in any_paths(),
        word in "[bcdfgklmnprst][aeiou][bcdfgklmnprst]{1,2}[aeiou][bcdfgklmnprst]",
        at in 0usize..12,
    ) {
        // Beside what is there already, in the same directory.
        let directory = old.get(at).and_then(SubjectPath::parent).unwrap_or_else(SubjectPath::root);
        let new = directory.join(format!("{word}s.conf").as_bytes()).unwrap();
        let mut both = old.clone();
        both.push(new.clone());
        let found = generalise(&old, &both);
        let pattern = found.new.last().unwrap();
        let own = format!("/{word}s.conf");
        prop_assert!(pattern.ends_with(&own), "{}", pattern);
        prop_assert!(old.contains(&new) || !found.old.contains(pattern), "{} is known", pattern);
    }

    #[test]
    fn two_runs_of_one_program_have_the_same_names(
        pids in (1u32..4_194_304, 1u32..4_194_304),
        letters in ("[a-zA-Z0-9]{6}", "[a-zA-Z0-9]{6}"),
        uuids in ("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
        hashes in ("[0-9a-f]{40}", "[0-9a-f]{40}"),
        seconds in (1_500_000_000u64..2_000_000_000, 1_500_000_000u64..2_000_000_000),
        days in ((2020u32..2040, 1u32..13, 1u32..29), (2020u32..2040, 1u32..13, 1u32..29)),
    ) {
        // Letters that happen to be two words are two words: one of the two must be unmistakable, with letters and digits
        // that take turns and are no hexadecimal number.
        let turns = |text: &str| {
            text.as_bytes().windows(2).filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit()).count()
        };
        let mixed = |text: &str| turns(text) >= 2 && !text.bytes().all(|byte| byte.is_ascii_hexdigit());
        prop_assume!(mixed(&letters.0) || mixed(&letters.1));
        let run = |pid: u32, letters: &str, uuid: &str, hash: &str, seconds: u64, day: (u32, u32, u32)| {
            [
                format!("tmp/app-{pid}.sock"),
                format!("run/app/{pid}.lock"),
                format!("var/cache/app/{uuid}/data"),
                format!("var/cache/app/objects/{hash}"),
                format!("var/lib/app/dump-{seconds}.rdb"),
                format!("var/log/app/{:04}-{:02}-{:02}.log", day.0, day.1, day.2),
                format!("var/log/app/{:04}{:02}{:02}-120000.log", day.0, day.1, day.2),
                format!("tmp/app-{letters}/x"),
            ]
            .map(|text| path(text.as_bytes()))
        };
        let old = run(pids.0, &letters.0, &uuids.0, &hashes.0, seconds.0, days.0);
        let new = run(pids.1, &letters.1, &uuids.1, &hashes.1, seconds.1, days.1);
        let found = generalise(&old, &new);
        prop_assert_eq!(found.old, found.new);
    }
}

#[test]
fn deep_and_long_names_take_time_in_proportion() {
    let long = "a1-".repeat(4000);
    let deep = "/d1".repeat(4000);
    let old: Vec<SubjectPath> = (0..20).map(|n| path(format!("{long}{n}").as_bytes())).collect();
    let new: Vec<SubjectPath> = (0..20).map(|n| path(format!("{deep}/{n}").as_bytes())).collect();
    let found = generalise(&old, &new);
    assert_eq!((found.old.len(), found.new.len()), (20, 20));
}
