//! What other threads see of each worker: the ends of its queues for thieves, its unparker, the progress of its polls.
//!
//! The files in reading order: `progress` (what a worker publishes about its polls), this file,
//! `steal_policy` (when a thief skips a worker), `queues` (the remotes of all workers, and the
//! injector). Nothing here runs tasks; that is `worker`.

use std::time::Duration;

use crossbeam_deque::{Steal, Stealer, Worker};
use crossbeam_utils::CachePadded;

use self::progress::PollProgress;
use crate::priority::OsThread;
use crate::sync::{AtomicBool, Mutex, Ordering, Parker, Unparker};
use crate::task::runnable::Runnable;

pub(crate) mod progress;
pub(crate) mod queues;
pub(crate) mod steal_policy;

/// A poll that takes less than this, the time to take the next task included, is cheaper than waking another thread for
/// it or moving the task to another processor.
pub(crate) const SHORT_POLL: Duration = Duration::from_micros(1);

/// The shared part of one worker. It outlives the thread, and the next thread with the same index uses it again.
pub(crate) struct Remote {
    pub(crate) stealer: Stealer<Runnable>,
    /// The other end of [`Local::lifo_slot`], because the task there may be stuck behind the poll that woke it.
    lifo_slot: Stealer<Runnable>,
    pub(crate) progress: CachePadded<PollProgress>,
    pub(crate) unparker: Unparker,
    /// Whether this worker was replaced and has not noticed that yet. Set by sysmon during a long poll of the worker, or by another
    /// worker that takes its place back from this one.
    pub(crate) is_replaced: AtomicBool,
    /// The thread that this worker runs on, or ran on last.
    pub(crate) os_thread: Mutex<Option<OsThread>>,
    /// The local part, while no thread has it.
    local: Mutex<Option<Local>>,
}

/// The part of one worker that only its thread uses.
pub(crate) struct Local {
    pub(crate) queue: Worker<Runnable>,
    /// At most one task: the one that this worker has started or woken last. A queue, because its owner can push without an atomic
    /// exchange.
    pub(crate) lifo_slot: Worker<Runnable>,
    pub(crate) parker: Parker,
}

impl Remote {
    pub(crate) fn new() -> Remote {
        let (queue, lifo_slot, parker) = (Worker::new_fifo(), Worker::new_fifo(), Parker::new());
        Remote {
            stealer: queue.stealer(),
            lifo_slot: lifo_slot.stealer(),
            progress: CachePadded::default(),
            unparker: parker.unparker().clone(),
            is_replaced: AtomicBool::new(false),
            os_thread: Mutex::new(None),
            local: Mutex::new(Some(Local { queue, lifo_slot, parker })),
        }
    }

    /// Steals the task in the LIFO slot.
    pub(crate) fn steal_lifo_slot(&self) -> Option<Runnable> {
        if self.lifo_slot.is_empty() {
            return None;
        }
        retry(|| self.lifo_slot.steal())
    }

    /// Unparks the worker if it was replaced. Must be called when it is in no poll: it may have gone to sleep before it was
    /// replaced, and has to notice that.
    pub(crate) fn unpark_if_replaced(&self) {
        if self.is_replaced.load(Ordering::Relaxed) {
            self.unparker.unpark();
        }
    }

    /// Returns how many tasks are in the queue and in the LIFO slot.
    pub(crate) fn n_queued(&self) -> usize {
        self.stealer.len() + self.lifo_slot.len()
    }

    /// Takes the local part, for a thread that starts. `None` while another thread has it.
    pub(crate) fn take_local(&self) -> Option<Local> {
        self.local.lock().take()
    }

    /// Returns the local part, from a thread that exits.
    pub(crate) fn put_back(&self, local: Local) {
        *self.local.lock() = Some(local);
    }
}

/// Repeats `steal` until it returns a task or finds nothing.
pub(crate) fn retry(mut steal: impl FnMut() -> Steal<Runnable>) -> Option<Runnable> {
    loop {
        match steal() {
            Steal::Success(task) => return Some(task),
            Steal::Empty => return None,
            Steal::Retry => std::hint::spin_loop(),
        }
    }
}
