//! The stream of a connection, which fails if the client does not read.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::socket::{EndedWhenDropped, Socket};

/// How long a client may accept nothing while a write waits.
const STALL_LIMIT: Duration = Duration::from_secs(20);

/// The client has accepted nothing for too long.
#[derive(Debug)]
struct Stalled;

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the client has read nothing for {} s", STALL_LIMIT.as_secs())
    }
}

impl Error for Stalled {}

/// Returns whether a client that does not read has caused the error.
pub(super) fn is_stalled(error: &(dyn Error + 'static)) -> bool {
    let is = |error: &(dyn Error + 'static)| match error.downcast_ref::<io::Error>() {
        Some(error) => error.get_ref().is_some_and(|inner| inner.is::<Stalled>()),
        None => error.is::<Stalled>(),
    };
    std::iter::successors(Some(error), |&error| error.source()).any(is)
}

/// A stream whose writes fail if the client accepts nothing for [`STALL_LIMIT`].
#[derive(Debug)]
pub(super) struct ClientIo<S: Socket> {
    stream: EndedWhenDropped<S>,
    /// Runs while a write waits.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncWrite + Socket + Unpin> ClientIo<S> {
    pub(super) fn new(stream: EndedWhenDropped<S>) -> ClientIo<S> {
        ClientIo { stream, deadline: None }
    }

    /// Passes on the result of a write, a flush or a shutdown. While it waits, a deadline runs; once that has passed, the result is an error.
    fn limited<T>(&mut self, result: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.deadline = None;
            return result;
        }
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(STALL_LIMIT)));
        match deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, Stalled))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Socket + Unpin> AsyncRead for ClientIo<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Socket + Unpin> AsyncWrite for ClientIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut *self.stream).poll_write(cx, buffer);
        self.limited(result, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut *self.stream).poll_write_vectored(cx, buffers);
        self.limited(result, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut *self.stream).poll_flush(cx);
        self.limited(result, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut *self.stream).poll_shutdown(cx);
        self.limited(result, cx)
    }
}
