//! A strategic-merge patch of a Kubernetes Deployment: what the plan changes about one container, with the reason behind
//! every line.
//!
//! Owns what Kubernetes does otherwise than Docker. An `emptyDir` has no mount options, starts empty, and belongs to root
//! with mode 0777 or to the pod's `fsGroup`; no volume is ever filled from the image, so an init container does it;
//! ports below 1024 are privileged; no seccomp profile applies unless asked for. What is meant to last is a claim that
//! the user makes. Lists merge by name (containers, volumes) and by path (mounts). A `$` in an init container's
//! arguments is doubled, because `$(NAME)` is expanded there; nowhere else in the patch is anything expanded. Mount
//! paths with a colon are refused, as the API does not allow them. Names are DNS labels (RFC 1123).

use std::collections::BTreeSet;

use serde::Serialize;
use serde_saphyr::Commented;

use super::comment::{line, size};
use super::start_user::{StartUser, given, start_user};
use super::{FormatError, NO_NEW_PRIVILEGES, NOT_READ_ONLY, Options, READ_ONLY, as_text, other_warnings};
use crate::model::{Op, Profile, SubjectPath};
use crate::plan::{NET_BIND_SERVICE, Plan, VolumeMount, as_name, is_lasting, low_ports, short_name};
use crate::text::printable;

/// A value with the reason behind it.
type Reasoned<T> = Commented<T>;

/// The longest name (RFC 1123 label).
const MAX_LABEL: usize = 63;

/// What an init container runs: fills the second directory from the first where it is empty. The names are arguments, no
/// part of the script. A new ext4 file system is not quite empty.
const FILL: &str = r#"ls -A "$2" | grep -qvx lost+found || cp -a "$1/." "$2/""#;

/// The same, and then everything is given to the owner that is the third argument.
const FILL_AND_GIVE: &str =
    r#"{ ls -A "$2" | grep -qvx lost+found || cp -a "$1/." "$2/"; } && chown -R "$3" "$2""#;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Deployment {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    spec: DeploymentSpec,
}

#[derive(Serialize)]
struct Metadata {
    name: Reasoned<String>,
}

#[derive(Serialize)]
struct DeploymentSpec {
    template: Template,
}

