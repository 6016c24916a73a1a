//! Tasks and processes as their users see them: one file per behavior, through the public interface.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

#[macro_use]
#[path = "../harness/mod.rs"]
mod harness;

mod abandoned;
mod await_many;
mod await_one;
mod callers;
mod completed;
mod destructors;
mod exit_display;
mod exit_events;
mod exit_propagation;
mod faulty_user_code;
mod handle;
mod ignore;
mod links;
mod long_chains;
mod monitors;
mod or_exit;
mod shutdown;
mod spans;
mod start;
mod trap_exits;
mod yield_many;
mod yield_one;
