//! Which workers sleep, which worker searches for work, and which threads wake the sleepers. `README.md` beside this file
//! explains the protocol.

use crate::coarse_clock::CoarseClock;
use crate::sync::{AtomicBool, AtomicUsize, Mutex, Ordering, Unparker, fence};

/// Which threads of a pool sleep: its workers and its sysmon.
pub(crate) struct Idle {
    /// The sleeping workers. The last entry fell asleep last; its caches are the warmest, so it is
    /// woken first.
    sleepers: Mutex<Vec<Sleeper>>,
    /// The length of `sleepers`, to be read without the lock. Written only under the lock.
    n_sleepers: AtomicUsize,
    /// Whether a worker searches for work. At most one does.
    is_searching: AtomicBool,
    /// Set if the last search took no task: pushes into a LIFO slot then wake no worker. A hint: sysmon clears it in each
    /// of its rounds, and moves a task that is stuck in a slot to the injector.
    skips_slot_wakeups: AtomicBool,
    /// Set if the last search found tasks and took none: pushes into a worker's own queue then wake no worker. A hint:
    /// sysmon clears it in each of its rounds, and calls `notify` if a queue is not empty.
    skips_queue_wakeups: AtomicBool,
    sysmon: Unparker,
    /// Written only by sysmon.
    is_sysmon_asleep: AtomicBool,
    pub(crate) clock: CoarseClock,
}

struct Sleeper {
    /// The index of the worker.
    worker: usize,
    unparker: Unparker,
}

/// Proof that the holder is the one worker that searches. Pushes wake no worker until the holder has called
/// `stop_searching`, after which it has to recheck the queues.
#[must_use = "while a worker counts as searching, pushes wake no other: pass this to `stop_searching`"]
#[derive(Debug)]
pub(crate) struct Searching(());

/// The result of one search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SearchResult {
    Found,
    Nothing,
    /// There were tasks, but stealing them would not have paid.
    Skipped,
}

/// How a sleep ended.
#[must_use]
#[derive(Debug)]
pub(crate) enum SleepResult<W> {
    /// The worker did not sleep: its recheck of the queues found this. With `Searching` if a push woke the worker at the same
    /// moment.
    Found(W, Option<Searching>),
    /// A push woke the worker, which searches now.
    Woken(Searching),
    /// The worker was unparked, but not by a push.
    Spurious,
}

impl Idle {
    /// Makes the state of a pool whose threads are all awake. `sysmon` is the unparker of its sysmon.
    pub(crate) fn new(sysmon: Unparker) -> Idle {
        Idle {
            sleepers: Mutex::new(Vec::new()),
            n_sleepers: AtomicUsize::new(0),
            is_searching: AtomicBool::new(false),
            skips_slot_wakeups: AtomicBool::new(false),
            skips_queue_wakeups: AtomicBool::new(false),
            sysmon,
            is_sysmon_asleep: AtomicBool::new(false),
            clock: CoarseClock::start(),
        }
    }

    /// Wakes one sleeper, unless a worker is searching already. Must be called after each push, except for those into the
    /// caller's own slot or queue, for which there are the next two methods.
    pub(crate) fn notify(&self) {
        // Pairs with the fences in `sleep` and `stop_searching`: either this thread sees the sleeper and no searcher,
        // or the worker sees the push. `RunningThreads::have_all_exited` relies on this fence as well.
        fence(Ordering::SeqCst);
        if self.n_sleepers.load(Ordering::Relaxed) == 0 {
            // All workers may be in long polls, and sysmon in a sampling pause.
            self.wake_sysmon_after_fence();
            return;
        }
        if self.is_searching.load(Ordering::Relaxed) {
            return;
        }
        let woken = {
            let mut sleepers = self.sleepers.lock();
            // The lock keeps other threads from waking a sleeper; a worker that is awake may still begin to search.
            if sleepers.is_empty() || !self.try_set_searching() {
                return;
            }
            let woken = sleepers.pop();
            self.n_sleepers.store(sleepers.len(), Ordering::Relaxed);
            woken
        };
        if let Some(Sleeper { unparker, .. }) = woken {
            // Sysmon is woken before the worker, because the coarse clock stands still while sysmon sleeps.
            self.wake_sysmon();
            unparker.unpark();
        }
    }

    /// Like [`notify`](Idle::notify), after a push into the caller's own LIFO slot.
    ///
    /// The caller usually takes the task back a moment later. So after a search that took no task, these pushes wake no worker
    /// until sysmon's next round, or until a search has taken a task.
    pub(crate) fn notify_slot_push(&self) {
        if !self.skips_slot_wakeups.load(Ordering::Relaxed) {
            self.notify();
        }
    }

