//! The standard streams of `cordial`.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::termios::tcgetwinsize;

use crate::system::screen_size::ScreenSize;
use crate::system::stop_signal::StopSignal;

/// A file for which a thread can wait until it is readable or writable.
pub(crate) trait Descriptor: AsFd {}

impl<T: AsFd> Descriptor for T {}

/// Standard output, without the buffer of the standard library.
pub(crate) struct StandardOutput;

/// Standard error, which has no buffer.
pub(crate) struct StandardError;

impl AsFd for StandardOutput {
    fn as_fd(&self) -> BorrowedFd<'_> {
        rustix::stdio::stdout()
    }
}

impl AsFd for StandardError {
    fn as_fd(&self) -> BorrowedFd<'_> {
        rustix::stdio::stderr()
    }
}

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(self, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(self, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A duplicate of standard input, from which items are read.
pub(crate) type StandardInput = File;

/// Returns a duplicate of standard input. The original stays open: the caller reads a part, and the next reader of standard input
/// gets the rest.
pub(crate) fn share_stdin() -> io::Result<StandardInput> {
    Ok(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?.into())
}

/// Moves standard input to a new descriptor, and opens `/dev/null` in its place.
///
/// Commands then inherit `/dev/null`, which is cheaper than opening it for each command.
pub(crate) fn take_stdin() -> io::Result<StandardInput> {
    let input = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(input.into())
}

/// Returns the size of the terminal on which messages are printed, or a default size if they go elsewhere.
pub(crate) fn screen_size() -> ScreenSize {
    match tcgetwinsize(rustix::stdio::stderr()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => {
            ScreenSize { rows: size.ws_row.into(), columns: size.ws_col.into() }
        }
        _ => ScreenSize::default(),
    }
}

/// Returns whether standard output and standard error are the same terminal, file or pipe.
pub(crate) fn are_outputs_the_same() -> bool {
    match (fstat(rustix::stdio::stdout()), fstat(rustix::stdio::stderr())) {
        (Ok(stdout), Ok(stderr)) => (stdout.st_dev, stdout.st_ino) == (stderr.st_dev, stderr.st_ino),
        _ => false,
    }
}

/// Returns whether standard output is a pipe or a socket, whose other end another program usually reads.
pub(crate) fn is_stdout_pipe() -> bool {
    fstat(rustix::stdio::stdout())
        .is_ok_and(|status| matches!(FileType::from_raw_mode(status.st_mode), FileType::Fifo | FileType::Socket))
}

/// Waits until a key of the terminal of standard input can be read, for at most `timeout`. Returns how long the caller still has
/// to wait: always zero on Unix.
///
/// # Errors
///
/// [`StopSignal::Hangup`] if the terminal is gone. The system sends no SIGHUP to a program in the background.
pub(crate) fn wait_for_key(timeout: Duration) -> Result<Duration, StopSignal> {
    let mut polled = [PollFd::from_borrowed_fd(rustix::stdio::stdin(), PollFlags::IN)];
    // An error, such as an interruption by a signal, is the end of this wait.
    let _ = poll(&mut polled, Timespec::try_from(timeout).ok().as_ref());
    let is_gone = polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR);
    if is_gone { Err(StopSignal::Hangup) } else { Ok(Duration::ZERO) }
}

/// Waits until a nonblocking file can be read. The wait has no bound, like a blocking read.
///
/// # Errors
///
/// When the system cannot wait for the file.
pub(crate) fn wait_until_readable(file: &impl Descriptor) -> io::Result<()> {
    wait_for(file, PollFlags::IN)
}

/// Waits until a nonblocking file can be written. The wait has no bound, like a blocking write.
///
/// # Errors
///
/// When the system cannot wait for the file.
pub(crate) fn wait_until_writable(file: &impl Descriptor) -> io::Result<()> {
    wait_for(file, PollFlags::OUT)
}

fn wait_for(file: &impl Descriptor, events: PollFlags) -> io::Result<()> {
    loop {
        match poll(&mut [PollFd::new(file, events)], None) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
