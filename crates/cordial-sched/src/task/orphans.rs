//! Tasks that no thread can run any more, because their executor is gone.
//!
//! The future of such a task may wake the next one when it is dropped, and that one a third. A long chain must not overflow
//! the stack, so each thread drops one future after the other.

use std::cell::RefCell;

use crate::task::runnable::Runnable;

// Tasks that wait until this thread has dropped the future before. `None` while it drops none.
thread_local!(static WAITING: RefCell<Option<Vec<Runnable>>> = const { RefCell::new(None) });

/// Drops the future of a task.
pub(crate) fn abort(task: Runnable) {
    let mut next = Some(task);
    let is_outermost = WAITING.try_with(|waiting| match &mut *waiting.borrow_mut() {
        Some(waiting) => {
            waiting.extend(next.take());
            false
        }
        none => {
            *none = Some(Vec::new());
            true
        }
    });
    while let Some(task) = next.take() {
        task.abort();
        next = WAITING.try_with(|waiting| waiting.borrow_mut().as_mut().and_then(Vec::pop)).ok().flatten();
    }
    if is_outermost == Ok(true) {
        let _ = WAITING.try_with(|waiting| waiting.take());
    }
}
