//! The sender and the time of a message, and the result of sending it.

use std::sync::Arc;

use super::room::Room;
use crate::exit::Exit;
use crate::pid::Pid;

/// When and by whom a message was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// In milliseconds, on the coarse clock.
    pub(super) at: u64,
    pub(super) sender: Option<Pid>,
}

/// The state of a message that the mailbox has accepted.
#[must_use]
pub(super) enum Accepted {
    Queued,
    /// The mailbox is full, and the message waits for room. `ticket` withdraws the message. `is_first` if it is the first message
    /// that waits since the mailbox was last half empty: only this wait emits an event.
    Waiting {
        ticket: u64,
        is_first: bool,
        room: Option<Arc<Room>>,
    },
}

/// Why a message was not taken.
pub(super) enum NotSent {
    Full,
    Stopped(Exit),
    /// The sender is the process of the server itself, and would wait for itself. Holds the type name of the message in hand.
    ToItself(Option<&'static str>),
}

/// What a send does if the mailbox is full.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenFull {
    /// Fails with [`NotSent::Full`].
    Refuse,
    /// Lets the message wait for room. For a call: the answer wakes the future of the call, so no [`Room`] is needed.
    Wait,
    /// Lets the message wait for room. For a cast: its future waits for the [`Room`].
    WaitForRoom,
}
