//! The locks, atomics and parkers of this crate's protocols: in a program those of std, crossbeam and `spin_lock`, in a
//! model those of the model checker loom.

#[cfg_attr(cordial_loom, path = "checked.rs")]
#[cfg_attr(not(cordial_loom), path = "real.rs")]
mod backend;

pub(crate) use backend::*;

#[cfg(all(test, cordial_loom))]
pub(crate) mod models;
