//! Awaiting a future at the end of a thread.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Polls a future until it is ready. The functions of `futures` and of tokio need thread-locals that may be gone.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
        std::thread::yield_now();
    }
}
