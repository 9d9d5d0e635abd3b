//! The plan as JSON: schema `writepath.plan/v1`, indented. The types are the plan's own, which are frozen.

use super::{FormatError, Options};
use crate::model::Profile;
use crate::plan::Plan;

pub(super) fn render(_: &Profile, plan: &Plan, _: &Options) -> Result<String, FormatError> {
    let mut text = serde_json::to_string_pretty(plan)?;
    text.push('\n');
    Ok(text)
}
