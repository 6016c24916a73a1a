//! Groups values into items.

use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::product::Product;
use super::read_ahead::ReadAhead;
use super::splitter::Splitter;
use super::value_count::ValueCount;
use crate::item::{Item, Value};
use crate::stop::token::{StopLevel, StopToken};
use crate::system::Descriptor;

/// Where values come from.
enum Values {
    /// Read from an input.
    Input(Splitter),
    /// Given on the command line.
    Arguments(Product),
    /// Read to the end before the first command, because `--halt` with a percentage needs the number of items.
    Collected(std::vec::IntoIter<Value>),
}

/// The items of a run. The stream ends with the input, after an error, and when the run is stopped.
pub(crate) struct ItemSource {
    values: Values,
    values_per_item: usize,
    /// The values of the next item.
    group: Vec<Value>,
    index: u64,
    count: Arc<ValueCount>,
    stop: StopToken,
    ended: bool,
}

impl ItemSource {
    /// Returns the items of an input, and starts the thread that reads it. Of a value with more than `max_bytes` bytes,
    /// only the start and the length are kept.
    ///
    /// # Errors
    ///
    /// When the system refuses the thread.
    pub(crate) fn read(
        input: impl Read + Descriptor + Send + 'static,
        delimiter: u8,
        max_bytes: usize,
        values_per_item: usize,
        stop: StopToken,
    ) -> io::Result<ItemSource> {
        let count = Arc::new(ValueCount::default());
        let chunks = ReadAhead::start(input, delimiter, Arc::clone(&count))?;
        let values = Values::Input(Splitter::new(chunks, delimiter, max_bytes));
        Ok(ItemSource::new(values, values_per_item, count, stop))
    }

    /// Returns the items of the lists on the command line, with `combinations_per_item` combinations each.
    pub(crate) fn from_lists(product: Product, combinations_per_item: usize, stop: StopToken) -> ItemSource {
        let count = ValueCount::default();
        count.add(product.total());
        count.complete();
        let values_per_item = combinations_per_item * product.width();
        ItemSource::new(Values::Arguments(product), values_per_item, Arc::new(count), stop)
    }

    fn new(values: Values, values_per_item: usize, count: Arc<ValueCount>, stop: StopToken) -> ItemSource {
        ItemSource { values, values_per_item, group: Vec::new(), index: 0, count, stop, ended: false }
    }

    /// Returns the count of values, which the source keeps up to date, and the number of values per item.
    pub(crate) fn count(&self) -> (Arc<ValueCount>, usize) {
        (Arc::clone(&self.count), self.values_per_item)
    }

    /// Reads the whole input into memory, so that the number of items is known.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the values that were read.
    pub(crate) async fn collect(&mut self) -> io::Result<()> {
        let mut values = Vec::new();
        while let Some(value) = std::future::poll_fn(|cx| self.values.poll_next(cx)).await {
            values.push(value?);
        }
        self.values = Values::Collected(values.into_iter());
        Ok(())
    }
}

impl Values {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Value>>> {
        match self {
            Values::Input(splitter) => splitter.poll_next(cx),
            Values::Arguments(product) => Poll::Ready(product.next().map(Ok)),
            Values::Collected(values) => Poll::Ready(values.next().map(Ok)),
        }
    }
}

impl Stream for ItemSource {
    type Item = io::Result<Item>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        while !this.ended && this.stop.level() == StopLevel::Running {
            match ready!(this.values.poll_next(cx)) {
                Some(Ok(value)) => this.group.push(value),
                Some(Err(error)) => {
                    this.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => this.ended = true,
            }
            let is_full = this.group.len() == this.values_per_item;
            if is_full || (this.ended && !this.group.is_empty()) {
                this.index += 1;
                let values = std::mem::take(&mut this.group);
                return Poll::Ready(Some(Ok(Item { index: this.index, values })));
            }
        }
        Poll::Ready(None)
    }
}
