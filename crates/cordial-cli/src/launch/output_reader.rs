//! One output of a command, and where what it writes goes.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task;

use super::launcher::Outputs;
use crate::output::capture::{Capture, Room};
use crate::item::Item;
use crate::output::{LiveLines, Which};
use crate::system::{self, PipeEnd};

const BLOCK: usize = 16 * 1024;

/// How many blocks are read in one go. A command that writes faster than we read never makes us wait, and while we do not wait nothing
/// else is done: neither for its limit nor for the other commands.
const IN_ONE_GO: usize = 4;

/// Where bytes go.
pub(super) enum Sink {
    Capture(Capture),
    Live(LiveLines),
}

impl Sink {
    pub(super) fn of(which: Which, outputs: &Outputs, item: &Item, room: &Room) -> Sink {
        match outputs {
            Outputs::Live(lines) => Sink::Live(lines.of(which, item)),
            Outputs::Captured | Outputs::Inherited => Sink::Capture(Capture::new(room)),
        }
    }

    /// # Errors
    ///
    /// When a capture cannot be kept.
    async fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Sink::Capture(capture) => capture.append(bytes),
            Sink::Live(lines) => {
                lines.push(bytes).await;
                Ok(())
            }
        }
    }
}

/// An output that is read.
pub(super) struct Pipe<R> {
    /// `None` from the end of the output, or from an error on.
    reader: Option<R>,
    sink: Sink,
    block: Vec<u8>,
}

impl<R: AsyncRead + PipeEnd + Unpin> Pipe<R> {
    pub(super) fn new(reader: Option<R>, sink: Sink) -> Self {
        Pipe { reader, sink, block: Vec::new() }
    }

    pub(super) fn into_sink(self) -> Sink {
        self.sink
    }

    /// Reads to the end of the output.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing; another call goes on where it was.
    pub(super) async fn fill(&mut self) -> io::Result<()> {
        self.block.resize(BLOCK, 0);
        while self.reader.is_some() {
            for _ in 0..IN_ONE_GO {
                self.read().await?;
            }
            task::yield_now().await;
        }
        Ok(())
    }

    async fn read(&mut self) -> io::Result<()> {
        let Some(reader) = &mut self.reader else { return Ok(()) };
        let kept = match reader.read(&mut self.block).await {
            Ok(n) => self.sink.take(&self.block[..n]).await.map(|()| n > 0),
            Err(error) => Err(error),
        };
        if !matches!(kept, Ok(true)) {
            self.reader = None;
        }
        kept.map(drop)
    }

    /// Whether the output may still hold something, or somebody may still write to it.
    pub(super) fn is_open(&self) -> bool {
        self.reader.as_ref().is_some_and(|reader| system::may_hold(reader, Duration::ZERO))
    }

    /// Reads what is there, without waiting for more, and is done with the output.
    pub(super) async fn drain(&mut self) -> io::Result<()> {
        let Some(reader) = self.reader.take() else { return Ok(()) };
        let mut held = Vec::new();
        system::read_available(&reader, |bytes| {
            held.extend_from_slice(bytes);
            Ok(())
        })?;
        self.sink.take(&held).await
    }

    /// Ends the last line of a live output.
    pub(super) async fn finish(&mut self) {
        if let Sink::Live(lines) = &mut self.sink {
            lines.finish().await;
        }
    }
}
