//! Catches panics of the user's `tracing` subscriber, of wakers and of destructors. Such a panic must end neither the thread of a connection,
//! nor a worker, nor the run of a job or of a call before its message is acknowledged. No other module catches a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `f`, and returns even if it panics; the panic hook has reported that.
#[expect(clippy::disallowed_methods, reason = "the one place that catches panics in this crate")]
pub(crate) fn contain(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        // Its destructor may panic too.
        std::mem::forget(payload);
    }
}
