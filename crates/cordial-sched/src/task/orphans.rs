//! Tasks that no thread can run any more, because their executor is gone.
//!
//! The future of such a task may wake the next one when it is dropped, and that one a third. A long chain must not overflow
//! the stack, so each thread drops one future after the other.

use std::cell::RefCell;
use std::mem::ManuallyDrop;

type Abort = Box<dyn FnOnce()>;

// The calls that wait until this thread has made the present one. `None` while it makes none. Without a destructor, because it
// is needed in the destructors of other thread-locals; the outermost call leaves nothing behind.
thread_local!(static WAITING: RefCell<ManuallyDrop<Option<Vec<Abort>>>> = const { RefCell::new(ManuallyDrop::new(None)) });

/// Calls `abort`, which drops the future of a task. If this thread is in such a call already, `abort` is called after that one
/// has returned.
pub(crate) fn abort_in_turn(abort: impl FnOnce() + 'static) {
    let mut first = Some(abort);
    WAITING.with(|waiting| match &mut **waiting.borrow_mut() {
        Some(waiting) => waiting.extend(first.take().map(|abort| Box::new(abort) as Abort)),
        none => *none = Some(Vec::new()),
    });
    let Some(abort) = first else { return };
    abort();
    while let Some(abort) = WAITING.with(|waiting| waiting.borrow_mut().as_mut().and_then(Vec::pop)) {
        abort();
    }
    WAITING.with(|waiting| waiting.borrow_mut().take());
}
