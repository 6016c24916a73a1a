//! Code of the program that an answer needs, such as a closure of `set_details`.
//!
//! The code may wait for a lock that a stuck process holds. So each call has a thread of its own, and an answer waits for the call for a limited
//! time. If a call does not return, its thread stays. So each process has at most one call at a time, all answers wait for that call, and the
//! number of processes with a call is limited.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use cordial::Pid;
use cordial::process::ProcessInfo;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};

/// How long an answer waits for code of the program.
pub(crate) const LIMIT: Duration = Duration::from_secs(2);

/// In a text about all processes, this line takes the place of the lines that the processes show about themselves.
pub(crate) const NO_DETAILS: &str =
    "(what the processes say about themselves is left out: it has not returned within 2 s; a closure may be stuck)";

/// How many calls of one kind, each about another process, may be in progress.
const MAX_PROCESSES: usize = 16;

/// How many texts about all processes may be made at once.
const MAX_TEXTS: usize = 4;

/// The calls that are in progress.
#[derive(Debug)]
pub(crate) struct ProgramCode {
    /// The calls of the closures of `set_details`.
    pub(crate) details: Calls<Option<Arc<ProcessInfo>>>,
    /// The calls of the formatter.
    pub(crate) notes: Calls<Option<String>>,
    /// The calls of the `Display` of errors with which processes have ended.
    pub(crate) errors: Calls<String>,
    texts: Arc<Semaphore>,
}

impl ProgramCode {
    pub(crate) fn new() -> ProgramCode {
        ProgramCode {
            details: Calls::default(),
            notes: Calls::default(),
            errors: Calls::default(),
            texts: Arc::new(Semaphore::new(MAX_TEXTS)),
        }
    }

    /// Calls `f`, which asks all processes, on a thread of its own. Drops `f` if too many such calls are in progress.
    pub(crate) fn start_text(&self, f: impl FnOnce() + Send + 'static) {
        if let Ok(permit) = self.texts.clone().try_acquire_owned() {
            on_own_thread(move || {
                let _permit = permit;
                f();
            });
        }
    }
}

/// Calls in progress that return a `T`, at most one about each process.
#[derive(Debug)]
pub(crate) struct Calls<T>(Arc<Mutex<HashMap<Pid, Call<T>>>>);

#[derive(Clone, Debug)]
struct Call<T> {
    begun: Instant,
    /// `None` until the call has returned.
    result: watch::Receiver<Option<T>>,
}

/// Why there is no result.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unanswered {
    /// The call has not returned after this time. It may have begun for an earlier answer.
    Late(Duration),
    /// It was not called, because too many calls about other processes have not returned.
    TooMany,
    /// It has panicked, or the system refuses a thread.
    Failed,
}

impl Unanswered {
    /// Returns a sentence about what was called.
    pub(crate) fn sentence(self, called: &str) -> String {
        match self {
            Unanswered::Late(lasted) => {
                format!("({called} has not returned for {} s; the observer goes on without it)", lasted.as_secs())
            }
            Unanswered::TooMany => {
                format!("({called} was not called: it has not returned for {MAX_PROCESSES} other processes)")
            }
            Unanswered::Failed => format!("({called} has panicked, or the system has refused a thread for it)"),
        }
    }
}

impl<T: Clone + Send + Sync + 'static> Calls<T> {
    /// Returns what `f` returns, called on a thread of its own; or the result of the call about this process that is in progress already. Waits until
    /// [`LIMIT`] after the begin of the call.
    pub(crate) async fn call(&self, about: Pid, f: impl FnOnce() -> T + Send + 'static) -> Result<T, Unanswered> {
        let Call { begun, mut result } = self.begin(about, f).ok_or(Unanswered::TooMany)?;
        match timeout_at(begun + LIMIT, result.wait_for(Option::is_some)).await {
            Ok(Ok(result)) => result.clone().ok_or(Unanswered::Failed),
            Ok(Err(_)) => Err(Unanswered::Failed),
            Err(_) => Err(Unanswered::Late(begun.elapsed())),
        }
    }

    /// Begins a call, or returns the one about this process that is in progress; `None` if too many are.
    fn begin(&self, about: Pid, f: impl FnOnce() -> T + Send + 'static) -> Option<Call<T>> {
        let mut calls = lock(&self.0);
        if let Some(call) = calls.get(&about) {
            return Some(call.clone());
        }
        if calls.len() >= MAX_PROCESSES {
            return None;
        }
        let (sender, result) = watch::channel(None);
        let call = Call { begun: Instant::now(), result };
        calls.insert(about, call.clone());
        // If the system refuses the thread, the drop of `in_progress` takes this lock.
        drop(calls);
        let in_progress = InProgress { about, calls: self.0.clone() };
        on_own_thread(move || {
            let _in_progress = in_progress;
            sender.send_replace(Some(f()));
        });
        Some(call)
    }
}

impl<T> Default for Calls<T> {
    fn default() -> Calls<T> {
        Calls(Arc::default())
    }
}

/// A call in progress. Dropping it makes room for another one.
struct InProgress<T> {
    about: Pid,
    calls: Arc<Mutex<HashMap<Pid, Call<T>>>>,
}

impl<T> Drop for InProgress<T> {
    fn drop(&mut self) {
        lock(&self.calls).remove(&self.about);
    }
}

fn lock<T>(calls: &Mutex<HashMap<Pid, Call<T>>>) -> MutexGuard<'_, HashMap<Pid, Call<T>>> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls `f` on a thread of its own, however many calls are in progress. Drops `f` if the system refuses a thread: the code that waits for the
/// result of `f` notices that.
pub(crate) fn on_own_thread(f: impl FnOnce() + Send + 'static) {
    let _ = thread::Builder::new().name("cordial-observer-program".to_owned()).spawn(f);
}
