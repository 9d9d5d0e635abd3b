//! The order in which services are started: what a service depends on comes before it.

use std::collections::BTreeSet;

use super::Definition;

/// The services in levels: those of a level depend on earlier levels only. Stopped in the opposite order.
///
/// # Errors
/// The services that wait for one another.
pub fn levels(definition: &Definition) -> Result<Vec<Vec<String>>, Vec<String>> {
    let mut done: BTreeSet<&str> = BTreeSet::new();
    let mut levels = Vec::new();
    while done.len() < definition.services.len() {
        let level: Vec<&str> = definition
            .services
            .iter()
            .filter(|(name, service)| {
                !done.contains(name.as_str())
                    && service.depends_on.keys().all(|wanted| done.contains(wanted.as_str()))
            })
            .map(|(name, _)| name.as_str())
            .collect();
        if level.is_empty() {
            let waiting = definition.services.keys().filter(|name| !done.contains(name.as_str()));
            return Err(waiting.cloned().collect());
        }
        done.extend(&level);
        levels.push(level.into_iter().map(str::to_owned).collect());
    }
    Ok(levels)
}
