//! Who sleeps, who looks for work, and who wakes whom. The protocol is told in `README.md` beside this file.

use crate::coarse_clock::CoarseClock;
use crate::sync::{AtomicBool, AtomicUsize, Mutex, Ordering, Unparker, fence};

/// The sleep of a pool's threads, and of the watch.
pub(crate) struct Idle {
    /// The seats that sleep, the latest last: it is the warmest.
    sleepers: Mutex<Vec<Sleeper>>,
    /// The length of `sleepers`, to be read without the lock. Written only under it.
    n_sleepers: AtomicUsize,
    /// Whether somebody is awake and looks for work. At most one does.
    is_searching: AtomicBool,
    /// Nobody was worth waking for a slot lately. Only a hint: the watch takes it away with each look, and sees to what
    /// was left in a slot.
    was_in_vain: AtomicBool,
    /// Nobody was worth waking for a worker's queue either. A hint like that, and the watch sees to it as well.
    was_left_alone: AtomicBool,
    watch: Unparker,
    /// Only the watch writes it.
    is_sysmon_asleep: AtomicBool,
    pub(crate) clock: CoarseClock,
}

struct Sleeper {
    seat: usize,
    unparker: Unparker,
}

/// The duty of the one who looks. Whoever has it finds every push that comes before it is put down.
#[must_use = "the duty to look must be put down, or nobody is woken any more"]
#[derive(Debug)]
pub(crate) struct Searching(());

/// What a look came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SearchResult {
    Found,
    Nothing,
    /// There was something, but nothing that was worth taking.
    Skipped,
}

/// How a sleep went.
#[must_use]
#[derive(Debug)]
pub(crate) enum Slept<W> {
    /// Not at all: the last look found this.
    Found(W, Option<Searching>),
    /// Woken because there is work.
    Woken(Searching),
    /// Woken for another reason.
    Spurious,
}

impl Idle {
    pub(crate) fn new(watch: Unparker) -> Idle {
        Idle {
            sleepers: Mutex::new(Vec::new()),
            n_sleepers: AtomicUsize::new(0),
            is_searching: AtomicBool::new(false),
            was_in_vain: AtomicBool::new(false),
            was_left_alone: AtomicBool::new(false),
            watch,
            is_sysmon_asleep: AtomicBool::new(false),
            clock: CoarseClock::start(),
        }
    }

    /// To be called after every push: wakes one sleeper unless somebody is looking already.
    pub(crate) fn notify(&self) {
        // Pairs with the fences in `sleep` and `stop_searching`: either this thread sees the sleeper and nobody looking, or
        // they see the push. `RunningThreads::is_over` leans on it as well.
        fence(Ordering::SeqCst);
        if self.is_searching.load(Ordering::Relaxed) || self.n_sleepers.load(Ordering::Relaxed) == 0 {
            return;
        }
        let woken = {
            let mut sleepers = self.sleepers.lock();
            // Under the lock nobody else hands out the duty to a sleeper; somebody awake may still take it up.
            if sleepers.is_empty() || !self.take_up() {
                return;
            }
            let woken = sleepers.pop();
            self.n_sleepers.store(sleepers.len(), Ordering::Relaxed);
            woken
        };
        if let Some(Sleeper { unparker, .. }) = woken {
            unparker.unpark();
            self.wake_sysmon();
        }
    }

    /// As `notify`, after a push into the slot of the caller, which most often takes it out again itself. Waking somebody
    /// for that in vain is done once between two looks of the watch, not once for each push.
    pub(crate) fn notify_of_slot(&self) {
        if !self.was_in_vain.load(Ordering::Relaxed) {
            self.notify();
        }
    }

    /// As `notify`, after a push into a queue of the caller. If the caller was left alone because it is quick, nobody is
    /// woken to see that again.
    pub(crate) fn notify_of_queue(&self) {
        if !self.was_left_alone.load(Ordering::Relaxed) {
            self.notify();
        }
    }

    /// What the last look came to.
    pub(crate) fn record_search(&self, record_search: SearchResult) {
        self.was_in_vain.store(record_search != SearchResult::Found, Ordering::Relaxed);
        self.was_left_alone.store(record_search == SearchResult::Skipped, Ordering::Relaxed);
    }

    /// Takes up the duty to look, if nobody has it.
    pub(crate) fn look(&self) -> Option<Searching> {
        self.take_up().then_some(Searching(()))
    }

    /// Puts the duty down. From here on pushes wake somebody again, so whoever calls this looks into the queues after it
    /// and calls `notify` if there is something, or goes to sleep.
    pub(crate) fn stop_searching(&self, Searching(()): Searching) {
        self.is_searching.store(false, Ordering::Relaxed);
        // Pairs with the fence in `notify`.
        fence(Ordering::SeqCst);
    }

    /// Sleeps until woken, unless the last look finds something.
    pub(crate) fn sleep<W>(
        &self,
        seat: usize,
        unparker: &Unparker,
        park: impl FnOnce(),
        last_look: impl FnOnce() -> Option<W>,
    ) -> Slept<W> {
        {
            let mut sleepers = self.sleepers.lock();
            sleepers.push(Sleeper { seat, unparker: unparker.clone() });
            self.n_sleepers.store(sleepers.len(), Ordering::Relaxed);
        }
        // Pairs with the fence in `notify`.
        fence(Ordering::SeqCst);
        if let Some(work) = last_look() {
            if self.remove_sleeper(seat) {
                return Slept::Found(work, None);
            }
            // Somebody was faster and has handed over the duty: the token of the parker is there, or about to be.
            park();
            return Slept::Found(work, Some(Searching(())));
        }
        park();
        // Unparked by `notify`, which has taken this seat off the list, or for another reason, which has not.
        if self.remove_sleeper(seat) { Slept::Spurious } else { Slept::Woken(Searching(())) }
    }

    pub(crate) fn n_sleepers(&self) -> usize {
        self.n_sleepers.load(Ordering::Relaxed)
    }

    /// Wakes the watch, if it sleeps. To be called after what it has to see.
    pub(crate) fn wake_sysmon(&self) {
        // Pairs with the fence in `sysmon_sleeps`.
        fence(Ordering::SeqCst);
        if self.is_sysmon_asleep.load(Ordering::Relaxed) {
            self.clock.set();
            self.watch.unpark();
        }
    }

    /// The watch parks, unless somebody is awake after all.
    pub(crate) fn sysmon_sleeps(&self, is_everybody_asleep: impl FnOnce() -> bool, park: impl FnOnce()) {
        self.is_sysmon_asleep.store(true, Ordering::Relaxed);
        // Pairs with the fence in `wake_sysmon`: either the watch sees who is up, or they see the mark.
        fence(Ordering::SeqCst);
        if is_everybody_asleep() {
            park();
        }
        self.is_sysmon_asleep.store(false, Ordering::Relaxed);
    }

    /// `false` if somebody has the duty. Whoever reads here that it was put down has seen nothing else by that.
    fn take_up(&self) -> bool {
        self.is_searching.compare_exchange(false, true, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Takes the seat off the list. `false` if a waker was faster.
    fn remove_sleeper(&self, seat: usize) -> bool {
        {
            let mut sleepers = self.sleepers.lock();
            let Some(place) = sleepers.iter().position(|sleeper| sleeper.seat == seat) else { return false };
            sleepers.remove(place);
            self.n_sleepers.store(sleepers.len(), Ordering::Relaxed);
        }
        // The watch may have taken this worker for asleep.
        self.wake_sysmon();
        true
    }
}

#[cfg(all(test, cordial_loom))]
mod tests;
