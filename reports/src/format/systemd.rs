//! A drop-in that hardens a systemd service as the plan says, for a subject that runs on the host without a container.
//!
//! Owns which of systemd's directories stands for which place (systemd.exec(5)): what lies below /run, /var/lib,
//! /var/cache and /var/log becomes the service's RuntimeDirectory, StateDirectory, CacheDirectory or LogsDirectory, which
//! systemd makes and gives to the service's user; /tmp and /var/tmp become private; any other tmpfs a
//! TemporaryFileSystem, any other volume a path that must be there. Hostile names are quoted; those that a directory
//! setting would split (`:`) take the general form. What the subject mounted itself is the host's here, and read-only
//! by ProtectSystem. Tried with systemd 252.

use std::collections::BTreeMap;

use super::start_user::given;
use super::unit_file::{Section, Setting, plain, word, write};
use super::{FormatError, NO_NEW_PRIVILEGES, Options, as_text, other_warnings};
use crate::model::{Profile, SubjectPath};
use crate::plan::{NET_BIND_SERVICE, Plan, TmpfsMount, VolumeMount, low_ports};

/// A kind of directory that systemd makes for a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    below: &'static str,
    key: &'static str,
    mode_key: &'static str,
}

const KINDS: [Kind; 4] = [
    Kind { below: "/run/", key: "RuntimeDirectory", mode_key: "RuntimeDirectoryMode" },
    Kind { below: "/var/lib/", key: "StateDirectory", mode_key: "StateDirectoryMode" },
    Kind { below: "/var/cache/", key: "CacheDirectory", mode_key: "CacheDirectoryMode" },
    Kind { below: "/var/log/", key: "LogsDirectory", mode_key: "LogsDirectoryMode" },
];

/// What makes one place writable.
enum Place<'a> {
    /// A directory that systemd makes.
    Directory(Kind, &'a str),
    /// A /tmp and /var/tmp of the service's own.
    PrivateTmp,
    /// It is writable anyway.
    Device,
    /// Nothing in particular.
    Path(&'a str),
}

fn place(target: &SubjectPath) -> Result<Place<'_>, FormatError> {
    let text = as_text(target)?;
    let below = |directory: &str| {
        text == directory || text.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
    };
    if below("/tmp") || below("/var/tmp") {
        return Ok(Place::PrivateTmp);
    }
    if below("/dev") {
        return Ok(Place::Device);
    }
    // Names of directories are split once more: a colon parts one from a symbolic link to it, and quotes, blanks and
    // backslashes have their meaning again (systemd: src/core/load-fragment.c config_parse_exec_directories).
    let found = KINDS.iter().find_map(|kind| Some((*kind, text.strip_prefix(kind.below)?)));
    Ok(match found {
        Some((kind, name)) if !name.contains(|c: char| c.is_whitespace() || ":\\\"'".contains(c)) => {
            Place::Directory(kind, name)
        }
        _ => Place::Path(text),
    })
}

pub(super) fn render(profile: &Profile, plan: &Plan, _: &Options) -> Result<String, FormatError> {
    let mut settings = Vec::new();
    root(plan, &mut settings);
    Places::new(plan)?.settings(&mut settings)?;
    capabilities(profile, plan, &mut settings)?;
    Ok(write(&head(profile, plan), &[Section { name: "Service", settings }]))
}

fn head(profile: &Profile, plan: &Plan) -> Vec<String> {
    let mut head = vec![
        format!("{}, hardened as a training run showed that it can be.", plan.subject),
        "Save it as /etc/systemd/system/NAME.service.d/writepath.conf, then: systemctl daemon-reload"
            .to_owned(),
    ];
    if profile.subject.config.is_some() {
        head.push(
            "Training ran in a container: paths and users are those of its image, not of this host."
                .to_owned(),
        );
    }
    if !plan.complete {
        head.push("INCOMPLETE: not everything was seen in training, and this may lack something.".to_owned());
    }
    head.extend(
        other_warnings(profile, plan).map(|warning| format!("{}: {}", warning.code, warning.message)),
    );
    head
}

