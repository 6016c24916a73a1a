//! The pipes to which commands write.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

/// The read end of a pipe from a command.
pub(crate) trait PipeEnd: AsFd {}

impl<T: AsFd> PipeEnd for T {}

/// Returns whether a pipe has data, or may still receive data because a process holds its write end.
///
/// Waits up to `timeout` for data or for the last write end to close.
pub(crate) fn may_have_data(pipe: &impl PipeEnd, timeout: Duration) -> bool {
    let mut polled = [PollFd::new(pipe, PollFlags::IN)];
    let _ = rustix::event::poll(&mut polled, Timespec::try_from(timeout).ok().as_ref());
    // `HUP` without `IN`: no write end is open, and the pipe is empty.
    polled[0].revents() != PollFlags::HUP
}

/// Passes the data that a pipe holds at this moment to `take`, without waiting for more.
///
/// The amount is determined first, because a process that keeps writing must not keep this function
/// reading. The system is asked rather than tokio, because tokio's driver may not have seen the
/// latest data yet.
pub(crate) fn read_available(pipe: &impl PipeEnd, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut left = usize::try_from(rustix::io::ioctl_fionread(pipe)?).unwrap_or(usize::MAX);
    let mut block = vec![0; left.min(64 * 1024)];
    while left > 0 {
        let size = left.min(block.len());
        match rustix::io::read(pipe, &mut block[..size]) {
            Ok(0) | Err(Errno::AGAIN) => break,
            Ok(n) => {
                take(&block[..n])?;
                left -= n;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
