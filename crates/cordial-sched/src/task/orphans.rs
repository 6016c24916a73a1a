//! Tasks that nobody can run any more: their executor is gone.
//!
//! What such a task holds may wake the next one when it is dropped. A long row of them must not use up the stack, so each thread
//! drops one after the other.

use std::cell::RefCell;

use crate::task::runnable::Runnable;
use crate::unwind;

// Those that wait until this thread has dropped the one before. `None` while it drops none.
thread_local!(static WAITING: RefCell<Option<Vec<Runnable>>> = const { RefCell::new(None) });

pub(crate) fn drop(task: Runnable) {
    let mut next = Some(task);
    let begins = WAITING.try_with(|waiting| match &mut *waiting.borrow_mut() {
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
        let _ = unwind::catch(|| std::mem::drop(task));
        next = WAITING.try_with(|waiting| waiting.borrow_mut().as_mut().and_then(Vec::pop)).ok().flatten();
    }
    if begins == Ok(true) {
        let _ = WAITING.try_with(|waiting| waiting.take());
    }
}
