//! The queue of a mailbox: the order of its messages, and the messages themselves.

use std::collections::VecDeque;

use super::lanes::{LaneIdx, Lanes, Unboxed};
use super::sending::Sent;
use crate::exit::Exit;
use crate::pid::Pid;

const ENVELOPE_OF_ENTRY: &str = "an entry of the queue stands for an envelope";

/// A message in a mailbox, with the way to answer its sender.
pub(super) trait Envelope: Send {
    /// Gives up a message that will not be handled: a sender that waits for an answer gets the exit. Must not panic.
    fn fail(self, exit: &Exit);

    /// Returns whether no sender waits for an answer.
    fn is_cast(&self) -> bool;

    /// Returns whether the sender waited for the answer and no longer does.
    fn is_given_up(&self) -> bool;

    /// Returns the name of the type of the message, with the paths of its modules.
    fn name(&self) -> &'static str;
}

#[derive(Debug)]
pub(super) struct Queue<T> {
    order: VecDeque<QueueEntry>,
    /// Each with the process that waits for its answer.
    envelopes: VecDeque<(T, Option<Pid>)>,
    lanes: Lanes<T>,
}

/// An entry of the order, which does not contain the message. Small enough for two registers.
#[derive(Debug)]
struct QueueEntry {
    at: u64,
    /// The lane of the message; `None` for an envelope. The first entry stands for the first message in its lane, or for the first envelope.
    lane: Option<LaneIdx>,
}

/// The message that a server is handling.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HandledMessage {
    /// The name of its type, with the paths of its modules.
    pub(super) name: Option<&'static str>,
    /// The process that waits for its answer.
    pub(super) caller: Option<Pid>,
}

impl<T: Envelope + 'static> Queue<T> {
    /// Puts a message into its lane. No process waits for an answer to it.
    #[inline(always)]
    pub(super) fn push_unboxed<U: Unboxed<T>>(&mut self, message: U, at: u64) {
        let lane = Some(self.lanes.push(message));
        self.order.push_back(QueueEntry { at, lane });
    }

    /// Takes the first message. Returns an envelope, unless the message is of type `U` and in its lane: then it is moved to `unboxed`.
    ///
    /// # Panics
    ///
    /// If the queue is empty.
    #[inline(always)]
    pub(super) fn pop<U: Unboxed<T>>(&mut self, unboxed: &mut Option<U>, in_hand: &mut HandledMessage) -> Option<T> {
        let QueueEntry { lane, .. } = self.order.pop_front().expect("the queue has a message");
        let (envelope, caller) = match lane {
            None => self.envelopes.pop_front().expect(ENVELOPE_OF_ENTRY),
            Some(lane) => {
                *in_hand = HandledMessage { name: Some(self.lanes.name(lane)), caller: None };
                if self.lanes.pop_to(lane, unboxed) {
                    return None;
                }
                (self.lanes.pop_envelope(lane), None)
            }
        };
        *in_hand = HandledMessage { name: Some(envelope.name()), caller };
        Some(envelope)
    }

    /// Returns all messages in order.
    pub(super) fn into_envelopes(mut self) -> impl Iterator<Item = T> {
        self.order.into_iter().map(move |entry| match entry.lane {
            None => self.envelopes.pop_front().expect(ENVELOPE_OF_ENTRY).0,
            Some(lane) => self.lanes.pop_envelope(lane),
        })
    }

    /// Returns the processes whose calls are in the queue and not given up.
    pub(super) fn callers(&self) -> impl Iterator<Item = Pid> {
        let waited_for = self.envelopes.iter().filter(|(envelope, _)| !envelope.is_given_up());
        waited_for.filter_map(|(_, caller)| *caller)
    }
}

impl<T> Queue<T> {
    pub(super) fn push_envelope(&mut self, envelope: T, sent: Sent) {
        self.envelopes.push_back((envelope, sent.sender));
        self.order.push_back(QueueEntry { at: sent.at, lane: None });
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Returns when the first message was sent, in milliseconds of the coarse clock.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.order.front().map(|entry| entry.at)
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Queue<T> {
        Queue { order: VecDeque::new(), envelopes: VecDeque::new(), lanes: Lanes::default() }
    }
}
