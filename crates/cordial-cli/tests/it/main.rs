//! The program as a person meets it: the real binary, with real pipes, processes and signals.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod failures;
mod flow;
mod input;
mod limits;
mod memory;
mod program;
mod stop;
mod usage;
