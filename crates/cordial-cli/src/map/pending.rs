//! The items that remain to be run.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::attempts::ItemRun;
use crate::input::ItemSource;
use crate::output::Budget;
use crate::records::{FatalError, RunRecords};

/// The stream of items that remain to be run. It waits while the budget is used up, and ends early
/// if the run cannot continue. Items that it has yielded still run to their end.
pub(super) struct PendingItems {
    pub(super) source: ItemSource,
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
            let item = match ready!(Pin::new(&mut this.source).poll_next(cx)) {
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
