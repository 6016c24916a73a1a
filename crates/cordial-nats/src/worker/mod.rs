//! Workers, which serve the functions of a fleet.
//!
//! ```text
//!                       ┌── a slot each ──► job: lease ─► claim ─► function ─┬─► result ─► acknowledgement
//!  server ─► pull loop ─┤                                                    └ the slot is free; the connection's thread does the rest
//!            (a process) └── a slot each ──► call: heartbeats ─► function ─► outcome
//! ```

mod builder;
mod claim;
mod delivery;
mod node;
mod pull_consumer;
mod received_job;
mod run_call;
mod run_job;
mod serve;
mod settings;
mod turns;

pub use builder::Worker;
