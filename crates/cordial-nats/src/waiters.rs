//! Passes each message to the wait for it. All jobs of this program without a key share one subscription, and so do all its calls.
//!
//! Each wait has a number, which is the last token of the subject. The thread of the connection passes the message on.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::Message;
use tokio::sync::Notify;

use crate::unwind::contain;
use crate::wire::{HEARTBEAT, State};

/// A message that is not small is dropped if this many messages of its wait are unread. A call gets few.
const CAPACITY: usize = 64;

/// A small message is dropped if this many messages of its wait are unread. A question to all nodes gets one from each.
const CAPACITY_OF_SMALL: usize = 65_536;

/// The largest payload of a small message, in bytes.
const SMALL: usize = 4096;

#[derive(Debug, Default)]
pub(crate) struct Waiters {
    numbers: AtomicU64,
    by_number: Mutex<HashMap<u64, Arc<Unread>>>,
}

/// The unread messages of a wait. A job gets a single one, so a channel, which has memory for many, would cost more than the rest of the wait.
#[derive(Debug, Default)]
struct Unread {
    messages: Mutex<VecDeque<Message>>,
    delivered: Notify,
}

/// A wait for messages. Dropping it ends the wait.
#[derive(Debug)]
pub(crate) struct Waiter {
    number: u64,
    unread: Arc<Unread>,
    waiters: Arc<Waiters>,
}

impl Waiters {
    pub(crate) fn add(self: &Arc<Waiters>) -> Waiter {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let unread = Arc::<Unread>::default();
        self.lock().insert(number, unread.clone());
        Waiter { number, unread, waiters: self.clone() }
    }

    /// Passes a message on to its wait. Returns whether the wait still exists.
    pub(crate) fn deliver(&self, message: &Message) -> bool {
        let number = message.subject.as_str().rsplit('.').next().and_then(|number| number.parse().ok());
        let Some(number) = number else { return false };
        // Delivered under the lock: after `close`, no message is on its way.
        let waiters = self.lock();
        let Some(unread) = waiters.get(&number).cloned() else { return false };
        // A heartbeat is kept only if no other message is unread, because each message shows that the node is alive. So a program whose threads
        // are blocked does not collect heartbeats.
        // An outcome may have the payload of a heartbeat, but has a state.
        let is_heartbeat = message.payload == HEARTBEAT && message.headers.as_ref().and_then(State::of).is_none();
        let limit = match (is_heartbeat, message.payload.len()) {
            (true, _) => 1,
            (false, ..=SMALL) => CAPACITY_OF_SMALL,
            (false, _) => CAPACITY,
        };
        let mut messages = unread.lock();
        let has_room = messages.len() < limit;
        if has_room {
            messages.push_back(message.clone());
        }
        drop((messages, waiters));
        if has_room {
            // Runs a user waker, which may drop the wait, or panic.
            contain(|| unread.delivered.notify_one());
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Unread>>> {
        self.by_number.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unread {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Message>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Returns the next message. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Message {
        loop {
            let message = self.unread.lock().pop_front();
            if let Some(message) = message {
                return message;
            }
            self.unread.delivered.notified().await;
        }
    }

    /// Ends the wait, and returns what was delivered and not read.
    pub(crate) fn close(&mut self) -> VecDeque<Message> {
        self.waiters.lock().remove(&self.number);
        std::mem::take(&mut *self.unread.lock())
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.waiters.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use async_nats::HeaderMap;

    use super::*;
    use crate::wire::STATE;

    fn message(headers: Option<HeaderMap>, payload: &'static [u8]) -> Message {
        let (subject, payload) = ("_INBOX.x.0".into(), payload.into());
        Message { subject, reply: None, payload, headers, status: None, description: None, length: 0 }
    }

    #[test]
    fn an_outcome_has_room_behind_heartbeats_that_were_not_read() {
        let waiters = Arc::new(Waiters::default());
        let mut waiter = waiters.add();
        for _ in 0..1000 {
            assert!(waiters.deliver(&message(None, HEARTBEAT)));
        }
        let mut done = HeaderMap::new();
        done.insert(STATE, State::Done.as_str());
        assert!(waiters.deliver(&message(Some(done), HEARTBEAT)));
        let mut unread = waiter.close();
        assert_eq!(unread.len(), 2);
        assert_eq!(State::of(&unread.pop_back().unwrap().headers.unwrap()), Some(State::Done));
        assert!(!waiters.deliver(&message(None, HEARTBEAT)));
    }

    #[test]
    fn the_answers_of_many_nodes_all_wait_to_be_read() {
        let waiters = Arc::new(Waiters::default());
        let mut waiter = waiters.add();
        for _ in 0..1000 {
            assert!(waiters.deliver(&message(None, b"{}")));
        }
        assert_eq!(waiter.close().len(), 1000);
    }
}