fn root(plan: &Plan, settings: &mut Vec<Setting>) {
    if !plan.read_only {
        let why = "some writes seen in training fall where nothing can be made writable";
        settings.push(Setting::new("ProtectSystem", "no", why));
        return;
    }
    let why = "every write seen in training falls on a place below; /dev, /proc and /sys stay as they are";
    settings.push(Setting::new("ProtectSystem", "strict", why));
    let why = "ProtectSystem leaves /home, /root and /run/user writable";
    settings.push(Setting::new("ProtectHome", "read-only", why));
}

/// The directories of one kind: a service has one mode for all of them.
#[derive(Default)]
struct Directories<'a> {
    mode: Option<&'a str>,
    /// Names, with the reason for each.
    names: Vec<(&'a str, String)>,
}

/// The places that the plan makes writable, sorted by what systemd calls them.
#[derive(Default)]
struct Places<'a> {
    directories: BTreeMap<Kind, Directories<'a>>,
    private_tmp: Vec<String>,
    devices: Vec<&'a SubjectPath>,
    in_memory: Vec<(&'a TmpfsMount, &'a str)>,
    paths: Vec<(&'a str, String)>,
    /// Where nothing may be executed.
    no_exec: Vec<(&'a str, &'a str)>,
}

impl<'a> Places<'a> {
    fn new(plan: &'a Plan) -> Result<Self, FormatError> {
        let mut places = Self::default();
        for mount in &plan.tmpfs {
            places.tmpfs(mount)?;
        }
        for volume in &plan.volumes {
            places.volume(volume)?;
        }
        Ok(places)
    }

    fn tmpfs(&mut self, mount: &'a TmpfsMount) -> Result<(), FormatError> {
        const NO_EXEC: &str = "programs were not seen to be executed there";
        let why = || format!("{}: {}", mount.target, mount.why);
        match place(&mount.target)? {
            Place::PrivateTmp => {
                self.private_tmp.push(why());
                // What lies deeper is not there yet when the service's mounts are made.
                let path = as_text(&mount.target)?;
                if !mount.exec && matches!(path, "/tmp" | "/var/tmp") {
                    self.no_exec.push((path, NO_EXEC));
                }
            }
            Place::Device => self.devices.push(&mount.target),
            Place::Path(path) if path == "/run" => {
                self.paths.push((path, format!("the host's own, which other services use too; {}", why())));
            }
            Place::Path(path) => self.in_memory.push((mount, path)),
            Place::Directory(kind, name) => {
                let Directories { mode, names } = self.directories.entry(kind).or_default();
                if mode.is_some_and(|mode| mode != mount.mode) {
                    self.in_memory.push((mount, as_text(&mount.target)?));
                    return Ok(());
                }
                *mode = Some(&mount.mode);
                let owner = format!("{}:{}", mount.uid, mount.gid);
                names.push((
                    name,
                    format!("systemd gives it to the service's user ({owner} in the plan); {}", why()),
                ));
                if !mount.exec {
                    self.no_exec.push((as_text(&mount.target)?, NO_EXEC));
                }
            }
        }
        Ok(())
    }

    fn volume(&mut self, volume: &'a VolumeMount) -> Result<(), FormatError> {
        let why = format!("{}: {}", volume.target, volume.why);
        match place(&volume.target)? {
            Place::PrivateTmp => self.private_tmp.push(why),
            Place::Device => self.devices.push(&volume.target),
            Place::Directory(kind, name) => self.directories.entry(kind).or_default().names.push((name, why)),
            Place::Path(path) => {
                self.paths.push((path, format!("must be there before the service starts; {why}")));
            }
        }
        Ok(())
    }

