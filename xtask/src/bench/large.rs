//! Large profiles: two of a million operations each are compared, and many of one subject are merged. Here it matters how
//! long that takes, and in how much memory.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::directory;
use super::footprint::Watched;
use super::helper::{Helper, following};
use super::observers::Tools;
use super::report::mebibytes;
use super::targets::Verdict;

/// How long one of them may take.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// The status of `writepath diff` where something is new.
const FINDING: i32 = 1;
/// How many operations a profile of a MiB has.
const PER_MEBIBYTE: u64 = 3_200;

/// One of them.
struct Kind {
    name: &'static str,
    /// How many profiles, and how many operations each has.
    profiles: u64,
    writes: u64,
    /// What is to be reached.
    seconds: Option<f64>,
    peak_mib: f64,
}

const DIFF: Kind =
    Kind { name: "large-diff", profiles: 2, writes: 1_000_000, seconds: Some(5.0), peak_mib: 1024.0 };
const MERGE: Kind =
    Kind { name: "large-merge", profiles: 10_000, writes: PER_MEBIBYTE, seconds: None, peak_mib: 200.0 };

/// The names of both.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    [DIFF.name, MERGE.name].into_iter()
}

/// What one of them came to.
pub(super) struct Outcome {
    kind: Kind,
    /// How many profiles there were, and the bytes of all.
    profiles: u64,
    bytes: u64,
    seconds: f64,
    peak_bytes: u64,
}

impl Outcome {
    pub(super) fn to_json(&self) -> Value {
        let Self { kind, profiles, bytes, seconds, peak_bytes } = self;
        json!({ "workload": kind.name, "profiles": profiles, "bytes": bytes, "n": 1, "seconds": seconds,
                "peak_bytes": peak_bytes })
    }

    pub(super) fn row(&self) -> Vec<String> {
        vec![
            self.kind.name.to_owned(),
            self.profiles.to_string(),
            format!("{:.0}", mebibytes(self.bytes)),
            format!("{:.2}", self.seconds),
            format!("{:.1}", mebibytes(self.peak_bytes)),
        ]
    }

    pub(super) fn verdicts(&self) -> impl Iterator<Item = Verdict> {
        let Kind { name, seconds, peak_mib, .. } = self.kind;
        let time = seconds.map(|limit| Verdict::at_most(format!("{name}, time"), limit, self.seconds, " s"));
        let peak = mebibytes(self.peak_bytes);
        time.into_iter().chain([Verdict::at_most(format!("{name}, peak memory"), peak_mib, peak, " MiB")])
    }
}

/// Makes the profiles of the workload of this name, and lets writepath at them; the numbers are divided by `divisor`.
pub(super) fn measure(name: &str, tools: &Tools, divisor: u64) -> Result<Outcome> {
    let directory = directory::temporary()?;
    let file = |number: u64| directory.path().join(format!("{number:05}.json"));
    let mut command = following(&tools.writepath);
    let (kind, profiles, writes) = if name == DIFF.name {
        command.arg("diff").args([file(0), file(1)]);
        (DIFF, DIFF.profiles, DIFF.writes / divisor)
    } else {
        let profiles = MERGE.profiles / divisor;
        command.arg("merge").args((0..profiles).map(file)).arg("-o").arg(directory.path().join("union"));
        (MERGE, profiles, MERGE.writes)
    };
    let mut bytes = 0;
    for number in 0..profiles {
        write_profile(&file(number), number, writes)?;
        bytes += file(number).metadata()?.len();
    }
    let start = Instant::now();
    let helper = Helper::start(&mut command)?;
    let watched = Watched::begin(helper.pid())?;
    let mut peak_bytes = 0;
    let (status, output) = helper.wait(LIMIT, |_| {
        if let Ok(peak) = watched.peak_bytes() {
            peak_bytes = peak_bytes.max(peak);
        }
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let has_found = name == DIFF.name && status.code() == Some(FINDING);
    if !status.success() && !has_found {
        bail!("{name}: {status}: {}", output.trim());
    }
    Ok(Outcome { kind, profiles, bytes, seconds, peak_bytes })
}

/// A profile whose names differ from number to number as those of runs do: caches, process ids, counters, random endings.
fn write_profile(path: &Path, number: u64, writes: u64) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let (minute, second) = (number / 60 % 60, number % 60);
    let hour = number / 3600;
    write!(
        file,
        r#"{{
  "schema": "writepath.profile/v1",
  "tool": {{ "name": "writepath", "version": "0.1.0" }},
  "host": {{ "kernel": "6.18", "arch": "x86_64" }},
  "subject": {{ "name": "app:1", "image_id": "sha256:00" }},
  "run": {{ "started": "2026-01-02T{hour:02}:{minute:02}:{second:02}Z", "duration_ms": 1000 }},
  "coverage": {{ "complete": true }},
  "capabilities": [],
  "writes": ["#
    )?;
    let mut random = number;
    for write in 0..writes {
        random = next(random);
        let name = match write % 4 {
            0 => format!("/var/cache/app/{:02x}/{random:016x}", write / 4 % 256),
            1 => format!("/tmp/app-{}.sock", random % 4_000_000 + 1),
            2 => format!("/var/lib/app/{}/segment-{write}.dat", write / 1000),
            _ => format!("/tmp/upload-{}", ending(random)),
        };
        let separator = if write == 0 { "" } else { "," };
        write!(
            file,
            r#"{separator}
    {{
      "path": "{name}",
      "op": "create",
      "errno": 0,
      "count": 1,
      "mount": "/",
      "object": "file",
      "first_ms": 5,
      "last_ms": 900,
      "phases": [
        "steady"
      ],
      "processes": [
        "/usr/sbin/app"
      ]
    }}"#
        )?;
    }
    file.write_all(b"\n  ]\n}\n")?;
    Ok(file.flush()?)
}

/// The next number of a sequence that looks random (a SplitMix64 step, `https://prng.di.unimi.it/splitmix64.c`).
fn next(state: u64) -> u64 {
    let mut mixed = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// Six letters and digits, as mkstemp(3) has them.
fn ending(mut random: u64) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    (0..6)
        .map(|_| {
            let letter = usize::try_from(random % 62).ok().and_then(|index| LETTERS.get(index)).copied();
            random /= 62;
            char::from(letter.unwrap_or(b'0'))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_json_of_about_a_mebibyte() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("profile.json");
        write_profile(&path, 7, PER_MEBIBYTE).unwrap();
        let text = std::fs::read(&path).unwrap();
        assert!((900_000..1_200_000).contains(&text.len()), "{}", text.len());
        let profile: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(profile["writes"].as_array().unwrap().len(), 3_200);
    }
}
