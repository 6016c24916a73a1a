//! Whether and how urgently the run is stopping, and how many failures stop it.

pub(crate) mod halt;
pub(crate) mod token;
