//! Reading plans back: bounded, versioned, checked, and with errors that name the field.

use super::dto::{PLAN_SCHEMA, Plan};
use super::validate::{PlanProblem, spelling};
use crate::json::{self, JsonError};

/// The largest plan that is read, in bytes.
pub const MAX_PLAN_BYTES: usize = 64 << 20;

/// Why some bytes are no plan that can be followed.
#[derive(Debug, thiserror::Error)]
pub enum PlanReadError {
    /// Larger than [`MAX_PLAN_BYTES`].
    #[error("it is larger than {} MiB", MAX_PLAN_BYTES >> 20)]
    TooLarge,
    /// Not JSON, cut off, beyond a bound, or JSON of another shape; the message names line, column and field.
    #[error(transparent)]
    Json(#[from] JsonError),
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
    let scanned = json::scan(bytes, &[])?;
    scanned.is_of(PLAN_SCHEMA).map_err(|found| PlanReadError::Schema { found })?;
    let value: serde_json::Value = scanned.read()?;
    // Types read paths as what they amount to: how they are spelt is looked at before.
    let mut problems = spelling(&value);
    if !problems.is_empty() {
        return Err(PlanReadError::Invalid(problems));
    }
    let plan: Plan = scanned.read()?;
    if let Err(found) = plan.validate() {
        problems.extend(found);
        return Err(PlanReadError::Invalid(problems));
    }
    Ok(plan)
}
