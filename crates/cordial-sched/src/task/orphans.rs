//! Tasks that no thread can run any more, because their executor is gone.
//!
//! The future of such a task may wake the next one when it is dropped, and that one a third. A long chain must not overflow
//! the stack, so each thread drops one future after the other.

use std::cell::RefCell;

type Abort = Box<dyn FnOnce()>;

// What waits until this thread has dropped the future before. `None` while it drops none.
thread_local!(static WAITING: RefCell<Option<Vec<Abort>>> = const { RefCell::new(None) });

/// Calls `abort`, which drops the future of a task, now or when the calls around this one have returned.
pub(crate) fn abort_in_turn(abort: impl FnOnce() + 'static) {
    let mut first = Some(abort);
    let is_outermost = WAITING.try_with(|waiting| match &mut *waiting.borrow_mut() {
        Some(waiting) => {
            waiting.extend(first.take().map(|abort| Box::new(abort) as Abort));
            false
        }
        none => {
            *none = Some(Vec::new());
            true
        }
    });
    if let Some(abort) = first {
        abort();
    }
    if is_outermost == Ok(true) {
        while let Ok(Some(abort)) = WAITING.try_with(|waiting| waiting.borrow_mut().as_mut().and_then(Vec::pop)) {
            abort();
        }
        let _ = WAITING.try_with(|waiting| waiting.take());
    }
}
