//! Catches panics of the `tracing` subscriber, which the thread of a pool calls. Such a panic must not end that thread,
//! and the pool with it.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `f`, and returns also if it panics; the panic hook has reported that.
#[expect(clippy::disallowed_methods, reason = "the one place that catches panics in this crate")]
pub(crate) fn contain(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        // Its destructor may panic too.
        std::mem::forget(payload);
    }
}
