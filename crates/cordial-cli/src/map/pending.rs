//! The items that are still to be run, as far as there is room for what they will write.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use crate::output::capture::Room;
use crate::map::attempts::Work;
use crate::records::run_records::{Broken, Ledger};
use crate::input::Source;

/// A stream of items. It ends early when the run cannot go on; items before that are run to their end.
pub(crate) struct Queue {
    pub(crate) source: Source,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) room: Room,
    /// How many an earlier run has done.
    pub(crate) skipped: Arc<AtomicU64>,
}

impl Stream for Queue {
    type Item = Arc<Work>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        ready!(this.room.poll_has_room(cx));
        loop {
            let item = match ready!(Pin::new(&mut this.source).poll_next(cx)) {
                None => return Poll::Ready(None),
                Some(Ok(item)) => item,
                Some(Err(error)) => {
                    let _ = this.ledger.breaks(Broken::Input(error));
                    return Poll::Ready(None);
                }
            };
            match this.ledger.is_done(&item) {
                Ok(true) => this.skipped.fetch_add(1, Ordering::Relaxed),
                Ok(false) => return Poll::Ready(Some(Work::new(item, &this.room))),
                Err(_) => return Poll::Ready(None),
            };
        }
    }
}
