//! The memory and the files that unprinted items use, for their values and for their captured output. Results that
//! are printed in input order may wait long for an earlier item, so no further items are read while the total is high.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

/// A capture that would bring the bytes of all captures and items in memory above this number moves to a file.
pub(super) const MAX_BYTES_IN_MEMORY: usize = 16 * 1024 * 1024;

/// No further item is read while this many captures are in files, or while captures and items hold twice
/// [`MAX_BYTES_IN_MEMORY`]. The commands of items that were read before may still exceed both limits.
pub(super) const MAX_FILES: usize = 128;

/// Counts the memory and the files that all unprinted items use together. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budget(Arc<Usage>);

#[derive(Debug, Default)]
struct Usage {
    bytes: AtomicUsize,
    files: AtomicUsize,
    /// The task that waits to read a further item.
    waiting: AtomicWaker,
}

impl Budget {
    /// Is ready if a further item may be read. Otherwise the task that has polled last is woken when a charge is dropped.
    pub(crate) fn poll_available(&self, cx: &mut Context<'_>) -> Poll<()> {
        let is_available = || {
            self.0.files.load(Ordering::SeqCst) < MAX_FILES
                && self.0.bytes.load(Ordering::SeqCst) < 2 * MAX_BYTES_IN_MEMORY
        };
        if is_available() {
            return Poll::Ready(());
        }
        self.0.waiting.register(cx.waker());
        // A charge may have been dropped between the first check and the registration.
        if is_available() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Charges `bytes` until the returned value is dropped.
    pub(crate) fn charge(&self, bytes: usize) -> Charge {
        self.0.bytes.fetch_add(bytes, Ordering::SeqCst);
        Charge { budget: self.clone(), bytes, files: 0 }
    }
}

/// The memory or the file that one item or one capture uses. Dropping the charge returns them to the budget.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Budget,
    bytes: usize,
    files: usize,
}

impl Charge {
    pub(super) fn add_bytes(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.budget.0.bytes.fetch_add(bytes, Ordering::SeqCst);
    }

    /// Replaces the charged bytes by one file.
    pub(super) fn move_to_file(&mut self) {
        self.budget.0.files.fetch_add(1, Ordering::SeqCst);
        self.budget.0.bytes.fetch_sub(self.bytes, Ordering::SeqCst);
        (self.bytes, self.files) = (0, 1);
    }

    /// Returns the bytes that all charges of the budget hold in memory.
    pub(super) fn total_bytes(&self) -> usize {
        self.budget.0.bytes.load(Ordering::SeqCst)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.0.bytes.fetch_sub(self.bytes, Ordering::SeqCst);
        self.budget.0.files.fetch_sub(self.files, Ordering::SeqCst);
        self.budget.0.waiting.wake();
    }
}