    /// Like [`notify`](Idle::notify), after a push into the caller's own queue.
    ///
    /// If the last searcher took no task and skipped a queue because the polls of its owner are short,
    /// another worker would skip it too.
    pub(crate) fn notify_queue_push(&self) {
        if !self.skips_queue_wakeups.load(Ordering::Relaxed) {
            self.notify();
        }
    }

    /// Sets the hints for pushes into slots and queues by the result of a search.
    pub(crate) fn record_search(&self, result: SearchResult) {
        self.skips_slot_wakeups.store(result != SearchResult::Found, Ordering::Relaxed);
        self.skips_queue_wakeups.store(result == SearchResult::Skipped, Ordering::Relaxed);
    }

    /// Forgets the last search, so that the next push into a slot or a queue wakes a worker. Called by sysmon.
    pub(crate) fn clear_hints(&self) {
        self.record_search(SearchResult::Found);
    }

    /// Makes the caller the searcher, unless there is a searcher already.
    pub(crate) fn start_searching(&self) -> Option<Searching> {
        self.try_set_searching().then_some(Searching(()))
    }

    /// Ends the search. From here on pushes wake a worker again.
    ///
    /// Afterwards the caller must look into the queues once more, and call `notify` if a queue is
    /// not empty, or go to sleep.
    pub(crate) fn stop_searching(&self, Searching(()): Searching) {
        self.is_searching.store(false, Ordering::Relaxed);
        // Pairs with the fence in `notify`.
        fence(Ordering::SeqCst);
    }

    /// Puts the worker on the list of sleepers, and parks it unless `recheck` finds something.
    pub(crate) fn sleep<W>(
        &self,
        worker: usize,
        unparker: &Unparker,
        park: impl FnOnce(),
        recheck: impl FnOnce() -> Option<W>,
    ) -> SleepResult<W> {
        {
            let mut sleepers = self.sleepers.lock();
            sleepers.push(Sleeper { worker, unparker: unparker.clone() });
            self.n_sleepers.store(sleepers.len(), Ordering::Relaxed);
        }
        // Pairs with the fence in `notify`.
        fence(Ordering::SeqCst);
        if let Some(found) = recheck() {
            if self.remove_sleeper(worker) {
                return SleepResult::Found(found, None);
            }
            // A pusher took this worker off the list first and made it the searcher. The pusher unparks it as well: `park`
            // takes that token, which would otherwise end the next sleep at once.
            park();
            return SleepResult::Found(found, Some(Searching(())));
        }
        park();
        // `notify` takes the worker off the list before it unparks it. Sysmon and the end of the pool do not.
        if self.remove_sleeper(worker) { SleepResult::Spurious } else { SleepResult::Woken(Searching(())) }
    }

    pub(crate) fn n_sleepers(&self) -> usize {
        self.n_sleepers.load(Ordering::Relaxed)
    }

    /// Wakes sysmon if it sleeps. Must be called after the change that sysmon has to see.
    pub(crate) fn wake_sysmon(&self) {
        // Pairs with the fence in `sysmon_sleep`.
        fence(Ordering::SeqCst);
        self.wake_sysmon_after_fence();
    }

    fn wake_sysmon_after_fence(&self) {
        if self.is_sysmon_asleep.load(Ordering::Relaxed) {
            self.clock.update();
            self.sysmon.unpark();
        }
    }

    /// Parks sysmon, unless the recheck `may_sleep` returns `false`.
    pub(crate) fn sysmon_sleep(&self, may_sleep: impl FnOnce() -> bool, park: impl FnOnce()) {
        self.is_sysmon_asleep.store(true, Ordering::Relaxed);
        // Pairs with the fence in `wake_sysmon`: either sysmon sees the worker that is awake, or the waker sees the
        // mark.
        fence(Ordering::SeqCst);
        if may_sleep() {
            park();
        }
        self.is_sysmon_asleep.store(false, Ordering::Relaxed);
    }

    /// Records that a worker searches. Returns `false` if one does already. Relaxed: the flag publishes no other memory.
    fn try_set_searching(&self) -> bool {
        self.is_searching.compare_exchange(false, true, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Takes the worker off the list. Returns `false` if `notify` did that first.
    fn remove_sleeper(&self, worker: usize) -> bool {
        {
            let mut sleepers = self.sleepers.lock();
            let Some(position) = sleepers.iter().position(|sleeper| sleeper.worker == worker) else { return false };
            sleepers.remove(position);
            self.n_sleepers.store(sleepers.len(), Ordering::Relaxed);
        }
        // Sysmon may sleep because it has counted this worker as asleep.
        self.wake_sysmon();
        true
    }
}

#[cfg(all(test, cordial_loom))]
mod tests;
