//! Who did something: lists of executables, of which a profile has few and names each very often.

use std::sync::Arc;

use foldhash::HashSet;

/// Executables, as paths, sorted, each once. Equal lists may be one in memory (see [`ExecutableLists`]).
pub type Executables = Arc<[String]>;

/// Lets equal lists be one in memory: a profile may have a million operations of one program.
#[derive(Debug, Default)]
pub struct ExecutableLists {
    known: HashSet<Executables>,
}

impl ExecutableLists {
    /// The list that is equal to this one and came first.
    #[must_use]
    pub fn shared(&mut self, list: Executables) -> Executables {
        if let Some(known) = self.known.get(&list) {
            return Arc::clone(known);
        }
        self.known.insert(Arc::clone(&list));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lists_are_one() {
        let mut lists = ExecutableLists::default();
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Executables>();
        let first = lists.shared(list(&["/a", "/b"]));
        let other = lists.shared(list(&["/a"]));
        let again = lists.shared(list(&["/a", "/b"]));
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(*other, ["/a"]);
    }
}
