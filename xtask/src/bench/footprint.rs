//! What a process costs: memory, processor time and BPF maps, as `/proc` tells.

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// What a process held and used over some time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Footprint {
    /// `VmRSS` at the end of that time.
    pub(super) resident_bytes: u64,
    /// `VmHWM`.
    pub(super) peak_bytes: u64,
    /// `memlock` of all its BPF maps.
    pub(super) maps_bytes: u64,
    /// Processor time as a part of one processor's.
    pub(super) processor_share: f64,
}

impl Footprint {
    pub(super) fn to_json(self) -> Value {
        let Self { resident_bytes, peak_bytes, maps_bytes, processor_share } = self;
        json!({ "resident_bytes": resident_bytes, "peak_bytes": peak_bytes, "maps_bytes": maps_bytes,
                "processor_share": processor_share })
    }

    /// The greater of each.
    pub(super) fn max(self, other: Self) -> Self {
        Self {
            resident_bytes: self.resident_bytes.max(other.resident_bytes),
            peak_bytes: self.peak_bytes.max(other.peak_bytes),
            maps_bytes: self.maps_bytes.max(other.maps_bytes),
            processor_share: self.processor_share.max(other.processor_share),
        }
    }
}

/// A process at the beginning of that time.
pub(super) struct Watched {
    pid: u32,
    since: Instant,
    processor_ns: u64,
}

impl Watched {
    /// From now on.
    pub(super) fn begin(pid: u32) -> Result<Self> {
        Ok(Self { pid, since: Instant::now(), processor_ns: processor_ns(pid)? })
    }

    /// The greatest memory so far.
    pub(super) fn peak_bytes(&self) -> Result<u64> {
        Ok(memory(self.pid)?.1)
    }

    /// Until now.
    pub(super) fn footprint(&self) -> Result<Footprint> {
        let used = processor_ns(self.pid)?.saturating_sub(self.processor_ns);
        let (resident_bytes, peak_bytes) = memory(self.pid)?;
        let elapsed = self.since.elapsed().as_secs_f64();
        Ok(Footprint {
            resident_bytes,
            peak_bytes,
            maps_bytes: maps(self.pid)?,
            processor_share: std::time::Duration::from_nanos(used).as_secs_f64() / elapsed.max(1e-9),
        })
    }
}

/// Time on a processor of all threads that run, to the nanosecond (`utime` and `stime` count in ticks of 10 ms).
fn processor_ns(pid: u32) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        // Threads come and go.
        let Ok(text) = fs::read_to_string(entry?.path().join("schedstat")) else { continue };
        sum += text.split_whitespace().next().and_then(|time| time.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(sum)
}

fn memory(pid: u32) -> Result<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let bytes = |name| kibibytes(&status, name).with_context(|| format!("/proc/{pid}/status has no {name}"));
    Ok((bytes("VmRSS:")?, bytes("VmHWM:")?))
}

/// A line like `VmRSS:      1234 kB`, in bytes.
fn kibibytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn maps(pid: u32) -> Result<u64> {
    let mut seen = std::collections::BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
        let Ok(text) = fs::read_to_string(entry?.path()) else { continue };
        if let Some((id, bytes)) = map_of(&text) {
            // Several descriptors may be of one map.
            seen.insert(id, bytes);
        }
    }
    Ok(seen.values().sum())
}

/// Id and size in memory of the BPF map that a descriptor is of; programs have a `memlock` too, but no `map_type`.
fn map_of(fdinfo: &str) -> Option<(u64, u64)> {
    let field = |name| fdinfo.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok();
    field("map_type:")?;
    Some((field("map_id:")?, field("memlock:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_a_footprint() {
        let watched = Watched::begin(std::process::id()).unwrap();
        let footprint = watched.footprint().unwrap();
        assert!(footprint.resident_bytes > 0 && footprint.peak_bytes >= footprint.resident_bytes);
    }

    #[test]
    fn maps_are_told_from_programs() {
        let map =
            "pos:\t0\nmap_type:\t1\nkey_size:\t56\nmap_flags:\t0x0\nmemlock:\t8192\nmap_id:\t7\nfrozen:\t0\n";
        assert_eq!(map_of(map), Some((7, 8192)));
        assert_eq!(map_of("prog_type:\t26\nmemlock:\t4096\nprog_id:\t3\n"), None);
    }

    #[test]
    fn sizes_in_status_are_kibibytes() {
        assert_eq!(kibibytes("VmHWM:\t   12 kB\nVmRSS:\t    8 kB\n", "VmRSS:"), Some(8192));
        assert_eq!(kibibytes("Name:\tx\n", "VmRSS:"), None);
    }
}
