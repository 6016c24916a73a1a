//! Calls of hooks that may be slow, on a thread of their own.
//!
//! The thread is started for a call, and ends when no call has come for a while. If the system
//! refuses the thread, the caller gets the waiting calls back and makes them elsewhere.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::{thread, unwind};

/// How long the thread waits for the next call before it ends.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// A call of a hook.
pub(super) type HookCall = Box<dyn FnOnce() + Send>;

/// The calls of one executor. Their thread makes one after the other.
#[derive(Default)]
pub(super) struct HookCalls {
    state: Mutex<HookCallsState>,
    changed: Condvar,
}

#[derive(Default)]
struct HookCallsState {
    /// Needs no bound: most calls come from long polls, each of which lasts for a few milliseconds and adds one call.
    waiting: VecDeque<HookCall>,
    has_thread: bool,
    is_closed: bool,
}

impl HookCalls {
    /// Makes a call later. If the system refuses the thread, returns the calls that the caller has to
    /// make instead.
    #[must_use = "the calls would not be made"]
    pub(super) fn add(self: &Arc<HookCalls>, call: HookCall) -> VecDeque<HookCall> {
        let mut state = self.lock();
        state.waiting.push_back(call);
        if state.has_thread {
            self.changed.notify_one();
            return VecDeque::new();
        }
        let calls = self.clone();
        let started = thread::start("cordial-hooks".to_owned(), Box::new(move || calls.run()));
        state.has_thread = started.is_ok();
        if state.has_thread { VecDeque::new() } else { std::mem::take(&mut state.waiting) }
    }

    /// Lets the thread end once no call waits.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            if let Some(call) = state.waiting.pop_front() {
                drop(state);
                let _ = unwind::catch(call);
                state = self.lock();
                continue;
            }
            let is_idle = |state: &mut HookCallsState| state.waiting.is_empty() && !state.is_closed;
            let waited = self.changed.wait_timeout_while(state, IDLE_TIMEOUT, is_idle);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if state.waiting.is_empty() {
                state.has_thread = false;
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HookCallsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
