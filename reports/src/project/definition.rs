//! A project as the Compose tool resolved it.
//!
//! Owns which of its keys matter here and how they are read, in the short and the long form of each: docker-compose
//! 1.29 and Compose v2 write different ones. What is not looked at stays in the document as it is. Strings have `$`
//! doubled in what `config` prints; here they are as the container gets them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::order;
use crate::model::SubjectPath;

/// The largest resolved project that is read, in bytes.
pub const MAX_DEFINITION_BYTES: usize = 8 << 20;

/// The most services of a project.
const MAX_SERVICES: usize = 200;

/// A project, resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    pub(super) document: Map<String, Value>,
    /// By name.
    pub services: BTreeMap<String, Service>,
}

/// What matters of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// The image, where one is named.
    pub image: Option<String>,
    /// Whether it has a build section.
    pub builds: bool,
    /// The services that are to be there before it.
    pub depends_on: BTreeMap<String, Condition>,
    /// The profiles of which one has to be chosen; none: it always runs.
    pub(super) profiles: BTreeSet<String>,
    /// Its mounts that have a source, by target.
    pub(super) volumes: BTreeMap<SubjectPath, VolumeEntry>,
    pub(super) read_only: bool,
    pub(super) privileged: bool,
    pub(super) cap_add: BTreeSet<String>,
    pub(super) cap_drop: BTreeSet<String>,
    pub(super) security_opt: Vec<String>,
    pub(super) user: Option<String>,
    pub(super) tmpfs: BTreeSet<SubjectPath>,
    /// Whether it joins the project's default network.
    pub(super) on_default_network: bool,
}

/// An entry of a service's `volumes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VolumeEntry {
    /// A key of the project's volumes, or a path of the host; none: an anonymous volume.
    pub(super) source: Option<String>,
    pub(super) is_bind: bool,
    pub(super) read_only: bool,
    /// Whether it has options besides, such as SELinux labels or `nocopy`, which another entry would replace.
    pub(super) has_options: bool,
}

/// When a dependency is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Condition {
    /// It was started.
    #[default]
    Started,
    /// Its health check passes.
    Healthy,
    /// It has ended with status 0.
    Completed,
}

/// Why a project cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// There is too much of it.
    #[error("the resolved project is larger than {} MiB", MAX_DEFINITION_BYTES >> 20)]
    TooLarge,
    /// It is no YAML.
    #[error("the resolved project is no YAML: {0}")]
    Yaml(String),
    /// A part is not what it should be.
    #[error("the resolved project: {place}: {what}")]
    Shape {
        /// Which, for instance `services.web.image`.
        place: String,
        /// What it should be.
        what: &'static str,
    },
    /// There is nothing to run.
    #[error("the project has no services")]
    NoServices,
    /// There are too many.
    #[error("the project has more than {MAX_SERVICES} services")]
    TooMany,
    /// A name that no file can have.
    #[error("`{0}` is no name for a service: letters, digits, `.`, `_` and `-` are")]
    Name(String),
    /// A service waits for one that is not there.
    #[error("the service `{service}` depends on `{dependency}`, which the project does not have")]
    NoDependency {
        /// Who.
        service: String,
        /// For whom.
        dependency: String,
    },
    /// Services wait for one another.
    #[error("services depend on one another in a circle: {}", .0.join(", "))]
    Circle(Vec<String>),
}

