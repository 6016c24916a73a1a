//! Where items come from: values, read or given, grouped as the commands take them. A stream in bounded memory.
//!
//! ```text
//! input ──► Ahead: chunks (16 KiB), at most 4  ──► Lines: values ──┐
//!                                                                  ├──► Source: items
//! ::: a b ::: 1 2 ─────────────────────────────► Product: values ──┘    as long as nothing says stop
//! ```

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::io::AsyncRead;

use super::product::Product;
use super::read_ahead::Ahead;
use super::splitter::Lines;

use crate::item::{Item, Value};
use crate::stop::token::{Level, Stop};

/// How many values there are, as far as is known.
#[derive(Debug, Default)]
pub(crate) struct Known {
    values: AtomicU64,
    is_all: AtomicBool,
}

impl Known {
    /// The number of commands, once the input was read to its end.
    pub(crate) fn total(&self, per_command: usize) -> Option<u64> {
        let values = self.values.load(Ordering::Relaxed);
        self.is_all.load(Ordering::Acquire).then(|| values.div_ceil(per_command as u64))
    }

    pub(super) fn count(&self, values: u64) {
        self.values.fetch_add(values, Ordering::Relaxed);
    }

    pub(super) fn finish(&self) {
        self.is_all.store(true, Ordering::Release);
    }
}

/// Values one by one, or a few at once that belong together.
enum Values {
    Read(Lines),
    Given(Product),
    /// Read to the end before the first command: `--halt` with a share of all items.
    Collected(std::vec::IntoIter<Value>),
}

/// The items of a run. After an error, and from a stop on, there are no more.
pub(crate) struct Source {
    values: Values,
    per_command: usize,
    group: Vec<Value>,
    index: u64,
    known: Arc<Known>,
    stop: Stop,
    ended: bool,
}

/// Reads the input ahead of need: a future that ends with the input, or when nobody wants more of it.
pub(crate) type Reading = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Source {
    /// Values that an input holds, each ended by the delimiter; those longer than `longest` bytes are thrown away but for their start
    /// and length. Somebody has to run the future.
    pub(crate) fn read(
        input: impl AsyncRead + Send + Unpin + 'static,
        delimiter: u8,
        longest: usize,
        per_command: usize,
        stop: Stop,
    ) -> (Source, Reading) {
        let known = Arc::new(Known::default());
        let (chunks, reading) = Ahead::start(input, delimiter, Arc::clone(&known));
        let values = Values::Read(Lines::new(chunks, delimiter, longest));
        (Source::new(values, per_command, known, stop), Box::pin(reading))
    }

    /// Values that the command line holds.
    pub(crate) fn given(product: Product, per_command: usize, stop: Stop) -> Source {
        let known = Known::default();
        known.count(product.total());
        known.finish();
        let per_command = per_command * product.width();
        Source::new(Values::Given(product), per_command, Arc::new(known), stop)
    }

    fn new(values: Values, per_command: usize, known: Arc<Known>, stop: Stop) -> Source {
        Source { values, per_command, group: Vec::new(), index: 0, known, stop, ended: false }
    }

    /// How many items there will be, as far as is known: to be read while the items are consumed elsewhere.
    pub(crate) fn known(&self) -> (Arc<Known>, usize) {
        (Arc::clone(&self.known), self.per_command)
    }

    /// Reads everything, and keeps it for later.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses what was read.
    pub(crate) async fn collect(&mut self) -> io::Result<()> {
        let mut all = Vec::new();
        while let Some(value) = std::future::poll_fn(|cx| self.values.poll(cx)).await {
            all.push(value?);
        }
        self.values = Values::Collected(all.into_iter());
        Ok(())
    }
}

impl Values {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Value>>> {
        match self {
            Values::Read(lines) => lines.poll_next(cx),
            Values::Given(product) => Poll::Ready(product.next().map(Ok)),
            Values::Collected(values) => Poll::Ready(values.next().map(Ok)),
        }
    }
}

impl Stream for Source {
    type Item = io::Result<Item>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        while !this.ended && this.stop.level() == Level::Go {
            match ready!(this.values.poll(cx)) {
                Some(Ok(value)) => this.group.push(value),
                Some(Err(error)) => {
                    this.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => this.ended = true,
            }
            let is_full = this.group.len() == this.per_command;
            if is_full || (this.ended && !this.group.is_empty()) {
                this.index += 1;
                let values = std::mem::take(&mut this.group);
                return Poll::Ready(Some(Ok(Item { index: this.index, values })));
            }
        }
        Poll::Ready(None)
    }
}
