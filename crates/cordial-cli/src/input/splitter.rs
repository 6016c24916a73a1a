//! Cuts chunks into values.
//!
//! A value is what stands before a delimiter, verbatim: a carriage return stays, an empty line is a value, and so are bytes after the
//! last delimiter. It is not for deciding what a command can take; that limit is handed in.

use std::io;
use std::mem;
use std::task::{Context, Poll, ready};

use super::read_ahead::Ahead;
use crate::item::Value;

/// How much of a value that is too long is kept, to show it.
const START: usize = 512;

/// The values of an input.
pub(super) struct Lines {
    chunks: Ahead,
    chunk: Vec<u8>,
    at: usize,
    delimiter: u8,
    value: Accumulator,
    ended: bool,
}

impl Lines {
    pub(super) fn new(chunks: Ahead, delimiter: u8, longest: usize) -> Self {
        Lines { chunks, chunk: Vec::new(), at: 0, delimiter, value: Accumulator::new(longest), ended: false }
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Value>>> {
        while !self.ended {
            if self.at == self.chunk.len() {
                match ready!(self.chunks.0.poll_recv(cx)) {
                    Some(Ok(chunk)) => (self.chunk, self.at) = (chunk, 0),
                    Some(Err(error)) => {
                        self.ended = true;
                        return Poll::Ready(Some(Err(error)));
                    }
                    // A delimiter at the very end starts no further value.
                    None => {
                        self.ended = true;
                        return Poll::Ready(self.value.has_begun().then(|| Ok(self.value.take())));
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

/// A value in the making.
struct Accumulator {
    longest: usize,
    kept: Vec<u8>,
    length: u64,
}

impl Accumulator {
    fn new(longest: usize) -> Self {
        Accumulator { longest, kept: Vec::new(), length: 0 }
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
            // Too long from here on: what follows is only counted.
            self.kept.extend_from_slice(&part[..part.len().min(START)]);
            self.kept.truncate(START);
            self.kept.shrink_to_fit();
        }
    }

    fn is_whole(&self) -> bool {
        self.length <= self.longest as u64
    }

    fn take(&mut self) -> Value {
        let whole = self.is_whole();
        let bytes = mem::take(&mut self.kept);
        let length = mem::take(&mut self.length);
        if whole { Value::Whole(bytes) } else { Value::TooLong { start: bytes, length } }
    }
}

#[cfg(test)]
mod tests;
