//! Tests that own the clock: everything on one thread, in an order chosen by a seed, in virtual time.
//!
//! A test with an hour of timeouts ends in milliseconds, and repeats exactly as far as the program is deterministic:
//! `select!` without `biased` and hash maps bring a randomness of their own. `tokio::spawn` and tokio's timers work;
//! there is no I/O driver, so sockets, signals and child processes fail at once.
//!
//! Not for measuring, and not for blocking: a thread that waits stops the clock.

use std::panic::Location;
use std::time::Duration;

use cordial_sched::{Simulation, Stalled};

use crate::exit::Exit;
use crate::process::{Handle, Shared, Shutdown, Spawn, assert_may_block, describe_all, stop_all, stop_in_order};

/// Runs a future as the root process of a simulated runtime, with seed 0, and gives what it returns.
///
/// What still runs when the root has ended is shut down: asked, and killed after 5 s of virtual time.
///
/// # Panics
///
/// With the exit and the seed, if the root ends without a value; and if nothing can run any more, which a real program
/// would show as a hang.
///
/// # Examples
///
/// ```
/// use cordial::Task;
/// use std::time::Duration;
///
/// cordial::testing::run(async {
///     let hour = Duration::from_secs(3600);
///     let task = Task::spawn(tokio::time::sleep(hour)).timeout(2 * hour);
///     assert_eq!(task.await, Ok(()));
/// });
/// ```
#[track_caller]
pub fn run<F>(future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    run_seeded(0, future)
}

/// As [`run`], with the order that belongs to a seed.
///
/// # Panics
///
/// As [`run`].
///
/// # Examples
///
/// ```
/// use cordial::Task;
///
/// // The order differs from seed to seed, and for one seed it is always the same.
/// let first = |seed| cordial::testing::run_seeded(seed, async {
///     let mut tasks: Vec<_> = (0..8).map(|n| Task::spawn(async move { n })).collect();
///     Task::yield_many(&mut tasks).limit(1).await.iter().position(Option::is_some)
/// });
/// assert_eq!(first(7), first(7));
/// assert!((0..50).any(|seed| first(seed) != first(7)));
/// ```
#[track_caller]
pub fn run_seeded<F>(seed: u64, future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    assert_may_block("cordial::testing::run");
    let spawned_at = Location::caller();
    let simulation = match Simulation::new(seed, Shared::new(1)) {
        Ok(simulation) => simulation,
        Err(error) => panic!("the simulated runtime cannot start: {error}"),
    };
    let runtime = Handle::new(simulation.executor().clone());
    let ended = simulation.block_on(async {
        let root = Spawn::new(spawned_at).root().start(&runtime, future, Ok);
        let answer = match root {
            Ok(root) => root.join.await.take(),
            Err(refusal) => Err(Exit::Refused(refusal)),
        };
        stop_in_order(&runtime, |_, _| true, Shutdown::After(Duration::from_secs(5))).await;
        answer
    });
    match ended {
        Ok(Ok(output)) => output,
        Ok(Err(exit)) => panic!("the root process {exit} (seed {seed})"),
        Err(Stalled) => {
            let left: Vec<String> = describe_all(&runtime, &|_, _| true).iter().map(ToString::to_string).collect();
            // Their destructors run now; nothing stands in a table that nobody reads.
            let _ = simulation.block_on(stop_all(&runtime, |_, _| true, Shutdown::BrutalKill));
            panic!(
                "nothing can run any more, and the root process has not ended (seed {seed}); still there: {}",
                left.join("; ")
            )
        }
    }
}
