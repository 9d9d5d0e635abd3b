//! `--volume`, `--mount` and `--tmpfs` values: read as Docker reads them, and made read-only.
//!
//! Owns the two notations: colon-separated (docker/cli:cli/compose/loader/volume.go, moby:volume/mounts/linux_parser.go)
//! and one CSV record of key=value fields (docker/cli:opts/mount.go). Values that need no change are passed on as
//! given, even where they cannot be read.

use super::FormatError;
use crate::model::{MountFlag, MountOption, SubjectPath};

/// The flag as on a command line.
pub(super) fn flag(flag: MountFlag) -> &'static str {
    match flag {
        MountFlag::Volume => "--volume",
        MountFlag::Mount => "--mount",
        MountFlag::Tmpfs => "--tmpfs",
    }
}

/// Where an option mounts, if that can be read.
pub(super) fn target(option: &MountOption) -> Option<SubjectPath> {
    let path = match option.flag {
        MountFlag::Volume => {
            let mut parts = option.value.splitn(3, ':');
            let first = parts.next()?;
            parts.next().unwrap_or(first).to_owned()
        }
        MountFlag::Tmpfs => option.value.split(':').next()?.to_owned(),
        MountFlag::Mount => {
            let fields = record(&option.value)?;
            fields.iter().find_map(|field| {
                let (key, value) = field.split_once('=')?;
                matches!(key.trim().to_ascii_lowercase().as_str(), "target" | "destination" | "dst")
                    .then(|| value.to_owned())
            })?
        }
    };
    SubjectPath::from_bytes(path.as_bytes()).ok()
}

/// Whether it mounts a volume without a name, which Docker refuses to mount read-only.
pub(super) fn is_anonymous(option: &MountOption) -> bool {
    match option.flag {
        MountFlag::Volume => !option.value.contains(':'),
        MountFlag::Tmpfs => false,
        MountFlag::Mount => record(&option.value).is_some_and(|fields| {
            let has = |keys: &[&str]| {
                fields.iter().any(|field| {
                    let key = field.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
                    keys.contains(&key.as_str())
                })
            };
            // Without a type it is a volume.
            !has(&["source", "src"])
                && !fields.iter().any(|field| matches!(field.trim(), "type=bind" | "type=tmpfs"))
        }),
    }
}

/// The value of the same option for the same mount, read-only.
pub(super) fn read_only(option: &MountOption) -> Result<String, FormatError> {
    let broken = |reason: &str| FormatError::MountOption {
        value: crate::text::printable(&option.value),
        reason: reason.to_owned(),
    };
    match option.flag {
        MountFlag::Volume => {
            let parts: Vec<&str> = option.value.splitn(3, ':').collect();
            match parts.as_slice() {
                [source, target] => Ok(format!("{source}:{target}:ro")),
                [source, target, modes] => Ok(format!("{source}:{target}:{}", with_ro(modes))),
                _ => Err(broken("an anonymous volume cannot be")),
            }
        }
        MountFlag::Tmpfs => {
            let (target, options) = option.value.split_once(':').unwrap_or((&option.value, ""));
            Ok(format!("{target}:{}", with_ro(options)))
        }
        MountFlag::Mount => {
            let fields = record(&option.value).ok_or_else(|| broken("it is no CSV record"))?;
            let mut kept: Vec<&str> = fields
                .iter()
                .map(String::as_str)
                .filter(|field| {
                    let key = field.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
                    !matches!(key.as_str(), "readonly" | "ro")
                })
                .collect();
            kept.push("readonly");
            csv_record(&kept)
        }
    }
}

/// Comma-separated modes with `rw` taken out and `ro` put in.
fn with_ro(modes: &str) -> String {
    let kept = modes.split(',').filter(|mode| !matches!(*mode, "" | "rw" | "ro"));
    std::iter::once("ro").chain(kept).collect::<Vec<_>>().join(",")
}

/// The fields of the one CSV record that a `--mount` value is.
pub(super) fn record(value: &str) -> Option<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(value.as_bytes());
    let mut records = reader.records();
    let first = records.next()?.ok()?;
    Some(first.iter().map(str::to_owned).collect())
}

/// Fields as one CSV record, without a line end.
pub(super) fn csv_record(fields: &[&str]) -> Result<String, FormatError> {
    let broken = |reason: String| FormatError::MountOption { value: fields.join(","), reason };
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.write_record(fields).map_err(|error| broken(error.to_string()))?;
    let bytes = writer.into_inner().map_err(|error| broken(error.to_string()))?;
    let mut text = String::from_utf8(bytes).map_err(|error| broken(error.to_string()))?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_made_read_only_in_their_own_notation() {
        for (kind, value, target_is, want) in [
            (MountFlag::Volume, "v:/data", "/data", "--volume v:/data:ro"),
            (MountFlag::Volume, "/h:/data/:rw,z", "/data", "--volume /h:/data/:ro,z"),
            (MountFlag::Volume, "/h:/data:ro", "/data", "--volume /h:/data:ro"),
            (MountFlag::Tmpfs, "/t", "/t", "--tmpfs /t:ro"),
            (MountFlag::Tmpfs, "/t:rw,size=1m", "/t", "--tmpfs /t:ro,size=1m"),
            (MountFlag::Mount, "type=bind,src=/h,dst=/d", "/d", "--mount type=bind,src=/h,dst=/d,readonly"),
            (
                MountFlag::Mount,
                "type=volume,ro=false,target=/d",
                "/d",
                "--mount type=volume,target=/d,readonly",
            ),
            (
                MountFlag::Mount,
                "type=bind,\"src=/a,b\",\"dst=/c\"\"d\"",
                "/c\"d",
                "--mount type=bind,\"src=/a,b\",\"dst=/c\"\"d\",readonly",
            ),
        ] {
            let option = MountOption { flag: kind, value: value.to_owned() };
            assert_eq!(target(&option), SubjectPath::from_bytes(target_is.as_bytes()).ok(), "{value}");
            assert_eq!(format!("{} {}", flag(kind), read_only(&option).unwrap()), want);
        }
    }

    #[test]
    fn anonymous_volumes_are_told_apart() {
        for (flag, value, want) in [
            (MountFlag::Volume, "/data", true),
            (MountFlag::Volume, "v:/data", false),
            (MountFlag::Tmpfs, "/data", false),
            (MountFlag::Mount, "type=volume,dst=/data", true),
            (MountFlag::Mount, "dst=/data", true),
            (MountFlag::Mount, "type=volume,src=v,dst=/data", false),
            (MountFlag::Mount, "type=tmpfs,dst=/data", false),
        ] {
            assert_eq!(is_anonymous(&MountOption { flag, value: value.to_owned() }), want, "{value}");
        }
    }
}
