//! The order of items whose lines are printed while their commands run (`--keep-order --line-buffer`).
//!
//! ```text
//! items in order   1          2          3
//!                  first:     its lines are held, in captures
//!                  printed    │ item 1 is finished and printed
//!                             ▼
//!                             its held lines are printed, then each further line when it is written
//! ```

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::budget::Budget;
use super::capture::Capture;
use super::std_stream::StdStream;

/// The items that are not yet fully printed, and the lines of all of them but the first.
#[derive(Debug)]
pub(crate) struct Turns {
    queue: Mutex<Queue>,
    budget: Budget,
}

#[derive(Debug, Default)]
struct Queue {
    /// The numbers of the items, in the order in which they are printed.
    items: VecDeque<u64>,
    held: HashMap<u64, HeldLines>,
}

/// The lines of an item that was not the first when its command wrote them.
#[derive(Debug)]
pub(crate) struct HeldLines {
    pub(crate) stdout: Capture,
    pub(crate) stderr: Capture,
}

/// Whether lines are printed now or later.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "lines that are not held have to be printed"]
pub(super) enum Turn {
    /// They are printed now.
    Now,
    /// They are held until the turn of their item.
    Later,
}

impl Turns {
    pub(crate) fn new(budget: Budget) -> Turns {
        Turns { queue: Mutex::default(), budget }
    }

    /// Appends an item. It is printed after those that were appended before.
    pub(crate) fn append(&self, index: u64) {
        self.lock().items.push_back(index);
    }

    /// Holds lines of an item, unless the item is the first.
    ///
    /// # Errors
    ///
    /// When the lines cannot be stored.
    pub(super) fn hold(&self, index: u64, stream: StdStream, lines: &[u8]) -> io::Result<Turn> {
        let mut queue = self.lock();
        if queue.items.front() == Some(&index) {
            return Ok(Turn::Now);
        }
        let held = queue
            .held
            .entry(index)
            .or_insert_with(|| HeldLines { stdout: Capture::new(&self.budget), stderr: Capture::new(&self.budget) });
        match stream {
            StdStream::Stdout => held.stdout.append(lines)?,
            StdStream::Stderr => held.stderr.append(lines)?,
        }
        Ok(Turn::Later)
    }

    /// Removes the first item, which is fully printed, and returns the held lines of the next one. They have to be
    /// printed before any line that is sent from now on.
    pub(crate) fn advance(&self) -> Option<HeldLines> {
        let mut queue = self.lock();
        queue.items.pop_front();
        let next = *queue.items.front()?;
        queue.held.remove(&next)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
