//! Examples with real servers. `batch` loses no order, whatever ends it. `redis_keeper` loses no command that waits while its server
//! is away. `healing` heals each time when its servers are frozen, shut down and killed, and never gives up.
//!
//! If a server is not installed, its tests print that they are skipped. Only on Unix.
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
mod keeper_runs;
#[cfg(unix)]
mod outages;
#[cfg(unix)]
#[path = "../../examples/redis_keeper.rs"]
mod redis_keeper;
#[cfg(unix)]
mod server;

fn main() {
    #[cfg(unix)]
    {
        batch_runs::run();
        keeper_runs::run();
        outages::run();
    }
}
