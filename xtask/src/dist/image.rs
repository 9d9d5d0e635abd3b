//! The image `writepath:VERSION`: the static program and nothing else, and the least that a container of it has to be given
//! to profile other containers.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Artefacts, VERSION};
use crate::command::{self, say};
use crate::daemon::Daemon;
use crate::images;
use crate::workspace;

/// What the container is given, as `docs/install.md` explains it.
pub(super) const PRIVILEGES: &[&str] = &[
    "--pid=host",
    "--cgroupns=host",
    "--network=host",
    "--cap-drop=ALL",
    "--cap-add=BPF",
    "--cap-add=PERFMON",
    "--cap-add=SYS_PTRACE",
    "--cap-add=DAC_READ_SEARCH",
    "--cap-add=SYSLOG",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--security-opt=no-new-privileges",
    "--read-only",
    "--volume=/sys/fs/cgroup:/sys/fs/cgroup:ro",
    "--volume=/var/run/docker.sock:/var/run/docker.sock",
];
