//! The sources of items of a run, and how their items are made.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use super::grouping::Grouping;
use super::lists::{Combination, Lists};
use super::read_ahead::ReadAhead;
use super::record_count::RecordCount;
use super::separator::ItemSeparator;
use super::source::{ItemSource, LineJoiner, Values};
use super::splitter::Splitter;
use super::value_edit::ValueEdit;
use crate::blocking_io;
use crate::item::Value;
use crate::stop::token::StopToken;
use crate::system::{Descriptor, StandardInput};
use crate::text::io_error;

/// The sources of items of a run, and how their items are made.
#[derive(Debug)]
pub(crate) struct Sources {
    /// At least one.
    pub(crate) sources: Vec<Source>,
    pub(crate) separator: ItemSeparator,
    pub(crate) edit: ValueEdit,
    /// Whether a line that ends with a blank continues on the next line.
    pub(crate) joins_lines: bool,
    pub(crate) grouping: Grouping,
    /// Longer values of files and of standard input are cut: only their start and their length are kept.
    pub(crate) max_value_bytes: usize,
}

/// One source of items.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) origin: Origin,
    /// How its items are combined with those of the sources before it.
    pub(crate) combination: Combination,
}

/// Where the items of a source are.
#[derive(Debug)]
pub(crate) enum Origin {
    Stdin,
    File { file: File, path: PathBuf },
    Words(Vec<Vec<u8>>),
}

impl Source {
    /// Takes the record for `--header`: the first item of the source; with `--words`, its first line. Nothing after it is read.
    /// Returns `None` if there is no item.
    ///
    /// # Errors
    ///
    /// When the source cannot be read.
    pub(crate) fn take_first(&mut self, separator: ItemSeparator) -> io::Result<Option<Vec<u8>>> {
        match &mut self.origin {
            Origin::Words(words) => Ok((!words.is_empty()).then(|| words.remove(0))),
            Origin::File { file, .. } => read_line(file, separator),
            Origin::Stdin => read_line(&mut crate::system::share_stdin()?, separator),
        }
    }
}

/// Reads a line, or the text before a delimiter, byte by byte, because what follows belongs to another reader.
fn read_line(input: &mut (impl Read + Descriptor), separator: ItemSeparator) -> io::Result<Option<Vec<u8>>> {
    let end = if let ItemSeparator::Byte(delimiter) = separator { delimiter } else { b'\n' };
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        match blocking_io::read(input, &mut byte)? {
            0 => return Ok((!line.is_empty()).then_some(line)),
            _ if byte[0] == end => return Ok(Some(line)),
            _ => line.push(byte[0]),
        }
    }
}

impl Sources {
    /// Opens the sources. One input is read while its items run; several sources are read into memory first.
    ///
    /// # Errors
    ///
    /// A message, when one of several sources cannot be read, or the system refuses a thread. An error while the only source is read is
    /// returned by the stream of items.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the values that were read.
    pub(crate) async fn open(mut self, stdin: StandardInput, stop: StopToken) -> Result<ItemSource, String> {
        let mut stdin = Some(stdin);
        let count = Arc::new(RecordCount::default());
        let Grouping { max_records, max_lines, shares, .. } = &self.grouping;
        // If the last group is divided among several items, the number of items does not follow from the number of records.
        let is_divided = shares.is_some() && *max_records != Some(1);
        let is_counted =
            self.edit.eof.is_none() && !self.joins_lines && max_records.is_some() && max_lines.is_none() && !is_divided;
        if !is_counted {
            count.give_up();
        }
        let only = if self.sources.len() == 1 { self.sources.pop() } else { None };
        let values = match only.map(|source| source.origin) {
            Some(Origin::Stdin) => {
                let stdin = stdin.take().ok_or("standard input was read before")?;
                Values::Input(self.splitter(stdin, Arc::clone(&count))?)
            }
            Some(Origin::File { file, .. }) => Values::Input(self.splitter(file, Arc::clone(&count))?),
            Some(Origin::Words(words)) => {
                let mut lists = Lists::default();
                lists.add(self.list(words), Combination::All);
                Values::Lists(lists)
            }
            None => {
                let mut lists = Lists::default();
                for source in std::mem::take(&mut self.sources) {
                    let list = match source.origin {
                        Origin::Words(words) => self.list(words),
                        Origin::Stdin => {
                            let stdin = stdin.take().ok_or("standard input can be one source only")?;
                            self.read(stdin, "standard input").await?
                        }
                        Origin::File { file, path } => self.read(file, &path.display().to_string()).await?,
                    };
                    lists.add(list, source.combination);
                }
                Values::Lists(lists)
            }
        };
        if let Values::Lists(lists) = &values {
            count.add(lists.total());
            count.complete();
        }
        let joiner = self.joins_lines.then(|| LineJoiner::new(self.max_value_bytes));
        Ok(ItemSource::new(values, self.edit, joiner, self.grouping, count, stop))
    }

    fn splitter(
        &self,
        input: impl Read + Descriptor + Send + 'static,
        count: Arc<RecordCount>,
    ) -> Result<Splitter, String> {
        let chunks = ReadAhead::start(input, self.separator, count)
            .map_err(|error| format!("cannot start the thread that reads the items: {}", io_error::describe(&error)))?;
        Ok(Splitter::new(chunks, self.separator, self.max_value_bytes))
    }

    /// Returns the values of a list of the command line, up to the value that ends it.
    fn list(&self, words: Vec<Vec<u8>>) -> Vec<Value> {
        self.join(words.into_iter().map(Value::Whole).take_while(|value| !self.edit.is_end(value)).collect())
    }

    /// Joins each line that ends with a blank to the next one, if lines are joined.
    fn join(&self, values: Vec<Value>) -> Vec<Value> {
        if !self.joins_lines {
            return values;
        }
        let (mut line, mut lines) = (LineJoiner::new(self.max_value_bytes), Vec::new());
        lines.extend(values.into_iter().filter_map(|value| line.add(value)));
        lines.extend(line.last());
        lines
    }

    /// Reads all values of an input, up to the value that ends it.
    async fn read(&self, input: impl Read + Descriptor + Send + 'static, name: &str) -> Result<Vec<Value>, String> {
        let mut splitter = self.splitter(input, Arc::default())?;
        let mut values = Vec::new();
        while let Some(split) = std::future::poll_fn(|cx| splitter.poll_next(cx)).await {
            let split =
                split.map_err(|error| format!("cannot read the items from {name}: {}", io_error::describe(&error)))?;
            if self.edit.is_end(&split.value) {
                break;
            }
            values.push(split.value);
        }
        Ok(self.join(values))
    }
}
