//! Nothing that a task does may end the thread that runs it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `f` and makes a text of its panic.
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, String> {
    catch_payload(f).map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
        if let Err(next) = catch_payload(|| drop(payload)) {
            // The destructor of the payload panicked as well; that of the next one need not be tried.
            std::mem::forget(next);
        }
        text
    })
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn catch_payload<R>(f: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(f))
}
