//! The values of `docker run`'s options, as Docker's API wants them.

use std::collections::HashMap;

use bollard::models::{
    Mount, MountBindOptions, MountTmpfsOptions, MountType, MountVolumeOptions, PortBinding, PortMap,
};

/// An option's value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{flag} {value:?}: {message}")]
pub(crate) struct OptionError {
    /// The flag, for instance `--publish`.
    pub(crate) flag: &'static str,
    /// Its value.
    pub(crate) value: String,
    /// What is wrong with it.
    pub(crate) message: String,
}

fn bad(flag: &'static str, value: &str, message: impl Into<String>) -> OptionError {
    OptionError { flag, value: value.to_owned(), message: message.into() }
}

/// A range of ports, `80` or `8000-8010`.
fn ports(text: &str) -> Option<std::ops::RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(first..=last)
}

/// `[[IP:][HOST-PORT]:]CONTAINER-PORT[/PROTOCOL]`, each port possibly a range.
pub(super) fn publish(values: &[String]) -> Result<PortMap, OptionError> {
    let mut map = PortMap::new();
    for value in values {
        let error = |message: &str| bad("--publish", value, message);
        let (rest, protocol) = value.split_once('/').unwrap_or((value, "tcp"));
        if !matches!(protocol, "tcp" | "udp" | "sctp") {
            return Err(error("the protocol is tcp, udp or sctp"));
        }
        let (host, container) = match rest.rsplit_once(':') {
            Some((host, container)) => (Some(host), container),
            None => (None, rest),
        };
        let (ip, host_port) = match host {
            None => ("", ""),
            Some(host) => host.rsplit_once(':').unwrap_or(("", host)),
        };
        let ip = ip.trim_start_matches('[').trim_end_matches(']');
        if !ip.is_empty() && ip.parse::<std::net::IpAddr>().is_err() {
            return Err(error("the address is no IP address"));
        }
        let container = ports(container)
            .ok_or_else(|| error("the container's port is a number from 0 to 65535 or a range"))?;
        let hosts: Vec<String> = if host_port.is_empty() {
            container.clone().map(|_| String::new()).collect()
        } else {
            let hosts = ports(host_port)
                .ok_or_else(|| error("the host's port is a number from 0 to 65535 or a range"))?;
            if hosts.len() != container.len() {
                return Err(error("both ranges of ports must have the same length"));
            }
            hosts.map(|port| port.to_string()).collect()
        };
        for (port, host_port) in container.zip(hosts) {
            let binding = PortBinding { host_ip: Some(ip.to_owned()), host_port: Some(host_port) };
            map.entry(format!("{port}/{protocol}"))
                .or_insert_with(|| Some(Vec::new()))
                .get_or_insert_default()
                .push(binding);
        }
    }
    Ok(map)
}

/// `--volume`: a bind or named volume as the API's `Binds` wants it, or an anonymous volume's target.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Volume {
    /// `SOURCE:TARGET[:OPTIONS]`
    Bind(String),
    /// `TARGET`
    Anonymous(String),
}

/// Parses `[SOURCE:]TARGET[:OPTIONS]`; a relative host path (it starts with a dot) is made absolute.
pub(super) fn volume(value: &str) -> Result<Volume, OptionError> {
    let Some((source, rest)) = value.split_once(':') else {
        if !value.starts_with('/') {
            return Err(bad("--volume", value, "the path inside the container must be absolute"));
        }
        return Ok(Volume::Anonymous(value.to_owned()));
    };
    if !rest.starts_with('/') {
        return Err(bad("--volume", value, "the path inside the container must be absolute"));
    }
    if source.starts_with('.') {
        let absolute =
            std::path::absolute(source).map_err(|error| bad("--volume", value, error.to_string()))?;
        let absolute =
            absolute.to_str().ok_or_else(|| bad("--volume", value, "the host's path is no UTF-8"))?;
        return Ok(Volume::Bind(format!("{absolute}:{rest}")));
    }
    Ok(Volume::Bind(value.to_owned()))
}

/// `--tmpfs TARGET[:OPTIONS]`.
pub(super) fn tmpfs(value: &str) -> Result<(String, String), OptionError> {
    let (target, options) = value.split_once(':').unwrap_or((value, ""));
    if !target.starts_with('/') {
        return Err(bad("--tmpfs", value, "the path inside the container must be absolute"));
    }
    Ok((target.to_owned(), options.to_owned()))
}

