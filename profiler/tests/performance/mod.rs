//! Performing the table: which rows this kernel can, the subject's words for them, and the profile of that.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::common::{Profiles, SUBJECT, read, writepath_status};
use crate::table::{Row, TABLE};

/// Options without which some rows cannot be performed: calls that Docker's system-call filter refuses, and opening a
/// file by its handle.
pub(crate) const OPTIONS: [&str; 4] =
    ["--security-opt", "seccomp=unconfined", "--cap-add", "DAC_READ_SEARCH"];

/// The rows that can be performed here: those whose system calls the kernel has.
pub(crate) fn rows() -> Vec<&'static Row> {
    let symbols = std::fs::read_to_string("/proc/kallsyms").expect("root can read the kernel's symbols");
    let functions: BTreeSet<&str> = symbols
        .lines()
        .filter_map(|line| line.split(' ').nth(2)?.split('\t').next())
        .filter_map(|symbol| symbol.strip_prefix("__x64_sys_").or(symbol.strip_prefix("__arm64_sys_")))
        .collect();
    assert!(functions.contains("openat"), "the kernel's symbols cannot be read");
    let has = |row: &&Row| match row.calls().find(|call| !functions.contains(call)) {
        Some(call) => {
            println!("row {} skipped: this kernel has no {call}", row.name);
            false
        }
        None => true,
    };
    TABLE.iter().filter(has).collect()
}

/// The profile of one run of the subject with these options of `run` and these words.
pub(crate) fn profile_of(options: &[&str], words: impl IntoIterator<Item = String>) -> Value {
    let profiles = Profiles::new();
    let path = profiles.path("p.json");
    let mut all = vec!["run".to_owned(), "--quiet".into(), "-o".into(), path.display().to_string()];
    all.extend(options.iter().map(|&option| option.to_owned()));
    all.push(SUBJECT.to_owned());
    all.extend(words);
    writepath_status(0, all);
    read(&path)
}

/// The words that make the subject perform rows; with numbers from `marks` on each row begins with its own mark.
pub(crate) fn script_of(rows: &[&Row], marks: Option<usize>) -> Vec<String> {
    let initials: BTreeSet<String> = rows.iter().map(|row| row.initial()).collect();
    let directories = initials.into_iter().flat_map(|directory| ["mkdirat".to_owned(), directory]);
    let mark = |index: usize| marks.map(|first| ["mark".to_owned(), (first + index).to_string()]);
    let words =
        rows.iter().enumerate().flat_map(|(index, row)| mark(index).into_iter().flatten().chain(row.words()));
    std::iter::once("script".to_owned()).chain(directories).chain(words).collect()
}
