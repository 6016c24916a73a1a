//! A seat: what one thread of the pool shares with the others. It outlives the thread and is used again.

use crossbeam_deque::{Steal, Stealer, Worker};
use crossbeam_utils::CachePadded;

use crate::Key;
use crate::lower::Thread;
use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering, Parker, Unparker};

/// A task that is ready to be polled.
pub(crate) type Ready = Box<crate::task::Task>;

pub(crate) struct Seat {
    pub(crate) stealer: Stealer<Ready>,
    /// Where thieves find the task woken last: it may be stuck behind the poll that woke it.
    slot: Stealer<Ready>,
    pub(crate) progress: CachePadded<Progress>,
    pub(crate) unparker: Unparker,
    /// Set by the watch when somebody else was given the work of this thread, which is stuck in a poll.
    pub(crate) is_lent: AtomicBool,
    /// Who sits here, or sat here last.
    pub(crate) thread: Mutex<Option<Thread>>,
    /// What only the thread itself uses, while there is none.
    tools: Mutex<Option<Tools>>,
}

/// What only the thread in the seat uses.
pub(crate) struct Tools {
    pub(crate) queue: Worker<Ready>,
    /// The task woken last, and nothing else. A queue, since its owner puts something in without an exchange.
    pub(crate) slot: Worker<Ready>,
    pub(crate) parker: Parker,
}

impl Seat {
    pub(crate) fn new() -> Seat {
        let (queue, slot, parker) = (Worker::new_fifo(), Worker::new_fifo(), Parker::new());
        Seat {
            stealer: queue.stealer(),
            slot: slot.stealer(),
            progress: CachePadded::default(),
            unparker: parker.unparker().clone(),
            is_lent: AtomicBool::new(false),
            thread: Mutex::new(None),
            tools: Mutex::new(Some(Tools { queue, slot, parker })),
        }
    }

    /// The task in the slot, for another thread.
    pub(crate) fn take_slot(&self) -> Option<Ready> {
        if self.slot.is_empty() {
            return None;
        }
        until_sure(|| self.slot.steal())
    }

    /// For the thread that sits down.
    pub(crate) fn take_tools(&self) -> Option<Tools> {
        self.tools.lock().take()
    }

    /// From the thread that leaves.
    pub(crate) fn leave_tools(&self, tools: Tools) {
        *self.tools.lock() = Some(tools);
    }
}

/// What a worker tells of its polls. It reads no clock: the watch compares the counts.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Twice those that have returned, and odd while polling.
    polls: AtomicU64,
    /// Index and generation of the key in the poll.
    key: AtomicU64,
    pub(crate) steals: AtomicU64,
    pub(crate) parks: AtomicU64,
    /// How often the watch found the thread in a poll.
    pub(crate) busy_samples: AtomicU64,
    /// The number of a poll that the watch has seen twice.
    long: AtomicU64,
    /// When the watch saw it first, in milliseconds of the coarse clock.
    long_since: AtomicU64,
}

impl Progress {
    pub(crate) fn begin(&self, key: Key) {
        // Release pairs with the second acquire in `current`: whoever sees this key sees that the poll before has ended.
        self.key.store(key.to_bits(), Ordering::Release);
        // Release pairs with the first acquire there: whoever sees the odd count sees the key.
        self.polls.store(self.polls.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    pub(crate) fn end(&self) {
        add(&self.polls, 1);
    }

    /// The number of the poll that lasts now, and whose it is. `None` between two polls as well.
    pub(crate) fn current(&self) -> Option<(u64, Key)> {
        let polls = self.polls.load(Ordering::Acquire);
        if polls.is_multiple_of(2) {
            return None;
        }
        let key = self.key.load(Ordering::Acquire);
        // The key may be the next poll's already.
        let is_same = self.polls.load(Ordering::Relaxed) == polls;
        Key::from_bits(key).filter(|_| is_same).map(|key| (polls, key))
    }

    /// The watch has seen this poll before, first at this time of the coarse clock.
    pub(crate) fn is_long(&self, poll: u64, since: u64) {
        // Both releases pair with the acquires in `long_poll`: whoever sees the time of this poll sees its count in `current`.
        self.long_since.store(since, Ordering::Release);
        self.long.store(poll, Ordering::Release);
    }

    /// Whose poll lasts now, and since when, if the watch has seen it twice.
    pub(crate) fn long_poll(&self) -> Option<(Key, u64)> {
        let long = self.long.load(Ordering::Acquire);
        let since = self.long_since.load(Ordering::Acquire);
        // Asked last: if it is still the same, the time is not that of a later poll.
        let (poll, key) = self.current()?;
        (poll == long).then_some((key, since))
    }

    /// Whether the watch has seen the poll before in which this is asked. Only a hint, and only for the thread itself.
    pub(crate) fn is_in_long_poll(&self) -> bool {
        self.long.load(Ordering::Relaxed) == self.polls.load(Ordering::Relaxed)
    }

    /// Polls that have returned.
    pub(crate) fn finished(&self) -> u64 {
        self.polls.load(Ordering::Relaxed) / 2
    }
}

pub(crate) fn until_sure(mut steal: impl FnMut() -> Steal<Ready>) -> Option<Ready> {
    loop {
        match steal() {
            Steal::Success(ready) => return Some(ready),
            Steal::Empty => return None,
            Steal::Retry => std::hint::spin_loop(),
        }
    }
}

/// Counts for a counter that one thread writes and others read.
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
}

#[cfg(all(test, cordial_loom))]
mod tests;
