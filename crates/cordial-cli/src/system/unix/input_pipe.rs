//! Pipes for input: the one from which a command reads, and that from which we read.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::std_streams::Descriptor;

/// The number of bytes that the pipe of our own input should hold: so much can be written ahead of our reads.
#[cfg(target_os = "linux")]
const PIPE_BYTES: usize = 1024 * 1024;

/// The most bytes of one write, after which the thread attends to its other commands.
const MAX_WRITE_BYTES: usize = 1024 * 1024;

/// The write end of the pipe. Dropping it ends the input of the command.
#[derive(Debug)]
pub(crate) struct InputPipe {
    pipe: Arc<OwnedFd>,
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
        Ok(InputPipe { pipe: Arc::new(pipe), registered: None })
    }

    /// Writes some of the bytes, and returns how many.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` when the command has closed its input.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing was written.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(MAX_WRITE_BYTES)];
        loop {
            match rustix::io::write(&self.pipe, bytes) {
                Err(Errno::INTR) => {}
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
                    match ready.try_io(|pipe| Ok(rustix::io::write(pipe.get_ref(), bytes)?)) {
                        Ok(result) => return result,
                        Err(_would_block) => {}
                    }
                }
                result => return Ok(result?),
            }
        }
    }
}

/// Makes a pipe hold more bytes, which saves switches between its reader and its writer. Does nothing if the file is no
/// pipe, if the user has used up the memory for pipes, and on other systems than Linux.
pub(crate) fn enlarge_pipe(pipe: &impl Descriptor) {
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE_BYTES);
    #[cfg(not(target_os = "linux"))]
    let _ = pipe;
}
