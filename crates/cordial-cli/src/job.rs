//! What is done for every item: it is tried, perhaps more than once, and what came of it is written down.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::sync::oneshot;

use crate::capture::Room;
use crate::failure::Failure;
use crate::halt::Halt;
use crate::item::Item;
use crate::joblog::{Joblog, Past, Said};
use crate::launch::{Ended, Launcher};
use crate::outcome::Outcome;
use crate::results::Results;
use crate::source::Source;
use crate::stop::{Level, Stop};
use crate::template::Template;

/// What goes wrong for the run and not for an item.
#[derive(Debug)]
pub(crate) enum Broken {
    Input(io::Error),
    /// A sentence.
    Record(String),
}

/// Which items of an earlier run are run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    No,
    /// Those of which it says nothing.
    Missing,
    /// Those as well that failed.
    Failed,
}

/// Where the outcome of items is written down.
#[derive(Debug)]
pub(crate) struct Records {
    pub(crate) joblog: Option<Joblog>,
    pub(crate) past: Past,
    pub(crate) results: Option<Results>,
    pub(crate) resume: Resume,
}

/// The same for all items.
pub(crate) struct Job {
    pub(crate) launcher: Launcher,
    /// For records, which name the command.
    pub(crate) template: Template,
    pub(crate) records: Records,
    pub(crate) attempts: u32,
    pub(crate) room: Room,
    pub(crate) stop: Stop,
    pub(crate) halt: Arc<Halt>,
}

impl Job {
    /// Runs the command for one item. It is asked for at once, not only when the future is polled: so commands start in the order of the
    /// items.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future kills the command and its children.
    pub(crate) fn run(
        self: Arc<Self>,
        item: Result<Arc<Item>, Broken>,
    ) -> impl Future<Output = Result<Outcome, Broken>> + Send + 'static {
        let first = item.map(|item| (self.launcher.request(Arc::clone(&item), 1), item));
        async move {
            let (first, item) = first?;
            let held = self.room.hold(item.values.iter().map(|value| value.bytes().len()).sum());
            let outcome = self.attempts(first, item).await;
            drop(held);
            self.record(outcome)
        }
    }

    async fn attempts(&self, first: oneshot::Receiver<Ended>, item: Arc<Item>) -> Outcome {
        let mut answer = first;
        let mut attempt = 1;
        loop {
            let Ok(ended) = answer.await else {
                return Outcome::without(item, Failure::Lost("the thread that runs commands has ended".to_owned()), &self.room);
            };
            let may_retry = match &ended.outcome {
                Ok(()) => false,
                Err(failure) => !failure.is_unfinished() && attempt < self.attempts && self.stop.level() == Level::Go,
            };
            if !may_retry {
                return Outcome::new(item, attempt, ended);
            }
            let failed = Outcome::new(Arc::clone(&item), attempt, ended);
            tokio::select! {
                biased;
                () = self.stop.reached(Level::Soon) => return failed,
                () = tokio::time::sleep(crate::halt::pause(attempt)) => {}
            }
            drop(failed);
            attempt += 1;
            answer = self.launcher.request(Arc::clone(&item), attempt);
        }
    }

    fn record(&self, mut outcome: Outcome) -> Result<Outcome, Broken> {
        if outcome.result.as_ref().is_err_and(Failure::is_unfinished) {
            return Ok(outcome);
        }
        let was_success = outcome.result.is_ok();
        if let Some(results) = &self.records.results {
            results.keep(&mut outcome);
        }
        if was_success && outcome.result.is_err() {
            self.halt.count_failure(1, &self.stop);
        }
        if let Some(joblog) = &self.records.joblog {
            let command = self.template.show(&outcome.item, outcome.slot);
            joblog.record(&outcome, &command).map_err(Broken::Record)?;
        }
        Ok(outcome)
    }
}

/// The items that are to be run, as far as there is room for what they will write.
pub(crate) struct Todo {
    pub(crate) source: Source,
    pub(crate) job: Arc<Job>,
    /// Done in an earlier run.
    pub(crate) skipped: Arc<AtomicU64>,
}

impl Todo {
    fn is_done(&self, item: &Item) -> Result<bool, Broken> {
        let Job { records, template, .. } = &*self.job;
        let said = match (&records.joblog, &records.results) {
            _ if records.resume == Resume::No => Said::Nothing,
            (None, Some(results)) => results.past(item.index),
            _ => {
                let command = (!template.knows_its_slot()).then(|| template.show(item, 0));
                records.past.of(item.index, command.as_deref())
            }
        };
        match said {
            Said::Nothing => Ok(false),
            Said::Succeeded => Ok(true),
            Said::Failed => Ok(records.resume == Resume::Missing),
            Said::Other => Err(Broken::Record(format!(
                "the joblog has another command for item {} than {}: it belongs to another list; name another joblog, or give the same items",
                item.index,
                crate::shown::quoted(&template.show(item, 0)),
            ))),
        }
    }
}

impl Stream for Todo {
    type Item = Result<Arc<Item>, Broken>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        ready!(this.job.room.poll_has_room(cx));
        loop {
            let item = match ready!(Pin::new(&mut this.source).poll_next(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(Broken::Input(error)))),
                Some(Ok(item)) => item,
            };
            match this.is_done(&item) {
                Ok(true) => this.skipped.fetch_add(1, Ordering::Relaxed),
                Ok(false) => return Poll::Ready(Some(Ok(Arc::new(item)))),
                Err(broken) => return Poll::Ready(Some(Err(broken))),
            };
        }
    }
}
