//! The program as a person meets it: the real binary, with real pipes, processes and signals.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod beside;
mod failures;
mod flow;
mod guard;
mod input;
mod limits;
mod memory;
mod options;
mod program;
mod records;
mod retries;
mod spill;
mod start;
mod stop;
mod terminal;
mod usage;
