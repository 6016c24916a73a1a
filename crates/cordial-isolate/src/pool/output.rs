//! What workers write to standard output and standard error.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};

use memchr::memchr;
use rustix::io::Errno;

/// How many lines of standard error a report has.
const KEPT_LINES: usize = 20;

/// A longer line is cut into lines of this length, in bytes.
const MAX_LINE: usize = 4096;

/// How much is read at once: as much as a pipe holds.
const READ: usize = 64 << 10;

/// What programs write when they abort because memory was refused: Rust, C++, and the C library.
const OUT_OF_MEMORY: [&[u8]; 4] = [b"memory allocation of", b"bad_alloc", b"out of memory", b"Cannot allocate memory"];

/// Whether a program has reported that an allocation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum AllocationFailure {
    None,
    /// An allocation failed. The program may continue.
    Reported,
    /// An allocation failed, and Rust aborts.
    Aborts,
}

impl AllocationFailure {
    fn of(line: &[u8]) -> AllocationFailure {
        if line.starts_with(OUT_OF_MEMORY[0]) {
            return AllocationFailure::Aborts;
        }
        // First bytes are compared first: comparing all texts at each place takes longer than reading the line.
        let is_at = |start: usize| {
            OUT_OF_MEMORY.iter().any(|words| line[start] == words[0] && line[start..].starts_with(words))
        };
        if (0..line.len()).any(is_at) { AllocationFailure::Reported } else { AllocationFailure::None }
    }
}

/// Returns the length of a text without an incomplete character at its end.
fn whole_characters(text: &[u8]) -> usize {
    let last = (text.len().saturating_sub(3)..text.len()).rev().find(|index| text[*index] & 0xc0 != 0x80);
    match last {
        // The number of ones at the left of its first byte is the number of bytes of a character.
        Some(first) if text[first].leading_ones() as usize > text.len() - first => first,
        _ => text.len(),
    }
}

/// Returns whether the panic hook of Rust has written this line. The next one is the message.
fn says_panicked(line: &[u8]) -> bool {
    line.starts_with(b"thread '") && line.windows(PANICKED_AT.len()).any(|words| words == PANICKED_AT)
}

const PANICKED_AT: &[u8] = b" panicked at ";

/// A standard stream of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StdStream {
    Stdout,
    Stderr,
}

impl StdStream {
    pub(super) fn name(self) -> &'static str {
        match self {
            StdStream::Stdout => "stdout",
            StdStream::Stderr => "stderr",
        }
    }
}

/// The result of one read.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutputRead {
    pub(super) bytes: usize,
    /// Whether the pipe may hold more.
    pub(super) has_more: bool,
}

/// Reads a stream of a worker line by line.
#[derive(Debug)]
pub(super) struct Output {
    pipe: Option<OwnedFd>,
    line: Vec<u8>,
    /// The last lines of the call. Only those of standard error are kept.
    last: VecDeque<Vec<u8>>,
    /// Where a panic was, and its message, if a backtrace has pushed these two lines out of the last ones.
    panicked: Vec<Vec<u8>>,
    pub(super) stream: StdStream,
    /// The failed allocation that the call has reported. A backtrace may have pushed the report out of the last lines.
    pub(super) allocation_failure: AllocationFailure,
}

impl Output {
    /// Returns a reader for a pipe, which must be nonblocking.
    pub(super) fn new(pipe: OwnedFd, stream: StdStream) -> Output {
        Output {
            pipe: Some(pipe),
            line: Vec::new(),
            last: VecDeque::new(),
            panicked: Vec::new(),
            stream,
            allocation_failure: AllocationFailure::None,
        }
    }

    /// Returns the pipe while it is open.
    pub(super) fn pipe(&self) -> Option<&OwnedFd> {
        self.pipe.as_ref()
    }

    /// Reads what the pipe holds, once, and calls `f` with each complete line.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>, f: &mut dyn FnMut(&[u8])) -> OutputRead {
        const NOTHING: OutputRead = OutputRead { bytes: 0, has_more: false };
        let Some(pipe) = &self.pipe else { return NOTHING };
        buffer.resize(READ, 0);
        match rustix::io::read(pipe.as_fd(), &mut buffer[..]) {
            Ok(0) => self.pipe = None,
            Ok(bytes) => {
                self.add(&buffer[..bytes], f);
                return OutputRead { bytes, has_more: bytes == READ };
            }
            Err(Errno::INTR) => return OutputRead { bytes: 0, has_more: true },
            Err(Errno::AGAIN) => {}
            Err(_) => self.pipe = None,
        }
        NOTHING
    }

    fn add(&mut self, bytes: &[u8], f: &mut dyn FnMut(&[u8])) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (mut text, is_complete) = match memchr(b'\n', rest) {
                Some(end) => (&rest[..end], true),
                None => (rest, false),
            };
            rest = &rest[text.len() + usize::from(is_complete)..];
            while !text.is_empty() {
                if self.line.len() == MAX_LINE {
                    self.cut_line(f);
                }
                let (piece, rest) = text.split_at(text.len().min(MAX_LINE - self.line.len()));
                self.line.extend_from_slice(piece);
                text = rest;
            }
            if is_complete {
                self.end_line(f);
            }
        }
    }

    /// Ends a line that is too long, before the character that it has only in part.
    fn cut_line(&mut self, f: &mut dyn FnMut(&[u8])) {
        let part = self.line.split_off(whole_characters(&self.line));
        self.end_line(f);
        self.line.extend_from_slice(&part);
    }

    fn end_line(&mut self, f: &mut dyn FnMut(&[u8])) {
        f(&self.line);
        if self.stream == StdStream::Stdout {
            self.line.clear();
            return;
        }
        self.allocation_failure = self.allocation_failure.max(AllocationFailure::of(&self.line));
        // The oldest line gives its memory to the next one.
        let next = if self.last.len() == KEPT_LINES { self.last.pop_front().unwrap_or_default() } else { Vec::new() };
        if says_panicked(&next) {
            self.panicked = vec![next.clone()];
        } else if self.panicked.len() == 1 {
            self.panicked.push(next.clone());
        }
        self.last.push_back(std::mem::replace(&mut self.line, next));
        self.line.clear();
    }

    /// Ends the last line, if it has no line break.
    pub(super) fn finish(&mut self, f: &mut dyn FnMut(&[u8])) {
        if !self.line.is_empty() {
            self.end_line(f);
        }
    }

    /// Forgets the lines of the call that has ended.
    pub(super) fn forget(&mut self) {
        self.last.clear();
        self.panicked.clear();
        self.line.clear();
        self.allocation_failure = AllocationFailure::None;
    }

    /// Returns the last lines of the call, at most 20, the oldest first. If a panic with a longer backtrace was among them, the first ones are its
    /// place, its message, and `...`.
    pub(super) fn last_lines(&self) -> Vec<String> {
        let lines: Vec<String> =
            self.panicked.iter().chain(&self.last).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        let Some(rest) = lines.len().checked_sub(KEPT_LINES - 3).filter(|_| !self.panicked.is_empty()) else {
            return lines;
        };
        lines[..2].iter().cloned().chain(["...".to_owned()]).chain(lines[rest..].iter().cloned()).collect()
    }
}
