//! Workers, which serve the functions of a fleet.
//!
//! ```text
//!                       ┌── a slot each ──► job: lease ─► claim ─► function ─► result ─► acknowledgement
//!  server ─► pull loop ─┤
//!           (a process) └── a slot each ──► call: heartbeats ─► function ─► outcome
//! ```
//!
//! The slot of a job is free when its function has ended. The thread of the connection then sends the result and the
//! acknowledgement.

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
