//! What can be compared: a profile, or a plan.

use crate::model::{Profile, ReadError};
use crate::plan::{Plan, PlanReadError, read_plan};

/// A profile or a plan.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// What a training run showed.
    Profile(Box<Profile>),
    /// What is deployed, or was recommended.
    Plan(Box<Plan>),
}

/// Why some bytes are neither.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// No profile, and nothing says that it is a plan.
    #[error(transparent)]
    Profile(#[from] ReadError),
    /// A plan that cannot be read.
    #[error(transparent)]
    Plan(PlanReadError),
}

impl Input {
    /// Reads either, by the field `schema`.
    ///
    /// # Errors
    /// [`InputError`] says what is wrong with it.
    pub fn from_json(bytes: &[u8]) -> Result<Self, InputError> {
        let error = match Profile::from_json(bytes) {
            Ok(profile) => return Ok(Self::Profile(Box::new(profile))),
            // Nobody takes what says to be a profile for a plan.
            Err(error @ (ReadError::TooLarge | ReadError::Json(_))) => {
                return Err(InputError::Profile(error));
            }
            Err(error) => error,
        };
        match read_plan(bytes) {
            Ok(plan) => Ok(Self::Plan(Box::new(plan))),
            // What says that it is something else than a plan is told as what it is.
            Err(PlanReadError::TooLarge | PlanReadError::Json { .. } | PlanReadError::Schema { .. }) => {
                Err(InputError::Profile(error))
            }
            Err(error) => Err(InputError::Plan(error)),
        }
    }
}
