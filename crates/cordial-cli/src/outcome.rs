//! The outcome of an item.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::item::Item;
use crate::item_failure::ItemFailure;
use crate::output::{Budget, Capture};
use crate::text::display;

/// The outcome of the last attempt of an item.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) item: Arc<Item>,
    pub(crate) result: Result<(), ItemFailure>,
    pub(crate) stdout: Capture,
    pub(crate) stderr: Capture,
    /// The number of bytes that the command wrote to its standard output, even if they were printed line by line and not captured; 0 if
    /// it has inherited the standard output of this program.
    pub(crate) received: u64,
    /// The number of attempts; 0 if no outcome came back from the launcher.
    pub(crate) attempts: u32,
    /// `None` if no process is known to have started.
    pub(crate) started: Option<SystemTime>,
    pub(crate) duration: Duration,
    /// The slot, counted from 1; 0 if no outcome came back from the launcher.
    pub(crate) slot: usize,
    /// The machine, unless commands run only on this one. `None` also if no machine was chosen.
    pub(crate) host: Option<Arc<str>>,
    /// The command as it was typed, for messages. `None` if there was no attempt to start a process, or if the item is
    /// the command.
    pub(crate) typed: Option<Arc<str>>,
    /// Whether this outcome was passed to `RunRecords::record`, which happens once.
    pub(crate) is_recorded: bool,
}

impl Outcome {
    /// Returns the outcome of an item that failed, and for which no process is known to have started.
    pub(crate) fn without_process(
        item: Arc<Item>,
        attempts: u32,
        slot: usize,
        failure: ItemFailure,
        budget: &Budget,
    ) -> Outcome {
        Outcome {
            item,
            result: Err(failure),
            stdout: Capture::new(budget),
            stderr: Capture::new(budget),
            received: 0,
            attempts,
            started: None,
            duration: Duration::ZERO,
            slot,
            host: None,
            typed: None,
            is_recorded: false,
        }
    }

    /// Describes a failure in one sentence. Returns `None` if the item succeeded.
    pub(crate) fn failure_message(&self) -> Option<String> {
        let failure = self.result.as_ref().err()?;
        let name = format!("item {} {}", self.item.index, display::quoted(&self.item.text()));
        Some(if failure.is_unfinished() {
            format!("{name} {failure}")
        } else {
            let times = if self.attempts > 1 { format!(" {} times", self.attempts) } else { String::new() };
            let command = self.typed.as_ref().map(|typed| format!("{typed}: ")).unwrap_or_default();
            format!("{name} failed{times}: {command}{failure}")
        })
    }
}
