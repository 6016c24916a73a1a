//! An output that counts what it accepts, so that a slow reader differs from one that has stopped reading.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

/// Increments a counter when the output accepts bytes.
pub(super) struct CountedOutput<W> {
    output: W,
    n_accepted: Arc<AtomicU64>,
}

impl<W> CountedOutput<W> {
    pub(super) fn new(output: W, n_accepted: &Arc<AtomicU64>) -> CountedOutput<W> {
        CountedOutput { output, n_accepted: Arc::clone(n_accepted) }
    }

    /// Returns the output itself, for bytes that are not counted.
    pub(super) fn uncounted(&mut self) -> &mut W {
        &mut self.output
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for CountedOutput<W> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let n = ready!(Pin::new(&mut this.output).poll_write(cx, bytes))?;
        this.n_accepted.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().output).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().output).poll_shutdown(cx)
    }
}
