//! Groups the records of all sources into items.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::grouping::{Grouping, SizeLimit};
use super::lists::Lists;
use super::record_count::RecordCount;
use super::splitter::{Accumulator, Split, Splitter};
use super::value_edit::ValueEdit;
use crate::item::{Item, Value};
use crate::stop::token::{StopLevel, StopToken};
use crate::text::display;

/// Where records come from.
pub(super) enum Values {
    /// Read from one input.
    Input(Splitter),
    /// All combinations of several sources.
    Lists(Lists),
}

/// The items of a run. The stream ends with the input, after an error, and when the run is stopped.
pub(crate) struct ItemSource {
    reader: RecordReader,
    grouping: Grouping,
    /// The records of the next item.
    group: ItemRecords,
    /// A record that does not fit into the item before it.
    kept: Option<InputRecord>,
    /// Items that were made and not returned.
    items: VecDeque<Item>,
    index: u64,
    count: Arc<RecordCount>,
    stop: StopToken,
    ended: bool,
    /// The error that ended the input. It is returned after the items that were read before it.
    error: Option<io::Error>,
}

/// One value of the input, or its columns; or one combination of the lists.
#[derive(Debug, Default)]
struct InputRecord {
    values: Vec<Value>,
    ends_line: bool,
}

/// The records of one item.
#[derive(Debug, Default)]
struct ItemRecords {
    values: Vec<Value>,
    /// The number of values before the end of each record.
    ends: Vec<usize>,
    /// The length of the command line, for each limit of the `Grouping`.
    bytes: Vec<usize>,
    n_lines: usize,
}

impl ItemSource {
    pub(super) fn new(
        values: Values,
        edit: ValueEdit,
        joiner: Option<LineJoiner>,
        grouping: Grouping,
        count: Arc<RecordCount>,
        stop: StopToken,
    ) -> ItemSource {
        ItemSource {
            reader: RecordReader { values, edit, joiner },
            group: ItemRecords::new(&grouping),
            grouping,
            kept: None,
            items: VecDeque::new(),
            index: 0,
            count,
            stop,
            ended: false,
            error: None,
        }
    }

    /// Returns whether there are no items because one of several lists is empty.
    pub(crate) fn has_empty_list(&self) -> bool {
        matches!(&self.reader.values, Values::Lists(lists) if lists.has_empty_list())
    }

    /// Returns the count of records, which grows while the input is read ahead, and the largest number of records in an item.
    pub(crate) fn count(&self) -> (Arc<RecordCount>, usize) {
        (Arc::clone(&self.count), self.grouping.max_records.unwrap_or(1))
    }

    /// Reads the whole input into memory, and returns the number of items.
    ///
    /// # Errors
    ///
    /// When the input cannot be read, or its items do not fit on a command line.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the items that were read.
    pub(crate) async fn collect(&mut self) -> io::Result<u64> {
        let mut items = VecDeque::new();
        while let Some(item) = std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await {
            items.push_back(item?);
        }
        let n_items = items.len() as u64;
        self.items = items;
        Ok(n_items)
    }

    /// Makes an item of these values.
    fn item(&mut self, values: Vec<Value>) -> Item {
        self.index += 1;
        Item { index: self.index, values, input: None }
    }

    /// Makes an item of the records that were read.
    fn take_item(&mut self) -> Item {
        let group = std::mem::replace(&mut self.group, ItemRecords::new(&self.grouping));
        self.item(group.values)
    }

