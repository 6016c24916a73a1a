//! The search of a worker that has no task left, before it goes to sleep. It bridges short pauses in
//! a burst of work.
//!
//! A task in the LIFO slot of another worker is about to run there, so the searcher does not steal it at first sight.
//! It steals the task if that worker is in the same poll a round later: then the task is stuck behind that poll.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crossbeam_deque::Worker;

use crate::pool::Pool;
use crate::remote::Remote;
use crate::remote::steal_policy::StealPolicy;
use crate::task::runnable::Runnable;

/// How many rounds a search has at most.
const ROUNDS: usize = 20;

/// How long a round of a search lasts at most.
const ROUND: Duration = Duration::from_micros(10);

/// A thread that yields the processor for longer than this has let another thread run.
const ANOTHER_RAN: Duration = Duration::from_micros(3);

/// A thread that yields the processor for longer than this shares it with threads that compute.
const CROWDED: Duration = Duration::from_millis(1);

/// For how long the processor then counts as crowded.
const UNTIL_NEXT_TRY: Duration = Duration::from_millis(100);

/// Until when the processor of a worker counts as crowded.
///
/// A worker that yields there gets the processor again only after the other threads had their time slices. Until then
/// it is the searcher, so a push wakes no worker. If the worker sleeps instead, the push wakes it, and the kernel lets
/// it run at once.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    until: Cell<Option<Instant>>,
}

impl Crowd {
    #[expect(clippy::disallowed_methods, reason = "other programs need the processor in real time")]
    fn is_crowded(&self) -> bool {
        let is_crowded = self.until.get().is_some_and(|until| Instant::now() < until);
        if !is_crowded {
            self.until.set(None);
        }
        is_crowded
    }

    #[expect(clippy::disallowed_methods, reason = "other programs need the processor in real time")]
    fn has_yielded_for(&self, time: Duration) {
        if time > CROWDED {
            self.until.set(Some(Instant::now() + UNTIL_NEXT_TRY));
        }
    }
}

/// Searches all queues for up to 200 µs.
///
/// Visits the other workers once in a round and only waits in between, because each visit takes the cache lines of the
/// queues away from their owners. If another thread needs the processor, the search ends after one more visit. On a crowded processor,
/// there is one visit and no wait.
pub(crate) fn search(
    pool: &Pool,
    own: &Worker<Runnable>,
    thief: &Remote,
    steal_policy: &StealPolicy,
    crowd: &Crowd,
) -> Option<Runnable> {
    let current = |remote: &Remote| remote.progress.current().map(|(poll, _)| poll);
    // Each poll is at the index of its worker.
    let mut last: Vec<Option<u64>> = Vec::new();
    for (index, remote) in pool.queues.remotes() {
        last.resize(index, None);
        last.push(current(remote));
    }
    for _ in 0..ROUNDS {
        let is_processor_wanted = crowd.is_crowded() || wait_a_round(pool, crowd);
        if let Some(task) = pool.queues.take_injected(own).or_else(|| pool.queues.steal(own, thief, steal_policy)) {
            return Some(task);
        }
        if pool.is_stopping() || is_processor_wanted {
            return None;
        }
        for (index, remote) in pool.queues.remotes() {
            let poll = current(remote);
            if last.len() <= index {
                last.resize(index + 1, None);
            }
            let is_same_poll = std::mem::replace(&mut last[index], poll) == poll && poll.is_some();
            if is_same_poll && let Some(task) = remote.steal_lifo_slot() {
                return Some(task);
            }
        }
    }
    None
}

/// Waits until the round is over, a task is injected, or another thread has run on this processor. Returns whether
/// another thread has run. An injected task ends the wait, because no other worker would take it soon.
#[expect(clippy::disallowed_methods, reason = "a round lasts real time")]
fn wait_a_round(pool: &Pool, crowd: &Crowd) -> bool {
    let started = Instant::now();
    let (mut waited, mut has_another_run) = (Duration::ZERO, false);
    while waited < ROUND && !has_another_run && !pool.queues.has_injected() {
        std::thread::yield_now();
        let before = std::mem::replace(&mut waited, started.elapsed());
        has_another_run = waited - before > ANOTHER_RAN;
        crowd.has_yielded_for(waited - before);
    }
    has_another_run
}
