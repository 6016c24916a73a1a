//! What a command wrote to one of its outputs: in memory while it is small, beyond that in a temporary file without a name.
//!
//! Results may wait long for an older one. What all of them hold in memory, and how many files they have open, is counted in one place.

use std::env;
use std::io::{self, Read, Seek, Take, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use tempfile::SpooledTempFile;

/// Beyond this many bytes a capture moves to a file.
const IN_MEMORY: usize = 64 * 1024;

/// Beyond this many bytes in all captures together, each moves to a file.
const ALL_IN_MEMORY: usize = 16 * 1024 * 1024;

/// Beyond this many files no new item is begun until some of them are printed. Those that run may need more.
const FILES: usize = 128;

/// What is held by all that is not printed yet. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room(Arc<Held>);

#[derive(Debug, Default)]
struct Held {
    bytes: AtomicUsize,
    files: AtomicUsize,
    /// The one who waits to begin a new item.
    waiting: AtomicWaker,
}

impl Room {
    /// Whether there is room for another item.
    pub(crate) fn poll_has_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let has_room =
            || self.0.files.load(Ordering::SeqCst) < FILES && self.0.bytes.load(Ordering::SeqCst) < 2 * ALL_IN_MEMORY;
        if has_room() {
            return Poll::Ready(());
        }
        self.0.waiting.register(cx.waker());
        // Between the look and the registration it may have become so.
        if has_room() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Counts bytes as long as the value lives.
    pub(crate) fn hold(&self, bytes: usize) -> Holding {
        self.0.bytes.fetch_add(bytes, Ordering::SeqCst);
        Holding { room: self.clone(), bytes, files: 0 }
    }
}

/// What one holds.
#[derive(Debug)]
pub(crate) struct Holding {
    room: Room,
    bytes: usize,
    files: usize,
}

impl Holding {
    fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.room.0.bytes.fetch_add(bytes, Ordering::SeqCst);
    }

    fn become_file(&mut self) {
        self.room.0.files.fetch_add(1, Ordering::SeqCst);
        self.room.0.bytes.fetch_sub(self.bytes, Ordering::SeqCst);
        (self.bytes, self.files) = (0, 1);
    }

    fn all_in_memory(&self) -> usize {
        self.room.0.bytes.load(Ordering::SeqCst)
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.room.0.bytes.fetch_sub(self.bytes, Ordering::SeqCst);
        self.room.0.files.fetch_sub(self.files, Ordering::SeqCst);
        self.room.0.waiting.wake();
    }
}

/// Bytes written by a command.
#[derive(Debug)]
pub(crate) struct Capture {
    file: SpooledTempFile,
    length: u64,
    holding: Holding,
}

impl Capture {
    pub(crate) fn new(room: &Room) -> Self {
        Capture { file: SpooledTempFile::new_in(IN_MEMORY, env::temp_dir()), length: 0, holding: room.hold(0) }
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// # Errors
    ///
    /// When the temporary file cannot be created or the disk is full. What was appended before is still there.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.file.is_rolled() {
            if self.holding.all_in_memory() + bytes.len() > ALL_IN_MEMORY {
                self.file.roll()?;
            }
            self.file.write_all(bytes)?;
            if self.file.is_rolled() {
                self.holding.become_file();
            } else {
                self.holding.add(bytes.len());
            }
        } else {
            self.file.write_all(bytes)?;
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// What was captured, from its start.
    ///
    /// # Errors
    ///
    /// When the temporary file cannot be read back.
    pub(crate) fn read(&mut self) -> io::Result<Take<&mut SpooledTempFile>> {
        self.file.rewind()?;
        // A failed append may have left a part behind that does not count.
        Ok((&mut self.file).take(self.length))
    }
}

#[cfg(test)]
mod tests;
