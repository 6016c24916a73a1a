//! Who sleeps, and who wakes whom. The protocol is told in `README.md` beside this file.

use crossbeam_utils::sync::{Parker, Unparker};

use crate::sync::{AtomicUsize, Mutex, Ordering, fence};

/// The sleep of a pool's workers.
pub(crate) struct Idle {
    /// Indexes of the workers that sleep, the latest last: it is the warmest.
    sleepers: Mutex<Vec<usize>>,
    /// The length of `sleepers`, to be read without the lock.
    n_sleepers: AtomicUsize,
    /// Workers that were woken and have not yet found work or gone back to sleep.
    n_searchers: AtomicUsize,
    unparkers: Box<[Unparker]>,
}

/// A worker was woken and owes the others a search.
#[must_use = "whoever was woken must say how its search ended"]
pub(crate) struct Search(());

/// What a new piece of work did to the sleepers.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notified {
    /// Somebody who is awake will find it.
    Nobody,
    /// A worker was woken, and others were awake already.
    One,
    /// A worker was woken that was asleep like all others.
    First,
}

impl Idle {
    pub(crate) fn new(parkers: &[Parker]) -> Idle {
        Idle {
            sleepers: Mutex::new(Vec::with_capacity(parkers.len())),
            n_sleepers: AtomicUsize::new(0),
            n_searchers: AtomicUsize::new(0),
            unparkers: parkers.iter().map(|parker| parker.unparker().clone()).collect(),
        }
    }

    /// To be called after every push: wakes one sleeper unless somebody is searching already.
    pub(crate) fn notify(&self) -> Notified {
        // Pairs with the fence in `sleep`: either this thread sees the sleeper, or the sleeper sees the push.
        fence(Ordering::SeqCst);
        if self.n_sleepers.load(Ordering::Relaxed) == 0 || self.n_searchers.load(Ordering::Relaxed) > 0 {
            return Notified::Nobody;
        }
        let (index, slept) = {
            let mut sleepers = self.sleepers.lock();
            let slept = sleepers.len();
            let Some(index) = sleepers.pop() else { return Notified::Nobody };
            self.n_searchers.fetch_add(1, Ordering::SeqCst);
            self.n_sleepers.store(sleepers.len(), Ordering::SeqCst);
            (index, slept)
        };
        self.unparkers[index].unpark();
        if slept == self.unparkers.len() { Notified::First } else { Notified::One }
    }

    /// Sleeps until woken, unless `has_work` says no at the last moment. Returns the duty to search if it was woken.
    pub(crate) fn sleep(&self, index: usize, parker: &Parker, has_work: impl Fn() -> bool) -> Option<Search> {
        {
            let mut sleepers = self.sleepers.lock();
            sleepers.push(index);
            self.n_sleepers.store(sleepers.len(), Ordering::SeqCst);
        }
        // Pairs with the fence in `notify`.
        fence(Ordering::SeqCst);
        if has_work() && self.rise(index) {
            return None;
        }
        parker.park();
        // Unparked by `notify`, which has taken this worker off the list, or by `wake_all`, which has not.
        (!self.rise(index)).then_some(Search(()))
    }

    /// Takes the worker off the list. `false` if a waker was faster.
    fn rise(&self, index: usize) -> bool {
        let mut sleepers = self.sleepers.lock();
        let Some(place) = sleepers.iter().position(|&sleeper| sleeper == index) else { return false };
        sleepers.remove(place);
        self.n_sleepers.store(sleepers.len(), Ordering::SeqCst);
        true
    }

    /// The search has ended. With work found, and as the last searcher, somebody else must look whether there is more.
    #[must_use = "more work may be waiting"]
    pub(crate) fn searched(&self, Search(()): Search) -> bool {
        self.n_searchers.fetch_sub(1, Ordering::SeqCst) == 1
    }

    pub(crate) fn wake_all(&self) {
        self.unparkers.iter().for_each(Unparker::unpark);
    }

    pub(crate) fn all_asleep(&self) -> bool {
        self.n_sleepers.load(Ordering::SeqCst) == self.unparkers.len()
    }
}
