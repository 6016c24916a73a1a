//! Children in the order of the times at which they are due.
//!
//! One type for all such sets, because `BTreeSet` is slow to compile, and is compiled again for each type of element.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::pid::Pid;

/// The time at which a child is due, its key, and its process, or [`Pid::NO_PROCESS`] if the process does not matter.
pub(super) type DueChild = (Duration, u64, Pid);

/// Children, ordered by the times at which they are due, and then by their keys.
#[derive(Debug, Default)]
pub(super) struct DueChildren(BTreeSet<DueChild>);

impl DueChildren {
    /// Adds a child whose process does not matter. Returns whether it was not there before.
    pub(super) fn insert(&mut self, at: Duration, key: u64) -> bool {
        self.0.insert((at, key, Pid::NO_PROCESS))
    }

    /// Adds a child with its process.
    pub(super) fn insert_process(&mut self, at: Duration, key: u64, pid: Pid) {
        self.0.insert((at, key, pid));
    }

    /// Removes a child whose process does not matter.
    pub(super) fn remove(&mut self, at: Duration, key: u64) {
        self.0.remove(&(at, key, Pid::NO_PROCESS));
    }

    pub(super) fn first(&self) -> Option<DueChild> {
        self.0.first().copied()
    }

    /// Returns whether this child, whose process does not matter, is the first one.
    pub(super) fn is_first(&self, at: Duration, key: u64) -> bool {
        self.first() == Some((at, key, Pid::NO_PROCESS))
    }

    /// Removes the first child, if its time is not after `now`.
    pub(super) fn pop_due(&mut self, now: Duration) -> Option<DueChild> {
        let first = self.first().filter(|(at, ..)| *at <= now)?;
        self.0.remove(&first);
        Some(first)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = DueChild> {
        self.0.iter().copied()
    }
}
