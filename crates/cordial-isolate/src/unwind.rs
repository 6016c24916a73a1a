//! Catches panics of user code that is called where a panic would end more than one call: the `tracing` subscriber, which the thread of a
//! pool calls, and the texts and destructors of errors. No other module catches a panic.

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
