//! What the API says of a container that exists, in the terms of a profile.

use bollard::models::{ContainerInspectResponse, HostConfig, ImageConfig, Mount as ApiMount, MountType};
use reports::model::{ContainerConfig, Mount, MountFlag, MountKind, MountOption, SubjectPath};

use super::ImageFacts;

/// A container that runs.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    /// Its id.
    pub(crate) id: String,
    /// Its first process, in the numbering of the host.
    pub(crate) pid: u32,
    /// How it was made, as `docker run` would spell it.
    pub(crate) config: ContainerConfig,
    /// Its image.
    pub(crate) image: ImageFacts,
}

/// `None` where the container does not run.
pub(super) fn running_of(
    inspection: &ContainerInspectResponse,
    image_config: &ImageConfig,
    image: ImageFacts,
) -> Option<Running> {
    let state = inspection.state.as_ref()?;
    let pid = u32::try_from(state.pid?).ok().filter(|pid| *pid != 0)?;
    let config = config_of(inspection, image_config, &image);
    Some(Running { id: inspection.id.clone()?, pid, config, image })
}

/// The options that made the container what its image alone does not.
pub(super) fn config_of(
    inspection: &ContainerInspectResponse,
    image_config: &ImageConfig,
    image: &ImageFacts,
) -> ContainerConfig {
    let config = inspection.config.clone().unwrap_or_default();
    let host = inspection.host_config.clone().unwrap_or_default();
    let image_env = image_config.env.clone().unwrap_or_default();
    let entrypoint =
        config.entrypoint.filter(|entrypoint| Some(entrypoint) != image_config.entrypoint.as_ref());
    let command = config.cmd.filter(|command| Some(command) != image_config.cmd.as_ref());
    // `--entrypoint` takes one word; the others are arguments.
    let mut entrypoint = entrypoint.unwrap_or_default().into_iter();
    let program = entrypoint.next();
    let given = |value: Option<String>, of_image: &Option<String>| {
        value.filter(|value| !value.is_empty() && Some(value) != of_image.as_ref())
    };
    ContainerConfig {
        image: config.image.unwrap_or_else(|| image.id.clone()),
        args: entrypoint.chain(command.unwrap_or_default()).collect(),
        entrypoint: program,
        name: inspection.name.as_deref().map(|name| name.trim_start_matches('/').to_owned()),
        env: config.env.unwrap_or_default().into_iter().filter(|entry| !image_env.contains(entry)).collect(),
        publish: published(&host),
        mounts: mount_options(&host),
        user: given(config.user, &image_config.user),
        image_user: image.user.clone(),
        workdir: given(config.working_dir, &image_config.working_dir),
        network: host.network_mode.filter(|mode| !matches!(mode.as_str(), "" | "default" | "bridge")),
        // The runtime names the host after the container unless told otherwise.
        hostname: config
            .hostname
            .filter(|name| !inspection.id.as_deref().is_some_and(|id| id.starts_with(name.as_str()))),
        add_host: host.extra_hosts.unwrap_or_default(),
        cap_add: host.cap_add.unwrap_or_default(),
        cap_drop: host.cap_drop.unwrap_or_default(),
        security_opt: host.security_opt.unwrap_or_default(),
        sysctl: host.sysctls.unwrap_or_default().into_iter().collect(),
        init: host.init.unwrap_or(false),
        privileged: host.privileged.unwrap_or(false),
        read_only: host.readonly_rootfs.unwrap_or(false),
        platform: None,
        image_volumes: image.volumes.clone(),
    }
}

fn published(host: &HostConfig) -> Vec<String> {
    let mut published = Vec::new();
    for (port, bindings) in host.port_bindings.iter().flatten() {
        for binding in bindings.iter().flatten() {
            let ip = binding.host_ip.as_deref().unwrap_or_default();
            let ip = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
            let host_port = binding.host_port.as_deref().unwrap_or_default();
            published.push(match (ip.as_str(), host_port) {
                ("", "") => port.clone(),
                ("", host_port) => format!("{host_port}:{port}"),
                (ip, host_port) => format!("{ip}:{host_port}:{port}"),
            });
        }
    }
    published.sort();
    published
}

