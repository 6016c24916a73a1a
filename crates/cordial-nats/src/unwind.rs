//! Catches panics of the user's `tracing` subscriber, of wakers and of destructors. Otherwise such a panic could end the thread of a connection or a
//! worker, or end a job or a call before its outcome is sent. No other module catches a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `f`, and returns even if `f` panics. The panic hook has reported the panic.
#[expect(clippy::disallowed_methods, reason = "the one place that catches panics in this crate")]
pub(crate) fn contain(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        // Not dropped, because the destructor of the payload may panic too.
        std::mem::forget(payload);
    }
}
