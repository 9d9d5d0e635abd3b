//! Runs of one image differ in nothing: every profile of the catalogue against ten others in which all names that the
//! application makes up for one run are made up anew.

use std::collections::HashMap;

use regex::bytes::Regex;
use reports::diff::{Kind, generalise};
use reports::model::{Op, Profile, SubjectPath};

use crate::catalog::profiles;
use crate::diff::between;

/// How an application makes up the part of a name that is in parentheses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Made {
    /// A process id.
    Pid,
    /// A process id in hexadecimal digits.
    HexPid,
    /// A thread id, not far from the process's.
    Counter,
    /// mkstemp(3): as many of `a-zA-Z0-9`.
    Letters,
    /// Python's tempfile: as many of `a-z0-9_`.
    Python,
    /// As many lower-case hexadecimal digits.
    Hex,
    /// A random number of 32 bits.
    Number,
    /// Seconds since 1970.
    Seconds,
}

/// What the applications make up, from their sources and from what runs of them show.
const MADE_UP: &[(&str, &str, Made)] = &[
    ("haproxy", r"^/proc/([0-9]+)/", Made::Pid),
    ("httpd", r"^/run/apache2/httpd\.pid\.([a-zA-Z0-9]{6})$", Made::Letters),
    ("httpd", r"^/srv/dav/\.davfs\.tmp([0-9a-f]{6})$", Made::Hex),
    ("jvm", r"^/tmp/libchecksum([0-9]+)\.so$", Made::Number),
    ("jvm", r"^/tmp/hsperfdata_[^/]+/([0-9]+)$", Made::Pid),
    ("mariadb", r"^/tmp/#sql-temptable-([0-9a-f]+)-", Made::HexPid),
    ("mariadb", r"^/tmp/MY([a-zA-Z0-9]{6})$", Made::Letters),
    ("mariadb", r"/docker/([0-9a-f]{64})/", Made::Hex),
    ("memcached", r"^/proc/[0-9]+/task/([0-9]+)/comm$", Made::Counter),
    ("nginx", r"^/var/cache/nginx/[a-z]+_temp/([0-9]{10})$", Made::Counter),
    ("node", r"^/tmp/upload-([a-zA-Z0-9]{6})(?:/|$)", Made::Letters),
    ("php-fpm", r"^/tmp/\.ZendSem\.([a-zA-Z0-9]{6})$", Made::Letters),
    ("php-fpm", r"^/tmp/(?:php|kept)([a-zA-Z0-9]{6})$", Made::Letters),
    ("php-fpm", r"^/var/lib/php/sessions/sess_([0-9a-v]{26})$", Made::Hex),
    ("postgres", r"^/dev/shm/PostgreSQL\.([0-9]+)$", Made::Number),
    ("postgres", r"pg_internal\.init\.([0-9]+)$", Made::Pid),
    ("postgres", r"/pgsql_tmp/pgsql_tmp([0-9]+)\.", Made::Pid),
    ("postgres", r"/base/[0-9]+/t[0-9]+_([0-9]+)$", Made::Counter),
    ("rabbitmq", r"/rabbit@localhost/([0-9]{8})\.(?:wal|tmp)$", Made::Counter),
    ("redis", r"^/data/temp-(?:rewriteaof-|rewriteaof-bg-)?([0-9]{2,})\.", Made::Pid),
    ("sqlite", r"^/tmp/tmp([a-z0-9_]{8})$", Made::Python),
    ("sqlite", r"^/tmp/wgunicorn-([a-z0-9_]{8})$", Made::Python),
    ("varnish", r"^/tmp/cc([a-zA-Z0-9]{6})\.", Made::Letters),
    ("varnish", r"/_\.[A-Za-z_]+\.([0-9a-f]{16})$", Made::Hex),
    ("varnish", r"/vcl_boot\.([0-9]{10})\.", Made::Seconds),
    ("varnish", r"/vcl_boot\.[0-9]{10}\.([0-9]{6})(?:/|$)", Made::Number),
];

/// A generator that is the same everywhere (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn of(&mut self, alphabet: &[u8], length: usize) -> Vec<u8> {
        (0..length).map(|_| alphabet[usize::try_from(self.below(alphabet.len() as u64)).unwrap()]).collect()
    }
}

/// Another run: the same names for the same, everywhere.
struct Rename<'t> {
    random: Random,
    pid_offset: u64,
    patterns: Vec<(&'t Regex, Made)>,
    given: HashMap<(usize, Vec<u8>), Vec<u8>>,
}

