//! The counters of the scheduler.

pub use cordial_sched::Statistics;

use crate::process::runtime::with_current_runtime;

/// Returns the counters of the scheduler of the current runtime: the runtime of the calling process or thread, or else the default
/// runtime, which starts on first use. For another runtime, see [`Runtime::statistics`](crate::Runtime::statistics).
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
    with_current_runtime(|runtime| runtime.executor().statistics())
}
