//! The tasks that are ready to run: a queue and a LIFO slot for each worker, open to thieves, and an injector for tasks
//! from other threads, and for tasks that are moved away from a worker.

use std::sync::{Arc, OnceLock};

use crossbeam_deque::{Injector, Worker};

use crate::remote::progress::add;
use crate::remote::steal_policy::StealPolicy;
use crate::remote::{Remote, retry};
use crate::task::runnable::Runnable;
use crate::threads::Threads;

/// The injector, and the [`Remote`] of each worker: the part that other threads use.
///
/// Owns the table of threads as well, because that says how many remotes a search has to visit.
pub(crate) struct Queues {
    injector: Injector<Runnable>,
    remotes: Box<[OnceLock<Arc<Remote>>]>,
    pub(crate) threads: Threads,
}

impl Queues {
    pub(crate) fn new(threads: Threads) -> Queues {
        let remotes = (0..threads.max_threads()).map(|_| OnceLock::new()).collect();
        Queues { injector: Injector::new(), remotes, threads }
    }

    /// Makes the remote with this index, unless it was opened before.
    pub(crate) fn open(&self, index: usize) {
        self.remotes[index].get_or_init(|| Arc::new(Remote::new()));
    }

    /// Returns the remote with this index, which must be open.
    pub(crate) fn remote(&self, index: usize) -> &Arc<Remote> {
        self.try_remote(index).expect("opened before its thread was started")
    }

    /// Returns the remote with this index, or `None` if it was never opened.
    pub(crate) fn try_remote(&self, index: usize) -> Option<&Arc<Remote>> {
        self.remotes[index].get()
    }

    /// Returns the remotes of all threads that have not ended, and of some that have, with their indices.
    pub(crate) fn remotes(&self) -> impl Iterator<Item = (usize, &Remote)> {
        self.remotes[..self.threads.index_bound()]
            .iter()
            .enumerate()
            .filter_map(|(index, remote)| Some((index, &**remote.get()?)))
    }

    /// Returns the open remotes, up to the first index that is not open.
    pub(crate) fn all_remotes(&self) -> impl Iterator<Item = &Remote> {
        // New indices are handed out in order, but threads that start at the same moment may open theirs in another order. Open remotes
        // after the first one that is not open are left out.
        self.remotes.iter().map_while(|remote| Some(&**remote.get()?))
    }

    pub(crate) fn unpark_all(&self) {
        self.remotes().for_each(|(_, remote)| remote.unparker.unpark());
    }

    pub(crate) fn inject(&self, task: Runnable) {
        self.injector.push(task);
    }

    /// Takes a task out of the injector, and moves some more into the worker's own queue.
    pub(crate) fn take_injected(&self, own: &Worker<Runnable>) -> Option<Runnable> {
        if self.injector.is_empty() {
            return None;
        }
        retry(|| self.injector.steal_batch_and_pop(own))
    }

    /// Visits all workers, beginning with a random one, and steals from the queue of the first that has tasks and that
    /// `steal_policy` does not skip.
    pub(crate) fn steal(&self, own: &Worker<Runnable>, thief: &Remote, steal_policy: &StealPolicy) -> Option<Runnable> {
        let bound = self.threads.index_bound();
        let first = fastrand::usize(..bound.max(1));
        (0..bound).find_map(|step| {
            let index = (first + step) % bound;
            let victim = self.remotes[index].get()?;
            if victim.stealer.is_empty() || steal_policy.should_skip(index, victim) {
                return None;
            }
            let stolen = retry(|| victim.stealer.steal_batch_and_pop(own))?;
            add(&thief.progress.steals, 1);
            Some(stolen)
        })
    }

    /// Steals from any LIFO slot. The last resort: a task that was just woken runs best on the worker that woke it.
    pub(crate) fn steal_any_lifo_slot(&self) -> Option<Runnable> {
        self.remotes().find_map(|(_, remote)| remote.steal_lifo_slot())
    }

    pub(crate) fn has_injected(&self) -> bool {
        !self.injector.is_empty()
    }

    /// Returns whether a task is in the injector or in the queue of a worker. LIFO slots do not count.
    pub(crate) fn has_queued(&self) -> bool {
        self.has_injected() || self.remotes().any(|(_, remote)| !remote.stealer.is_empty())
    }

    /// Takes a task from anywhere, on a thread that has no queue.
    pub(crate) fn take_any(&self) -> Option<Runnable> {
        retry(|| self.injector.steal())
            .or_else(|| self.remotes().find_map(|(_, remote)| retry(|| remote.stealer.steal())))
            .or_else(|| self.steal_any_lifo_slot())
    }

    /// Returns the number of tasks in the injector, and of those in the queues of the workers.
    pub(crate) fn lengths(&self) -> (usize, usize) {
        (self.injector.len(), self.remotes().map(|(_, remote)| remote.stealer.len()).sum())
    }
}