impl Definition {
    /// Reads what the Compose tool's `config` printed.
    ///
    /// # Errors
    /// [`DefinitionError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, DefinitionError> {
        if bytes.len() > MAX_DEFINITION_BYTES {
            return Err(DefinitionError::TooLarge);
        }
        let document: Value =
            serde_saphyr::from_slice(bytes).map_err(|error| DefinitionError::Yaml(error.to_string()))?;
        let Value::Object(document) = document else {
            return Err(shape("the top", "it should be a mapping"));
        };
        let listed = match document.get("services") {
            Some(Value::Object(services)) if !services.is_empty() => services,
            None | Some(Value::Null | Value::Object(_)) => return Err(DefinitionError::NoServices),
            Some(_) => return Err(shape("services", "it should be a mapping")),
        };
        if listed.len() > MAX_SERVICES {
            return Err(DefinitionError::TooMany);
        }
        let mut services = BTreeMap::new();
        for (name, value) in listed {
            if !is_name(name) {
                return Err(DefinitionError::Name(crate::text::printable(name)));
            }
            let Value::Object(keys) = value else {
                return Err(shape(&format!("services.{name}"), "it should be a mapping"));
            };
            services.insert(name.clone(), Service::read(name, keys)?);
        }
        let definition = Self { document, services };
        definition.check_dependencies()?;
        Ok(definition)
    }

    fn check_dependencies(&self) -> Result<(), DefinitionError> {
        for (name, service) in &self.services {
            let unknown = service.depends_on.keys().find(|wanted| !self.services.contains_key(*wanted));
            if let Some(dependency) = unknown {
                return Err(DefinitionError::NoDependency {
                    service: name.clone(),
                    dependency: crate::text::printable(dependency),
                });
            }
        }
        order::levels(self).map(drop).map_err(DefinitionError::Circle)
    }

    /// These services and all that they depend on. Where none is named, all services but those that take a profile which
    /// is not chosen.
    ///
    /// # Errors
    /// The name that the project does not have.
    pub fn chosen(&self, names: &[String], profiles: &[String]) -> Result<BTreeSet<String>, String> {
        let mut wanted = BTreeSet::new();
        let mut open: Vec<&String> = names.iter().collect();
        if names.is_empty() {
            let is_chosen = |service: &Service| {
                service.profiles.is_empty()
                    || profiles.iter().any(|profile| profile == "*" || service.profiles.contains(profile))
            };
            open.extend(self.services.iter().filter(|(_, service)| is_chosen(service)).map(|(name, _)| name));
        }
        while let Some(name) = open.pop() {
            let service = self.services.get(name).ok_or_else(|| name.clone())?;
            if wanted.insert(name.clone()) {
                open.extend(service.depends_on.keys());
            }
        }
        Ok(wanted)
    }

    /// The keys of the project's volumes.
    pub(super) fn volumes(&self) -> BTreeSet<&str> {
        let listed = self.document.get("volumes").and_then(Value::as_object);
        listed.into_iter().flat_map(Map::keys).map(String::as_str).collect()
    }

    /// Other services that mount the same volume or directory and may write there.
    pub(super) fn writers<'a>(
        &'a self,
        name: &'a str,
        entry: &'a VolumeEntry,
    ) -> impl Iterator<Item = &'a str> {
        let shares = move |other: &VolumeEntry| {
            other.source.is_some() && other.source == entry.source && !other.read_only
        };
        self.services
            .iter()
            .filter(move |(other, service)| *other != name && service.volumes.values().any(shares))
            .map(|(other, _)| other.as_str())
    }
}

impl Service {
    fn read(name: &str, keys: &Map<String, Value>) -> Result<Self, DefinitionError> {
        let place = |key: &str| format!("services.{name}.{key}");
        let flag = |key: &str| keys.get(key) == Some(&Value::Bool(true));
        let list = |key: &str| -> Result<Vec<String>, DefinitionError> {
            strings(keys.get(key)).ok_or_else(|| shape(&place(key), "it should be a list of strings"))
        };
        let word = |key: &str| match keys.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(unescape(text))),
            // `user: 1000`
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(shape(&place(key), "it should be a string")),
        };
        let mut service = Self {
            image: word("image")?,
            builds: keys.get("build").is_some_and(|build| !build.is_null()),
            depends_on: dependencies(keys, &place)?,
            volumes: BTreeMap::new(),
            read_only: flag("read_only"),
            privileged: flag("privileged"),
            cap_add: capabilities(list("cap_add")?),
            cap_drop: capabilities(list("cap_drop")?),
            security_opt: list("security_opt")?,
            user: word("user")?,
            tmpfs: BTreeSet::new(),
            profiles: list("profiles")?.into_iter().collect(),
            on_default_network: !keys.contains_key("network_mode")
                && match keys.get("networks") {
                    None | Some(Value::Null) => true,
                    Some(Value::Object(networks)) => networks.contains_key("default"),
                    Some(Value::Array(networks)) => networks.iter().any(|network| network == "default"),
                    Some(_) => false,
                },
        };
        let tmpfs = match keys.get("tmpfs") {
            Some(Value::String(one)) => vec![unescape(one)],
            _ => list("tmpfs")?,
        };
        service.tmpfs = tmpfs
            .iter()
            .filter_map(|entry| SubjectPath::from_bytes(entry.split(':').next()?.as_bytes()).ok())
            .collect();
        let volumes = match keys.get("volumes") {
            None | Some(Value::Null) => &[][..],
            Some(Value::Array(volumes)) => volumes,
            Some(_) => return Err(shape(&place("volumes"), "it should be a list")),
        };
        for volume in volumes {
            service
                .take_volume(volume)
                .ok_or_else(|| shape(&place("volumes"), "it should be a list of mounts"))?;
        }
        Ok(service)
    }

    fn take_volume(&mut self, value: &Value) -> Option<()> {
        let (target, entry) = match value {
            Value::String(text) => {
                let text = unescape(text);
                let mut parts = text.splitn(3, ':');
                let first = parts.next()?.to_owned();
                let (source, target) = match parts.next() {
                    Some(target) => (Some(first), target.to_owned()),
                    None => (None, first),
                };
                let modes: Vec<&str> =
                    parts.next().map(|modes| modes.split(',').collect()).unwrap_or_default();
                let read_only = modes.contains(&"ro");
                let has_options = modes.iter().any(|mode| !matches!(*mode, "ro" | "rw"));
                let is_bind = source.as_deref().is_some_and(|source| source.starts_with(['/', '.', '~']));
                (target, VolumeEntry { source, is_bind, read_only, has_options })
            }
            Value::Object(keys) => {
                let text = |key: &str| keys.get(key).and_then(Value::as_str).map(unescape);
                let target = text("target")?;
                let kind = text("type").unwrap_or_default();
                if kind == "tmpfs" {
                    self.tmpfs.insert(SubjectPath::from_bytes(target.as_bytes()).ok()?);
                    return Some(());
                }
                let read_only = keys.get("read_only") == Some(&Value::Bool(true));
                let has_options = keys.iter().any(|(key, value)| match key.as_str() {
                    "type" | "source" | "target" | "read_only" => false,
                    // Compose v2 always says these.
                    "bind" => *value != json!({ "create_host_path": true }) && *value != json!({}),
                    "volume" => *value != json!({}),
                    _ => true,
                });
                let is_bind = kind == "bind";
                (target, VolumeEntry { source: text("source"), is_bind, read_only, has_options })
            }
            _ => return None,
        };
        self.volumes.insert(SubjectPath::from_bytes(target.as_bytes()).ok()?, entry);
        Some(())
    }
}

