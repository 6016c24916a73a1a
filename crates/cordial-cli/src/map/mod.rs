//! The command `cordial map`.
//!
//! ```text
//! command ──► config ──► lifecycle: signals, the end of the run ──► adjust: how many commands run at once
//!                └──► pipeline ──┬── pending    items that remain to be run
//!                                ├── attempts   runs one item, several times if it fails
//!                                └── report     prints outcomes, counts failures
//! ```

mod adjust;
mod arguments;
mod attempts;
mod block_config;
mod block_source;
mod command;
mod config;
mod fleet;
mod lifecycle;
mod observer;
mod pending;
mod pipeline;
mod questions;
mod remote;
mod run_state;
mod shell_operators;

pub(crate) use lifecycle::run;
