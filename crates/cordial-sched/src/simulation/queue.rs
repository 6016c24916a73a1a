//! The queue of a simulation: the next task is chosen by random numbers that follow from a seed.

use std::task::Waker;

use crate::sync::Mutex;
use crate::task::runnable::Runnable;

/// The tasks that are ready, and the seeded choice.
pub(crate) struct SeededQueue(Mutex<SeededQueueState>);

struct SeededQueueState {
    tasks: Vec<Runnable>,
    rng: fastrand::Rng,
    /// The waker of the thread that drives the simulation, while there is no task.
    driver: Option<Waker>,
    n_polls: u64,
}

impl SeededQueue {
    pub(crate) fn new(seed: u64) -> SeededQueue {
        let rng = fastrand::Rng::with_seed(seed);
        SeededQueue(Mutex::new(SeededQueueState { tasks: Vec::new(), rng, driver: None, n_polls: 0 }))
    }

    pub(crate) fn push(&self, task: Runnable) {
        let driver = {
            let mut state = self.0.lock();
            state.tasks.push(task);
            state.driver.take()
        };
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Takes a task. If there is none, `driver` is woken when one comes.
    pub(crate) fn pop(&self, driver: &Waker) -> Option<Runnable> {
        let mut state = self.0.lock();
        if state.tasks.is_empty() {
            state.driver = Some(driver.clone());
            return None;
        }
        let n_tasks = state.tasks.len();
        let choice = state.rng.usize(..n_tasks);
        Some(state.tasks.swap_remove(choice))
    }

    /// Returns a random number, from the same seed as the choices.
    pub(crate) fn random(&self) -> u64 {
        self.0.lock().rng.u64(..)
    }

    /// Counts a poll that has returned.
    pub(crate) fn count_poll(&self) {
        self.0.lock().n_polls += 1;
    }

    pub(crate) fn n_polls(&self) -> u64 {
        self.0.lock().n_polls
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().tasks.len()
    }
}

/// Aborts the tasks that are ready: they will never run, since their executor is gone.
impl Drop for SeededQueue {
    fn drop(&mut self) {
        let tasks = std::mem::take(&mut self.0.lock().tasks);
        tasks.into_iter().for_each(Runnable::abort);
    }
}
