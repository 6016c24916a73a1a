//! What the process of a server has that other processes do not have: a mailbox that outlives it.
//!
//! The module `server` implements the trait. This layer calls it when the process ends, and when an observer asks.

use std::fmt;
use std::time::Duration;

use crate::exit::Exit;
use crate::pid::Pid;

/// The mailbox of a [server](crate::server), as it was at one moment.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailboxInfo {
    /// How many messages are in the mailbox, including those of callers that have given up.
    pub length: usize,
    /// How many messages there is room for.
    pub capacity: usize,
    /// How many messages wait for room.
    pub waiting: usize,
    /// How long ago the oldest message in the mailbox was sent, to the millisecond. `None` if the mailbox is empty.
    pub oldest: Option<Duration>,
    /// How many messages the server has handled, in all its incarnations, including those of its timers and the exits
    /// that it traps. The message in hand is not counted.
    pub handled: u64,
    /// How many calls the server has skipped, because their callers had given up.
    pub skipped: u64,
    /// The type of the message in hand, if there is one.
    pub in_hand: Option<&'static str>,
    /// The first process of the server, by which the server can be recognized after a restart. `None` if none has started.
    pub first_process: Option<Pid>,
}

impl fmt::Display for MailboxInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MailboxInfo { length, capacity, waiting, oldest, handled, skipped, .. } = self;
        write!(f, "mailbox {length} of {capacity}")?;
        if *waiting > 0 {
            write!(f, ", {waiting} waiting for room")?;
        }
        if let Some(oldest) = oldest {
            write!(f, ", oldest {oldest:?}")?;
        }
        write!(f, ", {handled} handled, {skipped} skipped")
    }
}

/// Whether a supervisor starts a child again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextIncarnation {
    /// The supervisor has started the next incarnation already, or will start it.
    Expected,
    /// The child has no next incarnation.
    Never,
}

/// The server of a process.
pub(crate) trait Serving: fmt::Debug + Send + Sync {
    /// Handles the end of the process `own`. Called with no lock held, after the slot of the process in the registry of its parent
    /// was released, and before links and monitors are notified. `next` returns what the supervisor has decided by now, and may be called
    /// several times. Must not panic.
    fn ended(&self, own: Pid, exit: &Exit, next: &dyn Fn() -> NextIncarnation);

    /// Describes the mailbox.
    fn mailbox(&self) -> MailboxInfo;

    /// Returns the processes that wait for an answer of the server, or for room in its mailbox.
    fn callers(&self) -> Vec<Pid>;
}
