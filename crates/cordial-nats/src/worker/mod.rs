//! Workers, which serve the functions of a fleet.
//!
//! ```text
//!                                   ┌── a slot for each job ──► lease ─► claim ─► function ─► result ─► acknowledgement
//!  server ─► process of the worker ─┤
//!                                   └── a slot for each call ──► heartbeats, function ─► outcome
//! ```
//!
//! A job occupies its slot until its function has ended. Then the slot is free, and the thread of the connection sends the result and
//! the acknowledgement.

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
