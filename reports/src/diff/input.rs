//! What can be compared: a profile, or a plan.

use crate::model::{LookedOver, Profile, ReadError};
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

/// What was found to be a profile or a plan within the bounds. Reading a large profile takes several times its size,
/// looking it over takes nothing: two can be looked over at once and read one after the other.
#[derive(Debug)]
pub struct Unread<'a>(Found<'a>);

#[derive(Debug)]
enum Found<'a> {
    Profile(LookedOver<'a>),
    /// Of plans, which are small, it only comes out by reading.
    Plan(Box<Plan>),
}

impl Input {
    /// Reads either, by the field `schema`.
    ///
    /// # Errors
    /// [`InputError`] says what is wrong with it.
    pub fn from_json(bytes: &[u8]) -> Result<Self, InputError> {
        Unread::look_over(bytes)?.read()
    }
}

impl<'a> Unread<'a> {
    /// Finds out which of them it is, by the field `schema`.
    ///
    /// # Errors
    /// [`InputError`] where it is neither, or beyond a bound.
    pub fn look_over(bytes: &'a [u8]) -> Result<Self, InputError> {
        let error = match Profile::looked_over(bytes) {
            Ok(profile) => return Ok(Self(Found::Profile(profile))),
            Err(error) => error,
        };
        match read_plan(bytes) {
            Ok(plan) => Ok(Self(Found::Plan(Box::new(plan)))),
            // What says that it is something else than a plan is told as what it is.
            Err(PlanReadError::TooLarge | PlanReadError::Json { .. } | PlanReadError::Schema { .. }) => {
                Err(InputError::Profile(error))
            }
            Err(error) => Err(InputError::Plan(error)),
        }
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`InputError`] where it has another shape; the message names the field.
    pub fn read(self) -> Result<Input, InputError> {
        Ok(match self.0 {
            Found::Profile(profile) => Input::Profile(Box::new(profile.read()?)),
            Found::Plan(plan) => Input::Plan(plan),
        })
    }
}