    fn settings(&self, settings: &mut Vec<Setting>) -> Result<(), FormatError> {
        let Self { directories, private_tmp, devices, in_memory, paths, no_exec } = self;
        for (kind, Directories { mode, names }) in directories {
            for (name, why) in names {
                settings.push(Setting::new(kind.key, word(name)?, why));
            }
            if let Some(mode) = mode {
                settings.push(Setting::new(kind.mode_key, *mode, "their mode in training"));
            }
        }
        if !private_tmp.is_empty() {
            settings.push(Setting::new("PrivateTmp", "yes", private_tmp.join("; ")));
        }
        for (mount, path) in in_memory {
            settings.push(Setting::new(
                "TemporaryFileSystem",
                in_memory_value(mount, path)?,
                format!("{}: {}", mount.target, mount.why),
            ));
        }
        for (path, why) in paths {
            settings.push(Setting::new("ReadWritePaths", word(path)?, why));
        }
        for target in devices {
            let why = format!(
                "{target}: ProtectSystem leaves /dev writable; a private one has no devices of the host"
            );
            settings.push(Setting::new("PrivateDevices", "no", why));
        }
        for (path, why) in no_exec {
            settings.push(Setting::new("NoExecPaths", word(path)?, *why));
        }
        Ok(())
    }
}

/// `PATH:OPTIONS`, with the path's own colons and backslashes escaped once more than words are.
fn in_memory_value(mount: &TmpfsMount, path: &str) -> Result<String, FormatError> {
    let TmpfsMount { target: _, size, mode, uid, gid, exec, suid, dev, .. } = mount;
    let path = path.replace('\\', "\\\\").replace(':', "\\:");
    let [exec, suid, dev] = [
        if *exec { "exec" } else { "noexec" },
        if *suid { "suid" } else { "nosuid" },
        if *dev { "dev" } else { "nodev" },
    ];
    word(&format!("{path}:rw,{exec},{suid},{dev},size={size},mode={mode},uid={uid},gid={gid}"))
}

fn capabilities(profile: &Profile, plan: &Plan, settings: &mut Vec<Setting>) -> Result<(), FormatError> {
    const BOUND: &str = "CapabilityBoundingSet";
    let mut caps: Vec<(String, String)> =
        plan.cap_add.iter().map(|add| (format!("CAP_{}", add.cap), add.why.clone())).collect();
    if let Some(who) =
        low_ports(profile).filter(|_| !plan.cap_add.iter().any(|add| add.cap == NET_BIND_SERVICE))
    {
        caps.push((format!("CAP_{NET_BIND_SERVICE}"), format!("{who}, which takes it on a host's network")));
    }
    let none = if caps.is_empty() { "no capability was needed in training" } else { "none but those below" };
    settings.push(Setting::new(BOUND, "", none));
    for (cap, why) in &caps {
        settings.push(Setting::new(BOUND, word(cap)?, why));
    }
    let (user, group) = match given(profile, plan) {
        "" => (None, None),
        text => text.split_once(':').map_or((Some(text), None), |(user, group)| (Some(user), Some(group))),
    };
    if let Some(user) = user {
        settings.push(Setting::new("User", plain("User", user)?, "the user that the subject starts as"));
    }
    if let Some(group) = group {
        settings.push(Setting::new("Group", plain("Group", group)?, "the user that the subject starts as"));
    }
    let root = user.is_none_or(|user| matches!(user, "0" | "root"));
    if caps.is_empty() || root {
        let why = if caps.is_empty() {
            "no capability was needed in training"
        } else {
            "a service that starts as root has those of the bounding set anyway"
        };
        settings.push(Setting::new("AmbientCapabilities", "", why));
    } else {
        for (cap, why) in &caps {
            settings.push(Setting::new(
                "AmbientCapabilities",
                word(cap)?,
                format!("a user other than root has none by itself; {why}"),
            ));
        }
    }
    settings.push(if plan.no_new_privileges {
        Setting::new("NoNewPrivileges", "yes", NO_NEW_PRIVILEGES)
    } else {
        Setting::new("NoNewPrivileges", "no", "a program seen in training gains privileges")
    });
    Ok(())
}
