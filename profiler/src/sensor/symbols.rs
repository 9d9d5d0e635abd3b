//! Names of kernel addresses, from `/proc/kallsyms`.
//!
//! Falls back to nothing: where addresses are hidden (`kernel.kptr_restrict`) there are no names, and capability
//! checks are judged without their caller.

use std::io::{BufRead, BufReader, Read};

/// Kernel functions by address.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    /// Start addresses and names, sorted.
    functions: Vec<(u64, Box<str>)>,
}

impl Symbols {
    /// Reads the symbols of the running kernel; none where they may not be read.
    pub(crate) fn of_kernel() -> Self {
        std::fs::File::open("/proc/kallsyms").map(Self::parse).unwrap_or_default()
    }

    fn parse(source: impl Read) -> Self {
        let mut functions = Vec::with_capacity(128 * 1024);
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            // address type name [module]
            let mut words = line.split_ascii_whitespace();
            let (Some(address), Some(kind), Some(name)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            if !matches!(kind, "t" | "T" | "w" | "W") {
                continue;
            }
            if let Ok(address) = u64::from_str_radix(address, 16)
                && address != 0
            {
                functions.push((address, Box::from(name)));
            }
        }
        functions.sort_unstable_by_key(|(address, _)| *address);
        Self { functions }
    }

    /// Whether there are any.
    pub(crate) fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }

    /// The function that an address lies in.
    pub(crate) fn name_of(&self, address: u64) -> Option<&str> {
        let after = self.functions.partition_point(|(start, _)| *start <= address);
        self.functions.get(after.checked_sub(1)?).map(|(_, name)| name.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::Symbols;

    #[test]
    fn an_address_belongs_to_the_function_before_it() {
        let text = "ffffffff81000000 T first\nffffffff81000100 t second\nffffffff81000200 D data\n";
        let symbols = Symbols::parse(text.as_bytes());
        assert_eq!(symbols.name_of(0xffff_ffff_8100_0010), Some("first"));
        assert_eq!(symbols.name_of(0xffff_ffff_8100_0100), Some("second"));
        assert_eq!(symbols.name_of(0x10), None);
    }

    #[test]
    fn hidden_addresses_are_no_names() {
        assert!(Symbols::parse("0000000000000000 T first\n".as_bytes()).is_empty());
    }
}
