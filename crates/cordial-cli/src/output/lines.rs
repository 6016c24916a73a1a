//! Output that is printed in whole lines while commands run (`--line-buffer`): when a command has written a line, or with
//! `--keep-order` when the outputs of all earlier items are printed.

use std::io;
use std::mem;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::print_queue::{PrintQueue, Turn};
use super::std_stream::StdStream;
use crate::item::Item;

/// The number of batches that may wait to be printed. While the channel is full, outputs are not read, so a command that writes
/// waits as well.
const CHANNEL_CAPACITY: usize = 16;

/// A line is printed in parts if more than this many bytes of it arrive before its end. Only the first part has the tag, and parts of other lines may come between.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// Lines that one command wrote to one of its outputs, or a message.
#[derive(Debug)]
pub(crate) struct LineBatch {
    pub(crate) stream: StdStream,
    pub(crate) bytes: Vec<u8>,
}

/// The channel from the commands to the printer.
pub(crate) struct LineChannel {
    sender: mpsc::Sender<LineBatch>,
    is_tagged: bool,
    /// With `--keep-order`: the items that are not yet fully printed.
    queue: Option<Arc<PrintQueue>>,
}

impl LineChannel {
    pub(crate) fn new(is_tagged: bool, queue: Option<Arc<PrintQueue>>) -> (LineChannel, mpsc::Receiver<LineBatch>) {
        let (sender, receiver) = mpsc::channel(CHANNEL_CAPACITY);
        (LineChannel { sender, is_tagged, queue }, receiver)
    }

    /// Returns a sender for messages to the printer.
    pub(crate) fn messages(&self) -> mpsc::Sender<LineBatch> {
        self.sender.clone()
    }

    /// Returns a writer for one output of the command of an item.
    pub(crate) fn writer(&self, stream: StdStream, item: &Item) -> LineWriter {
        let tag = if self.is_tagged { item.tag() } else { Vec::new() };
        let queue = self.queue.as_ref().map(|queue| (Arc::clone(queue), item.index));
        LineWriter {
            stream,
            sender: self.sender.clone(),
            queue,
            tag,
            is_line_start: true,
            is_part_sent: false,
            length: 0,
            unfinished: Vec::new(),
            unsent: Vec::new(),
        }
    }
}

/// Cuts one output of a command into lines, and sends them to the printer or holds them.
pub(crate) struct LineWriter {
    stream: StdStream,
    sender: mpsc::Sender<LineBatch>,
    /// With `--keep-order`: the items that are not yet fully printed, and the number of this item.
    queue: Option<(Arc<PrintQueue>, u64)>,
    tag: Vec<u8>,
    /// Whether the next byte begins a line.
    is_line_start: bool,
    /// Whether a part of the unfinished line was sent or held, or waits in `unsent`.
    is_part_sent: bool,
    /// The number of bytes that the command has written.
    length: u64,
    /// The last line, or the last part of it, which the command has not ended with a newline yet.
    unfinished: Vec<u8>,
    /// Finished lines that wait for room in the channel. They are kept here because the future that sends them may be dropped.
    unsent: Vec<u8>,
}

impl LineWriter {
    /// Returns the number of bytes that the command has written since it was started last, without tags.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Sends or holds the lines that these bytes finish.
    ///
    /// # Errors
    ///
    /// When lines have to be held, and cannot be stored.
    ///
    /// # Cancel safety
    ///
    /// The first poll takes the bytes. If the future is dropped later, the next call of `push` or `finish` sends the lines that
    /// were not sent.
    pub(crate) async fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.length += bytes.len() as u64;
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.is_line_start {
                self.unfinished.extend_from_slice(&self.tag);
            }
            self.unfinished.extend_from_slice(part);
            self.is_line_start = part.ends_with(b"\n");
            if self.is_line_start || self.unfinished.len() > MAX_LINE_BYTES {
                self.unsent.append(&mut self.unfinished);
                self.is_part_sent = !self.is_line_start;
            }
        }
        self.send().await
    }

    /// Drops the unfinished line: the command runs again, and writes all of its lines again. If a part of the unfinished line was sent, a
    /// newline follows that part.
    pub(crate) fn restart(&mut self) {
        self.unfinished.clear();
        if self.is_part_sent {
            self.unsent.push(b'\n');
        }
        (self.is_line_start, self.is_part_sent) = (true, false);
        self.length = 0;
    }

    /// Sends or holds everything that was not sent, including a last line without a newline.
    ///
    /// # Errors
    ///
    /// When lines have to be held, and cannot be stored.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: another call continues.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        self.unsent.append(&mut self.unfinished);
        self.send().await
    }

    /// Sends or holds a newline if the last line lacks it. Called after `finish`, if the command may run again with another writer: the
    /// output of the next run then begins a line.
    ///
    /// # Errors
    ///
    /// When the newline has to be held, and cannot be stored.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may lose the newline.
    pub(crate) async fn end_line(&mut self) -> io::Result<()> {
        if !self.is_line_start {
            self.unsent.push(b'\n');
            (self.is_line_start, self.is_part_sent) = (true, false);
        }
        self.send().await
    }

    async fn send(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        if let Some((queue, index)) = &self.queue
            && queue.hold(*index, self.stream, &self.unsent)? == Turn::Later
        {
            self.unsent.clear();
            return Ok(());
        }
        match self.sender.reserve().await {
            Ok(permit) => permit.send(LineBatch { stream: self.stream, bytes: mem::take(&mut self.unsent) }),
            // The printer is gone: the run is over.
            Err(_) => self.unsent.clear(),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
