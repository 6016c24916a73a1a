//! Catches panics of user code that must not end the code that calls it: of `tracing` subscribers, of the function that makes a span, of wakers, and
//! of the `Display` and the destructors of errors. No other module catches a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `f`, and returns its result; `None` if `f` panics. The panic hook has reported the panic.
#[expect(clippy::disallowed_methods, reason = "the one place that catches panics in this crate")]
pub(crate) fn contain<R>(f: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => Some(result),
        Err(payload) => {
            // Not dropped, because the destructor of the payload may panic too.
            std::mem::forget(payload);
            None
        }
    }
}