    /// Adds a record to the next item. Returns an item if one is complete.
    fn add(&mut self, record: InputRecord) -> io::Result<Option<Item>> {
        if self.grouping.fails_alone(&record.values) {
            // The number of items no longer follows from the number of records.
            self.count.give_up();
            let item = self.item(record.values);
            self.items.push_back(item);
            self.group.n_lines += usize::from(record.ends_line && !self.group.ends.is_empty());
            if self.is_full() {
                let item = self.take_item();
                self.items.push_back(item);
            }
            return Ok(None);
        }
        let is_too_long = |value: &Value| matches!(value, Value::TooLong { .. });
        // The whole item fails because of this record, so the length of the record does not count.
        let is_lost = self.grouping.keeps_tuples && record.values.iter().any(is_too_long);
        let size_of = |limit: &SizeLimit| if is_lost { 0 } else { limit.size.of(&record.values) };
        let limits = self.grouping.limits.iter().zip(&self.group.bytes);
        let bytes: Vec<usize> = limits.map(|(limit, bytes)| bytes.saturating_add(size_of(limit))).collect();
        let mut limits = self.grouping.limits.iter().zip(&bytes);
        let exceeded = limits.find_map(|(limit, bytes)| (*bytes > limit.max_bytes).then_some(*limit));
        if let Some(limit) = exceeded.filter(|_| !self.group.ends.is_empty()) {
            let has_limit = self.grouping.max_records.or(self.grouping.max_lines).is_some();
            if self.grouping.is_exact && has_limit {
                return Err(io::Error::other(format!(
                    "the items of command {} do not fit together on a command line of {} bytes; leave out -x, or pass fewer \
                     to each command",
                    self.index + 1,
                    limit.max_bytes
                )));
            }
            self.kept = Some(record);
            // The number of items no longer follows from the number of records.
            self.count.give_up();
            return Ok(Some(self.take_item()));
        }
        if let Some(limit) = exceeded.filter(|limit| limit.ends_input) {
            return Err(io::Error::other(format!(
                "{} does not fit on a command line of {} bytes; allow more with -s",
                display::quoted(&record.values.iter().map(Value::bytes).collect::<Vec<_>>().join(&b' ')),
                limit.max_bytes
            )));
        }
        if self.grouping.max_records == Some(1) {
            return Ok(Some(self.item(record.values)));
        }
        self.group.bytes = bytes;
        self.group.n_lines += usize::from(record.ends_line);
        self.group.values.extend(record.values);
        self.group.ends.push(self.group.values.len());
        Ok(self.is_full().then(|| self.take_item()))
    }

    /// Returns whether the next item is complete.
    fn is_full(&self) -> bool {
        self.grouping.max_records.is_some_and(|max| self.group.ends.len() == max)
            || self.grouping.max_lines.is_some_and(|max| self.group.n_lines == max)
    }

    /// Makes items of the records that remain at the end of the input.
    fn finish(&mut self) {
        self.ended = true;
        let n_records = self.group.ends.len();
        let per_item = self.grouping.shares.map_or(n_records, |shares| n_records.div_ceil(shares)).max(1);
        let ItemRecords { values, ends, .. } = std::mem::take(&mut self.group);
        let mut values = values.into_iter();
        let mut start = 0;
        for ends in ends.chunks(per_item) {
            let end = ends.last().copied().unwrap_or(start);
            let item = self.item(values.by_ref().take(end - start).collect());
            self.items.push_back(item);
            start = end;
        }
    }
}

impl ItemRecords {
    fn new(grouping: &Grouping) -> ItemRecords {
        let bytes = grouping.limits.iter().map(|limit| limit.size.fixed).collect();
        ItemRecords { bytes, ..ItemRecords::default() }
    }
}

impl Stream for ItemSource {
    type Item = io::Result<Item>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        while this.stop.level() == StopLevel::Running {
            if let Some(item) = this.items.pop_front() {
                return Poll::Ready(Some(Ok(item)));
            }
            if this.ended {
                return Poll::Ready(this.error.take().map(Err));
            }
            let record = match this.kept.take() {
                Some(record) => Some(Ok(record)),
                None => ready!(this.reader.poll_next(cx)),
            };
            let record = match record {
                // What was read before an error makes an item.
                Some(Err(error)) => {
                    this.error = Some(error);
                    None
                }
                record => record.and_then(Result::ok),
            };
            match record.map(|record| this.add(record)) {
                Some(Ok(None)) => {}
                Some(Ok(Some(item))) => return Poll::Ready(Some(Ok(item))),
                Some(Err(error)) => {
                    this.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => this.finish(),
            }
        }
        Poll::Ready(None)
    }
}

/// Reads records.
struct RecordReader {
    values: Values,
    edit: ValueEdit,
    /// Joins each line that ends with a blank to the next one. `None` if lines are not joined.
    joiner: Option<LineJoiner>,
}

