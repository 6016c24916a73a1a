//! Runs an item: once, or several times if it fails, and records its outcome.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cordial::Exit;

use super::questions::PrintedItems;
use crate::item::Item;
use crate::item_failure::ItemFailure;
use crate::launch::Launcher;
use crate::outcome::Outcome;
use crate::output::{Budget, Charge, PrintQueue};
use crate::records::RunRecords;
use crate::stop::halt::HaltCounter;
use crate::stop::token::{StopLevel, StopToken};
use crate::text::display;

/// The longest label of an item, in characters.
const MAX_LABEL: usize = 100;

/// An item and what its attempts share.
#[derive(Debug)]
pub(super) struct ItemRun {
    item: Arc<Item>,
    attempts: AtomicU32,
    /// The outcome of the last failed attempt. It is kept here because the exit of a task cannot carry the output of a
    /// command.
    failed_outcome: Mutex<Option<Outcome>>,
    /// Charges the bytes of the item to the memory budget until the item has succeeded, or the stream has returned its failure.
    _charge: Charge,
}

impl ItemRun {
    /// Returns the item as a label: the start of its values, in one line.
    pub(super) fn label(&self) -> String {
        let values: Vec<String> = self.item.values.iter().map(|value| display::line(value.bytes())).collect();
        values.join(" ").chars().take(MAX_LABEL).collect()
    }

    pub(super) fn new(item: Item, budget: &Budget) -> Arc<ItemRun> {
        let _charge = budget.charge(item.values.iter().map(|value| value.bytes().len()).sum());
        Arc::new(ItemRun {
            item: Arc::new(item),
            attempts: AtomicU32::new(0),
            failed_outcome: Mutex::new(None),
            _charge,
        })
    }

    pub(super) fn item(&self) -> &Item {
        &self.item
    }

    /// Returns the outcome of an item after its last task ended with this exit.
    pub(super) fn into_outcome(self: Arc<Self>, exit: &Exit, budget: &Budget) -> Outcome {
        let failed = self.failed_outcome().take();
        failed.unwrap_or_else(|| {
            let failure = ItemFailure::NoResult(exit.to_string());
            Outcome::without_process(Arc::clone(&self.item), 0, 0, failure, budget)
        })
    }

    fn failed_outcome(&self) -> MutexGuard<'_, Option<Outcome>> {
        self.failed_outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The error of a task whose attempt failed. The outcome is in `ItemRun`.
#[derive(Debug)]
pub(super) struct AttemptFailed {
    /// Whether this was the last attempt.
    is_final: bool,
}

impl fmt::Display for AttemptFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the attempt failed")
    }
}

impl Error for AttemptFailed {}

/// Returns whether the stream starts another attempt after a task ended with this exit.
pub(super) fn should_retry(exit: &Exit) -> bool {
    matches!(exit, Exit::Error(error) if error.downcast_ref::<AttemptFailed>().is_some_and(|failed| !failed.is_final))
}

/// Runs the attempts of all items.
pub(super) struct ItemRunner {
    pub(super) launcher: Launcher,
    pub(super) records: Arc<RunRecords>,
    pub(super) max_attempts: u32,
    pub(super) budget: Budget,
    pub(super) stop: StopToken,
    pub(super) halt: Arc<HaltCounter>,
    /// With `--keep-order --line-buffer`: the items that are not yet fully printed.
    pub(super) print_queue: Option<Arc<PrintQueue>>,
    /// With `--interactive`: counts the items whose outcomes are printed.
    pub(super) printed: Option<PrintedItems>,
}

impl ItemRunner {
    /// Runs an item once.
    ///
    /// The first attempt is requested when this function is called, not when the future is polled,
    /// so that commands start in the order of the items. A later attempt is requested after a pause. If the run
    /// is stopped before that attempt starts, no further attempt follows, and the outcome of the previous attempt counts.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future kills the command and its children, or keeps the command from starting. The outcome is lost.
    pub(super) fn attempt(
        self: &Arc<Self>,
        run: Arc<ItemRun>,
    ) -> impl Future<Output = Result<Outcome, AttemptFailed>> + Send + use<> {
        let runner = Arc::clone(self);
        let attempt = run.attempts.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(print_queue) = self.print_queue.as_ref().filter(|_| attempt == 1) {
            print_queue.append(run.item.index);
        }
        let first_reply = (attempt == 1).then(|| runner.launcher.request(Arc::clone(&run.item), 1));
        async move {
            let (reply, earlier) = match first_reply {
                Some(reply) => (reply, None),
                None => {
                    tokio::select! {
                        biased;
                        () = runner.stop.wait_for(StopLevel::Drain) => {}
                        () = tokio::time::sleep(retry_delay(attempt)) => {}
                    }
                    let failed = run.failed_outcome().take().expect("a later attempt follows a failed one");
                    if runner.stop.level() > StopLevel::Running {
                        return runner.finish(&run, failed).await;
                    }
                    (runner.launcher.request(Arc::clone(&run.item), attempt), Some(failed))
                }
            };
            let outcome = match (reply.await, earlier) {
                // The run was stopped while the request waited for a slot.
                (Ok(Outcome { result: Err(ItemFailure::NotRun), .. }), Some(failed)) => {
                    return runner.finish(&run, failed).await;
                }
                (Ok(outcome), _) => outcome,
                (Err(_), _) => {
                    let failure = ItemFailure::NoResult("the threads that run commands have ended".to_owned());
                    Outcome::without_process(Arc::clone(&run.item), 0, 0, failure, &runner.budget)
                }
            };
            // If the command succeeds, the launcher records the outcome even if attempts are left. Then the outcome is a failure if its files of
            // `--results` could not be written. Such an item is not tried again, because its command has succeeded.
            let may_retry =
                !outcome.is_recorded && attempt < runner.max_attempts && runner.stop.level() == StopLevel::Running;
            if may_retry && outcome.result.as_ref().is_err_and(|failure| !failure.is_unfinished()) {
                *run.failed_outcome() = Some(outcome);
                return Err(AttemptFailed { is_final: false });
            }
            runner.finish(&run, outcome).await
        }
    }

    /// Returns the outcome of the last attempt. If the item is finished and its outcome has no record, records it first: the launcher
    /// records only an outcome after which it expects no further attempt.
    async fn finish(&self, run: &ItemRun, mut outcome: Outcome) -> Result<Outcome, AttemptFailed> {
        let is_unfinished = outcome.result.as_ref().is_err_and(ItemFailure::is_unfinished);
        if !is_unfinished && !outcome.is_recorded && self.records.record(&mut outcome).await.is_err() {
            // Without records, the run cannot continue. Running commands may finish.
            self.stop.raise(StopLevel::Drain);
        }
        if outcome.result.is_ok() {
            return Ok(outcome);
        }
        *run.failed_outcome() = Some(outcome);
        Err(AttemptFailed { is_final: true })
    }
}

/// Returns the pause before an attempt: 100 ms before the second, doubled each time, at most 30 s, plus a random part
/// of up to half of that, so that items that failed together are not retried together.
///
/// `attempt` waits for this pause itself, because a pause of the library's `Retry` would not end early when the run is
/// stopped.
fn retry_delay(attempt: u32) -> Duration {
    let delay = Duration::from_millis(100).saturating_mul(1 << attempt.saturating_sub(2).min(20));
    delay.min(Duration::from_secs(30)).mul_f64(1.0 + fastrand::f64() / 2.0)
}
