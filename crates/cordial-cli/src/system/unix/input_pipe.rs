//! Pipes for input: the one from which a command reads, and the one from which `cordial` reads.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::{Errno, retry_on_intr};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::spliced_file::SplicedFile;
use super::std_streams::Descriptor;

/// The number of bytes that an enlarged pipe should hold. Without another setting of the system, Linux allows this size, and no larger
/// one, to every user. The writer can be this many bytes ahead of the reader.
#[cfg(target_os = "linux")]
const PIPE_BYTES: usize = 1024 * 1024;

/// The size of a page on most machines. The room of a pipe is counted in pages, and a page that is partly filled counts as a full one.
#[cfg(target_os = "linux")]
const PAGE_BYTES: usize = 4096;

/// The number of bytes that a pipe most often holds, unless it is enlarged.
const DEFAULT_BYTES: usize = 64 * 1024;

/// The most bytes that one call writes. Between two calls, the thread can serve other commands.
const MAX_WRITE_BYTES: usize = 1024 * 1024;

/// The write end of the pipe from which a command reads. Dropping it ends the input of the command.
#[derive(Debug)]
pub(crate) struct InputPipe {
    pipe: Arc<OwnedFd>,
    /// The size of the largest block for which the pipe was enlarged. The default size until then, and on systems other than Linux.
    capacity: usize,
    /// Registered with tokio when the pipe is full for the first time.
    registered: Option<AsyncFd<Arc<OwnedFd>>>,
}

impl InputPipe {
    /// Makes the pipe nonblocking.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub(super) fn new(pipe: OwnedFd) -> io::Result<InputPipe> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        Ok(InputPipe { pipe: Arc::new(pipe), capacity: DEFAULT_BYTES, registered: None })
    }

    /// Writes an empty line to a pipe that was not written to before.
    pub(super) fn write_line(&self) {
        // The pipe has room, so this fails only if the command has closed its input.
        let _ = retry_on_intr(|| rustix::io::write(&self.pipe, b"\n"));
    }

    /// Makes the pipe hold a block of this many bytes, up to a limit. A block that fits is written without a switch to the
    /// reader. `is_spliced` says whether the block is spliced from a file. Such a block may begin in the middle of a page, and then
    /// takes one page more.
    pub(crate) fn enlarge(&mut self, bytes: usize, is_spliced: bool) {
        #[cfg(target_os = "linux")]
        {
            let bytes = if is_spliced { bytes.saturating_add(PAGE_BYTES) } else { bytes };
            if bytes > self.capacity {
                let limit = if bytes <= PIPE_BYTES + PAGE_BYTES { bytes } else { PIPE_BYTES };
                // The system refuses a size above its limit. It refuses to enlarge a pipe at all if the user has used up the memory for
                // pipes. The block is then written in parts.
                let set = |size| rustix::pipe::fcntl_setpipe_size(&self.pipe, size);
                let _ = set(limit).or_else(|_| set(limit.min(PIPE_BYTES)));
                self.capacity = bytes;
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (bytes, is_spliced);
    }

    /// Writes some of the bytes, and returns how many.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` when the command has closed its input; another error when the system cannot write to the pipe or register it.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing was written.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(MAX_WRITE_BYTES)];
        self.when_writable(|pipe| rustix::io::write(pipe, bytes)).await
    }

    /// Moves some of the bytes at a position of a file into the pipe, and returns how many: 0 if the file ends there.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` when the command has closed its input; another error when the system cannot read the file, write to the pipe or
    /// register it.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing was moved.
    pub(crate) async fn splice(&mut self, file: &SplicedFile, at: u64, length: usize) -> io::Result<usize> {
        let length = length.min(MAX_WRITE_BYTES);
        self.when_writable(|pipe| file.splice(pipe, at, length)).await
    }

    /// Calls `attempt` again each time that the pipe gets room, until `attempt` no longer fails because the pipe is full.
    async fn when_writable(
        &mut self,
        mut attempt: impl FnMut(&OwnedFd) -> rustix::io::Result<usize>,
    ) -> io::Result<usize> {
        let mut attempt = |pipe: &OwnedFd| retry_on_intr(|| attempt(pipe));
        loop {
            match attempt(&self.pipe) {
                Err(Errno::AGAIN) => {
                    let registered = match &self.registered {
                        Some(registered) => registered,
                        #[expect(
                            deprecated,
                            reason = "its replacement is an `unsafe fn`, because other code might close the file; this file is owned"
                        )]
                        None => {
                            self.registered.insert(AsyncFd::with_interest(Arc::clone(&self.pipe), Interest::WRITABLE)?)
                        }
                    };
                    let mut ready = registered.writable().await?;
                    match ready.try_io(|pipe| Ok(attempt(pipe.get_ref())?)) {
                        Ok(result) => return result,
                        Err(_would_block) => {}
                    }
                }
                result => return Ok(result?),
            }
        }
    }
}

/// Makes a pipe hold more bytes, which saves switches between its reader and its writer. Does nothing if the file is not a
/// pipe, if the system refuses the size, and on systems other than Linux.
pub(crate) fn enlarge_pipe(pipe: &impl Descriptor) {
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE_BYTES);
    #[cfg(not(target_os = "linux"))]
    let _ = pipe;
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::{Errno, InputPipe};

    #[test]
    fn a_pipe_that_was_enlarged_is_enlarged_again_for_a_larger_block() {
        let (_reader, writer) = rustix::pipe::pipe().unwrap();
        let mut pipe = InputPipe::new(writer).unwrap();
        let mut size_for = |bytes| {
            pipe.enlarge(bytes, false);
            rustix::pipe::fcntl_getpipe_size(&pipe.pipe).unwrap()
        };
        // The system refuses to enlarge a pipe of a user who has used up the memory for pipes.
        if size_for(100 * 1024) >= 100 * 1024 {
            assert!(size_for(500 * 1024) >= 500 * 1024);
        }
    }

    #[tokio::test]
    async fn a_write_that_is_interrupted_after_a_wait_is_repeated() {
        let (_reader, writer) = rustix::pipe::pipe().unwrap();
        let mut pipe = InputPipe::new(writer).unwrap();
        let mut answers = [Err(Errno::AGAIN), Err(Errno::INTR), Ok(1)].into_iter();
        assert_eq!(pipe.when_writable(|_| answers.next().unwrap()).await.unwrap(), 1);
    }
}
