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
        if state.n_live == 0 && state.notice.is_given() && !state.is_closed {
            state.notice = Arc::default();
        }
        state.n_live += 1;
        LiveRoot { roots: self, notice: state.notice.clone() }
    }

    /// Returns the notice of the roots that run now. Before the first root runs, this is the notice of that root; after the last
    /// root has ended, it is still the notice of that root, until the next one runs.
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
            state.n_live == 0
        };
        if is_last {
            self.notice.give();
        }
    }
}
