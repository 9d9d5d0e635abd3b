//! Reading plans back: bounded, versioned, checked, and with errors that name the field.

use super::dto::{PLAN_SCHEMA, Plan};
use super::validate::{PlanProblem, spelling};
use crate::text::printable;

/// The largest plan that is read, in bytes.
pub const MAX_PLAN_BYTES: usize = 64 << 20;

/// Why some bytes are no plan that can be followed.
#[derive(Debug, thiserror::Error)]
pub enum PlanReadError {
    /// Larger than [`MAX_PLAN_BYTES`].
    #[error("it is larger than {} MiB", MAX_PLAN_BYTES >> 20)]
    TooLarge,
    /// Not JSON, or cut off; the message names line and column.
    #[error("line {}, column {}: {}", .source.line(), .source.column(), printable(&source.to_string()))]
    Json {
        /// What serde_json says.
        source: serde_json::Error,
    },
    /// JSON of another shape.
    #[error("field `{field}`: {}", printable(&source.to_string()))]
    Field {
        /// The field, for instance `tmpfs[2].size`.
        field: String,
        /// What serde_json says.
        source: serde_json::Error,
    },
    /// JSON, but the `schema` field is missing or names something else.
    #[error("field `schema` is {found}, and this version reads `{PLAN_SCHEMA}`")]
    Schema {
        /// What stands there.
        found: String,
    },
    /// A plan that says something impossible.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<PlanProblem>),
}

/// Reads a plan, perhaps one that was edited by hand, and checks it ([`Plan::validate`]).
///
/// # Errors
/// [`PlanReadError`] where `bytes` is not a whole plan of schema v1 that can be followed.
pub fn read_plan(bytes: &[u8]) -> Result<Plan, PlanReadError> {
    if bytes.len() > MAX_PLAN_BYTES {
        return Err(PlanReadError::TooLarge);
    }
    let value: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|source| PlanReadError::Json { source })?;
    match value.get("schema") {
        Some(serde_json::Value::String(schema)) if schema == PLAN_SCHEMA => {}
        found => {
            let found = found.map_or_else(
                || "missing".to_owned(),
                |value| {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    format!("`{}`", printable(&text.chars().take(60).collect::<String>()))
                },
            );
            return Err(PlanReadError::Schema { found });
        }
    }
    // Types read paths as what they amount to: how they are spelt is looked at before.
    let mut problems = spelling(&value);
    if !problems.is_empty() {
        return Err(PlanReadError::Invalid(problems));
    }
    let plan: Plan = serde_path_to_error::deserialize(&value).map_err(|error| PlanReadError::Field {
        field: printable(&error.path().to_string()),
        source: error.into_inner(),
    })?;
    if let Err(found) = plan.validate() {
        problems.extend(found);
        return Err(PlanReadError::Invalid(problems));
    }
    Ok(plan)
}
