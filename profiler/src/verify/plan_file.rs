//! Reading a plan that a person may have edited.

use std::{io::Read, path::Path};

use reports::plan::{self, MAX_PLAN_BYTES, Plan};

use crate::failure::{Failure, Kind};

/// Reads a plan from a file, and checks that it can be meant.
///
/// # Errors
/// Where it cannot; the message names the file and the field.
pub(crate) fn read_plan(path: &Path) -> Result<Plan, Failure> {
    let bad = |why: String| {
        Failure::new(Kind::Usage, format!("--plan {}: {why}", path.display()))
            .hint("`writepath recommend --format json PROFILE` prints a plan")
    };
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        // One byte more, so that a file that is too large is told as such.
        .and_then(|file| file.take(MAX_PLAN_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| bad(error.to_string()))?;
    plan::read_plan(&bytes).map_err(|error| bad(error.to_string()))
}
