//! What is written down of items, and what was written down of them by an earlier run.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::item::Item;
use crate::records::joblog::{Joblog, Past, Said};
use crate::outcome::Outcome;
use crate::records::results::Results;
use crate::text::display;
use crate::template::Template;

/// Which items of an earlier run are run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    No,
    /// Those of which it says nothing.
    Missing,
    /// Those as well that failed.
    Failed,
}

/// Why the run cannot go on.
#[derive(Debug)]
pub(crate) enum Broken {
    Input(io::Error),
    /// A sentence.
    Ledger(String),
}

/// The records of a run.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// Records name commands.
    pub(crate) template: Template,
    pub(crate) joblog: Option<Joblog>,
    pub(crate) past: Past,
    pub(crate) results: Option<Results>,
    pub(crate) resume: Resume,
    /// How many items were left out although they had failed.
    pub(crate) left_failed: AtomicU64,
    /// The first reason why the run cannot go on.
    pub(crate) broken: OnceLock<Broken>,
}

/// That the run cannot go on, as `broken` tells.
#[derive(Debug)]
pub(crate) struct IsBroken;

impl Ledger {
    pub(crate) fn breaks(&self, broken: Broken) -> IsBroken {
        // Of several reasons the first is told.
        let _ = self.broken.set(broken);
        IsBroken
    }

    /// Whether an earlier run did this item.
    pub(crate) fn is_done(&self, item: &Item) -> Result<bool, IsBroken> {
        let said = match &self.results {
            _ if self.resume == Resume::No => Said::Nothing,
            Some(results) if self.joblog.is_none() => results.past(item.index),
            _ => {
                let command = (!self.template.knows_its_slot()).then(|| self.template.show(item, 0));
                self.past.of(item.index, command.as_deref())
            }
        };
        match said {
            Said::Nothing => Ok(false),
            Said::Succeeded => Ok(true),
            Said::Failed => {
                let is_left = self.resume == Resume::Missing;
                self.left_failed.fetch_add(u64::from(is_left), Ordering::Relaxed);
                Ok(is_left)
            }
            Said::Other => Err(self.breaks(Broken::Ledger(format!(
                "the joblog has another command for item {} than {}: it belongs to another list; name another joblog, or give the same items",
                item.index,
                display::quoted(&self.template.show(item, 0)),
            )))),
        }
    }

    /// What a person should know who goes on with a run, as a sentence.
    pub(crate) fn advice(&self) -> Option<String> {
        let (items, were) = match self.left_failed.load(Ordering::Relaxed) {
            0 => return None,
            1 => ("1 item".to_owned(), "was"),
            number => (format!("{number} items"), "were"),
        };
        Some(format!("{items} that had failed {were} left out; --resume-failed runs what failed again"))
    }

    /// Writes down what came of an item.
    pub(crate) fn record(&self, outcome: &mut Outcome) -> Result<(), IsBroken> {
        if let Some(results) = &self.results {
            results.keep(outcome);
        }
        if let Some(joblog) = &self.joblog {
            let command = self.template.show(&outcome.item, outcome.slot);
            joblog.record(outcome, &command).map_err(|sentence| self.breaks(Broken::Ledger(sentence)))?;
        }
        Ok(())
    }
}
