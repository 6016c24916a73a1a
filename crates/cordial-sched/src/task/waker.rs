//! The waker of a task, and the headers that wait until no waker to them is left.
//!
//! All tasks that use one header, one after another, share one waker. A waker that is kept after the end of its task
//! therefore wakes the next task of the same header, which is polled once for nothing (a *spurious wake-up*). That next
//! task belongs to the same executor:
//!
//! ```text
//!  new ─► header of executor A ── A is gone ─► retired ── no waker is left ─► header of executor B
//!           ▲  │ one task after another           ▲    │
//!           └──┘                                  └────┘ a waker is left
//! ```
//!
//! The count of the `Arc` in a waker says whether another waker is left. A header whose count never falls stays retired.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};
use std::task::Wake;

use crate::sync::Mutex;
use crate::task::header::Header;
use crate::task::runnable::Runnable;
use crate::task::schedule;

/// Wakes the task that uses a header.
pub(crate) struct HeaderWaker(&'static Header<Runnable>);

/// The retired headers, each in its waker. A header stays here until all other wakers to it are dropped.
static RETIRED: LazyLock<Mutex<VecDeque<Arc<HeaderWaker>>>> = LazyLock::new(Mutex::default);

impl HeaderWaker {
    pub(crate) fn new(header: &'static Header<Runnable>) -> Arc<HeaderWaker> {
        Arc::new(HeaderWaker(header))
    }

    pub(crate) fn header(&self) -> &'static Header<Runnable> {
        self.0
    }

    /// Gives up the header of an executor that is gone.
    pub(crate) fn retire(self: Arc<Self>) {
        RETIRED.lock().push_back(self);
    }

    /// Takes retired headers to which no waker is left. Looks at the `n` headers that have been retired for longest.
    pub(crate) fn adopt(n: usize) -> Vec<Arc<HeaderWaker>> {
        let mut retired = RETIRED.lock();
        let mut adopted = Vec::new();
        for _ in 0..n.min(retired.len()) {
            let mut waker = retired.pop_front().expect("counted above");
            // `get_mut` has acquire ordering: everything that was done through a dropped waker happens before.
            match Arc::get_mut(&mut waker) {
                Some(_) => adopted.push(waker),
                None => retired.push_back(waker),
            }
        }
        adopted
    }
}

impl Wake for HeaderWaker {
    fn wake(self: Arc<Self>) {
        schedule::wake(self.0);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        schedule::wake(self.0);
    }
}
