//! Splits chunks into values.
//!
//! A value is the text before a delimiter, unchanged: a carriage return stays, and an empty line is
//! a value. Bytes after the last delimiter are a value as well. With `--words`, `WordReader` splits instead.

use std::io;
use std::mem;
use std::task::{Context, Poll, ready};

use super::read_ahead::ReadAhead;
use super::separator::ItemSeparator;
use super::words::WordReader;
use crate::item::Value;

/// The number of bytes that are kept of a value that is too long, for messages.
const KEPT_BYTES: usize = 512;

/// A value of an input. With `--words`, a line may have several.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) value: Value,
    /// Whether a line ends with this value.
    pub(super) ends_line: bool,
}

/// The values of an input.
pub(super) struct Splitter {
    chunks: ReadAhead,
    chunk: Vec<u8>,
    at: usize,
    mode: Mode,
    value: Accumulator,
    ended: bool,
}

enum Mode {
    Delimiter(u8),
    Words(WordReader),
}

impl Splitter {
    pub(super) fn new(chunks: ReadAhead, separator: ItemSeparator, max_bytes: usize) -> Self {
        let mode = match separator {
            ItemSeparator::Byte(delimiter) => Mode::Delimiter(delimiter),
            ItemSeparator::Words => Mode::Words(WordReader::new(true)),
            ItemSeparator::QuotedLines => Mode::Words(WordReader::new(false)),
        };
        Splitter { chunks, chunk: Vec::new(), at: 0, mode, value: Accumulator::new(max_bytes), ended: false }
    }

    /// Returns the next value, or `None` after the end of the input or an error.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Split>>> {
        while !self.ended {
            if self.at == self.chunk.len() {
                // The thread has ended without an empty chunk, so some items were not read. This must not look like the end of the input.
                let without_end = || Err(io::Error::other("the thread that reads them has ended"));
                match ready!(self.chunks.0.poll_recv(cx)).unwrap_or_else(without_end) {
                    Ok(chunk) if chunk.is_empty() => {
                        self.ended = true;
                        return Poll::Ready(self.last().transpose());
                    }
                    Ok(chunk) => (self.chunk, self.at) = (chunk, 0),
                    Err(error) => {
                        self.ended = true;
                        return Poll::Ready(Some(Err(error)));
                    }
                }
            }
            match self.split() {
                Ok(None) => {}
                Ok(Some(split)) => return Poll::Ready(Some(Ok(split))),
                Err(error) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        Poll::Ready(None)
    }

    /// Returns the next value if it ends in the current chunk.
    fn split(&mut self) -> io::Result<Option<Split>> {
        let rest = &self.chunk[self.at..];
        match &mut self.mode {
            Mode::Delimiter(delimiter) => match rest.iter().position(|byte| byte == delimiter) {
                Some(end) => {
                    self.value.push(&rest[..end]);
                    self.at += end + 1;
                    return Ok(Some(Split { value: self.value.take(), ends_line: true }));
                }
                None => {
                    self.value.push(rest);
                    self.at = self.chunk.len();
                }
            },
            Mode::Words(words) => {
                while self.at < self.chunk.len() {
                    let end = words.next(self.chunk[self.at], &mut |byte| self.value.push(&[byte]))?;
                    self.at += 1;
                    if let Some(ends_line) = end {
                        return Ok(Some(Split { value: self.value.take(), ends_line }));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Returns the value before the end of the input. `None` if the input ends with a delimiter.
    fn last(&mut self) -> io::Result<Option<Split>> {
        if let Mode::Words(words) = &self.mode {
            words.end()?;
        }
        // Without a newline, `xargs` takes no empty word either, such as '' or a backslash alone.
        Ok(self.value.has_begun().then(|| Split { value: self.value.take(), ends_line: true }))
    }
}

/// A value of which only a part has been read.
pub(super) struct Accumulator {
    max_bytes: usize,
    kept: Vec<u8>,
    length: u64,
}

impl Accumulator {
    pub(super) fn new(max_bytes: usize) -> Self {
        Accumulator { max_bytes, kept: Vec::new(), length: 0 }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.length > 0
    }

    pub(super) fn push(&mut self, part: &[u8]) {
        let was_whole = self.is_whole();
        self.length += part.len() as u64;
        if self.is_whole() {
            self.kept.extend_from_slice(part);
        } else if was_whole {
            // The value has become too long: keep its start, and only count what follows.
            self.kept.extend_from_slice(&part[..part.len().min(KEPT_BYTES)]);
            self.kept.truncate(KEPT_BYTES);
            self.kept.shrink_to_fit();
        }
    }

    fn is_whole(&self) -> bool {
        self.length <= self.max_bytes as u64
    }

    pub(super) fn take(&mut self) -> Value {
        let is_whole = self.is_whole();
        let bytes = mem::take(&mut self.kept);
        let length = mem::take(&mut self.length);
        if is_whole { Value::Whole(bytes) } else { Value::TooLong { start: bytes, length } }
    }
}

#[cfg(test)]
mod tests;
