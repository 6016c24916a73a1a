//! The records of a run: which items it skips because an earlier run finished them, and where it records the others.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::item_text::{self, ItemKey};
use super::joblog::{self, Joblog, PastJoblog};
use super::past::{PastRun, Resume};
use super::results::ResultsDirectory;
use crate::item::Item;
use crate::item_failure::ItemFailure;
use crate::outcome::Outcome;
use crate::template::CommandTemplate;
use crate::text::display;
use crate::text::shell_quote::Quoting;

/// Why the run cannot continue.
#[derive(Debug)]
pub(crate) enum FatalError {
    /// The items cannot be read.
    Input(io::Error),
    /// The records cannot be written, or do not match the items. The text is a message.
    Records(String),
}

/// The run cannot continue; `RunRecords::fatal_error` returns the reason.
#[derive(Debug)]
pub(crate) struct Aborted;

/// The records of a run.
#[derive(Debug)]
pub(crate) struct RunRecords {
    /// Renders the commands for the joblog and for `--dry-run`.
    template: CommandTemplate,
    joblog: Option<Joblog>,
    results: Option<ResultsDirectory>,
    resume: Resume,
    /// Whether the last line of the joblog was not complete.
    was_cut: bool,
    matches: Mutex<Matches>,
    /// The number of items that were skipped although they had failed.
    skipped_failed: AtomicU64,
    fatal_error: OnceLock<FatalError>,
}

/// Which records of the earlier run belong to which items of this run.
#[derive(Debug)]
struct Matches {
    past: PastRun,
    /// The number of the record for each item that is run, if it differs from the number of the item. An entry is removed when its
    /// item is recorded.
    numbers: HashMap<u64, u64>,
    /// The first item whose new record has a greater number than the item: the numbers of the item and of the record.
    moved: Option<(u64, u64)>,
}

impl RunRecords {
    pub(crate) fn new(
        template: CommandTemplate,
        resume: Resume,
        past: PastJoblog,
        joblog: Option<Joblog>,
        results: Option<ResultsDirectory>,
    ) -> RunRecords {
        let (skipped_failed, fatal_error) = (AtomicU64::new(0), OnceLock::new());
        let matches = Mutex::new(Matches { past: past.run, numbers: HashMap::new(), moved: None });
        RunRecords { template, joblog, results, resume, was_cut: past.is_cut, matches, skipped_failed, fatal_error }
    }

    /// Returns the command of an item as the joblog records it: quoted for every shell, because GNU parallel and people run it again.
    fn command(&self, item: &Item, slot: usize) -> Vec<u8> {
        self.template.render(item, slot, Quoting::AnyShell)
    }

    /// Returns why an item fails before its command is started, if it does.
    pub(crate) fn failure_of_command(&self, item: &Item) -> Option<ItemFailure> {
        self.template.fill(item, 1).err()
    }

    /// Returns the command of an item as `--dry-run` and questions print it.
    pub(crate) fn printed_command(&self, item: &Item, quoting: Quoting) -> Vec<u8> {
        self.template.render(item, 1, quoting)
    }

    /// Keeps the reason why the run cannot continue. Of several reasons, the first is kept.
    pub(crate) fn abort(&self, error: FatalError) -> Aborted {
        let _ = self.fatal_error.set(error);
        Aborted
    }

    /// Returns why the run cannot continue, or `None` if it can.
    pub(crate) fn fatal_error(&self) -> Option<&FatalError> {
        self.fatal_error.get()
    }

