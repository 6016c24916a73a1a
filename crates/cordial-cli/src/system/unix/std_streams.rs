//! The standard streams of `cordial`.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::termios::tcgetwinsize;

use crate::system::screen_size::ScreenSize;

/// A file that can be waited for.
pub(crate) trait Descriptor: AsFd {}

impl<T: AsFd> Descriptor for T {}

/// Standard output, without the buffer of the standard library.
pub(crate) struct StandardOutput;

/// Standard error.
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

/// The items of standard input.
pub(crate) type StandardInput = File;

/// Returns standard input, of which only a part is read: what follows is left to the next reader.
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

/// Returns the size of the terminal on which messages are printed, or a usual size if they go elsewhere.
pub(crate) fn screen_size() -> ScreenSize {
    match tcgetwinsize(rustix::stdio::stderr()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => {
            ScreenSize { rows: size.ws_row.into(), columns: size.ws_col.into() }
        }
        _ => ScreenSize::default(),
    }
}

/// Returns whether standard output and standard error are the same terminal or file.
pub(crate) fn are_outputs_the_same() -> bool {
    match (fstat(rustix::stdio::stdout()), fstat(rustix::stdio::stderr())) {
        (Ok(stdout), Ok(stderr)) => (stdout.st_dev, stdout.st_ino) == (stderr.st_dev, stderr.st_ino),
        _ => false,
    }
}

/// Returns whether another program reads standard output.
pub(crate) fn is_stdout_pipe() -> bool {
    fstat(rustix::stdio::stdout())
        .is_ok_and(|status| matches!(FileType::from_raw_mode(status.st_mode), FileType::Fifo | FileType::Socket))
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