/// `--mount KEY=VALUE[,…]`: one record of comma-separated values, as Docker reads it.
pub(super) fn mount(value: &str) -> Result<Mount, OptionError> {
    let error = |message: String| bad("--mount", value, message);
    let fields = split_csv(value).ok_or_else(|| error("a quote is not closed".to_owned()))?;
    let mut mount = Mount { typ: Some(MountType::VOLUME), ..Mount::default() };
    let mut tmpfs = MountTmpfsOptions::default();
    let mut volume = MountVolumeOptions::default();
    let mut bind = MountBindOptions::default();
    for field in &fields {
        let (key, text) = field.split_once('=').unwrap_or((field, "true"));
        match key {
            "type" => {
                mount.typ = Some(match text {
                    "bind" => MountType::BIND,
                    "volume" => MountType::VOLUME,
                    "tmpfs" => MountType::TMPFS,
                    other => {
                        return Err(error(format!("the type `{other}` is not one of bind, volume, tmpfs")));
                    }
                });
            }
            "source" | "src" => mount.source = Some(text.to_owned()),
            "target" | "dst" | "destination" => mount.target = Some(text.to_owned()),
            "readonly" | "ro" => mount.read_only = Some(matches!(text, "true" | "1")),
            "volume-nocopy" => volume.no_copy = Some(matches!(text, "true" | "1")),
            "bind-nonrecursive" => bind.non_recursive = Some(matches!(text, "true" | "1")),
            "tmpfs-size" => {
                tmpfs.size_bytes =
                    Some(size(text).ok_or_else(|| {
                        error("tmpfs-size is a number of bytes, with k, m or g".to_owned())
                    })?);
            }
            "tmpfs-mode" => {
                tmpfs.mode =
                    Some(i64::from_str_radix(text, 8).map_err(|_| error("tmpfs-mode is octal".to_owned()))?);
            }
            other => return Err(error(format!("the field `{other}` is not supported"))),
        }
    }
    if !mount.target.as_deref().is_some_and(|target| target.starts_with('/')) {
        return Err(error("it takes a target, an absolute path".to_owned()));
    }
    match mount.typ {
        Some(MountType::TMPFS) => mount.tmpfs_options = Some(tmpfs),
        Some(MountType::BIND) => mount.bind_options = Some(bind),
        _ => mount.volume_options = Some(volume),
    }
    Ok(mount)
}

/// Splits one record of comma-separated values; quotes as in RFC 4180.
fn split_csv(value: &str) -> Option<Vec<String>> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(value.as_bytes());
    let record = reader.records().next()?.ok()?;
    Some(record.iter().map(str::to_owned).collect())
}

/// `64m` in bytes.
fn size(text: &str) -> Option<i64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: i64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1 << 10,
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        _ => return None,
    };
    digits.parse::<i64>().ok()?.checked_mul(factor)
}

/// Ports that are exposed because they are published.
pub(super) fn exposed(map: &PortMap) -> Vec<String> {
    map.keys().cloned().collect()
}

/// `NAME=VALUE` labels.
pub(super) fn labels(pairs: &[(&str, String)]) -> HashMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(map: &PortMap, port: &str) -> (String, String) {
        let bindings = map[port].as_ref().unwrap();
        (bindings[0].host_ip.clone().unwrap(), bindings[0].host_port.clone().unwrap())
    }

    #[test]
    fn ports_are_published_as_docker_spells_them() {
        for (value, port, ip, host) in [
            ("80", "80/tcp", "", ""),
            ("8080:80", "80/tcp", "", "8080"),
            ("127.0.0.1:8080:80", "80/tcp", "127.0.0.1", "8080"),
            ("127.0.0.1::80/udp", "80/udp", "127.0.0.1", ""),
            ("[::1]:53:5353/udp", "5353/udp", "::1", "53"),
            ("8000-8001:80-81", "81/tcp", "", "8001"),
        ] {
            let map = publish(&[value.to_owned()]).unwrap();
            assert_eq!(binding(&map, port), (ip.to_owned(), host.to_owned()), "{value}");
        }
        for value in ["", "x", "1:x", "80/icmp", "nohost:1:2", "1-3:1-2", "70000"] {
            assert!(publish(&[value.to_owned()]).is_err(), "{value}");
        }
    }

    #[test]
    fn volumes_are_told_apart() {
        assert_eq!(volume("/data").unwrap(), Volume::Anonymous("/data".into()));
        assert_eq!(volume("name:/data:ro").unwrap(), Volume::Bind("name:/data:ro".into()));
        let Volume::Bind(bind) = volume("./x:/data").unwrap() else { panic!("a bind") };
        assert!(bind.starts_with('/') && bind.ends_with("/x:/data"), "{bind}");
        assert!(volume("data").is_err());
        assert!(volume("a:b").is_err());
    }

    #[test]
    fn mounts_are_records_of_fields() {
        let parsed = mount("type=tmpfs,\"target=/a,b\",tmpfs-size=64m,tmpfs-mode=1777").unwrap();
        assert_eq!(parsed.target.as_deref(), Some("/a,b"));
        let options = parsed.tmpfs_options.unwrap();
        assert_eq!((options.size_bytes, options.mode), (Some(64 << 20), Some(0o1777)));
        assert_eq!(mount("type=bind,src=/x,dst=/y,readonly").unwrap().read_only, Some(true));
        for value in
            ["type=nope,target=/x", "target=x", "type=tmpfs,target=/x,tmpfs-size=z", "what=1,target=/x"]
        {
            assert!(mount(value).is_err(), "{value}");
        }
    }
}
