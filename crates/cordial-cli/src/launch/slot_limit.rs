//! How many commands may run at once. The number may change during the run.

use std::sync::Arc;

use tokio::sync::watch;

/// The number of commands that may run at once. Clones share the number.
#[derive(Clone, Debug)]
pub(crate) struct SlotLimit {
    current: Arc<watch::Sender<usize>>,
    /// `current` is never greater than this.
    max: usize,
}

impl SlotLimit {
    /// `initial` must be at least 1. If `max` is less than `initial`, then `initial` is the maximum.
    pub(crate) fn new(initial: usize, max: usize) -> SlotLimit {
        SlotLimit { current: Arc::new(watch::Sender::new(initial)), max: max.max(initial) }
    }

    pub(crate) fn get(&self) -> usize {
        *self.current.borrow()
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// Sets the number, at least to 1 and at most to `max`. Running commands are not stopped.
    pub(crate) fn set(&self, number: usize) {
        let number = number.clamp(1, self.max);
        self.current.send_if_modified(|current| std::mem::replace(current, number) != number);
    }

    /// Returns a receiver that is notified of each change.
    pub(super) fn subscribe(&self) -> watch::Receiver<usize> {
        self.current.subscribe()
    }
}
