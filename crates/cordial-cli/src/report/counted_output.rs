//! An output that counts the writes that it accepts, and records the last byte. If the count grows, the reader reads, even if slowly; if
//! it does not grow, the reader has stopped. If the last byte is not a newline, the last line is incomplete.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

/// The last byte that an output has accepted, or a newline if it has accepted none. Clones share the byte.
#[derive(Clone)]
pub(super) struct LastByte(Arc<AtomicU8>);

impl LastByte {
    pub(super) fn new() -> LastByte {
        LastByte(Arc::new(b'\n'.into()))
    }

    /// Returns whether the last line is incomplete, which means that the byte is not a newline. Then sets the byte to a newline.
    pub(super) fn take_open_line(&self) -> bool {
        self.0.swap(b'\n', Ordering::Relaxed) != b'\n'
    }
}

/// An output that increments a counter each time it accepts bytes, and records the last one.
pub(super) struct CountedOutput<W> {
    output: W,
    n_accepted: Arc<AtomicU64>,
    last: LastByte,
}

impl<W> CountedOutput<W> {
    pub(super) fn new(output: W, n_accepted: &Arc<AtomicU64>, last: LastByte) -> CountedOutput<W> {
        CountedOutput { output, n_accepted: Arc::clone(n_accepted), last }
    }

    /// Returns the output itself, for bytes that are neither counted nor recorded.
    pub(super) fn uncounted(&mut self) -> &mut W {
        &mut self.output
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for CountedOutput<W> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let n = ready!(Pin::new(&mut this.output).poll_write(cx, bytes))?;
        this.n_accepted.fetch_add(1, Ordering::Relaxed);
        if let Some(&last) = bytes[..n].last() {
            this.last.0.store(last, Ordering::Relaxed);
        }
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().output).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().output).poll_shutdown(cx)
    }
}
