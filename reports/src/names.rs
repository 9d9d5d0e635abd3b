//! Names that differ from run to run: process ids, counters, random suffixes. For one name by itself; what two profiles
//! show together is for `diff::generalise`.
//!
//! Owns the *shape* of a name, in which generated parts are replaced by placeholders, so that `foo.12345` and
//! `foo.777` are one name. Never looks at a file system. A shape is a guess by form alone: what it takes for
//! random and is not merges two names of one directory, nothing more.

/// The shape of a name: digits as `#`, random-looking parts as `*`, everything else as it is.
pub(crate) fn shape(name: &[u8]) -> Vec<u8> {
    let mut shape = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some(first) = rest.first() {
        if let Some(tail) = strip_uuid(rest) {
            shape.push(b'*');
            rest = tail;
            continue;
        }
        if !first.is_ascii_alphanumeric() {
            shape.push(*first);
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        let end = rest.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (part, tail) = rest.split_at(end);
        if is_random(part) {
            shape.push(b'*');
        } else {
            digits_replaced(part, &mut shape);
        }
        rest = tail;
    }
    shape
}

/// Whether a name looks made up for one run: it has a random-looking part, or is a number.
pub(crate) fn is_random_name(name: &[u8]) -> bool {
    let shape = shape(name);
    let stars = |text: &[u8]| text.iter().filter(|byte| **byte == b'*').count();
    shape == b"#" || stars(&shape) > stars(name)
}

fn digits_replaced(part: &[u8], shape: &mut Vec<u8>) {
    for byte in part {
        if !byte.is_ascii_digit() {
            shape.push(*byte);
        } else if shape.last() != Some(&b'#') {
            shape.push(b'#');
        }
    }
}

/// Whether a part of letters and digits looks random: hexadecimal with a digit, letters and digits well mixed, or
/// the letters of mkstemp(3).
fn is_random(part: &[u8]) -> bool {
    if part.len() < 6 {
        return false;
    }
    let digits = part.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits == part.len() {
        return false;
    }
    if digits > 0 && part.iter().all(u8::is_ascii_hexdigit) {
        return true;
    }
    let changes = |class: fn(&u8) -> bool| {
        part.windows(2).filter(|pair| matches!(pair, [a, b] if class(a) != class(b))).count()
    };
    if changes(u8::is_ascii_digit) >= 2 {
        return true;
    }
    // `aBcDeF`, but not `Makefile` or `README`.
    digits == 0 && part.len() <= 10 && changes(u8::is_ascii_uppercase) >= 2
}

/// What follows a UUID at the beginning of `text`.
fn strip_uuid(text: &[u8]) -> Option<&[u8]> {
    const LENGTH: usize = 36;
    let uuid = text.get(..LENGTH)?;
    let well_formed = uuid.iter().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    well_formed.then(|| text.get(LENGTH..)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_names() {
        for (name, random) in
            [("12345", true), ("tmp.PQk2xZ9s1B", true), ("shadow2", false), ("*", false), ("app-1", false)]
        {
            assert_eq!(is_random_name(name.as_bytes()), random, "{name}");
        }
    }

    #[test]
    fn generated_parts_are_replaced() {
        for (name, want) in [
            ("foo.12345", "foo.#"),
            ("16384", "#"),
            ("16384_vm", "#_vm"),
            ("sess_abc123", "sess_*"),
            ("sess_u2k9dj3l1", "sess_*"),
            ("000000010000000000000001", "#"),
            ("00000001000000000000000A", "*"),
            ("pgsql_tmp12345.0", "pgsql_tmp#.#"),
            ("tmp.PQk2xZ9s1B", "tmp.*"),
            ("x-aBcDeF", "x-*"),
            ("550e8400-e29b-41d4-a716-446655440000.log", "*.log"),
            ("passwd", "passwd"),
            ("Makefile", "Makefile"),
            ("README", "README"),
            ("PG_VERSION", "PG_VERSION"),
            ("default.conf", "default.conf"),
            ("access.log.1", "access.log.#"),
            ("deface", "deface"),
            ("shadow2", "shadow#"),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8(shape(name.as_bytes())).unwrap(), want, "{name}");
        }
    }
}
