//! Code of the program that an answer needs, such as a closure of `set_details`.
//!
//! It may wait for a lock of a process that is stuck. So each call has a thread of its own, and an answer waits for it for a limited time. A thread
//! whose call does not return stays until it does; the number of such threads is limited.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use cordial::Pid;

/// How long an answer waits for code of the program.
pub(crate) const LIMIT: Duration = Duration::from_secs(2);

/// What an answer has instead of the lines that a process shows about itself.
pub(crate) const NO_DETAILS: &str = "(what it says about itself: the closure of set_details has not returned)";

/// How many calls may be in progress at once: about the same process, and in all.
const MAX_OF_PROCESS: usize = 4;
const MAX_CALLS: usize = 16;

/// The calls that are in progress.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProgramCode(Arc<Mutex<Vec<About>>>);

/// What a call is about: a process, or all of them.
type About = Option<Pid>;

/// A call in progress. Dropping it makes room for another one.
struct InProgress {
    about: About,
    calls: ProgramCode,
}

impl ProgramCode {
    /// Calls `f` on a thread of its own. Drops `f` if too many calls are in progress, or if the system refuses a thread.
    pub(crate) fn start(&self, about: About, f: impl FnOnce() + Send + 'static) {
        let Some(in_progress) = self.begin(about) else { return };
        let call = move || {
            let _in_progress = in_progress;
            f();
        };
        on_own_thread(call);
    }

    fn begin(&self, about: About) -> Option<InProgress> {
        let mut calls = self.lock();
        let n_of_process = calls.iter().filter(|other| **other == about).count();
        if n_of_process >= MAX_OF_PROCESS || calls.len() >= MAX_CALLS {
            return None;
        }
        calls.push(about);
        Some(InProgress { about, calls: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<About>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls `f` on a thread of its own, however many calls are in progress. Drops `f` if the system refuses a thread: the code that waits for the
/// result of `f` notices that.
pub(crate) fn on_own_thread(f: impl FnOnce() + Send + 'static) {
    let _ = thread::Builder::new().name("cordial-observer-program".to_owned()).spawn(f);
}

impl Drop for InProgress {
    fn drop(&mut self) {
        let mut calls = self.calls.lock();
        if let Some(index) = calls.iter().position(|about| *about == self.about) {
            calls.swap_remove(index);
        }
    }
}
