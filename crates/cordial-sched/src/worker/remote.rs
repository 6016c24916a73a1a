//! A seat: what one thread of the pool shares with the others. It outlives the thread and is used again.

use crossbeam_deque::{Steal, Stealer, Worker};
use crossbeam_utils::CachePadded;

use crate::priority::Thread;
use crate::sync::{AtomicBool, Mutex, Parker, Unparker};
use crate::task::runnable::Runnable;
use crate::worker::progress::PollProgress;

pub(crate) struct Remote {
    pub(crate) stealer: Stealer<Runnable>,
    /// Where thieves find the task woken last: it may be stuck behind the poll that woke it.
    slot: Stealer<Runnable>,
    pub(crate) progress: CachePadded<PollProgress>,
    pub(crate) unparker: Unparker,
    /// Set by the watch when somebody else was given the work of this thread, which is stuck in a poll.
    pub(crate) is_blocked: AtomicBool,
    /// Who sits here, or sat here last.
    pub(crate) thread: Mutex<Option<Thread>>,
    /// What only the thread itself uses, while there is none.
    tools: Mutex<Option<Tools>>,
}

/// What only the thread in the seat uses.
pub(crate) struct Tools {
    pub(crate) queue: Worker<Runnable>,
    /// The task woken last, and nothing else. A queue, since its owner puts something in without an exchange.
    pub(crate) slot: Worker<Runnable>,
    pub(crate) parker: Parker,
}

impl Remote {
    pub(crate) fn new() -> Remote {
        let (queue, slot, parker) = (Worker::new_fifo(), Worker::new_fifo(), Parker::new());
        Remote {
            stealer: queue.stealer(),
            slot: slot.stealer(),
            progress: CachePadded::default(),
            unparker: parker.unparker().clone(),
            is_blocked: AtomicBool::new(false),
            thread: Mutex::new(None),
            tools: Mutex::new(Some(Tools { queue, slot, parker })),
        }
    }

    /// The task in the slot, for another thread.
    pub(crate) fn take_slot(&self) -> Option<Runnable> {
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

pub(crate) fn until_sure(mut steal: impl FnMut() -> Steal<Runnable>) -> Option<Runnable> {
    loop {
        match steal() {
            Steal::Success(ready) => return Some(ready),
            Steal::Empty => return None,
            Steal::Retry => std::hint::spin_loop(),
        }
    }
}
