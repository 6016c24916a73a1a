//! The order in which the lines of items are printed with `--keep-order --line-buffer`.
//!
//! ```text
//!                     lines of item 1   lines of item 2                   lines of item 3
//! while item 1 runs   sent              held                              held
//! item 1 is printed                     held ones printed, others sent    held
//! item 2 is printed                                                       held ones printed, others sent
//! ```
//!
//! Sent lines go to the printer as soon as they are read.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::budget::Budget;
use super::capture::Capture;
use super::std_stream::StdStream;

/// The items that are not yet fully printed, in order, and the lines that are held for those after the first.
#[derive(Debug)]
pub(crate) struct PrintQueue {
    state: Mutex<QueueState>,
    budget: Budget,
}

#[derive(Debug, Default)]
struct QueueState {
    /// The numbers of the items that are not yet fully printed, in the order of printing.
    items: VecDeque<u64>,
    held: HashMap<u64, HeldLines>,
}

/// The lines of an item that was not the first when they were read.
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
    /// They are held until their item is the first.
    Later,
}

impl PrintQueue {
    pub(crate) fn new(budget: Budget) -> PrintQueue {
        PrintQueue { state: Mutex::default(), budget }
    }

    /// Appends an item, which is printed after the items that were appended before.
    pub(crate) fn append(&self, index: u64) {
        self.lock().items.push_back(index);
    }

    /// Holds lines of an item, unless the item is the first.
    ///
    /// # Errors
    ///
    /// When the lines cannot be stored.
    pub(super) fn hold(&self, index: u64, stream: StdStream, lines: &[u8]) -> io::Result<Turn> {
        let mut state = self.lock();
        if state.items.front() == Some(&index) {
            return Ok(Turn::Now);
        }
        let held = state
            .held
            .entry(index)
            .or_insert_with(|| HeldLines { stdout: Capture::new(&self.budget), stderr: Capture::new(&self.budget) });
        match stream {
            StdStream::Stdout => held.stdout.append(lines)?,
            StdStream::Stderr => held.stderr.append(lines)?,
        }
        Ok(Turn::Later)
    }

    /// Removes the first item, which is fully printed, and returns the held lines of the next one, if there are any. The caller
    /// has to print them before it takes further lines from the channel: `hold` lets the lines of that item pass from now on.
    pub(crate) fn advance(&self) -> Option<HeldLines> {
        let mut state = self.lock();
        state.items.pop_front();
        let next = *state.items.front()?;
        state.held.remove(&next)
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
