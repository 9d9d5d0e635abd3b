//! What was profiled: its name, its configuration, its mounts, and what its image holds where it writes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SubjectPath;

/// What was profiled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subject {
    /// The image reference as given (`nginx:1.27`), or the command.
    pub name: String,
    /// The image's content-addressed id; absent for a plain command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// The configuration that the container was made with; absent for a plain command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<ContainerConfig>,
    /// The mounts that the subject had besides its root, and besides those that every container has
    /// (/proc, /sys, /dev and below).
    #[serde(default)]
    pub mounts: Vec<Mount>,
    /// What the image (not the running container) holds at the places that were written, sorted by path: every
    /// directory that was written in or changed itself, the innermost directory common to both ends of a rename or
    /// link, and everything below them. Complete for those directories unless they are listed in `image_cut`.
    #[serde(default)]
    pub image_entries: Vec<ImageEntry>,
    /// Directories whose image content was too large to list.
    #[serde(default)]
    pub image_cut: Vec<SubjectPath>,
}

/// A container's configuration, as far as it is needed to run it again. Values are Docker's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContainerConfig {
    /// The image reference.
    pub image: String,
    /// Arguments behind the image, as given.
    #[serde(default)]
    pub args: Vec<String>,
    /// `--entrypoint`, as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<String>,
    /// `--name`, as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `--env` and `--env-file`, as `NAME=VALUE`, as given (not the image's own).
    #[serde(default)]
    pub env: Vec<String>,
    /// `--publish`, as given.
    #[serde(default)]
    pub publish: Vec<String>,
    /// `--volume`, `--mount` and `--tmpfs`, as given.
    #[serde(default)]
    pub mounts: Vec<MountOption>,
    /// `--user`, as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The user that the image runs as, from the image (empty: root).
    #[serde(default)]
    pub image_user: String,
    /// `--workdir`, as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workdir: Option<String>,
    /// `--network`, as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// `--hostname`, as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// `--add-host`, as given.
    #[serde(default)]
    pub add_host: Vec<String>,
    /// `--cap-add`, as given.
    #[serde(default)]
    pub cap_add: Vec<String>,
    /// `--cap-drop`, as given.
    #[serde(default)]
    pub cap_drop: Vec<String>,
    /// `--security-opt`, as given.
    #[serde(default)]
    pub security_opt: Vec<String>,
    /// `--sysctl`, as given.
    #[serde(default)]
    pub sysctl: BTreeMap<String, String>,
    /// `--init`.
    #[serde(default)]
    pub init: bool,
    /// `--privileged`.
    #[serde(default)]
    pub privileged: bool,
    /// `--read-only`: whether the root file system is mounted read-only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// `--platform`, as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The image's `VOLUME` declarations.
    #[serde(default)]
    pub image_volumes: Vec<SubjectPath>,
}

/// One `--volume`, `--mount` or `--tmpfs` of a `docker run` command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MountOption {
    /// Which flag.
    pub flag: MountFlag,
    /// Its value, as given.
    pub value: String,
}

/// A flag of `docker run` that mounts something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MountFlag {
    /// `--volume`
    Volume,
    /// `--mount`
    Mount,
    /// `--tmpfs`
    Tmpfs,
}

/// A mount that the subject had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mount {
    /// Where, in the subject's mount namespace.
    pub target: SubjectPath,
    /// What.
    pub kind: MountKind,
    /// A volume's name or a bind's host path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Whether it was mounted read-only.
    #[serde(default)]
    pub read_only: bool,
}

/// Kinds of mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MountKind {
    /// A named volume that the user asked for.
    Volume,
    /// A volume that is there because the image declares `VOLUME`.
    ImageVolume,
    /// A host path.
    Bind,
    /// A tmpfs.
    Tmpfs,
    /// A file or directory that the runtime supplies: /etc/resolv.conf, /etc/hosts, /etc/hostname, the init binary.
    Runtime,
    /// Anything else, for instance a mount that the subject made itself.
    Other,
}

/// One object of the image's file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageEntry {
    /// Where.
    pub path: SubjectPath,
    /// What.
    pub kind: super::ObjectKind,
    /// The permission bits, octal text of four digits, for instance `0755` or `1777`.
    pub mode: String,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// A regular file's size in bytes.
    #[serde(default)]
    pub size: u64,
    /// A symbolic link's target, as stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}
