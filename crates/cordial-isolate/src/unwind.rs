//! Catches the panics of some user code, so that they do not end the code of this crate that calls it: `tracing` subscribers, the function that makes
//! a span, wakers, and the `Display` and the destructors of errors. No other module catches a panic.

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
