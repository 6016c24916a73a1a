//! The items that remain to be run.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::attempts::ItemRun;
use super::block_source::BlockSource;
use crate::input::{ItemSource, ValueCount};
use crate::item::Item;
use crate::output::Budget;
use crate::records::{FatalError, RunRecords};

/// Where items come from.
pub(super) enum Source {
    Items(Box<ItemSource>),
    Blocks(BlockSource),
}

impl Source {
    /// Returns the count of values, which grows while the input is read ahead, and the most values of an item.
    pub(super) fn count(&self) -> (Arc<ValueCount>, usize) {
        match self {
            Source::Items(items) => items.count(),
            Source::Blocks(blocks) => (blocks.count(), 1),
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Item>>> {
        match self {
            Source::Items(items) => Pin::new(items.as_mut()).poll_next(cx),
            Source::Blocks(blocks) => blocks.poll_next(cx),
        }
    }
}

/// The stream of items that remain to be run. It waits while the budget is used up, and ends early
/// if the run cannot continue. Items that it has yielded still run to their end.
pub(super) struct PendingItems {
    pub(super) source: Source,
    pub(super) records: Arc<RunRecords>,
    pub(super) budget: Budget,
    /// The number of items that an earlier run finished.
    pub(super) skipped: Arc<AtomicU64>,
}

impl Stream for PendingItems {
    type Item = Arc<ItemRun>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        ready!(this.budget.poll_available(cx));
        loop {
            let item = match ready!(this.source.poll_next(cx)) {
                None => return Poll::Ready(None),
                Some(Ok(item)) => item,
                Some(Err(error)) => {
                    let _ = this.records.abort(FatalError::Input(error));
                    return Poll::Ready(None);
                }
            };
            match this.records.is_skipped(&item) {
                Ok(true) => this.skipped.fetch_add(1, Ordering::Relaxed),
                Ok(false) => return Poll::Ready(Some(ItemRun::new(item, &this.budget))),
                Err(_) => return Poll::Ready(None),
            };
        }
    }
}
