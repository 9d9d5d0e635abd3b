//! The comparison itself, schema `writepath.diff/v1`.

use super::super::dto::Diff;

/// JSON, indented.
pub(super) fn render(diff: &Diff) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(diff).map(|text| text + "\n")
}