/// Whether Compose takes it for a service, which is also a name that a file can have.
fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.is_empty() && name.len() <= 200 && name.chars().all(allowed)
}

fn shape(place: &str, what: &'static str) -> DefinitionError {
    DefinitionError::Shape { place: crate::text::printable(place), what }
}

/// What `config` prints as `$$` is a `$`.
fn unescape(text: &str) -> String {
    text.replace("$$", "$")
}

fn strings(value: Option<&Value>) -> Option<Vec<String>> {
    match value {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(items)) => {
            items.iter().map(|item| item.as_str().map(unescape)).collect::<Option<Vec<_>>>()
        }
        Some(_) => None,
    }
}

/// Names as a plan has them.
fn capabilities(names: Vec<String>) -> BTreeSet<String> {
    let plain = |name: String| {
        let name = name.to_ascii_uppercase();
        name.strip_prefix("CAP_").map(str::to_owned).unwrap_or(name)
    };
    names.into_iter().map(plain).collect()
}

/// `depends_on`, and what else makes a service wait for another: its links, volumes and namespaces.
fn dependencies(
    keys: &Map<String, Value>,
    place: &dyn Fn(&str) -> String,
) -> Result<BTreeMap<String, Condition>, DefinitionError> {
    let wrong = |key: &str| shape(&place(key), "it should name services");
    let mut all = BTreeMap::new();
    match keys.get("depends_on") {
        Some(Value::Object(services)) => {
            for (name, how) in services {
                let condition = match how.get("condition").and_then(Value::as_str) {
                    None | Some("service_started") => Condition::Started,
                    Some("service_healthy") => Condition::Healthy,
                    Some("service_completed_successfully") => Condition::Completed,
                    Some(_) => return Err(shape(&place("depends_on"), "the condition is not known")),
                };
                all.insert(name.clone(), condition);
            }
        }
        list => {
            let names = strings(list).ok_or_else(|| wrong("depends_on"))?;
            all.extend(names.into_iter().map(|name| (name, Condition::Started)));
        }
    }
    for key in ["links", "volumes_from"] {
        let named = strings(keys.get(key)).ok_or_else(|| wrong(key))?;
        for entry in named {
            // `container:NAME` is none of the project's.
            let entry = entry.strip_prefix("service:").unwrap_or(&entry);
            let Some(name) = entry.split(':').next().filter(|name| *name != "container") else { continue };
            all.entry(name.to_owned()).or_default();
        }
    }
    for key in ["network_mode", "pid", "ipc"] {
        let other = keys.get(key).and_then(Value::as_str).and_then(|mode| mode.strip_prefix("service:"));
        if let Some(name) = other {
            all.entry(name.to_owned()).or_default();
        }
    }
    Ok(all)
}