impl Rename<'_> {
    fn value(&mut self, index: usize, made: Made, old: &[u8]) -> Vec<u8> {
        if let Some(known) = self.given.get(&(index, old.to_vec())) {
            return known.clone();
        }
        let taken: Vec<Vec<u8>> = self.given.values().cloned().collect();
        loop {
            let number = || std::str::from_utf8(old).unwrap().parse::<u64>().ok();
            let new = match made {
                Made::Pid => (1 + self.random.below(4_000_000)).to_string().into_bytes(),
                Made::HexPid => format!("{:x}", 1 + self.random.below(32_767)).into_bytes(),
                Made::Counter => {
                    let number = number().unwrap_or(0) + self.pid_offset;
                    format!("{number:0width$}", width = old.len()).into_bytes()
                }
                Made::Letters => self
                    .random
                    .of(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", old.len()),
                Made::Python => self.random.of(b"abcdefghijklmnopqrstuvwxyz0123456789_", old.len()),
                Made::Hex => self.random.of(b"0123456789abcdef", old.len()),
                Made::Number => self.random.below(1 << 32).to_string().into_bytes(),
                Made::Seconds => (1_700_000_000 + self.random.below(200_000_000)).to_string().into_bytes(),
            };
            if !taken.contains(&new) {
                self.given.insert((index, old.to_vec()), new.clone());
                return new;
            }
        }
    }

    fn path(&mut self, path: &SubjectPath) -> SubjectPath {
        let mut bytes = path.as_bytes().to_vec();
        for (index, (pattern, made)) in self.patterns.clone().into_iter().enumerate() {
            let Some(found) = pattern.captures(&bytes).and_then(|captures| captures.get(1)) else { continue };
            let (range, old) = (found.range(), found.as_bytes().to_vec());
            let new = self.value(index, made, &old);
            bytes.splice(range, new);
        }
        SubjectPath::from_bytes(&bytes).unwrap()
    }

    fn profile(&mut self, profile: &Profile) -> Profile {
        let mut other = profile.clone();
        for write in &mut other.writes {
            write.path = self.path(&write.path);
            write.from = write.from.as_ref().map(|from| self.path(from));
        }
        for execution in &mut other.run.executions {
            execution.path = self.path(&execution.path);
        }
        for size in &mut other.run.sizes {
            size.path = self.path(&size.path);
        }
        other.writes.sort_by(|a, b| (&a.path, a.op).cmp(&(&b.path, b.op)));
        other
    }
}

#[test]
fn ten_runs_of_every_application_differ_in_nothing() {
    let patterns: Vec<(&str, Regex, Made)> =
        MADE_UP.iter().map(|(app, pattern, made)| (*app, Regex::new(pattern).unwrap(), *made)).collect();
    let mut renamed = 0;
    let mut unused: Vec<usize> = (0..patterns.len()).collect();
    for (name, profile) in profiles() {
        let app = name.strip_suffix("-non-root").unwrap_or(&name);
        let own: Vec<(&Regex, Made)> = patterns
            .iter()
            .filter(|(of, _, _)| *of == app)
            .map(|(_, pattern, made)| (pattern, *made))
            .collect();
        for (index, (of, pattern, _)) in patterns.iter().enumerate() {
            if *of == app && profile.writes.iter().any(|write| pattern.is_match(write.path.as_bytes())) {
                unused.retain(|other| *other != index);
            }
        }
        for round in 0..10 {
            let random = Random(round * 7919 + u64::try_from(name.len()).unwrap());
            let mut rename =
                Rename { random, pid_offset: 3 + round * 11, patterns: own.clone(), given: HashMap::new() };
            let other = rename.profile(&profile);
            renamed += rename.given.len();
            for (old, new) in [(&profile, &other), (&other, &profile)] {
                let diff = between(old, new);
                let different: Vec<_> =
                    diff.differences().map(|d| (d.kind, d.change, d.op, &d.path, &d.from)).collect();
                assert!(different.is_empty(), "{name}, round {round}: {different:#?}");
                assert!(diff.comparisons[0].breaks.is_empty() && diff.comparisons[0].warnings.is_empty());
            }
        }
    }
    assert!(renamed > 1000, "only {renamed} names were made up anew");
    // Patterns for what some runs show and those of the catalogue happen not to.
    assert!(unused.len() <= 5, "{:?}", unused.iter().map(|index| MADE_UP[*index]).collect::<Vec<_>>());
}

#[test]
fn what_is_made_up_is_shown() {
    let found: HashMap<String, Profile> = profiles().into_iter().collect();
    for (app, kept, renamed, want) in [
        ("php-fpm", "/tmp/phpJe9XBZ", "/tmp/phpq2LmX0", "/tmp/php{rand}"),
        ("node", "/tmp/upload-COl9a5/body", "/tmp/upload-aaB1cD/body", "/tmp/upload-{rand}/body"),
        ("httpd", "/srv/dav/.davfs.tmp0006d9", "/srv/dav/.davfs.tmp0a06d7", "/srv/dav/.davfs.tmp{hex}"),
        ("redis", "/data/temp-14.rdb", "/data/temp-977.rdb", "/data/temp-{pid}.rdb"),
    ] {
        let paths: Vec<SubjectPath> = found[app].writes.iter().map(|write| write.path.clone()).collect();
        let kept = SubjectPath::from_bytes(kept.as_bytes()).unwrap();
        let shown =
            paths.iter().position(|path| *path == kept).unwrap_or_else(|| panic!("{app} has no {kept}"));
        let new = SubjectPath::from_bytes(renamed.as_bytes()).unwrap();
        assert_eq!(generalise(&paths, &[new]).old[shown], want);
    }
}

/// Two real runs of each: as root, and as the user that the application drops to. They differ by what root does.
#[test]
fn two_real_runs_differ_by_their_user_alone() {
    let found: HashMap<String, Profile> = profiles().into_iter().collect();
    let mut compared = 0;
    for (name, other) in &found {
        let Some(root) = name.strip_suffix("-non-root").and_then(|app| found.get(app)) else { continue };
        compared += 1;
        let diff = between(root, other);
        let writes: Vec<_> = diff
            .differences()
            .filter(|difference| difference.kind == Kind::Write && difference.finding)
            .map(|difference| (difference.op, difference.path.as_deref().unwrap_or_default()))
            .collect();
        // Only the user that owns the directory may remove it.
        let known: &[_] = match name.as_str() {
            "varnish-non-root" => &[(Some(Op::Unlink), "/var/lib/varnish/varnishd/_.pid")],
            _ => &[],
        };
        assert_eq!(writes, known, "{name}");
    }
    assert!(compared >= 10, "{compared}");
}
