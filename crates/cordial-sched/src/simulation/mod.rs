//! The simulated executor: one thread, an order that follows from a seed, a virtual clock.
//!
//! ```text
//!  block_on ─┬─► poll the main future
//!            ├─► poll up to 61 tasks, each chosen at random from all that are ready
//!            ├─► let tokio run what was given to `tokio::spawn`
//!            └─► nothing is ready anywhere: the clock jumps to the next timer
//! ```

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use self::queue::SeededQueue;
use crate::executor::handle::Executor;
use crate::executor::hooks::Hooks;
use crate::task::schedule;

pub(crate) mod queue;

/// How many tasks are polled before tokio's own tasks get a turn.
const TURN: usize = 61;

/// When the clock has advanced by this much and no task was polled meanwhile, the program counts as stalled.
const HORIZON: Duration = Duration::from_secs(365 * 24 * 3600);

/// The main future is pending, and no task was polled for a year of the virtual clock: the program waits for itself.
#[derive(Clone, Copy, Debug)]
pub struct Stalled;

/// An executor with one thread, the one that calls [`block_on`](Simulation::block_on): it runs all tasks in an order that follows from
/// a seed, on a virtual clock. There is no I/O driver.
pub struct Simulation {
    executor: Executor,
    runtime: tokio::runtime::Runtime,
}

impl Simulation {
    /// Makes a simulation whose choices follow from `seed`.
    ///
    /// # Errors
    ///
    /// If tokio cannot build its runtime.
    pub fn new(seed: u64, hooks: Arc<dyn Hooks>) -> io::Result<Simulation> {
        let (executor, runtime) = Executor::simulated(SeededQueue::new(seed), hooks)?;
        Ok(Simulation { executor, runtime })
    }

    /// Returns the handle on the executor.
    pub fn executor(&self) -> &Executor {
        &self.executor
    }

    /// Runs all tasks until `main` is ready.
    ///
    /// # Errors
    ///
    /// [`Stalled`] if `main` is pending and no task was polled for a year of the virtual clock. Most often, `main` would never be ready.
    ///
    /// # Panics
    ///
    /// If [`Hooks::on_foreign_thread`] does not call its argument.
    pub fn block_on<F: Future>(&self, main: F) -> Result<F::Output, Stalled> {
        let mut main = Some(main);
        let mut result = None;
        self.executor.hooks_dyn().on_foreign_thread(&self.executor, &mut || {
            result = main.take().map(|main| self.drive(main));
        });
        result.expect("the hook calls its argument")
    }

    fn drive<F: Future>(&self, main: F) -> Result<F::Output, Stalled> {
        let queue = self.executor.simulated_queue().expect("the executor of a simulation has one");
        let mut main = pin!(main);
        let mut n_polls_before = None;
        // Without `unconstrained`, all tasks together would share one cooperative budget of tokio.
        self.runtime.block_on(tokio::task::unconstrained(async {
            let mut horizon = pin!(tokio::time::sleep(HORIZON));
            poll_fn(|cx| {
                if let Poll::Ready(output) = main.as_mut().poll(cx) {
                    return Poll::Ready(Ok(output));
                }
                for _ in 0..TURN {
                    let Some(task) = queue.pop(cx.waker()) else {
                        if horizon.as_mut().poll(cx).is_pending() {
                            return Poll::Pending;
                        }
                        let n_polls = Some(queue.n_polls());
                        if n_polls == n_polls_before {
                            return Poll::Ready(Err(Stalled));
                        }
                        n_polls_before = n_polls;
                        horizon.as_mut().reset(tokio::time::Instant::now() + HORIZON);
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    };
                    schedule::poll_caught(task);
                    queue.count_poll();
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await
        }))
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation").field("executor", &self.executor).finish_non_exhaustive()
    }
}
