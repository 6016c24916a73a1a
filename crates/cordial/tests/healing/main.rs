//! Examples with real servers. `batch` loses no order, whatever ends it. `healing` heals each time when its servers are frozen, shut
//! down and killed, and never gives up.
//!
//! A server that is not installed is skipped, with a line that says so. Only on Unix.
#![cfg_attr(unix, expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test that is a program"))]

#[cfg(unix)]
#[path = "../../examples/batch.rs"]
mod batch;
#[cfg(unix)]
mod batch_runs;
#[cfg(unix)]
#[path = "../../examples/healing.rs"]
mod healing;
#[cfg(unix)]
mod outages;
#[cfg(unix)]
mod server;

fn main() {
    #[cfg(unix)]
    {
        batch_runs::run();
        outages::run();
    }
}
