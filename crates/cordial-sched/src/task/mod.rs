//! The life of a task.

pub(crate) mod header;
pub(crate) mod join;
pub(crate) mod orphans;
pub(crate) mod runnable;
pub(crate) mod schedule;
pub(crate) mod slot;