fn mount_options(host: &HostConfig) -> Vec<MountOption> {
    let option = |flag: MountFlag| move |value: String| MountOption { flag, value };
    let binds = host.binds.iter().flatten().cloned().map(option(MountFlag::Volume));
    let mounts = host.mounts.iter().flatten().filter_map(mount_option).map(option(MountFlag::Mount));
    let mut tmpfs: Vec<_> = host
        .tmpfs
        .iter()
        .flatten()
        .map(
            |(target, options)| {
                if options.is_empty() { target.clone() } else { format!("{target}:{options}") }
            },
        )
        .collect();
    tmpfs.sort();
    binds.chain(mounts).chain(tmpfs.into_iter().map(option(MountFlag::Tmpfs))).collect()
}

/// The value of `--mount`, one record of comma-separated values.
fn mount_option(mount: &ApiMount) -> Option<String> {
    let kind = match mount.typ? {
        MountType::BIND => "bind",
        MountType::TMPFS => "tmpfs",
        MountType::VOLUME => "volume",
        _ => return None,
    };
    let mut fields = vec![format!("type={kind}"), format!("target={}", mount.target.as_deref()?)];
    fields.extend(
        mount.source.as_deref().filter(|source| !source.is_empty()).map(|source| format!("source={source}")),
    );
    fields.extend((mount.read_only == Some(true)).then(|| "readonly".to_owned()));
    if let Some(tmpfs) = &mount.tmpfs_options {
        fields.extend(tmpfs.size_bytes.map(|size| format!("tmpfs-size={size}")));
        fields.extend(tmpfs.mode.map(|mode| format!("tmpfs-mode={mode:o}")));
    }
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
    writer.write_record(&fields).ok()?;
    let record = String::from_utf8(writer.into_inner().ok()?).ok()?;
    Some(record.trim_end().to_owned())
}

/// Files that Docker supplies (moby: daemon/container_operations_unix.go).
const RUNTIME_FILES: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];
/// Where `--init` mounts its program.
const INIT_PROGRAM: &str = "/sbin/docker-init";

pub(super) fn mounts_of(inspection: &ContainerInspectResponse, image_volumes: &[SubjectPath]) -> Vec<Mount> {
    let host_config = inspection.host_config.as_ref();
    let path = |text: &str| SubjectPath::from_bytes(text.as_bytes()).ok();
    // What the user asked for, by target: the others are there because the image declares them.
    let binds = host_config.and_then(|config| config.binds.as_ref());
    let asked: Vec<SubjectPath> = binds
        .into_iter()
        .flatten()
        .filter_map(|bind| bind.split(':').nth(1))
        .chain(
            host_config
                .and_then(|config| config.mounts.as_ref())
                .into_iter()
                .flatten()
                .filter_map(|mount| mount.target.as_deref()),
        )
        .filter_map(path)
        .collect();
    let mut mounts = Vec::new();
    for point in inspection.mounts.iter().flatten() {
        let Some(target) = point.destination.as_deref().and_then(path) else { continue };
        let kind = match point.typ.as_deref() {
            Some("bind") => MountKind::Bind,
            Some("tmpfs") => MountKind::Tmpfs,
            Some("volume") if image_volumes.contains(&target) && !asked.contains(&target) => {
                MountKind::ImageVolume
            }
            Some("volume") => MountKind::Volume,
            _ => MountKind::Other,
        };
        let source = match kind {
            MountKind::Volume => point.name.clone(),
            MountKind::Bind => point.source.clone(),
            _ => None,
        };
        mounts.push(Mount { target, kind, source, read_only: point.rw == Some(false) });
    }
    let tmpfs = host_config.and_then(|config| config.tmpfs.as_ref());
    for (target, options) in tmpfs.into_iter().flatten() {
        let Some(target) = path(target) else { continue };
        let read_only = options.split(',').any(|option| option == "ro");
        mounts.push(Mount { target, kind: MountKind::Tmpfs, source: None, read_only });
    }
    let init = host_config.and_then(|config| config.init).unwrap_or(false).then_some(INIT_PROGRAM);
    for file in RUNTIME_FILES.into_iter().chain(init) {
        if let Some(target) = path(file)
            && !mounts.iter().any(|mount| mount.target == target)
        {
            mounts.push(Mount { target, kind: MountKind::Runtime, source: None, read_only: false });
        }
    }
    mounts.sort_by(|a, b| a.target.cmp(&b.target));
    mounts
}
