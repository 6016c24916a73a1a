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
#[cfg(unix)]
mod os_processes;
mod stuck;
mod tokens;
