//! Delivers the messages of a shared subscription to the code that waits for them. A program has one such subscription for the results of
//! its jobs without a key, and one for the answers to its calls and to its questions to all nodes.
//!
//! Each waiter has a number, which is the last token of the subject of its messages. The thread of the connection delivers the messages.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::Message;
use tokio::sync::Notify;

use crate::unwind::contain;
use crate::wire::{HEARTBEAT, State};

/// How many messages of a waiter may be unread. Further ones are dropped. Many, because each node answers a question to all nodes.
const MAX_MESSAGES: usize = 65_536;

/// How many bytes the unread messages of a waiter may have together. A message that would exceed this is dropped, unless no other is unread.
const MAX_BYTES: usize = 64 << 20;

#[derive(Debug, Default)]
pub(crate) struct Waiters {
    numbers: AtomicU64,
    by_number: Mutex<HashMap<u64, Arc<Unread>>>,
}

/// The unread messages of a waiter. Not a channel: a job gets a single message, and a channel allocates memory for many, more than the rest
/// of the waiter takes.
#[derive(Debug, Default)]
struct Unread {
    queue: Mutex<Queue>,
    delivered: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Message>,
    /// The sum of the sizes of their payloads.
    bytes: usize,
}

/// Receives the messages with its number. Messages that arrive after it is dropped have no waiter.
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

    /// Delivers a message to its waiter. Returns the message if it has no waiter any more.
    pub(crate) fn deliver(&self, message: Message) -> Option<Message> {
        let number = message.subject.as_str().rsplit('.').next().and_then(|number| number.parse().ok());
        let Some(number) = number else { return Some(message) };
        // Delivered under the lock: after `close`, no message is on its way.
        let waiters = self.lock();
        let Some(unread) = waiters.get(&number).cloned() else { return Some(message) };
        // A heartbeat is kept only if no other message is unread, because each message shows that the node is alive. So a program whose threads
        // are blocked does not collect heartbeats.
        // An outcome may have the payload of a heartbeat, but has a state.
        let is_heartbeat = message.payload == HEARTBEAT && message.headers.as_ref().and_then(State::of).is_none();
        let limit = if is_heartbeat { 1 } else { MAX_MESSAGES };
        let was_pushed = unread.lock().push(message, limit);
        drop(waiters);
        if was_pushed {
            // Runs a user waker, which may drop the waiter, or panic.
            contain(|| unread.delivered.notify_one());
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Unread>>> {
        self.by_number.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unread {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Adds a message, unless there is no room for it or there are `limit` messages. Returns whether it was added.
    fn push(&mut self, message: Message, limit: usize) -> bool {
        let bytes = self.bytes + message.payload.len();
        let has_room = self.messages.is_empty() || bytes <= MAX_BYTES && self.messages.len() < limit;
        if has_room {
            if self.messages.is_empty() {
                // A job gets one message, and a queue that grows by itself has room for four.
                self.messages.reserve_exact(1);
            }
            self.messages.push_back(message);
            self.bytes = bytes;
        }
        has_room
    }

    fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.payload.len();
        Some(message)
    }
}

impl Waiter {
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Returns the next message. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Message {
        loop {
            let message = self.unread.lock().pop();
            if let Some(message) = message {
                return message;
            }
            self.unread.delivered.notified().await;
        }
    }

    /// Returns the unread messages. Messages that arrive later have no waiter.
    pub(crate) fn close(&mut self) -> VecDeque<Message> {
        self.waiters.lock().remove(&self.number);
        std::mem::take(&mut *self.unread.lock()).messages
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
    use futures_util::FutureExt;

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
            assert!(waiters.deliver(message(None, HEARTBEAT)).is_none());
        }
        let mut done = HeaderMap::new();
        done.insert(STATE, State::Done.as_str());
        assert!(waiters.deliver(message(Some(done), HEARTBEAT)).is_none());
        let mut unread = waiter.close();
        assert_eq!(unread.len(), 2);
        assert_eq!(State::of(&unread.pop_back().unwrap().headers.unwrap()), Some(State::Done));
        assert!(waiters.deliver(message(None, HEARTBEAT)).is_some());
    }

    #[test]
    fn the_answers_of_many_nodes_all_wait_to_be_read() {
        let waiters = Arc::new(Waiters::default());
        let mut waiter = waiters.add();
        // About the size of the answer of a node with a few hundred functions.
        let answer = message(None, &[b' '; 20_000]);
        for _ in 0..1000 {
            assert!(waiters.deliver(answer.clone()).is_none());
        }
        assert_eq!(waiter.close().len(), 1000);
    }

    #[test]
    fn the_bytes_that_wait_to_be_read_are_limited() {
        const LARGE: &[u8] = &[0; 1 << 20];
        let waiters = Arc::new(Waiters::default());
        let mut waiter = waiters.add();
        for _ in 0..100 {
            assert!(waiters.deliver(message(None, LARGE)).is_none());
        }
        assert_eq!(waiter.next().now_or_never().map(|message| message.payload.len()), Some(LARGE.len()));
        assert!(waiters.deliver(message(None, LARGE)).is_none(), "there is room again");
        assert_eq!(waiter.close().len(), MAX_BYTES / LARGE.len());
    }
}
