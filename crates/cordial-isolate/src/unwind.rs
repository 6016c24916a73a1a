//! Catches panics of user code that must not end its caller: of `tracing` subscribers, of the function that makes a span, of wakers, and of the
//! texts and destructors of errors. No other module catches a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `f`, and returns its result; `None` if it panics, which the panic hook has reported.
#[expect(clippy::disallowed_methods, reason = "the one place that catches panics in this crate")]
pub(crate) fn contain<R>(f: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => Some(result),
        Err(payload) => {
            // Its destructor may panic too.
            std::mem::forget(payload);
            None
        }
    }
}
