//! What Docker is asked for when a container is made: the options of `docker run`, and labels that name the process
//! that made it.

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, HostConfig};
use reports::model::{ContainerConfig, MountFlag};

use super::{RuntimeError, options};
use crate::host::process_start_time;

/// The label of every container made here; its value is `PID START-TIME` of the process that made it.
pub(crate) const OWNER_LABEL: &str = "io.writepath.owner";
/// What the container is for.
const ROLE_LABEL: &str = "io.writepath.role";

/// The label's value for this process.
pub(crate) fn owner_label() -> String {
    let pid = std::process::id();
    format!("{pid} {}", process_start_time(pid).unwrap_or(0))
}

/// Whether the process that an owner's label names is there still.
pub(super) fn owner_lives(owner: &str) -> bool {
    let Some((pid, start)) = owner.split_once(' ') else { return false };
    let (Ok(pid), Ok(start)) = (pid.parse(), start.parse::<u64>()) else { return false };
    process_start_time(pid) == Some(start)
}

fn some<T>(values: Vec<T>) -> Option<Vec<T>> {
    (!values.is_empty()).then_some(values)
}

/// The request for a container of this configuration.
pub(super) fn body_of(config: &ContainerConfig, role: &str) -> Result<ContainerCreateBody, RuntimeError> {
    // Destructured, so that a new field is not forgotten here.
    let ContainerConfig {
        image,
        args,
        entrypoint,
        name: _,
        env,
        publish,
        mounts,
        user,
        image_user: _,
        workdir,
        network,
        hostname,
        add_host,
        cap_add,
        cap_drop,
        security_opt,
        sysctl,
        init,
        privileged,
        read_only,
        platform: _,
        image_volumes: _,
    } = config;
    let ports = options::publish(publish)?;
    let (mut binds, mut anonymous, mut tmpfs, mut api_mounts) =
        (Vec::new(), Vec::new(), HashMap::new(), Vec::new());
    for mount in mounts {
        match mount.flag {
            MountFlag::Volume => match options::volume(&mount.value)? {
                options::Volume::Bind(bind) => binds.push(bind),
                options::Volume::Anonymous(target) => anonymous.push(target),
            },
            MountFlag::Tmpfs => {
                let (target, options) = options::tmpfs(&mount.value)?;
                tmpfs.insert(target, options);
            }
            MountFlag::Mount => api_mounts.push(options::mount(&mount.value)?),
        }
    }
    let host_config = HostConfig {
        binds: some(binds),
        tmpfs: (!tmpfs.is_empty()).then_some(tmpfs),
        mounts: some(api_mounts),
        network_mode: network.clone(),
        cap_add: some(cap_add.clone()),
        cap_drop: some(cap_drop.clone()),
        security_opt: some(security_opt.clone()),
        sysctls: (!sysctl.is_empty()).then(|| sysctl.clone().into_iter().collect()),
        init: init.then_some(true),
        extra_hosts: some(add_host.clone()),
        privileged: privileged.then_some(true),
        readonly_rootfs: read_only.then_some(true),
        port_bindings: (!ports.is_empty()).then(|| ports.clone()),
        ..HostConfig::default()
    };
    Ok(ContainerCreateBody {
        image: Some(image.clone()),
        cmd: some(args.clone()),
        entrypoint: entrypoint.clone().map(|entrypoint| vec![entrypoint]),
        env: some(env.clone()),
        user: user.clone(),
        working_dir: workdir.clone(),
        hostname: hostname.clone(),
        exposed_ports: some(options::exposed(&ports)),
        volumes: some(anonymous),
        labels: Some(options::labels(&[(OWNER_LABEL, owner_label()), (ROLE_LABEL, role.to_owned())])),
        host_config: Some(host_config),
        ..ContainerCreateBody::default()
    })
}
