//! A project for one run: the same services under labels that name who made what, so that all of it, and nothing else,
//! can be found and removed.
//!
//! Owns what is changed of the resolved project for that: labels, the image of what is built, that the order of
//! starting is not Compose's. Everything else is left to the Compose tool, which is also told another name for the project: so its volumes are fresh ones, and the user's
//! stay untouched. A volume or network that the file gives a name of its own keeps it; where it is there already, the
//! Compose tool uses it as it is, without the label, and it stays.

use serde_json::{Map, Value, json};

use super::Definition;

/// A project, ready to be handed to the Compose tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// The file's content; JSON, which is YAML.
    pub file: String,
}

/// The project under this label (its key and value). `image_of` names the image of a service that only says how it is
/// built.
#[must_use]
pub fn instance(definition: &Definition, label: (&str, &str), image_of: &dyn Fn(&str) -> String) -> Instance {
    let mut document = definition.document.clone();
    // The name given on the command line counts.
    document.remove("name");
    if let Some(Value::Object(services)) = document.get_mut("services") {
        for (name, service) in services {
            let Value::Object(keys) = service else { continue };
            if keys.remove("build").is_some() && !keys.contains_key("image") {
                keys.insert("image".to_owned(), json!(image_of(name).replace('$', "$$")));
            }
            // Chosen already; what depends on it would not find it otherwise.
            keys.remove("profiles");
            // Whoever starts them keeps that order; docker-compose 1.29 would wait for health while making the containers.
            keys.remove("depends_on");
            set_label(keys, label);
        }
    }
    let uses_default = definition.services.values().any(|service| service.on_default_network);
    for (section, key) in [("networks", uses_default.then_some("default")), ("volumes", None)] {
        let entry = document.entry(section).or_insert_with(|| json!({}));
        if entry.is_null() {
            *entry = json!({});
        }
        let Value::Object(listed) = entry else { continue };
        if let Some(key) = key {
            listed.entry(key).or_insert_with(|| json!({}));
        }
        for value in listed.values_mut() {
            if value.is_null() {
                *value = json!({});
            }
            if let Value::Object(keys) = value
                && !keys.get("external").is_some_and(is_external)
            {
                set_label(keys, label);
            }
        }
    }
    Instance { file: Value::Object(document).to_string() }
}

fn is_external(value: &Value) -> bool {
    matches!(value, Value::Bool(true) | Value::Object(_))
}

/// Labels are a mapping, or a list of `KEY=VALUE`.
fn set_label(keys: &mut Map<String, Value>, (key, value): (&str, &str)) {
    match keys.get_mut("labels") {
        Some(Value::Object(labels)) => {
            labels.insert(key.to_owned(), json!(value));
        }
        Some(Value::Array(labels)) => labels.push(json!(format!("{key}={value}"))),
        _ => {
            keys.insert("labels".to_owned(), json!({ key: value }));
        }
    }
}
