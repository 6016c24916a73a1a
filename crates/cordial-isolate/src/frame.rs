//! The frames on the socket between a pool and a worker process.
//!
//! ```text
//!  length of the body, u32 │ kind, u8 │ number of the call, u64 │ body          all little endian
//!
//!  pool ──► worker    Call: argument, preface, length of the preface (u32)      Stop, Retire: no body
//!  worker ──► pool    Ready: no body      Done: outcome      Stuck: no body
//! ```
//!
//! The length is checked before memory for the body is allocated. The argument or the result is the first part of a body: cutting off
//! what follows it needs no copy.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;

use rustix::buffer::spare_capacity;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};
use serde::{Deserialize, Serialize};

use crate::dispatch::Carried;
use crate::kernel::NO_SIGNAL;

/// The length of a header.
pub(crate) const HEADER: usize = 13;

/// How many bytes the body of a frame may have in addition to the argument or the result.
pub(crate) const MAX_EXTRA: usize = 64 << 10;

/// How much is read at once while the length of a frame is not known.
const CHUNK: usize = 4096;

/// The kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Run a function.
    Call = 1,
    /// Ask the call to shut down.
    Stop = 2,
    /// Exit: no call will come.
    Retire = 3,
    /// The worker is ready for calls.
    Ready = 4,
    /// A call has ended.
    Done = 5,
    /// The call was asked to shut down, has not opted in to graceful shutdown, and does not end.
    Stuck = 6,
}

impl Kind {
    fn of(byte: u8) -> Option<Kind> {
        [Kind::Call, Kind::Stop, Kind::Retire, Kind::Ready, Kind::Done, Kind::Stuck]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// What the frame of a call has besides the argument.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Preface {
    pub(crate) name: String,
    pub(crate) fingerprint: u64,
    /// The values and the trace context that the caller sends along with the argument.
    pub(crate) carried: Carried,
}

/// A received frame.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) call: u64,
    pub(crate) body: Vec<u8>,
}

impl Frame {
    /// Splits the body of a call into the preface and the argument. `None` if the body is malformed.
    pub(crate) fn into_call(self) -> Option<(Preface, Vec<u8>)> {
        let mut body = self.body;
        let end = body.len().checked_sub(size_of::<u32>())?;
        let length = u32::from_le_bytes(body[end..].try_into().ok()?) as usize;
        let start = end.checked_sub(length)?;
        let preface = postcard::from_bytes(&body[start..end]).ok()?;
        body.truncate(start);
        Some((preface, body))
    }
}

/// A frame that is being sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    head: [u8; HEADER],
    body: Vec<u8>,
    tail: Vec<u8>,
    sent: usize,
}

impl Outgoing {
    /// Returns a frame. The length of the body must fit into a `u32`: the caller limits it.
    pub(crate) fn new(kind: Kind, call: u64, body: Vec<u8>) -> Outgoing {
        Outgoing::with_tail(kind, call, body, Vec::new())
    }

    /// Returns the frame of a call.
    pub(crate) fn call(call: u64, input: Vec<u8>, preface: &Preface) -> Outgoing {
        // Serializing a preface cannot fail, because it consists of texts, numbers and bytes.
        let mut tail = postcard::to_stdvec(preface).unwrap_or_default();
        let length = u32::try_from(tail.len()).unwrap_or(u32::MAX);
        tail.extend_from_slice(&length.to_le_bytes());
        Outgoing::with_tail(Kind::Call, call, input, tail)
    }

    fn with_tail(kind: Kind, call: u64, body: Vec<u8>, tail: Vec<u8>) -> Outgoing {
        let mut head = [0; HEADER];
        let length = u32::try_from(body.len() + tail.len()).unwrap_or(u32::MAX);
        head[..4].copy_from_slice(&length.to_le_bytes());
        head[4] = kind as u8;
        head[5..].copy_from_slice(&call.to_le_bytes());
        Outgoing { head, body, tail, sent: 0 }
    }