    /// Returns whether an item is skipped because an earlier run finished it. Claims the record of the item, so it is called once
    /// for each item.
    ///
    /// # Errors
    ///
    /// When the joblog has another command for the item.
    pub(crate) fn is_skipped(&self, item: &Item) -> Result<bool, Aborted> {
        let mut matches = self.lock_matches();
        if self.resume == Resume::No || matches.past.is_empty() {
            return Ok(false);
        }
        let key = ItemKey::new(&item_text::item_text(item));
        let Some(record) = matches.past.claim(item.index, key, self.template.uses_index(item)) else {
            let number = matches.past.new_number(item.index, key);
            matches.set_number(item.index, number);
            if number > item.index {
                matches.moved.get_or_insert((item.index, number));
            }
            return Ok(false);
        };
        // A command that contains its slot differs from run to run, so it is not compared.
        let is_other = |command| !self.template.uses_slot() && command != joblog::command_hash(&self.command(item, 0));
        if record.command.is_some_and(is_other) {
            return Err(self.abort(FatalError::Records(format!(
                "the joblog has another command for item {} than this run, {}: name another joblog, or give the command and the list of \
                 the earlier run",
                item.index,
                display::quoted(&self.command(item, 0)),
            ))));
        }
        if record.is_success {
            return Ok(true);
        }
        if self.resume == Resume::Unfinished {
            self.skipped_failed.fetch_add(1, Ordering::Relaxed);
            return Ok(true);
        }
        matches.set_number(item.index, record.number);
        Ok(false)
    }

    /// Returns messages about records and items that may surprise the user. `is_complete` says whether the run has seen all items.
    pub(crate) fn advice(&self, is_complete: bool) -> Vec<String> {
        let matches = self.lock_matches();
        let mut advice = Vec::new();
        if self.was_cut {
            advice.push(
                "the last line of the joblog was not complete, because the earlier run was killed or the disk was full; it was removed, and \
                 its item was run again"
                    .to_owned(),
            );
        }
        match self.skipped_failed.load(Ordering::Relaxed) {
            0 => {}
            1 => advice.push(
                "1 item that failed in an earlier run was skipped; use --resume-failed to run failed items again".to_owned(),
            ),
            number => advice.push(format!(
                "{number} items that failed in an earlier run were skipped; use --resume-failed to run failed items again"
            )),
        }
        let unclaimed = matches.past.n_unclaimed();
        if is_complete
            && unclaimed > 0
            && let Some(first) = matches.past.first_unclaimed()
        {
            let item = self.joblog.as_ref().and_then(|joblog| joblog.item_of(&first));
            let item = item.or_else(|| self.results.as_ref()?.item_of(&first)).unwrap_or_default();
            let (number, item) = (first.number, display::quoted(&item));
            advice.push(match unclaimed {
                1 => format!("1 record of the earlier run belongs to no item of this run: record {number}, {item}"),
                _ => format!(
                    "{unclaimed} records of the earlier run belong to no item of this run, such as record {number}, {item}"
                ),
            });
        }
        if let Some((index, number)) = matches.moved {
            advice.push(format!(
                "the list has changed since the earlier run, so new items were recorded with free numbers: item {index} with {number}"
            ));
        }
        advice
    }

    /// Records the outcome of an item. The outcome becomes a failure if its files of `--results` cannot be written.
    ///
    /// # Errors
    ///
    /// When the joblog cannot be written.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, the outcome has no record.
    pub(crate) async fn record(&self, outcome: &mut Outcome) -> Result<(), Aborted> {
        outcome.is_recorded = true;
        if self.results.is_none() && self.joblog.is_none() {
            return Ok(());
        }
        let number = self.lock_matches().numbers.remove(&outcome.item.index).unwrap_or(outcome.item.index);
        if let Some(results) = &self.results {
            results.save(number, outcome).await;
        }
        if let Some(joblog) = &self.joblog {
            let command = self.command(&outcome.item, outcome.slot);
            joblog.record(number, outcome, &command).map_err(|message| self.abort(FatalError::Records(message)))?;
        }
        Ok(())
    }

    fn lock_matches(&self) -> MutexGuard<'_, Matches> {
        self.matches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Matches {
    fn set_number(&mut self, index: u64, number: u64) {
        if number != index {
            self.numbers.insert(index, number);
        }
    }
}
