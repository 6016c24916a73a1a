//! The summary of a run: counts of items, and the failures.

use crate::exit_reason::ExitReason;
use crate::item_failure::ItemFailure;
use crate::outcome::Outcome;
use crate::stop::halt::HaltCounter;
use crate::system::StopSignal;

/// How many messages about failed items are kept at most, to be repeated in the summary.
const MAX_KEPT_FAILURES: usize = 50;

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunEnd {
    /// All items were run, or the run was ended by an error, which is reported separately.
    Finished,
    /// Enough items have failed, succeeded or ended (`cause` says which), or all hosts have failed.
    Halted {
        cause: &'static str,
    },
    Interrupted(StopSignal),
}

/// Counts of items, and messages about failed items.
#[derive(Debug, Default)]
pub(super) struct Summary {
    succeeded: u64,
    failed: u64,
    /// Items that were running when the run was stopped, and received SIGTERM.
    stopped: u64,
    /// Items that were running when the run had to end at once.
    killed: u64,
    not_run: u64,
    /// Items that were not run because all hosts had failed.
    no_host: u64,
    failures: Vec<String>,
}

impl Summary {
    pub(super) fn count(&mut self, outcome: &Outcome) {
        *match &outcome.result {
            Ok(()) => &mut self.succeeded,
            Err(ItemFailure::Stopped) => &mut self.stopped,
            Err(ItemFailure::Killed) => &mut self.killed,
            Err(ItemFailure::NotRun) => &mut self.not_run,
            Err(ItemFailure::NoHost) => &mut self.no_host,
            Err(_) => &mut self.failed,
        } += 1;
        if !matches!(outcome.result, Err(ItemFailure::NotRun))
            && self.failures.len() < MAX_KEPT_FAILURES
            && let Some(message) = outcome.failure_message()
        {
            self.failures.push(message);
        }
    }

    pub(super) fn exit_reason(&self, end: RunEnd, halt: &HaltCounter) -> ExitReason {
        match (end, halt.exit_status()) {
            (RunEnd::Interrupted(signal), _) => ExitReason::Interrupted(signal),
            _ if self.no_host > 0 => ExitReason::Error,
            (_, Some(status)) => ExitReason::Halted { status },
            (_, None) => ExitReason::Finished { failed: self.failed },
        }
    }

    /// Returns the first line of the summary, or `None` if all items were run and none of them failed. `total` is the number
    /// of items, if it is known.
    pub(super) fn headline(&self, end: RunEnd, total: Option<u64>) -> Option<String> {
        let finished = self.succeeded + self.failed;
        let items = if finished == 1 { "item" } else { "items" };
        let by = match end {
            RunEnd::Finished if self.failed == 0 => return None,
            RunEnd::Finished => return Some(format!("{} of {finished} {items} failed", self.failed)),
            // The item that has halted the run was the last one, so every item was run.
            RunEnd::Halted { .. }
                if self.no_host == 0
                    && self.failed == 0
                    && self.stopped + self.killed == 0
                    && total == Some(finished) =>
            {
                return None;
            }
            RunEnd::Halted { .. } if self.no_host > 0 => "a lack of hosts",
            RunEnd::Halted { cause } => cause,
            RunEnd::Interrupted(signal) => signal.name(),
        };
        let rest = match total {
            Some(total) => format!("{} not started", total.saturating_sub(finished + self.stopped + self.killed)),
            None => "the rest of the input not started".to_owned(),
        };
        let (failed, stopped) = (self.failed, self.stopped);
        let killed = if self.killed > 0 { format!(", {} killed", self.killed) } else { String::new() };
        Some(format!(
            "stopped by {by}: {finished} {items} finished ({failed} failed), {stopped} stopped early{killed}, {rest}"
        ))
    }

    /// Returns the messages about failed items, and one that counts the messages that were not kept.
    pub(super) fn failures(&self) -> Vec<String> {
        let omitted =
            (self.failed + self.stopped + self.killed + self.no_host).saturating_sub(self.failures.len() as u64);
        let more = (omitted > 0).then(|| format!("and {omitted} more"));
        self.failures.iter().cloned().chain(more).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::item::Item;
    use crate::output::Budget;

    #[test]
    fn items_without_a_host_are_among_the_messages_that_are_not_kept() {
        let mut summary = Summary::default();
        for index in 1..=60 {
            let item = Arc::new(Item { index, values: Vec::new(), input: None });
            summary.count(&Outcome::without_process(item, 0, 0, ItemFailure::NoHost, &Budget::default()));
        }
        let failures = summary.failures();
        assert_eq!((failures.len(), failures.last().map(String::as_str)), (51, Some("and 10 more")));
    }
}
