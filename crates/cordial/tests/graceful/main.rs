//! Graceful shutdown on the real scheduler: what races with a request to shut down, and the signals of the operating system.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

#[macro_use]
#[path = "../harness/mod.rs"]
mod harness;

mod examples;
mod os_signals;
mod outside;
mod races;
mod servers;
