//! The locks, atomics and parkers of this crate's protocols. In a program, they come from std, crossbeam and `spin_lock`; in
//! a model, from the model checker loom. The parts that loom does not have are built in `checked.rs`.

#[cfg_attr(cordial_loom, path = "checked.rs")]
#[cfg_attr(not(cordial_loom), path = "real.rs")]
mod backend;

pub(crate) use backend::*;

#[cfg(all(test, cordial_loom))]
pub(crate) mod models;