    /// Sends as much as the socket accepts, and returns whether the whole frame is sent. With [`SendFlags::DONTWAIT`], one `send` may
    /// send only a part of the frame: the next `send` continues after that part.
    pub(crate) fn send(&mut self, socket: impl AsFd, flags: SendFlags) -> io::Result<bool> {
        let total = HEADER + self.body.len() + self.tail.len();
        while self.sent < total {
            let mut skip = self.sent;
            let parts = [&self.head[..], &self.body, &self.tail].map(|part| {
                let skipped = skip.min(part.len());
                skip -= skipped;
                IoSlice::new(&part[skipped..])
            });
            let flags = flags | NO_SIGNAL;
            match sendmsg(socket.as_fd(), &parts, &mut SendAncillaryBuffer::default(), flags) {
                Ok(sent) => self.sent += sent,
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    /// Checks that the preface of a call is not longer than [`MAX_EXTRA`].
    pub(crate) fn check_extra(&self) -> Result<(), TooLarge> {
        check_length(self.tail.len(), MAX_EXTRA)
    }

    /// Returns whether no byte of the frame was sent yet.
    pub(crate) fn is_unsent(&self) -> bool {
        self.sent == 0
    }
}

/// Checks that a length is at most `max`.
pub(crate) fn check_length(length: usize, max: usize) -> Result<(), TooLarge> {
    if length > max { Err(TooLarge { length, max }) } else { Ok(()) }
}

/// A part of a frame is larger than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge {
    pub(crate) length: usize,
    pub(crate) max: usize,
}

impl TooLarge {
    /// Returns a sentence about an argument, a result or an error.
    pub(crate) fn sentence_about(self, what: &str) -> String {
        let TooLarge { length, max } = self;
        format!(
            "the {what} has {length} bytes, and the pool allows {max}; raise `max_payload` of the pool, or pass the name of a file"
        )
    }
}

/// The result of a read.
#[derive(Debug)]
pub(crate) enum Received {
    Frame(Frame),
    /// The socket has no more data for now.
    Blocked,
    /// The other side has closed the socket.
    Closed,
}

/// Reads frames from a socket. Keeps the bytes of an incomplete frame until the next read.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// The largest body.
    max: usize,
    /// A buffer. Its bytes from `start` to `end` were read and are not yet part of a frame.
    chunk: Box<[u8; CHUNK]>,
    start: usize,
    end: usize,
    /// Whether the last read has emptied the socket. A read right after it would find nothing.
    is_drained: bool,
    /// A frame with the part of its body that was read so far, and the length of the whole body.
    partial: Option<(Frame, usize)>,
}

impl Incoming {
    /// `max` is the length in bytes of the largest argument or result.
    pub(crate) fn new(max: usize) -> Incoming {
        let max = max.saturating_add(MAX_EXTRA);
        Incoming { max, chunk: Box::new([0; CHUNK]), start: 0, end: 0, is_drained: false, partial: None }
    }

    /// Reads from the socket until a frame is complete. If the last read has emptied the socket, and `flags` has [`RecvFlags::DONTWAIT`],
    /// returns [`Received::Blocked`] without another read.
    ///
    /// # Errors
    ///
    /// If reading fails, the bytes are not a frame, or the frame is too long. After an error, no further frame can be read.
    pub(crate) fn receive(&mut self, socket: impl AsFd, flags: RecvFlags) -> io::Result<Received> {
        loop {
            if let Some(frame) = self.complete()? {
                return Ok(Received::Frame(frame));
            }
            let is_drained = std::mem::take(&mut self.is_drained) && self.partial.is_none();
            if is_drained && flags.contains(RecvFlags::DONTWAIT) {
                return Ok(Received::Blocked);
            }
            let read = match &mut self.partial {
                Some((frame, length)) => {
                    // `complete` has reserved room for the whole body.
                    recv(socket.as_fd(), spare_capacity(&mut frame.body), flags).map(|(read, _)| {
                        // If the allocator has given more room than was reserved, the beginning of the next frame may be in it too.
                        let rest = frame.body.split_off(frame.body.len().min(*length));
                        self.chunk[..rest.len()].copy_from_slice(&rest);
                        (self.start, self.end) = (0, rest.len());
                        read
                    })
                }
                None => {
                    self.chunk.copy_within(self.start..self.end, 0);
                    self.end -= self.start;
                    self.start = 0;
                    let end = self.end;
                    recv(socket.as_fd(), &mut self.chunk[end..], flags).map(|(read, _)| {
                        self.end += read;
                        self.is_drained = read > 0 && self.end < CHUNK;
                        read
                    })
                }
            };
            match read {
                Ok(0) => return Ok(Received::Closed),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(Received::Blocked),
                Err(rustix::io::Errno::CONNRESET) => return Ok(Received::Closed),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Returns whether all bytes of the next frame were read already, so that [`receive`](Incoming::receive) returns it without a read.
    pub(crate) fn has_frame(&self) -> bool {
        let read = &self.chunk[self.start..self.end];
        let length = |header: &[u8; HEADER]| u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        self.partial.is_none()
            && read.first_chunk().is_some_and(|header| length(header).saturating_add(HEADER) <= read.len())
    }

    /// Returns the next frame if all of it was read.
    fn complete(&mut self) -> io::Result<Option<Frame>> {
        if self.partial.is_none() && self.end - self.start >= HEADER {
            let header = &self.chunk[self.start..self.start + HEADER];
            let length = u32::from_le_bytes(header[..4].try_into().expect("four bytes")) as usize;
            let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
            let Some(kind) = Kind::of(header[4]) else {
                return Err(invalid(format!("a frame has the unknown kind {}", header[4])));
            };
            if length > self.max {
                return Err(invalid(format!("a frame has {length} bytes, and {} are allowed", self.max)));
            }
            let call = u64::from_le_bytes(header[5..].try_into().expect("eight bytes"));
            self.start += HEADER;
            let mut body = Vec::new();
            body.reserve_exact(length);
            let buffered = length.min(self.end - self.start);
            body.extend_from_slice(&self.chunk[self.start..self.start + buffered]);
            self.start += buffered;
            self.partial = Some((Frame { kind, call, body }, length));
        }
        let is_complete = self.partial.as_ref().is_some_and(|(frame, length)| frame.body.len() == *length);
        Ok(if is_complete { self.partial.take().map(|(frame, _)| frame) } else { None })
    }
}

#[cfg(test)]
mod tests;
