//! Servers: processes that hold state and answer messages.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../harness/mod.rs"]
mod harness;

mod bad_input;
mod calls;
mod ends;
mod exits;
mod later;
mod mailbox;
mod model;
mod observe;
mod restarts;
mod stops;
mod timers;
mod work;
