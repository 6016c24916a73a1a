//! What is done for every item: it is tried, perhaps more than once, and what came of it is written down.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cordial::Exit;

use crate::output::capture::{Holding, Room};
use crate::item_failure::Failure;
use crate::stop::halt::Halt;
use crate::item::Item;
use crate::launch::Launcher;
use crate::records::run_records::Ledger;
use crate::outcome::Outcome;
use crate::stop::token::{Level, Stop};

/// An item at work: what its attempts share.
#[derive(Debug)]
pub(crate) struct Work {
    item: Arc<Item>,
    attempts: AtomicU32,
    /// Of the last attempt that failed: the exit that the stream knows has no room for what a command wrote.
    failed: Mutex<Option<Outcome>>,
    _held: Holding,
}

impl Work {
    pub(crate) fn new(item: Item, room: &Room) -> Arc<Work> {
        let _held = room.hold(item.values.iter().map(|value| value.bytes().len()).sum());
        Arc::new(Work { item: Arc::new(item), attempts: AtomicU32::new(0), failed: Mutex::new(None), _held })
    }

    pub(crate) fn item(&self) -> &Item {
        &self.item
    }

    /// What came of an item that failed, of which the stream knows the exit.
    pub(crate) fn into_outcome(self: Arc<Self>, exit: &Exit, room: &Room) -> Outcome {
        let failed = self.failed().take();
        failed.unwrap_or_else(|| Outcome::without(Arc::clone(&self.item), Failure::Lost(exit.to_string()), room))
    }

    fn failed(&self) -> MutexGuard<'_, Option<Outcome>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an attempt that failed tells the stream.
#[derive(Debug)]
pub(crate) struct Failed {
    is_final: bool,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it failed")
    }
}

impl Error for Failed {}

/// Whether another attempt is worth it.
pub(crate) fn is_worth_it(exit: &Exit) -> bool {
    matches!(exit, Exit::Error(error) if error.downcast_ref::<Failed>().is_some_and(|failed| !failed.is_final))
}

/// The same for all items.
pub(crate) struct Job {
    pub(crate) launcher: Launcher,
    pub(crate) ledger: Arc<Ledger>,
    /// How often an item is tried.
    pub(crate) attempts: u32,
    pub(crate) room: Room,
    pub(crate) stop: Stop,
    pub(crate) halt: Arc<Halt>,
}

impl Job {
    /// Tries an item once. The first command is asked for at once, not only when the future is polled: so commands start in the order of
    /// the items. A later one waits first, as long as nothing stops the run.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future kills the command and its children.
    pub(crate) fn attempt(
        self: &Arc<Self>,
        work: Arc<Work>,
    ) -> impl Future<Output = Result<Outcome, Failed>> + Send + use<> {
        let job = Arc::clone(self);
        let attempt = work.attempts.fetch_add(1, Ordering::Relaxed) + 1;
        let first = (attempt == 1).then(|| job.launcher.request(Arc::clone(&work.item), 1));
        async move {
            let answer = match first {
                Some(answer) => answer,
                None => {
                    tokio::select! {
                        biased;
                        () = job.stop.reached(Level::Soon) => {}
                        () = tokio::time::sleep(pause(attempt)) => {}
                    }
                    if job.stop.level() > Level::Go {
                        let failed = work.failed().take();
                        return job.end(&work, failed.expect("there is another attempt only after a failed one"));
                    }
                    *work.failed() = None;
                    job.launcher.request(Arc::clone(&work.item), attempt)
                }
            };
            let item = Arc::clone(&work.item);
            let outcome = match answer.await {
                Ok(ended) => Outcome::new(item, attempt, ended),
                Err(_) => {
                    let failure = Failure::Lost("the thread that runs commands has ended".to_owned());
                    Outcome::without(item, failure, &job.room)
                }
            };
            let may_retry = attempt < job.attempts && job.stop.level() == Level::Go;
            if may_retry && outcome.result.as_ref().is_err_and(|failure| !failure.is_unfinished()) {
                *work.failed() = Some(outcome);
                return Err(Failed { is_final: false });
            }
            job.end(&work, outcome)
        }
    }

    /// Writes down what came of an item.
    fn end(&self, work: &Work, mut outcome: Outcome) -> Result<Outcome, Failed> {
        if !outcome.result.as_ref().is_err_and(Failure::is_unfinished) {
            let was_success = outcome.result.is_ok();
            if self.ledger.record(&mut outcome).is_err() {
                // The run cannot go on. What runs may end.
                self.stop.raise(Level::Soon);
            }
            if was_success && outcome.result.is_err() {
                self.halt.count_failure(1, &self.stop);
            }
        }
        if outcome.result.is_ok() {
            return Ok(outcome);
        }
        *work.failed() = Some(outcome);
        Err(Failed { is_final: true })
    }
}

/// The pause before an attempt: from 100 ms, doubled each time, at most 30 s, and by chance up to half as long again, so that many who
/// failed together do not come back together.
///
/// The stream could wait as well, but not be told to wait no longer.
fn pause(attempt: u32) -> Duration {
    let step = Duration::from_millis(100).saturating_mul(1 << attempt.saturating_sub(2).min(20));
    step.min(Duration::from_secs(30)).mul_f64(1.0 + fastrand::f64() / 2.0)
}
