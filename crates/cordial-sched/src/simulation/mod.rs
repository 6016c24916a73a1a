//! The simulated executor: one thread, an order drawn from a seed, a virtual clock.
//!
//! ```text
//!  block_on ─┬─► poll the main future
//!            ├─► poll up to 61 tasks, each drawn at random from all that are ready
//!            ├─► let tokio run what was given to `tokio::spawn`
//!            └─► nothing is ready anywhere: the clock jumps to the next timer
//! ```

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::executor::{Core, Scheduler};
use crate::sync::Mutex;
use crate::task::runnable::Runnable;
use crate::task::schedule;
use crate::{Executor, Hooks, Statistics};

/// How many tasks are polled before tokio's own get a turn.
const TURN: usize = 61;

/// When the clock has jumped this far and nothing ran on the way, nothing ever will.
const NOBODY_COMES: Duration = Duration::from_secs(365 * 24 * 3600);

/// Everything that is ready, and the seeded choice.
pub(crate) struct SeededQueue(Mutex<Hat>);

struct Hat {
    ready: Vec<Runnable>,
    choice: fastrand::Rng,
    driver: Option<Waker>,
    polls: u64,
}

impl SeededQueue {
    fn new(seed: u64) -> SeededQueue {
        SeededQueue(Mutex::new(Hat {
            ready: Vec::new(),
            choice: fastrand::Rng::with_seed(seed),
            driver: None,
            polls: 0,
        }))
    }

    pub(crate) fn push(&self, ready: Runnable) {
        let driver = {
            let mut hat = self.0.lock();
            hat.ready.push(ready);
            hat.driver.take()
        };
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    fn draw(&self, driver: &Waker) -> Option<Runnable> {
        let mut hat = self.0.lock();
        if hat.ready.is_empty() {
            hat.driver = Some(driver.clone());
            return None;
        }
        let n_ready = hat.ready.len();
        let choice = hat.choice.usize(..n_ready);
        Some(hat.ready.swap_remove(choice))
    }

    pub(crate) fn random(&self) -> u64 {
        self.0.lock().choice.u64(..)
    }

    /// One that was drawn has been polled.
    fn polled(&self) {
        self.0.lock().polls += 1;
    }

    pub(crate) fn statistics(&self) -> Statistics {
        let hat = self.0.lock();
        Statistics { workers: 1, queued: hat.ready.len(), polls: hat.polls, ..Statistics::default() }
    }
}

/// Nothing is ready, no timer is armed, and the main future is not done: the program waits for itself.
#[derive(Clone, Copy, Debug)]
pub struct Stalled;

/// One thread that runs everything in an order chosen by a seed, on a virtual clock. There is no I/O driver.
pub struct Simulation {
    executor: Executor,
    runtime: tokio::runtime::Runtime,
}

impl Simulation {
    /// A simulation that makes the choices of `seed`.
    ///
    /// # Errors
    ///
    /// When tokio cannot build its runtime.
    pub fn new(seed: u64, layer: Arc<dyn Hooks>) -> io::Result<Simulation> {
        let whole: Arc<OnceLock<Weak<Core>>> = Arc::default();
        let of_threads = whole.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            // Only for `spawn_blocking`; everything else runs on the thread that calls `block_on`.
            .on_thread_start(move || {
                if let Some(core) = of_threads.get().and_then(Weak::upgrade) {
                    let executor = Executor::of(core);
                    executor.hooks_dyn().thread_started(&executor);
                }
            })
            .build()?;
        let executor = Executor::simulated(SeededQueue::new(seed), layer, runtime.handle().clone());
        let _ = whole.set(Arc::downgrade(executor.core()));
        Ok(Simulation { executor, runtime })
    }

    /// The handle on the executor.
    pub fn executor(&self) -> &Executor {
        &self.executor
    }

    /// Runs everything until `main` is done.
    ///
    /// # Errors
    ///
    /// [`Stalled`] when nothing can run any more.
    pub fn block_on<F: Future>(&self, main: F) -> Result<F::Output, Stalled> {
        let mut main = Some(main);
        let mut outcome = Err(Stalled);
        self.executor.hooks_dyn().on_foreign_thread(&self.executor, &mut || {
            outcome = main.take().map_or(Err(Stalled), |main| self.drive(main));
        });
        outcome
    }

    fn drive<F: Future>(&self, main: F) -> Result<F::Output, Stalled> {
        let Scheduler::Simulated(draw) = &self.executor.core().scheduler else { return Err(Stalled) };
        let mut main = pin!(main);
        let mut polls_before = None;
        // Without `unconstrained`, all tasks together would share one budget of tokio's.
        self.runtime.block_on(tokio::task::unconstrained(async {
            let mut horizon = pin!(tokio::time::sleep(NOBODY_COMES));
            poll_fn(|cx| {
                if let Poll::Ready(output) = main.as_mut().poll(cx) {
                    return Poll::Ready(Ok(output));
                }
                for _ in 0..TURN {
                    let Some(ready) = draw.draw(cx.waker()) else {
                        if horizon.as_mut().poll(cx).is_pending() {
                            return Poll::Pending;
                        }
                        let polls = Some(draw.statistics().polls);
                        if polls == polls_before {
                            return Poll::Ready(Err(Stalled));
                        }
                        polls_before = polls;
                        horizon.as_mut().reset(tokio::time::Instant::now() + NOBODY_COMES);
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    };
                    schedule::poll_caught(ready);
                    draw.polled();
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
