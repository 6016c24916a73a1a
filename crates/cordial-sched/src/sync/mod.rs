//! The one place that names the locks, atomics and parkers of this crate's protocols: std's, or those of the model
//! checker.

#[cfg_attr(cordial_loom, path = "checked.rs")]
#[cfg_attr(not(cordial_loom), path = "real.rs")]
mod backend;

pub(crate) use backend::*;
