//! Reads one output of a command.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task;

use super::request::OutputTarget;
use crate::item::Item;
use crate::output::{Budget, Capture, LineWriter, StdStream};
use crate::system::{self, PipeEnd};

/// The number of bytes that one read may return.
const BLOCK_BYTES: usize = 16 * 1024;

/// The number of blocks after which the reader yields. The same thread also serves the timeout of this command, and other commands. The
/// budget of tokio alone would let a command that writes fast occupy the thread for many more blocks.
const BLOCKS_PER_POLL: usize = 4;

/// Where the bytes of an output go.
pub(super) enum Sink {
    Capture(Capture),
    Lines(LineWriter),
}

impl Sink {
    pub(super) fn new(stream: StdStream, target: &OutputTarget, item: &Item, budget: &Budget) -> Sink {
        match target {
            OutputTarget::Lines(channel) => Sink::Lines(channel.writer(stream, item)),
            OutputTarget::Capture | OutputTarget::Inherit => Sink::Capture(Capture::new(budget)),
        }
    }

    /// Returns the number of bytes that were written.
    pub(super) fn length(&self) -> u64 {
        match self {
            Sink::Capture(capture) => capture.length(),
            Sink::Lines(lines) => lines.length(),
        }
    }

    /// Begins the output of another run of the command. Whole lines of earlier runs stay printed.
    pub(super) fn restart(&mut self) {
        match self {
            // Nothing to remove: a capture gets only the output of the run that has ended.
            Sink::Capture(_) => {}
            Sink::Lines(lines) => lines.restart(),
        }
    }

    /// Ends an incomplete last line that was sent or held, because the command may run again.
    ///
    /// # Errors
    ///
    /// When the newline has to be held, and cannot be stored.
    pub(super) async fn end_line(&mut self) -> io::Result<()> {
        match self {
            Sink::Lines(lines) => lines.end_line().await,
            Sink::Capture(_) => Ok(()),
        }
    }

    /// Captures bytes, or sends or holds the lines that they finish.
    ///
    /// # Errors
    ///
    /// When the bytes have to be captured or held, and cannot be stored.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Sink::Capture(capture) => capture.append(bytes),
            Sink::Lines(lines) => lines.push(bytes).await,
        }
    }

    /// Sends or holds the rest of an output that is printed line by line.
    ///
    /// # Errors
    ///
    /// When lines have to be held, and cannot be stored.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        match self {
            Sink::Lines(lines) => lines.finish().await,
            Sink::Capture(_) => Ok(()),
        }
    }
}

/// One output of a command, and where its bytes go.
pub(super) struct OutputReader<R> {
    /// `None` after the end of the output, an error, or `drain`, and if the output is inherited.
    reader: Option<R>,
    sink: Sink,
    block: Vec<u8>,
}

impl<R: AsyncRead + PipeEnd + Unpin> OutputReader<R> {
    pub(super) fn new(reader: Option<R>, sink: Sink) -> Self {
        OutputReader { reader, sink, block: Vec::new() }
    }

    pub(super) fn into_sink(self) -> Sink {
        self.sink
    }

    /// Reads to the end of the output.
    ///
    /// # Errors
    ///
    /// When the output cannot be read, or its bytes cannot be stored. It is not read any further then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: another call continues.
    pub(super) async fn read_to_end(&mut self) -> io::Result<()> {
        self.block.resize(BLOCK_BYTES, 0);
        while self.reader.is_some() {
            for _ in 0..BLOCKS_PER_POLL {
                self.read_block().await?;
            }
            task::yield_now().await;
        }
        Ok(())
    }

    async fn read_block(&mut self) -> io::Result<()> {
        let Some(reader) = &mut self.reader else { return Ok(()) };
        let has_more = match reader.read(&mut self.block).await {
            Ok(n) => self.sink.write(&self.block[..n]).await.map(|()| n > 0),
            Err(error) => Err(error),
        };
        if !matches!(has_more, Ok(true)) {
            self.reader = None;
        }
        has_more.map(drop)
    }

    /// Returns whether the output has data, or may still receive data because a process holds its write end.
    pub(super) fn is_open(&self) -> bool {
        self.reader.as_ref().is_some_and(|reader| system::may_have_data(reader, Duration::ZERO))
    }

    /// Reads the data that is available without waiting, and closes the output.
    ///
    /// # Errors
    ///
    /// When the output cannot be read, or its bytes cannot be stored.
    pub(super) async fn drain(&mut self) -> io::Result<()> {
        let Some(reader) = self.reader.take() else { return Ok(()) };
        let mut data = Vec::new();
        system::read_available(&reader, |bytes| {
            data.extend_from_slice(bytes);
            Ok(())
        })?;
        self.sink.write(&data).await
    }

    /// Sends or holds the rest of an output that is printed line by line.
    ///
    /// # Errors
    ///
    /// When lines have to be held, and cannot be stored.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        self.sink.finish().await
    }
}
