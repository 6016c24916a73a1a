//! Servers: processes that hold state and answer messages.
#![allow(clippy::unwrap_used, reason = "tests")]

#[macro_use]
#[path = "../harness/mod.rs"]
mod harness;

mod abandoned;
mod bad_input;
mod calls;
mod destructors;
mod ends;
mod exits;
mod hand_over;
mod late_ends;
mod later;
mod limits;
mod mailbox;
mod mixed;
mod model;
mod observe;
mod refused_starts;
mod restarts;
mod reuse;
mod stops;
mod timers;
mod work;
