//! Panics of user code, turned into values, so that they do not end threads of the executor.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Calls `f`. If it panics, returns the message of the panic: the text of its payload, or an empty string if the payload is not a text.
#[inline]
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, String> {
    catch_payload(f).map_err(message_of)
}

/// Not generic, so that it is compiled once and not again for each future of a user.
#[cold]
fn message_of(payload: Box<dyn Any + Send>) -> String {
    let message = payload.downcast_ref::<&str>().map(|message| (*message).to_owned());
    let message = message.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
    if let Err(next) = catch_payload(|| drop(payload)) {
        // The destructor of the payload has panicked. The second payload is leaked, since its destructor may panic too.
        std::mem::forget(next);
    }
    message
}

/// Ends the calling thread by a panic that prints nothing and runs the destructors of the frames on the stack. A caller that catches
/// panics keeps the thread alive.
pub(crate) fn end_thread() -> ! {
    resume_unwind(Box::new(()))
}

#[expect(clippy::disallowed_methods, reason = "the one place that catches panics in this crate")]
fn catch_payload<R>(f: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(f))
}
