//! The command `cordial map`.

mod attempts;
mod config;
mod lifecycle;
mod pending;
mod pipeline;

pub(crate) use lifecycle::run;
