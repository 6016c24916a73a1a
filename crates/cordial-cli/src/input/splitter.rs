//! Splits chunks into values.
//!
//! A value is the text before a delimiter, unchanged: a carriage return stays, and an empty line is
//! a value. Bytes after the last delimiter are a value as well.

use std::io;
use std::mem;
use std::task::{Context, Poll, ready};

use super::read_ahead::ReadAhead;
use crate::item::Value;

/// The number of bytes that are kept of a value that is too long, for messages.
const KEPT_BYTES: usize = 512;

/// The values of an input.
pub(super) struct Splitter {
    chunks: ReadAhead,
    chunk: Vec<u8>,
    at: usize,
    delimiter: u8,
    value: Accumulator,
    ended: bool,
}

impl Splitter {
    pub(super) fn new(chunks: ReadAhead, delimiter: u8, max_bytes: usize) -> Self {
        Splitter { chunks, chunk: Vec::new(), at: 0, delimiter, value: Accumulator::new(max_bytes), ended: false }
    }

    /// Returns the next value, or `None` after the end of the input or an error.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Value>>> {
        while !self.ended {
            if self.at == self.chunk.len() {
                // Items that were not read must not look like the end of the input.
                let without_end = || Err(io::Error::other("the thread that reads them has ended"));
                match ready!(self.chunks.0.poll_recv(cx)).unwrap_or_else(without_end) {
                    // A delimiter at the end of the input does not start another value.
                    Ok(chunk) if chunk.is_empty() => {
                        self.ended = true;
                        return Poll::Ready(self.value.has_begun().then(|| Ok(self.value.take())));
                    }
                    Ok(chunk) => (self.chunk, self.at) = (chunk, 0),
                    Err(error) => {
                        self.ended = true;
                        return Poll::Ready(Some(Err(error)));
                    }
                }
            }
            let rest = &self.chunk[self.at..];
            match rest.iter().position(|&byte| byte == self.delimiter) {
                Some(end) => {
                    self.value.push(&rest[..end]);
                    self.at += end + 1;
                    return Poll::Ready(Some(Ok(self.value.take())));
                }
                None => {
                    self.value.push(rest);
                    self.at = self.chunk.len();
                }
            }
        }
        Poll::Ready(None)
    }
}

/// A value of which only a part has been read.
struct Accumulator {
    max_bytes: usize,
    kept: Vec<u8>,
    length: u64,
}

impl Accumulator {
    fn new(max_bytes: usize) -> Self {
        Accumulator { max_bytes, kept: Vec::new(), length: 0 }
    }

    fn has_begun(&self) -> bool {
        self.length > 0
    }

    fn push(&mut self, part: &[u8]) {
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

    fn take(&mut self) -> Value {
        let is_whole = self.is_whole();
        let bytes = mem::take(&mut self.kept);
        let length = mem::take(&mut self.length);
        if is_whole { Value::Whole(bytes) } else { Value::TooLong { start: bytes, length } }
    }
}

#[cfg(test)]
mod tests;
