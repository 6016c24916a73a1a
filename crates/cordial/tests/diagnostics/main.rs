//! What a person sees of a program that fails: on the terminal, in events, and in the hooks of the program.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

#[macro_use]
#[path = "../harness/mod.rs"]
mod harness;

mod backtraces;
mod labels;
mod long_poll_ends;
mod page;
mod panic_hooks;
mod programs;
mod simulated_failures;
mod snapshots;
