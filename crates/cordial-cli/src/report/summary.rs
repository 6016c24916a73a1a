//! What a run came to: counts, and the sentences about what is not done.

use crate::item_failure::Failure;
use crate::stop::halt::Halt;
use crate::outcome::Outcome;
use crate::system::Interrupt;
use crate::exit_reason::Verdict;

/// How many sentences are kept for the end.
const SENTENCES: usize = 50;

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// There were no more items.
    Finished,
    /// Failures were too many.
    Halted,
    Interrupted(Interrupt),
}

/// Counts of items that are over.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    succeeded: u64,
    failed: u64,
    /// Were running when the run was stopped.
    stopped: u64,
    /// The same, and somebody did not want to wait for their end.
    killed: u64,
    not_run: u64,
    sentences: Vec<String>,
}

impl Summary {
    pub(crate) fn count(&mut self, outcome: &Outcome) {
        *match &outcome.result {
            Ok(()) => &mut self.succeeded,
            Err(Failure::Stopped) => &mut self.stopped,
            Err(Failure::Killed) => &mut self.killed,
            Err(Failure::NotRun) => &mut self.not_run,
            Err(_) => &mut self.failed,
        } += 1;
        if !matches!(outcome.result, Err(Failure::NotRun))
            && self.sentences.len() < SENTENCES
            && let Some(sentence) = outcome.complaint()
        {
            self.sentences.push(sentence);
        }
    }

    pub(crate) fn verdict(&self, cause: Cause, halt: &Halt) -> Verdict {
        match (cause, halt.status()) {
            (Cause::Interrupted(interrupt), _) => Verdict::Interrupted(interrupt),
            (_, Some(status)) => Verdict::FirstFailure { status },
            (_, None) => Verdict::Finished { failed: self.failed },
        }
    }

    /// What the run came to; `None` if all went well. `total` is how many items there were, if that is known.
    pub(crate) fn first_line(&self, cause: Cause, total: Option<u64>) -> Option<String> {
        let done = self.succeeded + self.failed;
        let (items, are) = if done == 1 { ("item", "is") } else { ("items", "are") };
        let by = match cause {
            Cause::Finished if self.failed == 0 => return None,
            Cause::Finished => return Some(format!("{} of {done} {items} failed", self.failed)),
            Cause::Halted => "failures",
            Cause::Interrupted(interrupt) => interrupt.name(),
        };
        let left = match total {
            Some(total) => format!("{} not started", total.saturating_sub(done + self.stopped + self.killed)),
            None => "the rest of the input not started".to_owned(),
        };
        let (failed, stopped) = (self.failed, self.stopped);
        let killed = if self.killed > 0 { format!(", {} killed", self.killed) } else { String::new() };
        Some(format!(
            "stopped by {by}: {done} {items} {are} done ({failed} failed), {stopped} ended early{killed}, {left}"
        ))
    }

    /// What failed and why, as far as it was kept.
    pub(crate) fn sentences(&self) -> Vec<String> {
        let unsaid = (self.failed + self.stopped + self.killed).saturating_sub(self.sentences.len() as u64);
        let more = (unsaid > 0).then(|| format!("and {unsaid} more"));
        self.sentences.iter().cloned().chain(more).collect()
    }
}
