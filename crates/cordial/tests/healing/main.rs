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
    for (name, run) in
        [("batch", batch_runs::run as fn()), ("redis_keeper", keeper_runs::run), ("healing", outages::run)]
    {
        run_within(name, run);
    }
}

/// Runs the tests of one example. If one hangs, ends the program, so that it fails.
#[cfg(unix)]
fn run_within(name: &'static str, run: fn()) {
    /// Far longer than the tests take, even on a slow machine.
    const LIMIT: std::time::Duration = std::time::Duration::from_secs(10 * 60);
    let (ended, end) = std::sync::mpsc::channel::<()>();
    #[expect(clippy::disallowed_methods, reason = "the limit must hold even if the library hangs")]
    std::thread::spawn(move || {
        if end.recv_timeout(LIMIT) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            println!("{name}: the tests have not ended within {LIMIT:?}");
            std::process::exit(1);
        }
    });
    run();
    drop(ended);
}
