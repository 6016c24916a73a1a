//! What an observer reads of a runtime from a thread of its own, and what it can do to the processes.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

#[path = "../harness/mod.rs"]
mod harness;

mod actions;
mod crashes;
mod groups;
mod kinds;
mod supervisors;
mod threads;
mod visits;
