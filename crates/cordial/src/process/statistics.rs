//! What the scheduler below does, in numbers.

pub use cordial_sched::Statistics;

use super::context;

/// What the scheduler of this runtime does at this moment, and what it has done so far: inside a process of a
/// [`Runtime`](crate::Runtime) of that one, elsewhere of the default one, which starts on first use. From outside of a
/// runtime of one's own, see [`Runtime::statistics`](crate::Runtime::statistics).
///
/// For the processes themselves, see [`snapshot`](super::snapshot()) and [`info`](super::info).
///
/// # Elixir
///
/// `:erlang.statistics/1`.
///
/// # Examples
///
/// ```
/// use cordial::{Task, process};
///
/// cordial::testing::run(async {
///     let before = process::statistics();
///     Task::spawn(async {}).await.unwrap();
///     let after = process::statistics();
///     assert!(after.polls > before.polls);
///     assert_eq!(after.workers, 1, "a simulation is one thread");
/// });
/// ```
#[must_use]
pub fn statistics() -> Statistics {
    context::with_current_runtime(|runtime| runtime.executor().statistics())
}
