//! The stream of a connection, which notices that the client does not accept data.

use std::io;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};

use super::client_limits::ClientLimits;

/// A vectored write of at most this many bytes is copied into one buffer: the system call that takes several buffers costs
/// more than the copy.
const SMALL_WRITE: usize = 1024;

/// A write of at most this many bytes may consist of the frames with which an idle HTTP/2 connection answers pings and
/// settings.
const CONTROL_FRAMES: usize = 64;

/// How long the server reads on before it closes a connection whose client may still be sending. If data arrive at a closed
/// connection, the system resets it, and the client may lose the response that it has not read yet.
const LINGER: Duration = Duration::from_millis(500);

/// How many pieces of what a client still sends are discarded in one poll.
const READS_AT_ONCE: usize = 32;

/// The stream of a connection. It holds the permit of the connection, even after an upgrade.
#[derive(Debug)]
pub(super) struct ClientIo<I> {
    stream: I,
    limits: Arc<ClientLimits>,
    is_blocked: bool,
    /// Set once the sending side is closed, while the client may still be sending.
    lingers: Option<Pin<Box<Sleep>>>,
    _permit: OwnedSemaphorePermit,
}

impl<I> ClientIo<I> {
    pub(super) fn new(stream: I, limits: Arc<ClientLimits>, permit: OwnedSemaphorePermit) -> ClientIo<I> {
        ClientIo { stream, limits, is_blocked: false, lingers: None, _permit: permit }
    }
}

impl<I: Unpin> ClientIo<I> {
    fn stream(&mut self) -> Pin<&mut I> {
        Pin::new(&mut self.stream)
    }

    /// Notes whether a write, a flush or a shutdown was possible.
    fn note<T>(&mut self, result: Poll<T>) -> Poll<T> {
        if result.is_pending() {
            self.is_blocked = true;
            self.limits.write_is_blocked();
        } else if self.is_blocked {
            self.is_blocked = false;
            self.limits.write_succeeded();
        }
        result
    }

    /// Notes whether a write was possible, and how much the client has accepted.
    fn note_write(&mut self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(n)) = result
            && n > CONTROL_FRAMES
        {
            self.limits.data_accepted();
        }
        self.note(result)
    }
}

impl<I: AsyncRead + Unpin> ClientIo<I> {
    /// Discards what the client sends until it closes the connection, or [`LINGER`] has passed.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut discarded = [MaybeUninit::uninit(); 8192];
        for _ in 0..READS_AT_ONCE {
            if self.lingers.as_mut().is_none_or(|lingers| lingers.as_mut().poll(cx).is_ready()) {
                return Poll::Ready(());
            }
            let mut buffer = ReadBuf::uninit(&mut discarded);
            match ready!(self.stream().poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for ClientIo<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let n_before = buffer.filled().len();
        let result = self.stream().poll_read(cx, buffer);
        if buffer.filled().len() > n_before {
            self.limits.data_received();
        }
        result
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientIo<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let result = self.stream().poll_write(cx, buffer);
        self.note_write(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let n_bytes: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        if n_bytes > SMALL_WRITE {
            let result = self.stream().poll_write_vectored(cx, buffers);
            return self.note_write(result);
        }
        let (mut copy, mut end) = ([0; SMALL_WRITE], 0);
        for buffer in buffers {
            copy[end..end + buffer.len()].copy_from_slice(buffer);
            end += buffer.len();
        }
        self.poll_write(cx, &copy[..end])
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = self.stream().poll_flush(cx);
        self.note(result)
    }

    /// Closes the sending side. If the client may still be sending, waits for its end of the connection before this one is closed.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingers.is_none() {
            let result = self.stream().poll_shutdown(cx);
            ready!(self.note(result))?;
            if !self.limits.may_be_sending() {
                return Poll::Ready(Ok(()));
            }
            self.lingers = Some(Box::pin(sleep(LINGER)));
        }
        self.poll_linger(cx).map(Ok)
    }
}