impl RecordReader {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<InputRecord>>> {
        let mut record = InputRecord::default();
        match &mut self.values {
            Values::Lists(lists) => {
                let Some(values) = lists.next() else { return Poll::Ready(None) };
                values.for_each(|value| self.edit.apply(value.clone(), &mut record.values));
                record.ends_line = true;
            }
            Values::Input(splitter) => loop {
                let Split { value, ends_line } = match ready!(splitter.poll_next(cx)) {
                    Some(Ok(split)) if self.edit.is_end(&split.value) => return Poll::Ready(self.last()),
                    Some(Ok(split)) => split,
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => return Poll::Ready(self.last()),
                };
                let value = match &mut self.joiner {
                    Some(joiner) => match joiner.add(value) {
                        Some(value) => value,
                        None => continue,
                    },
                    None => value,
                };
                self.edit.apply(value, &mut record.values);
                record.ends_line = ends_line;
                break;
            },
        }
        Poll::Ready(Some(Ok(record)))
    }

    /// Ends the reader. Returns the line that the joiner holds, if the last line of the input ends with a blank.
    fn last(&mut self) -> Option<io::Result<InputRecord>> {
        // An empty source from now on: what follows the value that ends the input is ignored.
        self.values = Values::Lists(Lists::default());
        let joined = self.joiner.as_mut()?.last()?;
        let mut record = InputRecord { values: Vec::new(), ends_line: true };
        self.edit.apply(joined, &mut record.values);
        Some(Ok(record))
    }
}

/// Joins each line that ends with a blank to the next one.
pub(super) struct LineJoiner {
    /// The line so far.
    line: Accumulator,
}

impl LineJoiner {
    pub(super) fn new(max_bytes: usize) -> LineJoiner {
        LineJoiner { line: Accumulator::new(max_bytes) }
    }

    /// Adds a line. Returns the joined line if this line completes it, and `None` if the next line continues it.
    pub(super) fn add(&mut self, value: Value) -> Option<Value> {
        match value {
            Value::Whole(bytes) => {
                self.line.push(&bytes);
                (!bytes.last().is_some_and(|last| b" \t".contains(last))).then(|| self.line.take())
            }
            // This line is too long, so its item fails in any case. The earlier lines that it continues are dropped.
            too_long => {
                self.line.take();
                Some(too_long)
            }
        }
    }

    /// Called at the end of the input. Returns the line so far, if the last line ends with a blank.
    pub(super) fn last(&mut self) -> Option<Value> {
        self.line.has_begun().then(|| self.line.take())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::sync::mpsc;

    use super::super::read_ahead::ReadAhead;
    use super::super::separator::ItemSeparator;
    use super::*;

    #[tokio::test]
    async fn a_line_before_a_too_long_one_is_not_joined_to_the_line_after_it() {
        let (sender, receiver) = mpsc::channel(2);
        sender.send(Ok(b"a \ntoo long\nb\n".to_vec())).await.unwrap();
        sender.send(Ok(Vec::new())).await.unwrap();
        let splitter = Splitter::new(ReadAhead(receiver), ItemSeparator::Byte(b'\n'), 3);
        let (values, edit) = (Values::Input(splitter), ValueEdit::default());
        let mut reader = RecordReader { values, edit, joiner: Some(LineJoiner::new(3)) };
        let mut values = Vec::new();
        while let Some(record) = poll_fn(|cx| reader.poll_next(cx)).await {
            values.extend(record.unwrap().values);
        }
        let too_long = Value::TooLong { start: b"too long".to_vec(), length: 8 };
        assert_eq!(values, [too_long, Value::Whole(b"b".to_vec())]);
    }

    #[tokio::test]
    async fn only_the_start_of_a_joined_line_that_is_too_long_is_kept() {
        let (sender, receiver) = mpsc::channel(2);
        sender.send(Ok("0123456 \n".repeat(1000).into_bytes())).await.unwrap();
        sender.send(Ok(Vec::new())).await.unwrap();
        let splitter = Splitter::new(ReadAhead(receiver), ItemSeparator::Byte(b'\n'), 10);
        let (values, edit) = (Values::Input(splitter), ValueEdit::default());
        let mut reader = RecordReader { values, edit, joiner: Some(LineJoiner::new(10)) };
        let record = poll_fn(|cx| reader.poll_next(cx)).await.unwrap().unwrap();
        assert!(matches!(&record.values[..], [Value::TooLong { start, length: 8000 }] if start.len() <= 512));
        assert!(poll_fn(|cx| reader.poll_next(cx)).await.is_none());
    }
}
