//! The profiles of a scaled service's containers as one: what any of them did, the service does.
//!
//! Owns nothing of how they are joined: that is the union of any profiles ([`crate::merge`]). A service with one container
//! keeps its profile as it is.

use crate::merge::{MergeError, Mixing, merge};
use crate::model::Profile;

/// The union of the profiles of one service's containers; `None` where there is none.
///
/// # Errors
/// [`MergeError::TooLarge`] where it would be larger than what is read back.
pub fn merge_replicas(mut profiles: Vec<Profile>) -> Result<Option<Profile>, MergeError> {
    if profiles.len() <= 1 {
        return Ok(profiles.pop());
    }
    // Of one service, whatever differs.
    merge(profiles, Mixing::Allowed)
}
