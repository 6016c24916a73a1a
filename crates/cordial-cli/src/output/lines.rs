//! Output that is printed while its command runs (`--line-buffer`), in whole lines.

use std::mem;

use tokio::sync::mpsc;

use crate::item::Item;

/// The number of batches that may wait to be printed. While the channel is full, commands wait as well.
const CHANNEL_CAPACITY: usize = 16;

/// The number of bytes after which an unfinished line is printed in parts.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// One of the two outputs of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StdStream {
    Stdout,
    Stderr,
}

/// Lines that one command wrote to one of its outputs.
#[derive(Debug)]
pub(crate) struct LineBatch {
    pub(crate) stream: StdStream,
    pub(crate) bytes: Vec<u8>,
}

/// The channel from the commands to the printer.
pub(crate) struct LineChannel {
    sender: mpsc::Sender<LineBatch>,
    is_tagged: bool,
}

impl LineChannel {
    pub(crate) fn new(is_tagged: bool) -> (LineChannel, mpsc::Receiver<LineBatch>) {
        let (sender, receiver) = mpsc::channel(CHANNEL_CAPACITY);
        (LineChannel { sender, is_tagged }, receiver)
    }

    /// Returns a sender of messages to the printer.
    pub(crate) fn messages(&self) -> mpsc::Sender<LineBatch> {
        self.sender.clone()
    }

    /// Returns a writer for one output of the command of an item.
    pub(crate) fn writer(&self, stream: StdStream, item: &Item) -> LineWriter {
        let tag = if self.is_tagged { item.tag() } else { Vec::new() };
        LineWriter { stream, sender: self.sender.clone(), tag, unfinished: Vec::new(), unsent: Vec::new() }
    }
}

/// Cuts the output of a command into lines and sends them to the printer.
pub(crate) struct LineWriter {
    stream: StdStream,
    sender: mpsc::Sender<LineBatch>,
    tag: Vec<u8>,
    /// The last line, which the command has not ended with a newline yet.
    unfinished: Vec<u8>,
    /// Finished lines that wait for space in the channel. They are kept here because the future that sends them may be
    /// dropped.
    unsent: Vec<u8>,
}

impl LineWriter {
    /// Sends the lines that these bytes finish.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: unsent lines are sent by the next call of `push` or `finish`.
    pub(crate) async fn push(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.unfinished.is_empty() {
                self.unfinished.extend_from_slice(&self.tag);
            }
            self.unfinished.extend_from_slice(part);
            if part.ends_with(b"\n") || self.unfinished.len() > MAX_LINE_BYTES {
                self.unsent.append(&mut self.unfinished);
            }
        }
        self.send().await;
    }

    /// Sends everything that was not sent, including a last line without a newline.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn finish(&mut self) {
        self.unsent.append(&mut self.unfinished);
        self.send().await;
    }

    async fn send(&mut self) {
        if self.unsent.is_empty() {
            return;
        }
        match self.sender.reserve().await {
            Ok(permit) => permit.send(LineBatch { stream: self.stream, bytes: mem::take(&mut self.unsent) }),
            // The printer is gone: the run is over.
            Err(_) => self.unsent.clear(),
        }
    }
}
