//! The example `healing` beside real servers, which are frozen, shut down and killed: each time it heals, and it never gives up.
//!
//! A server that is not installed is skipped, with a line that says so. Only on Unix.
#![cfg_attr(unix, expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test that is a program"))]

#[cfg(unix)]
#[path = "../../examples/healing.rs"]
mod healing;
#[cfg(unix)]
mod outages;
#[cfg(unix)]
mod server;

fn main() {
    #[cfg(unix)]
    outages::run();
}
