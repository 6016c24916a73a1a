//! An output that counts the writes that it accepts. The count shows whether a reader is slow or has stopped reading. The last byte shows
//! whether a line has not ended.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

/// The last byte that an output has accepted. Clones share it. At first a newline.
#[derive(Clone)]
pub(super) struct LastByte(Arc<AtomicU8>);

impl LastByte {
    pub(super) fn new() -> LastByte {
        LastByte(Arc::new(b'\n'.into()))
    }

    /// Returns whether the byte is not a newline, and sets it to a newline.
    pub(super) fn take_open_line(&self) -> bool {
        self.0.swap(b'\n', Ordering::Relaxed) != b'\n'
    }
}

/// Increments a counter when the output accepts bytes.
pub(super) struct CountedOutput<W> {
    output: W,
    n_accepted: Arc<AtomicU64>,
    last: LastByte,
}

impl<W> CountedOutput<W> {
    pub(super) fn new(output: W, n_accepted: &Arc<AtomicU64>, last: LastByte) -> CountedOutput<W> {
        CountedOutput { output, n_accepted: Arc::clone(n_accepted), last }
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