#[derive(Serialize)]
struct Template {
    spec: PodSpec,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PodSpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    security_context: Option<PodSecurity>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    init_containers: Vec<InitContainer>,
    containers: Vec<Container>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    volumes: Vec<Volume>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PodSecurity {
    #[serde(skip_serializing_if = "Option::is_none")]
    fs_group: Option<Reasoned<u32>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sysctls: Vec<Sysctl>,
}

#[derive(Serialize)]
struct Sysctl {
    name: Reasoned<&'static str>,
    value: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InitContainer {
    name: Reasoned<String>,
    image: Reasoned<String>,
    command: Vec<Reasoned<String>>,
    security_context: Security,
    volume_mounts: Vec<VolumeMountEntry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    name: Reasoned<String>,
    security_context: Security,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    volume_mounts: Vec<VolumeMountEntry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Security {
    #[serde(skip_serializing_if = "Option::is_none")]
    privileged: Option<Reasoned<bool>>,
    read_only_root_filesystem: Reasoned<bool>,
    allow_privilege_escalation: Reasoned<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_as_user: Option<Reasoned<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_as_group: Option<Reasoned<u32>>,
    capabilities: Capabilities,
    #[serde(skip_serializing_if = "Option::is_none")]
    seccomp_profile: Option<Seccomp>,
}

#[derive(Serialize)]
struct Capabilities {
    drop: Vec<Reasoned<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    add: Vec<Reasoned<String>>,
}

#[derive(Serialize)]
struct Seccomp {
    r#type: Reasoned<&'static str>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct VolumeMountEntry {
    mount_path: Reasoned<String>,
    name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Volume {
    name: String,
    #[serde(flatten)]
    source: Source,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Source {
    EmptyDir(EmptyDir),
    PersistentVolumeClaim(Claim),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EmptyDir {
    medium: Reasoned<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_limit: Option<Reasoned<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Claim {
    claim_name: Reasoned<String>,
}

pub(super) fn render(profile: &Profile, plan: &Plan, options: &Options) -> Result<String, FormatError> {
    let config = profile.subject.config.as_ref().ok_or(FormatError::NoContainer)?;
    let name = deployment_name(plan, options)?;
    let parts = Parts::new(profile, plan, &config.image)?;
    let (ports_cap, sysctls) = parts.low_ports();
    let security = parts.security(ports_cap);
    let deployment = Deployment {
        api_version: "apps/v1",
        kind: "Deployment",
        metadata: Metadata { name: reasoned(name.clone(), "the Deployment; rename it as yours is called") },
        spec: DeploymentSpec {
            template: Template {
                spec: PodSpec {
                    security_context: parts.pod_security(sysctls),
                    init_containers: parts.fill,
                    containers: vec![Container {
                        name: reasoned(name, "its container; rename it as yours is called"),
                        security_context: security,
                        volume_mounts: parts.mounts,
                    }],
                    volumes: parts.volumes,
                },
            },
        },
    };
    let written = serde_saphyr::to_string_with_options(
        &deployment,
        serde_saphyr::ser_options! { prefer_block_scalars: false },
    )
    .map_err(|error| FormatError::Yaml(error.to_string()))?;
    Ok(format!("{}{written}", head(profile, plan)))
}

/// The comment above everything.
fn head(profile: &Profile, plan: &Plan) -> String {
    let mut lines = vec![
        format!("{}, hardened as a training run showed that it can be.", plan.subject),
        "Use it on the Deployment: kubectl patch deployment NAME --patch-file THIS-FILE".to_owned(),
    ];
    if !plan.complete {
        lines
            .push("INCOMPLETE: not everything was seen in training, and this may lack something.".to_owned());
    }
    if plan.tmpfs.iter().any(|mount| !mount.exec) {
        lines.push(
            "An emptyDir has no mount options: noexec, nosuid and nodev of the plan are not in here."
                .to_owned(),
        );
    }
    for target in &plan.mounts_read_only {
        lines.push(format!("Only read in training: set readOnly: true on the volumeMount of {target}."));
    }
    let user = given(profile, plan);
    if start_user(profile, plan).is_none() {
        lines.push(format!("The user {user} is a name of the image; runAsUser would take its number."));
    }
    lines.extend(
        other_warnings(profile, plan).map(|warning| format!("{}: {}", warning.code, warning.message)),
    );
    lines.iter().map(|text| format!("# {}\n", printable(text))).collect()
}

/// What a plan comes to in a pod.
struct Parts<'a> {
    profile: &'a Profile,
    plan: &'a Plan,
    image: &'a str,
    start: Option<StartUser>,
    fill: Vec<InitContainer>,
    mounts: Vec<VolumeMountEntry>,
    volumes: Vec<Volume>,
    names: BTreeSet<String>,
}

impl<'a> Parts<'a> {
    fn new(profile: &'a Profile, plan: &'a Plan, image: &'a str) -> Result<Self, FormatError> {
        let mut parts = Self {
            profile,
            plan,
            image,
            start: start_user(profile, plan),
            fill: Vec::new(),
            mounts: Vec::new(),
            volumes: Vec::new(),
            names: BTreeSet::new(),
        };
        for mount in &plan.tmpfs {
            let name = parts.name(mount_path(&mount.target)?);
            parts.mount(&name, &mount.target, &mount.why)?;
            let dir = EmptyDir {
                medium: reasoned("Memory", "what is in it is temporary; it counts as the pod's memory"),
                size_limit: Some(reasoned(
                    quantity(mount.size),
                    &format!("{}, as in the plan", size(mount.size)),
                )),
            };
            parts.volumes.push(Volume { name, source: Source::EmptyDir(dir) });
        }
        for volume in &plan.volumes {
            parts.volume(volume)?;
        }
        Ok(parts)
    }

    /// A volume's name in the pod, unique in it.
    fn name(&mut self, path: &str) -> String {
        let base = label(path);
        let mut name = base.clone();
        let mut number = 1u32;
        while !self.names.insert(name.clone()) {
            number = number.saturating_add(1);
            let suffix = format!("-{number}");
            name = format!("{}{suffix}", label(base.get(..MAX_LABEL - suffix.len()).unwrap_or(&base)));
        }
        name
    }

    fn mount(&mut self, name: &str, target: &SubjectPath, why: &str) -> Result<(), FormatError> {
        let path = mount_path(target)?.to_owned();
        self.mounts.push(VolumeMountEntry { mount_path: reasoned(path, why), name: name.to_owned() });
        Ok(())
    }

    fn volume(&mut self, volume: &VolumeMount) -> Result<(), FormatError> {
        let target = &volume.target;
        let name = self.name(mount_path(target)?);
        self.mount(&name, target, &volume.why)?;
        let source = if self.lasts(volume) {
            let why = "a PersistentVolumeClaim that you make: what is in it is meant to last";
            Source::PersistentVolumeClaim(Claim { claim_name: reasoned(label(&volume.name), why) })
        } else {
            let why = "on the node's disk, and gone with the pod; a claim in its place would last";
            Source::EmptyDir(EmptyDir { medium: reasoned("", why), size_limit: None })
        };
        if volume.seed_from_image || volume.owner.is_some() {
            let fill = self.fill_container(volume, &name)?;
            self.fill.push(fill);
        }
        self.volumes.push(Volume { name, source });
        Ok(())
    }

    /// Whether a volume is there for its data, and not only because a tmpfs would hide the image's content.
    fn lasts(&self, volume: &VolumeMount) -> bool {
        let hides = self.plan.warnings.iter().any(|warning| {
            warning.code == "shadows-image-content" && warning.path.as_ref() == Some(&volume.target)
        });
        let synced =
            |write: &&crate::model::Write| write.op == Op::Sync && write.path.is_within(&volume.target);
        !hides || is_lasting(&volume.target) || self.profile.writes.iter().any(|write| synced(&write))
    }

    /// An init container that gives the volume the content that the image has there.
    fn fill_container(&self, volume: &VolumeMount, name: &str) -> Result<InitContainer, FormatError> {
        const THERE: &str = "/writepath-volume";
        let target = mount_path(&volume.target)?;
        let script = if volume.owner.is_some() { FILL_AND_GIVE } else { FILL };
        let mut command = vec![
            reasoned("sh".to_owned(), "takes a shell, grep and cp in the image"),
            reasoned("-c".to_owned(), "the names are arguments, no part of the script"),
            reasoned(unexpanded(script), "fills the volume where it is empty, as Docker does by itself"),
            reasoned("fill".to_owned(), "the script's name"),
            reasoned(unexpanded(target), "from here"),
            reasoned(THERE.to_owned(), "to the volume"),
        ];
        if let Some(owner) = &volume.owner {
            command.push(reasoned(unexpanded(owner), "who it must belong to before the subject starts"));
        }
        // Only root may keep the owners of what it copies.
        let as_root = volume.owner.is_some() || self.start.is_none_or(StartUser::is_root);
        let add = if as_root {
            vec![
                reasoned("CHOWN".to_owned(), "keeps the owners of the image's files"),
                reasoned("DAC_OVERRIDE".to_owned(), "reads and writes in directories of other owners"),
                reasoned("FOWNER".to_owned(), "keeps modes and times of files that belong to others"),
            ]
        } else {
            Vec::new()
        };
        let user = if as_root { Some(StartUser { uid: 0, gid: None }) } else { self.start };
        Ok(InitContainer {
            name: reasoned(label(&format!("fill-{name}")), "Kubernetes never fills a volume from the image"),
            image: reasoned(self.image.to_owned(), "the subject's own: its content is what is copied"),
            command,
            security_context: Security {
                privileged: None,
                read_only_root_filesystem: reasoned(true, "it writes to the volume only"),
                allow_privilege_escalation: reasoned(false, "copying gains no privileges"),
                run_as_user: user.map(|user| {
                    let why = if user.is_root() {
                        "only root may keep the owners of files"
                    } else {
                        "as the subject"
                    };
                    reasoned(user.uid, why)
                }),
                run_as_group: user.and_then(|user| user.gid).map(|gid| reasoned(gid, "as the subject")),
                capabilities: Capabilities {
                    drop: vec![reasoned("ALL".to_owned(), "all but what copying takes")],
                    add,
                },
                seccomp_profile: None,
            },
            volume_mounts: vec![VolumeMountEntry {
                mount_path: reasoned(THERE.to_owned(), "beside the image's own content"),
                name: name.to_owned(),
            }],
        })
    }

    /// How the subject may bind ports below 1024: by a capability, or by a sysctl for a user that capabilities of a
    /// container do not reach.
    fn low_ports(&self) -> (Option<Reasoned<String>>, Vec<Sysctl>) {
        let granted = self.plan.cap_add.iter().any(|add| add.cap == NET_BIND_SERVICE);
        let Some(who) = low_ports(self.profile).filter(|_| !granted) else { return (None, Vec::new()) };
        if self.start.is_some_and(StartUser::is_root) {
            let why = format!("{who}, which takes it here");
            return (Some(reasoned(NET_BIND_SERVICE.to_owned(), &why)), Vec::new());
        }
        let why = format!("{who}; a user other than root gets no capability that is added");
        let name = reasoned("net.ipv4.ip_unprivileged_port_start", &why);
        (None, vec![Sysctl { name, value: "0" }])
    }

    fn security(&self, ports: Option<Reasoned<String>>) -> Security {
        let Self { profile, plan, start, .. } = self;
        let config = profile.subject.config.as_ref();
        let mut add: Vec<Reasoned<String>> =
            plan.cap_add.iter().map(|add| reasoned(add.cap.clone(), &add.why)).collect();
        add.extend(ports);
        let dropped =
            if add.is_empty() { "no capability was needed in training" } else { "all but those below" };
        let unconfined = config
            .is_some_and(|config| config.security_opt.iter().any(|option| option.starts_with("seccomp=")));
        let chosen = start.filter(|_| !given(profile, plan).is_empty());
        Security {
            privileged: config
                .filter(|config| config.privileged)
                .map(|_| reasoned(false, "the capabilities below are all that was needed")),
            read_only_root_filesystem: if plan.read_only {
                reasoned(true, READ_ONLY)
            } else {
                reasoned(false, NOT_READ_ONLY)
            },
            allow_privilege_escalation: if plan.no_new_privileges {
                reasoned(false, NO_NEW_PRIVILEGES)
            } else {
                reasoned(true, "a program seen in training gains privileges")
            },
            run_as_user: chosen.map(|user| reasoned(user.uid, "the user that the subject starts as")),
            run_as_group: chosen
                .and_then(|user| user.gid)
                .map(|gid| reasoned(gid, "the user that the subject starts as")),
            capabilities: Capabilities {
                drop: plan.cap_drop.iter().map(|cap| reasoned(cap.clone(), dropped)).collect(),
                add,
            },
            seccomp_profile: (!unconfined).then(|| Seccomp {
                r#type: reasoned(
                    "RuntimeDefault",
                    "training ran under the runtime's default profile, Kubernetes uses none",
                ),
            }),
        }
    }

    /// What holds for the pod: who its volumes belong to.
    fn pod_security(&self, sysctls: Vec<Sysctl>) -> Option<PodSecurity> {
        let owners: BTreeSet<u32> =
            self.plan.tmpfs.iter().map(|mount| mount.gid).filter(|gid| *gid != 0).collect();
        let from_user = self.start.and_then(|start| start.gid).filter(|gid| *gid != 0);
        let from_mounts = owners.first().copied().filter(|_| owners.len() == 1);
        let fs_group = match (from_user, from_mounts) {
            _ if self.mounts.is_empty() => None,
            (Some(gid), _) => Some(reasoned(
                gid,
                "volumes belong to root otherwise, and the subject starts with this group",
            )),
            (None, Some(gid)) => {
                Some(reasoned(gid, "volumes belong to root otherwise, and the plan gives them to this group"))
            }
            (None, None) => None,
        };
        (fs_group.is_some() || !sysctls.is_empty()).then_some(PodSecurity { fs_group, sysctls })
    }
}

/// A target as `mountPath`, which holds no colon (core/v1 VolumeMount).
fn mount_path(target: &SubjectPath) -> Result<&str, FormatError> {
    let path = as_text(target)?;
    if path.contains(':') {
        return Err(FormatError::MountPath { target: printable(path), reason: "a mountPath holds no colon" });
    }
    Ok(path)
}

/// A size in bytes as a quantity.
fn quantity(bytes: u64) -> String {
    match bytes {
        b if b > 0 && b.trailing_zeros() >= 30 => format!("{}Gi", b >> 30),
        b if b > 0 && b.trailing_zeros() >= 20 => format!("{}Mi", b >> 20),
        b if b > 0 && b.trailing_zeros() >= 10 => format!("{}Ki", b >> 10),
        b => b.to_string(),
    }
}

/// Text as an RFC 1123 label: lower-case letters, digits and hyphens.
fn label(text: &str) -> String {
    let name = as_name(text, MAX_LABEL).to_ascii_lowercase().replace(['_', '.'], "-");
    let name: String = name.chars().take(MAX_LABEL).collect();
    match name.trim_matches('-') {
        "" => "volume".to_owned(),
        name => name.to_owned(),
    }
}

fn deployment_name(plan: &Plan, options: &Options) -> Result<String, FormatError> {
    let Some(given) = &options.service else { return Ok(label(short_name(&plan.subject))) };
    if given.is_empty() || label(given) != *given {
        return Err(FormatError::Label(printable(given)));
    }
    Ok(given.clone())
}

fn reasoned<T>(value: T, why: &str) -> Reasoned<T> {
    Commented(value, line(why))
}

/// A literal `$` in a container's command (core/v1 Container, `command`).
fn unexpanded(text: &str) -> String {
    text.replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_quantities() {
        for (text, want) in [
            ("/var/lib/App_1.x", "var-lib-app-1-x"),
            ("/é", "volume"),
            ("", "volume"),
            (&"a".repeat(80), &"a".repeat(63)),
        ] {
            assert_eq!(label(text), want, "{text}");
        }
        for (bytes, want) in
            [(0, "0"), (1 << 30, "1Gi"), (16 << 20, "16Mi"), (1536, "1536"), (3 << 10, "3Ki")]
        {
            assert_eq!(quantity(bytes), want);
        }
    }
}
