//! The stream of a connection, which notices that the client does not accept data.

use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

use super::client_limits::ClientLimits;

/// A vectored write of at most this many bytes is copied into one buffer: the system call that takes several buffers costs
/// more than the copy.
const SMALL_WRITE: usize = 1024;

/// A write of at most this many bytes may consist of the frames with which an idle HTTP/2 connection answers pings and
/// settings.
const CONTROL_FRAMES: usize = 64;

/// The stream of a connection. It holds the permit of the connection, also after an upgrade.
#[derive(Debug)]
pub(super) struct ClientIo<I> {
    stream: I,
    limits: Arc<ClientLimits>,
    is_blocked: bool,
    _permit: OwnedSemaphorePermit,
}

impl<I> ClientIo<I> {
    pub(super) fn new(stream: I, limits: Arc<ClientLimits>, permit: OwnedSemaphorePermit) -> ClientIo<I> {
        ClientIo { stream, limits, is_blocked: false, _permit: permit }
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

impl<I: AsyncWrite + Unpin> AsyncWrite for ClientIo<I> {
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

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = self.stream().poll_shutdown(cx);
        self.note(result)
    }
}
