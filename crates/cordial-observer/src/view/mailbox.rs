//! The mailbox of a server.

use serde::{Deserialize, Serialize};

/// The mailbox of a server.
#[non_exhaustive]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Mailbox {
    /// How many messages are in it.
    pub length: usize,
    /// How many messages there is room for.
    pub capacity: usize,
    /// How many messages wait for room.
    pub waiting: usize,
    /// How long the oldest message has been in it.
    pub oldest_ms: Option<u64>,
    /// How many messages the server has handled, in all its incarnations.
    pub handled: u64,
    /// How many calls it has skipped, because their callers had given up.
    pub skipped: u64,
    /// The type of the message in hand.
    pub in_hand: Option<String>,
}
