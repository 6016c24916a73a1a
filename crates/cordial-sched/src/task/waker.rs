//! The waker of a task: a reference to its header.
//!
//! All tasks that use one header, one after another, share their wakers. A waker that is kept after the end of its task
//! therefore wakes the next task of the same header, which is then polled for nothing (a *spurious wake-up*). That next task
//! belongs to the same executor, because the headers of an executor that is gone are not used again: each is freed with
//! the last reference to it.

use std::sync::Arc;
use std::task::Wake;

use crate::task::header::Header;
use crate::task::runnable::Runnable;
use crate::task::schedule;

impl Wake for Header<Runnable> {
    fn wake(self: Arc<Self>) {
        schedule::wake(&self);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        schedule::wake(self);
    }
}
