//! The records of a run: which items it skips because an earlier run finished them, and where it records the others.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::joblog::Joblog;
use super::past::{PastRun, PastStatus, Resume};
use super::results::ResultsDirectory;
use crate::item::Item;
use crate::outcome::Outcome;
use crate::template::CommandTemplate;
use crate::text::display;

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
    /// Renders the commands for the joblog.
    template: CommandTemplate,
    joblog: Option<Joblog>,
    past: PastRun,
    results: Option<ResultsDirectory>,
    resume: Resume,
    /// The number of items that were skipped although they had failed.
    skipped_failed: AtomicU64,
    fatal_error: OnceLock<FatalError>,
}

impl RunRecords {
    pub(crate) fn new(
        template: CommandTemplate,
        resume: Resume,
        past: PastRun,
        joblog: Option<Joblog>,
        results: Option<ResultsDirectory>,
    ) -> RunRecords {
        let (skipped_failed, fatal_error) = (AtomicU64::new(0), OnceLock::new());
        RunRecords { template, joblog, past, results, resume, skipped_failed, fatal_error }
    }

    /// Returns the command of an item, as it is recorded.
    pub(crate) fn command(&self, item: &Item, slot: usize) -> Vec<u8> {
        self.template.render(item, slot)
    }

    /// Records why the run cannot continue. Of several reasons, the first is kept.
    pub(crate) fn abort(&self, error: FatalError) -> Aborted {
        let _ = self.fatal_error.set(error);
        Aborted
    }

    /// Returns why the run cannot continue, or `None` if it can.
    pub(crate) fn fatal_error(&self) -> Option<&FatalError> {
        self.fatal_error.get()
    }

    /// Returns whether an item is skipped because an earlier run finished it.
    ///
    /// # Errors
    ///
    /// When the earlier run had another command for the item.
    pub(crate) fn is_skipped(&self, item: &Item) -> Result<bool, Aborted> {
        let status = match &self.results {
            _ if self.resume == Resume::No => PastStatus::Unfinished,
            Some(results) if self.joblog.is_none() => results.status(item.index),
            _ => {
                // A command that contains its slot differs from run to run, so it is not compared.
                let command = (!self.template.uses_slot()).then(|| self.command(item, 0));
                self.past.status(item.index, command.as_deref())
            }
        };
        match status {
            PastStatus::Unfinished => Ok(false),
            PastStatus::Succeeded => Ok(true),
            PastStatus::Failed => {
                let is_skipped = self.resume == Resume::Unfinished;
                self.skipped_failed.fetch_add(u64::from(is_skipped), Ordering::Relaxed);
                Ok(is_skipped)
            }
            PastStatus::OtherCommand => Err(self.abort(FatalError::Records(format!(
                "the joblog has another command for item {} than this run, {}: name another joblog, or give the same items",
                item.index,
                display::quoted(&self.command(item, 0)),
            )))),
        }
    }

    /// Returns advice about items that `--resume` skipped although they had failed, if there are any.
    pub(crate) fn resume_advice(&self) -> Option<String> {
        let (items, were) = match self.skipped_failed.load(Ordering::Relaxed) {
            0 => return None,
            1 => ("1 item".to_owned(), "was"),
            number => (format!("{number} items"), "were"),
        };
        Some(format!(
            "{items} that failed in an earlier run {were} skipped; use --resume-failed to run failed items again"
        ))
    }

    /// Records the outcome of an item. The outcome becomes a failure if its files of `--results`
    /// cannot be written.
    ///
    /// # Errors
    ///
    /// When the joblog cannot be written.
    pub(crate) fn record(&self, outcome: &mut Outcome) -> Result<(), Aborted> {
        if let Some(results) = &self.results {
            results.save(outcome);
        }
        if let Some(joblog) = &self.joblog {
            let command = self.command(&outcome.item, outcome.slot);
            joblog.record(outcome, &command).map_err(|message| self.abort(FatalError::Records(message)))?;
        }
        Ok(())
    }
}
