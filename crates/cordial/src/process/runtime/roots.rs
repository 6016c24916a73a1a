//! The root processes of one runtime, as code outside of any process sees them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::process::shutdown_notice::ShutdownNotice;

/// The root processes that run on one runtime, and the notice that one of them was asked to shut down.
///
/// Usually there is one root. Several run only while several threads are in a call of `run`, and then they share the notice.
#[derive(Debug, Default)]
pub(crate) struct Roots(Mutex<RootsState>);

#[derive(Debug, Default)]
struct RootsState {
    n_live: usize,
    /// Given when a root is asked to shut down, when the last root has ended, and when the runtime is shut down.
    notice: Arc<ShutdownNotice>,
    /// Whether all roots that had `notice` have ended. The notice may not be given yet: the thread that drops the last root releases the lock
    /// before it gives the notice.
    is_over: bool,
    is_closed: bool,
}

/// A root that runs. Dropped when the root process has ended, or was refused.
#[derive(Debug)]
pub(crate) struct LiveRoot<'a> {
    roots: &'a Roots,
    pub(crate) notice: Arc<ShutdownNotice>,
}

impl Roots {
    /// Adds a root. The first one after all others have ended gets a new notice, unless the runtime is shut down.
    pub(crate) fn begin(&self) -> LiveRoot<'_> {
        let mut state = self.lock();
        if state.is_over && !state.is_closed {
            state.notice = Arc::default();
        }
        state.is_over = false;
        state.n_live += 1;
        LiveRoot { roots: self, notice: state.notice.clone() }
    }

    /// Returns the notice of the roots that run now. Before the first root begins, returns the notice that this root will have. When all
    /// roots have ended, returns the notice that they had, until the next root begins.
    pub(crate) fn notice(&self) -> Arc<ShutdownNotice> {
        self.lock().notice.clone()
    }

    /// Gives the notice of the roots that run now and later, because the runtime is shut down.
    pub(crate) fn close(&self) {
        let notice = {
            let mut state = self.lock();
            state.is_closed = true;
            state.notice.clone()
        };
        notice.give();
    }

    fn lock(&self) -> MutexGuard<'_, RootsState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LiveRoot<'_> {
    fn drop(&mut self) {
        let is_last = {
            let mut state = self.roots.lock();
            state.n_live -= 1;
            state.is_over = state.n_live == 0;
            state.is_over
        };
        if is_last {
            self.notice.give();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bug was that a root which began while another thread ended the last root got the notice of that root.
    #[test]
    fn the_notice_of_a_root_is_not_given_by_the_end_of_an_earlier_root() {
        const ROUNDS: usize = 20_000;
        let roots = Roots::default();
        let run = || {
            for _ in 0..ROUNDS {
                let live = roots.begin();
                for _ in 0..20 {
                    assert!(!live.notice.is_given(), "a root that runs was not asked to shut down");
                    std::hint::spin_loop();
                }
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(run);
            run();
        });
        assert!(roots.notice().is_given(), "all roots have ended");
    }
}
