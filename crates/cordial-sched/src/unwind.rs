//! Nothing that a task does may end the thread that runs it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::seat::Ready;

/// Polls a task once. What it panics with is dropped: the layer above has caught what it wants to know.
pub(crate) fn poll_once(ready: Ready) {
    if let Err(payload) = catch(|| {
        ready.run();
    }) && let Err(next) = catch(|| drop(payload))
    {
        // The destructor of the payload panicked as well; that of the next one need not be tried.
        std::mem::forget(next);
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn catch(f: impl FnOnce()) -> Result<(), Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(f))
}
