//! Reads items from an input, one line at a time and only when asked: a stream of [`Item`]s in constant memory.
//!
//! ```text
//! reader ──► chunk (16 KiB) ──► Accumulator ──► Item
//!                               keeps at most `longest` bytes, counts the rest
//! ```
//!
//! A line is what stands before a newline, verbatim: a carriage return stays, an empty line is an item, and so are bytes after the
//! last newline. It is not for deciding what a command can take; that limit is handed in.

use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::io::{AsyncBufRead, AsyncRead, BufReader};

use crate::item::{Item, Line};

/// Large enough that a read costs little per line, small enough that hardly anything is read ahead of need.
const CHUNK: usize = 16 * 1024;

/// How much of a line that is too long is kept, to show it.
const START: usize = 512;

/// The items of an input. After an error there are no more.
pub(crate) struct Items<R> {
    reader: BufReader<R>,
    line: Accumulator,
    number: u64,
    ended: bool,
}

impl<R: AsyncRead> Items<R> {
    /// Lines of `reader`; those longer than `longest` bytes are thrown away but for their start and length.
    pub(crate) fn new(reader: R, longest: usize) -> Self {
        Items {
            reader: BufReader::with_capacity(CHUNK, reader),
            line: Accumulator::new(longest),
            number: 0,
            ended: false,
        }
    }
}

impl<R: AsyncRead + Unpin> Stream for Items<R> {
    type Item = io::Result<Item>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Items { reader, line, number, ended } = self.get_mut();
        while !*ended {
            let chunk = match ready!(Pin::new(&mut *reader).poll_fill_buf(cx)) {
                Ok(chunk) => chunk,
                Err(error) => {
                    *ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
            };
            *ended = chunk.is_empty();
            let newline = chunk.iter().position(|&byte| byte == b'\n');
            let (part, used) = newline.map_or((chunk, chunk.len()), |at| (&chunk[..at], at + 1));
            line.push(part);
            Pin::new(&mut *reader).consume(used);
            // A newline at the very end of the input starts no further line.
            if newline.is_some() || (*ended && line.has_begun()) {
                *number += 1;
                return Poll::Ready(Some(Ok(Item { number: *number, line: line.take() })));
            }
        }
        Poll::Ready(None)
    }
}

/// A line in the making.
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

    fn take(&mut self) -> Line {
        let whole = self.is_whole();
        let bytes = mem::take(&mut self.kept);
        let length = mem::take(&mut self.length);
        if whole { Line::Whole(bytes) } else { Line::TooLong { start: bytes, length } }
    }
}

#[cfg(test)]
mod tests;
