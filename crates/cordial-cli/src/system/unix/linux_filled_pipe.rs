//! A pipe that is filled before its command is started. The system moves the bytes of another pipe into it, without a copy in
//! this program.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{FileType, fstat};
use rustix::io::{Errno, ioctl_fionbio, retry_on_intr};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

use super::std_streams::{Descriptor, wait_until_readable};

/// How much more than a block the pipe should hold. The bytes of a block come from several sources, each of which may leave
/// parts of pages unused.
const SPARE_BYTES: usize = 16 * 1024;

/// What happened to the bytes of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    Some,
    /// The input has ended.
    End,
    /// The pipe has no place for more, although it holds less than its size: bytes that were written a few at a time take a
    /// page for each write.
    Full,
}

/// The input of a command that is not started yet.
#[derive(Debug)]
pub(crate) struct FilledPipe {
    reader: OwnedFd,
    /// Nonblocking.
    writer: OwnedFd,
    length: usize,
}

impl FilledPipe {
    /// Returns whether the bytes of an input can be moved into a pipe: whether it is a pipe itself.
    pub(crate) fn accepts(input: &impl Descriptor) -> bool {
        fstat(input).is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::Fifo)
    }

    /// Creates an empty pipe for this many bytes. `None` if the system refuses one that large.
    pub(crate) fn new(size: usize) -> Option<FilledPipe> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).ok()?;
        // Only root may have a pipe of more than 1 MiB.
        fcntl_setpipe_size(&writer, size + SPARE_BYTES).or_else(|_| fcntl_setpipe_size(&writer, size)).ok()?;
        ioctl_fionbio(&writer, true).ok()?;
        Some(FilledPipe { reader, writer, length: 0 })
    }

    /// Returns the number of bytes that the pipe holds.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Writes as many of the bytes as there is place for, and returns how many.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while written < bytes.len()
            && let Ok(n) = retry_on_intr(|| rustix::io::write(&self.writer, &bytes[written..]))
        {
            written += n;
        }
        self.length += written;
        written
    }

    /// Moves at most `n` bytes of the input into the pipe. Waits until the input has some, without a bound.
    ///
    /// # Errors
    ///
    /// When the input cannot be read.
    pub(crate) fn move_from(&mut self, input: &impl Descriptor, n: usize) -> io::Result<Moved> {
        let mut has_waited = false;
        loop {
            match retry_on_intr(|| splice(input, None, &self.writer, None, n, SpliceFlags::NONBLOCK)) {
                Ok(0) => return Ok(Moved::End),
                Ok(moved) => {
                    self.length += moved;
                    return Ok(Moved::Some);
                }
                // The same error for both: the input is empty, or the pipe is full.
                Err(Errno::AGAIN) if has_waited => return Ok(Moved::Full),
                Err(Errno::AGAIN) => wait_until_readable(input)?,
                Err(error) => return Err(error.into()),
            }
            has_waited = true;
        }
    }

    /// Takes all bytes out of the pipe, and writes them to the start of a buffer, which has to be large enough.
    ///
    /// # Errors
    ///
    /// When the system refuses to read the pipe.
    pub(crate) fn read_back(self, buffer: &mut [u8]) -> io::Result<()> {
        let mut at = 0;
        while at < self.length {
            // Never 0: the write end is open, and the pipe has bytes left.
            at += retry_on_intr(|| rustix::io::read(&self.reader, &mut buffer[at..self.length]))?;
        }
        Ok(())
    }

    /// Returns the read end.
    pub(super) fn reader(&self) -> &OwnedFd {
        &self.reader
    }

    /// Closes the read end, and returns the write end.
    pub(super) fn into_writer(self) -> OwnedFd {
        self.writer
    }
}

#[cfg(test)]
mod tests {
    use super::{FilledPipe, Moved};

    #[test]
    fn a_pipe_of_small_parts_is_full_early_and_is_read_back_whole() {
        const SIZE: usize = 64 * 1024;
        // The system refuses it to a user who has used up the memory for pipes.
        let Some(mut pipe) = FilledPipe::new(SIZE) else { return };
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let mut written = Vec::new();
        loop {
            let byte = [written.len() as u8];
            rustix::io::write(&writer, &byte).unwrap();
            match pipe.move_from(&reader, SIZE).unwrap() {
                Moved::Some => written.extend(byte),
                Moved::Full => break,
                Moved::End => panic!("the writer is open"),
            }
        }
        assert_eq!(pipe.length(), written.len());
        assert!(written.len() < SIZE);
        let mut buffer = vec![0; written.len()];
        pipe.read_back(&mut buffer).unwrap();
        assert_eq!(buffer, written);
    }
}
