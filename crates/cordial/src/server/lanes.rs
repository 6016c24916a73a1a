//! The lanes of a mailbox: one queue for each type of message whose sender waits for no answer, so that a message in a lane needs no
//! box.
//!
//! ```text
//!  order of the mailbox:   Add   Add   call   Reset   Add          each entry names a lane, or stands for an envelope
//!                           │     │            │       │
//!  lane of `Add`:           └─────┴────────────┼───────┘           three messages
//!  lane of `Reset`:                            └                   one message
//! ```
//!
//! The order of the mailbox is the only order: a message is taken from its lane when its entry is the first one.
//!
//! What runs once for each message is inlined, here, in `queue`, `batch`, `mailbox` and `next_message`: without that, the function calls
//! for these steps took a seventh of the instructions of a cast.

use std::any::{Any, TypeId};
use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;

/// The most memory that a lane keeps while it is empty, in bytes.
const KEPT_BYTES: usize = 64 * 1024;

/// A message that a lane holds.
pub(super) trait Unboxed<T>: Send + 'static {
    /// Returns the name of the type of the message, with the paths of its modules.
    fn name() -> &'static str;

    /// Makes an envelope of the message.
    fn into_envelope(self) -> T;
}

/// The lanes of a mailbox: one for each type of message that was put into a lane.
pub(super) struct Lanes<T>(Vec<Lane<T>>);

/// The index of a lane, plus one.
#[derive(Clone, Copy, Debug)]
pub(super) struct LaneIdx(NonZeroUsize);

impl LaneIdx {
    fn get(self) -> usize {
        self.0.get() - 1
    }
}

struct Lane<T> {
    message: TypeId,
    name: &'static str,
    messages: Box<dyn Messages<T>>,
}

/// The messages of a lane, whatever their type.
trait Messages<T>: Any + Send {
    fn pop_envelope(&mut self) -> T;
}

struct MessagesOf<U>(VecDeque<U>);

impl<U> MessagesOf<U> {
    /// Moves the first message to `to`, directly: a return value would be copied once more.
    #[inline(always)]
    fn pop_to(&mut self, to: &mut Option<U>) {
        *to = self.0.pop_front();
        if self.0.is_empty() && self.0.capacity().saturating_mul(size_of::<U>()) > KEPT_BYTES {
            self.0 = VecDeque::new();
        }
    }
}

impl<T, U: Unboxed<T>> Messages<T> for MessagesOf<U> {
    fn pop_envelope(&mut self) -> T {
        let mut first = None;
        self.pop_to(&mut first);
        first.expect("an entry of the mailbox stands for a message in its lane").into_envelope()
    }
}

impl<T: 'static> Lanes<T> {
    /// Puts a message after the others of its type.
    #[inline(always)]
    pub(super) fn push<U: Unboxed<T>>(&mut self, message: U) -> LaneIdx {
        let of_message = TypeId::of::<U>();
        let known = self.0.iter().position(|lane| lane.message == of_message);
        let idx = known.unwrap_or_else(|| {
            let messages = Box::new(MessagesOf::<U>(VecDeque::new()));
            self.0.push(Lane { message: of_message, name: U::name(), messages });
            self.0.len() - 1
        });
        messages_of::<T, U>(&mut self.0[idx]).expect("the lane is of this type").0.push_back(message);
        LaneIdx(NonZeroUsize::MIN.saturating_add(idx))
    }

    /// Moves the first message of a lane to `to`, if the messages of the lane are of this type. Returns whether they are.
    #[inline(always)]
    pub(super) fn pop_to<U: Unboxed<T>>(&mut self, lane: LaneIdx, to: &mut Option<U>) -> bool {
        match messages_of::<T, U>(&mut self.0[lane.get()]) {
            Some(messages) => {
                messages.pop_to(to);
                true
            }
            None => false,
        }
    }

    /// Takes the first message of a lane, as an envelope.
    pub(super) fn pop_envelope(&mut self, lane: LaneIdx) -> T {
        self.0[lane.get()].messages.pop_envelope()
    }
}

#[inline(always)]
fn messages_of<T: 'static, U: Unboxed<T>>(lane: &mut Lane<T>) -> Option<&mut MessagesOf<U>> {
    let messages: &mut dyn Any = &mut *lane.messages;
    messages.downcast_mut()
}

impl<T> Lanes<T> {
    pub(super) fn name(&self, lane: LaneIdx) -> &'static str {
        self.0[lane.get()].name
    }
}

impl<T> Default for Lanes<T> {
    fn default() -> Lanes<T> {
        Lanes(Vec::new())
    }
}

impl<T> fmt::Debug for Lanes<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|lane| lane.name)).finish()
    }
}
