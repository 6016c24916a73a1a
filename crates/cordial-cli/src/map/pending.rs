//! The items that remain to be run.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::attempts::ItemRun;
use super::block_source::BlockSource;
use super::questions::{Answer, Questions};
use crate::input::{ItemSource, RecordCount};
use crate::item::Item;
use crate::output::Budget;
use crate::records::{FatalError, RunRecords};
use crate::text::shell_quote::Quoting;

/// Where items come from.
pub(super) enum RunSource {
    Items(Box<ItemSource>),
    Blocks(BlockSource),
}

impl RunSource {
    /// Returns the count of records, which grows while the input is read ahead, and the largest number of records in an item.
    pub(super) fn count(&self) -> (Arc<RecordCount>, usize) {
        match self {
            RunSource::Items(items) => items.count(),
            RunSource::Blocks(blocks) => (blocks.count(), 1),
        }
    }

    /// Returns whether the next item may wait for the budget, that is, until earlier commands have ended and are printed. With
    /// `--round-robin`, it must not wait: a command that reads all of its input ends only after all items are returned. There are at most as
    /// many items as slots.
    fn may_wait(&self) -> bool {
        !matches!(self, RunSource::Blocks(blocks) if blocks.is_shared())
    }

    /// Ends the items, because no further command starts.
    fn end(&mut self) {
        if let RunSource::Blocks(blocks) = self {
            blocks.end();
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Item>>> {
        match self {
            RunSource::Items(items) => Pin::new(items.as_mut()).poll_next(cx),
            RunSource::Blocks(blocks) => blocks.poll_next(cx),
        }
    }
}

/// The stream of items that remain to be run. It waits while the budget is used up, and ends early
/// if the run is stopped or cannot continue. The items that it has yielded are not affected by its end.
pub(super) struct PendingItems {
    pub(super) source: RunSource,
    pub(super) records: Arc<RunRecords>,
    pub(super) budget: Budget,
    /// The number of items that are not run: an earlier run has recorded them, or they were declined.
    pub(super) skipped: Arc<AtomicU64>,
    /// `None` without `--interactive`.
    pub(super) questions: Option<Questions>,
}

impl Stream for PendingItems {
    type Item = Arc<ItemRun>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let next = ready!(this.poll_run(cx));
        if next.is_none() {
            this.source.end();
        }
        Poll::Ready(next)
    }
}

impl PendingItems {
    fn poll_run(&mut self, cx: &mut Context<'_>) -> Poll<Option<Arc<ItemRun>>> {
        if self.source.may_wait() {
            ready!(self.budget.poll_available(cx));
        }
        loop {
            if let Some(questions) = self.questions.as_mut().filter(|questions| !questions.is_idle()) {
                match ready!(questions.poll_answer(cx)) {
                    Answer::Run(item) => return Poll::Ready(Some(ItemRun::new(item, &self.budget))),
                    Answer::Skip => self.skipped.fetch_add(1, Ordering::Relaxed),
                    Answer::Stop => return Poll::Ready(None),
                    Answer::Failed(error) => {
                        let _ = self.records.abort(FatalError::Input(error));
                        return Poll::Ready(None);
                    }
                };
            }
            let item = match ready!(self.source.poll_next(cx)) {
                None => return Poll::Ready(None),
                Some(Ok(item)) => item,
                Some(Err(error)) => {
                    let _ = self.records.abort(FatalError::Input(error));
                    return Poll::Ready(None);
                }
            };
            match (self.records.is_skipped(&item), &mut self.questions) {
                (Ok(true), _) => {
                    self.skipped.fetch_add(1, Ordering::Relaxed);
                }
                (Ok(false), Some(questions)) => {
                    let command = self.records.printed_command(&item, Quoting::OneLine);
                    questions.ask(item, command);
                }
                (Ok(false), None) => return Poll::Ready(Some(ItemRun::new(item, &self.budget))),
                (Err(_), _) => return Poll::Ready(None),
            }
        }
    }
}
