//! The messages that the process of a server has taken from the queue of its mailbox, and the message that it is handling.
//!
//! They belong to the mailbox and not to the process, because they outlive the process.

use std::ops::DerefMut;
use std::sync::atomic::{AtomicBool, Ordering};

use cordial_sched::SpinLock;

use super::lanes::Unboxed;
use super::queue::{Envelope, HandledMessage, Queue};

/// The part of a mailbox that the process of the server uses for each message. Senders seldom use it.
#[derive(Debug)]
pub(super) struct Receiving<T> {
    /// Whether the message in hand was handled and is not counted yet. Set by the process of the server without the lock. The next thread
    /// that takes the lock clears the flag and counts the message. That thread sees what the handler has done, because the flag is set with
    /// Release.
    is_in_hand_handled: AtomicBool,
    batch: SpinLock<Batch<T>>,
}

#[derive(Debug)]
pub(super) struct Batch<T> {
    pub(super) messages: Queue<T>,
    pub(super) in_hand: HandledMessage,
    pub(super) handled: u64,
    pub(super) skipped: u64,
    /// Whether the next message is taken under the lock of the state as well: the mailbox is full, or a message has waited for room since
    /// the mailbox was half empty. Always set while a message waits for room.
    pub(super) is_full: bool,
}

impl<T> Receiving<T> {
    pub(super) fn new() -> Receiving<T> {
        let batch = Batch {
            messages: Queue::default(),
            in_hand: HandledMessage::default(),
            handled: 0,
            skipped: 0,
            is_full: false,
        };
        Receiving { is_in_hand_handled: AtomicBool::new(false), batch: SpinLock::new(batch) }
    }

    /// Takes the lock.
    #[inline]
    pub(super) fn lock(&self) -> impl DerefMut<Target = Batch<T>> + '_ {
        self.batch.lock()
    }

    /// Takes the lock, and counts the message in hand if that was handled.
    pub(super) fn lock_and_count(&self) -> impl DerefMut<Target = Batch<T>> + '_ {
        let mut batch = self.lock();
        if self.is_in_hand_handled.load(Ordering::Acquire) {
            self.is_in_hand_handled.store(false, Ordering::Relaxed);
            batch.count_in_hand();
        }
        batch
    }

    /// Takes the lock, for the process of the server, which has handled the message in hand.
    #[inline]
    pub(super) fn lock_and_finish(&self) -> impl DerefMut<Target = Batch<T>> + '_ {
        let mut batch = self.lock();
        if self.is_in_hand_handled.load(Ordering::Relaxed) {
            self.is_in_hand_handled.store(false, Ordering::Relaxed);
        }
        batch.count_in_hand();
        batch
    }

    /// Records without the lock that the process of the server has handled the message in hand.
    #[inline]
    pub(super) fn finish(&self) {
        self.is_in_hand_handled.store(true, Ordering::Release);
    }
}

impl<T: Envelope + 'static> Batch<T> {
    /// Takes the first message, which is then in hand. Returns it as [`Queue::pop`] does.
    #[inline(always)]
    pub(super) fn pop<U: Unboxed<T>>(&mut self, unboxed: &mut Option<U>) -> Option<T> {
        self.messages.pop(unboxed, &mut self.in_hand)
    }
}

impl<T> Batch<T> {
    /// Counts the message in hand, if there is one, as handled.
    #[inline]
    fn count_in_hand(&mut self) {
        if self.in_hand.name.take().is_some() {
            self.handled += 1;
        }
    }
}
