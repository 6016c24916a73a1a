//! What the observer answers, over raw HTTP and through its public API.
#![expect(clippy::unwrap_used, reason = "tests")]

mod harness;

mod actions;
mod answers;
mod clients;
mod detail;
mod handle;
mod many;
mod origins;
mod stuck;
mod tokens;
