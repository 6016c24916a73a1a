//! Dropping the values of tasks in turn, so that a long chain of them does not overflow the stack.
//!
//! The output of a task may hold the handle of another task, whose output holds the handle of a third. Dropping the first handle
//! drops the first output, and so on. The same happens to futures whose executor is gone: dropping one may wake another task,
//! whose future is dropped then. Beyond a fixed depth, a drop waits until the outermost drop of its thread is done.
//!
//! Up to that depth a drop happens at once, because the destructor around it may wait for it.

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;

use crate::unwind;

type WaitingCall = Box<dyn FnOnce()>;

/// How many drops may be nested on a thread.
const MAX_DEPTH: usize = 32;

struct NestedDrops {
    /// How many drops are on the stack.
    depth: Cell<usize>,
    /// The drops that wait for the outermost one. Empty while no drop is on the stack.
    waiting: RefCell<Vec<WaitingCall>>,
}

// Never destroyed, so that the destructors of other thread-locals can use it. Nothing is leaked: when the outermost drop is done, no
// call waits, and the memory of the list is freed.
thread_local!(static TURNS: ManuallyDrop<NestedDrops> = const {
    ManuallyDrop::new(NestedDrops { depth: Cell::new(0), waiting: RefCell::new(Vec::new()) })
});

/// Calls `call`, which drops values of a task: at once or, if many such calls are nested on this thread, when the outermost one is
/// done.
///
/// # Panics
///
/// If `call` panics and is called at once.
pub fn drop_in_turn(call: impl FnOnce() + 'static) {
    TURNS.with(|turns| {
        let depth = turns.depth.get();
        if depth >= MAX_DEPTH {
            turns.waiting.borrow_mut().push(Box::new(call));
            return;
        }
        turns.depth.set(depth + 1);
        let _leave = Leave { turns, depth };
        call();
    });
}

/// Ends a call, even if the call panics.
struct Leave<'a> {
    turns: &'a NestedDrops,
    depth: usize,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        while self.depth == 0
            && let Some(call) = { self.turns.waiting.borrow_mut().pop() }
        {
            // A panic must not lose the calls that wait behind this one.
            let _ = unwind::catch(call);
        }
        self.turns.depth.set(self.depth);
        if self.depth == 0 {
            // Frees the memory, since the destructor of the thread-local does not.
            self.turns.waiting.take();
        }
    }
}
