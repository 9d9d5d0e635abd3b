//! Any two lists of paths: a pattern each, the same whichever list comes first, and no `/` more or less.
//!
//! The paths of the first list end with a newline each, up to an empty one; then come those of the second.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reports::diff::{Generalised, generalise};
use reports::model::SubjectPath;

fuzz_target!(|bytes: &[u8]| {
    let mut lists = [Vec::new(), Vec::new()];
    let mut at = 0;
    for line in bytes.split(|byte| *byte == b'\n') {
        if line.is_empty() {
            at = 1;
        } else if let Ok(path) = SubjectPath::from_bytes(line) {
            lists[at].push(path);
        }
    }
    let [old, new] = lists;
    let found = generalise(&old, &new);
    assert_eq!((found.old.len(), found.new.len()), (old.len(), new.len()));
    for (path, pattern) in old.iter().zip(&found.old).chain(new.iter().zip(&found.new)) {
        assert_eq!(pattern.matches('/').count(), path.escaped().matches('/').count(), "{path} {pattern}");
    }
    let Generalised { old: new_again, new: old_again } = generalise(&new, &old);
    assert_eq!((&found.old, &found.new), (&old_again, &new_again), "the order of the lists matters");
    let same = generalise(&old, &old);
    assert_eq!(same.old, same.new, "a list differs from itself");
});
