//! An item that is over.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::output::capture::{Capture, Room};
use crate::item_failure::Failure;
use crate::item::Item;
use crate::launch::Ended;
use crate::text::display;

/// What came of an item: of its last attempt, if there were several.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) item: Arc<Item>,
    pub(crate) result: Result<(), Failure>,
    pub(crate) stdout: Capture,
    pub(crate) stderr: Capture,
    pub(crate) attempts: u32,
    /// `None` if no process came of it.
    pub(crate) started: Option<SystemTime>,
    pub(crate) took: Duration,
    pub(crate) slot: usize,
    words: Vec<OsString>,
}

impl Outcome {
    pub(crate) fn new(item: Arc<Item>, attempts: u32, ended: Ended) -> Outcome {
        let Ended { outcome: result, stdout, stderr, started, took, slot, words } = ended;
        Outcome { item, result, stdout, stderr, attempts, started, took, slot, words }
    }

    /// Of an item that never had a process.
    pub(crate) fn without(item: Arc<Item>, failure: Failure, room: &Room) -> Outcome {
        let (stdout, stderr) = (Capture::new(room), Capture::new(room));
        let (took, words) = (Duration::ZERO, Vec::new());
        Outcome { item, result: Err(failure), stdout, stderr, attempts: 0, started: None, took, slot: 0, words }
    }

    /// The item, as it is called in sentences.
    pub(crate) fn name(&self) -> String {
        format!("item {} {}", self.item.index, display::quoted(&self.item.text()))
    }

    /// Why it failed, as one sentence.
    pub(crate) fn complaint(&self) -> Option<String> {
        let failure = self.result.as_ref().err()?;
        let name = self.name();
        Some(if failure.is_unfinished() {
            format!("{name} {failure}")
        } else if self.words.is_empty() {
            format!("{name} failed: {failure}")
        } else {
            let tries = if self.attempts > 1 { format!(" {} times", self.attempts) } else { String::new() };
            format!("{name} failed{tries}: {}: {failure}", display::command(&self.words))
        })
    }
}
