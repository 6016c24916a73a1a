//! What a sender says about a message, and what the mailbox answers.

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

/// Where a message is that the mailbox has accepted.
#[must_use]
pub(super) enum Accepted {
    Queued,
    /// It waits for room. The ticket withdraws it. `is_first` if no other message has waited since the mailbox was half
    /// empty: such a wait is reported.
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
    /// The sender is the process of the server, and would wait for itself. Names the message in hand.
    ToItself(Option<&'static str>),
}

/// How a sender waits for room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenFull {
    Refuse,
    /// The future of a call, which waits for its answer anyway.
    Wait,
    /// The future of a cast, which waits for room alone.
    WaitForRoom,
}
