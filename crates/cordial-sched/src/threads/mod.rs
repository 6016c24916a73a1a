//! The state of each worker thread: active, blocked in a long poll, parked, exiting.
//!
//! ```text
//!            a long poll, and tasks wait                 its poll returned, `workers` are active
//!   active ──────────────────────────────► blocked ─────────────────────────────────────────► parked ── 10 s ──► exits
//!     ▲                                      │ it was deprioritized: it exits, replaced if needed   │
//!     └── a worker is missing, or it takes ──┴──────────────────────────────────────────────────────┘
//!         its place back from a stand-in
//! ```
//!
//! At most `workers` threads are active. A blocked thread whose poll has returned may run tasks as
//! well, until it notices that it was replaced. A *stand-in* is the thread that becomes active for a
//! thread in a long poll: a parked thread, or a new one. It is a worker like any other.
//!
//! **A thread with an index below `workers` takes its place back** when its long poll has returned. An active thread whose
//! index is not below `workers`, and which is in no long poll, then becomes blocked, and parks as soon as it notices that. If there
//! is none, the thread itself parks. So the same few threads run most tasks, and the memory of a program stays small: each
//! thread has an arena of glibc of its own, which keeps much of what was freed in it.
//!
//! All changes of state happen under one lock; they are rare. Calls return what the caller has to do
//! next, and of two calls that race, the later call sees the change of the earlier.
//! `README.md` beside this file shows how a blocked thread learns that it was replaced, and which
//! orderings that needs.
//!
//! This module knows no queues and starts no threads: it only decides.

use crate::sync::{AtomicUsize, Mutex, Ordering};

pub(crate) mod running;

/// The state of the thread with one index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ThreadState {
    /// No thread has this index.
    Vacant,
    /// It runs tasks, or sleeps until there are some.
    Active,
    /// Another thread is active instead: this thread was replaced, usually in a long poll, and has not noticed that yet.
    Blocked {
        /// Its priority is below that of the other threads, which cannot be undone.
        is_deprioritized: bool,
    },
    /// It waits to become active again.
    Parked,
    /// It is about to end; its index is not free yet.
    Exiting,
}

/// What a thread has to do after it has noticed that it was replaced, or after it has parked.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    Run,
    Park,
    End,
}

/// The result of [`Threads::resume`].
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResumeOutcome {
    pub(crate) resume: Resume,
    /// The stand-in that is blocked from now on, because the thread has taken its place back.
    pub(crate) displaced: Option<usize>,
}

/// How one more thread becomes active.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// Unpark the thread with this index.
    Unpark(usize),
    /// Start a thread with this index.
    Spawn(usize),
    /// There are `max_threads` threads already.
    AtLimit,
}

/// The number of threads in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ThreadCounts {
    pub(crate) active: usize,
    pub(crate) blocked: usize,
    /// How many of the blocked threads are deprioritized.
    pub(crate) deprioritized: usize,
    pub(crate) parked: usize,
    pub(crate) exiting: usize,
}

impl ThreadCounts {
    /// Threads that are not active.
    pub(crate) fn inactive(self) -> usize {
        self.blocked + self.parked + self.exiting
    }
}

/// The states of all threads of a pool.
pub(crate) struct Threads {
    workers: usize,
    max_threads: usize,
    states: Mutex<Vec<ThreadState>>,
    /// The length of `states`. Relaxed, since it grows before the thread with a new index starts, and so before each
    /// push into that thread's queue: the fences of `Idle` that publish the push publish this number as well.
    index_bound: AtomicUsize,
}

impl Threads {
    /// Makes a table without threads. `workers` is how many should be active, `max_threads` how many may exist.
    pub(crate) fn new(workers: usize, max_threads: usize) -> Threads {
        Threads { workers, max_threads, states: Mutex::new(Vec::new()), index_bound: AtomicUsize::new(0) }
    }

    pub(crate) fn workers(&self) -> usize {
        self.workers
    }

    pub(crate) fn max_threads(&self) -> usize {
        self.max_threads
    }

    /// Returns a number that is above the index of every thread. It falls again when the threads with the highest indices end.
    pub(crate) fn index_bound(&self) -> usize {
        self.index_bound.load(Ordering::Relaxed)
    }

    /// Makes one more thread active.
    pub(crate) fn activate(&self) -> Activation {
        self.activate_one(&mut self.states.lock())
    }

    /// Makes one more thread active if fewer than `workers` threads are.
    pub(crate) fn activate_if_missing(&self) -> Option<Activation> {
        let mut states = self.states.lock();
        (counts(&states).active < self.workers).then(|| self.activate_one(&mut states))
    }

    /// Makes a stand-in active for a thread in a long poll. Returns `None` if that thread is not active.
    pub(crate) fn replace_blocked(&self, index: usize) -> Option<Activation> {
        let mut states = self.states.lock();
        if states.get(index) != Some(&ThreadState::Active) {
            return None;
        }
        let activation = self.activate_one(&mut states);
        if activation != Activation::AtLimit {
            states[index] = ThreadState::Blocked { is_deprioritized: false };
        }
        Some(activation)
    }

    /// Makes a blocked thread active again, because the system has refused its stand-in. Otherwise the
    /// blocked thread could be deprioritized, and would then end after its poll. Does nothing if the thread
    /// has resumed, if it is deprioritized already, or if `workers` threads are active, because a thread
    /// that has parked meanwhile became active instead of the stand-in.
    pub(crate) fn stand_in_refused(&self, index: usize) {
        let mut states = self.states.lock();
        let is_blocked = states.get(index) == Some(&ThreadState::Blocked { is_deprioritized: false });
        if is_blocked && counts(&states).active < self.workers {
            states[index] = ThreadState::Active;
        }
    }

    /// Calls `deprioritize` if the thread is still blocked, under the lock, so that the thread stays blocked meanwhile. Returns whether
    /// the thread is deprioritized now.
    pub(crate) fn deprioritize(&self, index: usize, deprioritize: impl FnOnce() -> bool) -> bool {
        let mut states = self.states.lock();
        let Some(ThreadState::Blocked { is_deprioritized }) = states.get_mut(index) else { return false };
        *is_deprioritized = deprioritize();
        *is_deprioritized
    }

    /// Called by a thread that has noticed that it was replaced. `may_be_displaced` returns whether that thread may
    /// take the place of the active thread with the given index.
    pub(crate) fn resume(&self, index: usize, may_be_displaced: impl Fn(usize) -> bool) -> ResumeOutcome {
        let mut states = self.states.lock();
        let is_full = counts(&states).active >= self.workers;
        let mut displaced = None;
        let (state, resume) = match states.get(index) {
            Some(ThreadState::Blocked { is_deprioritized: true }) => (ThreadState::Exiting, Resume::End),
            Some(ThreadState::Blocked { is_deprioritized: false }) if is_full => {
                if index < self.workers {
                    displaced = (self.workers..states.len())
                        .rev()
                        .find(|&other| states[other] == ThreadState::Active && may_be_displaced(other));
                }
                match displaced {
                    Some(_) => (ThreadState::Active, Resume::Run),
                    None => (ThreadState::Parked, Resume::Park),
                }
            }
            _ => (ThreadState::Active, Resume::Run),
        };
        if let Some(stand_in) = displaced {
            states[stand_in] = ThreadState::Blocked { is_deprioritized: false };
        }
        self.set(&mut states, index, state);
        ResumeOutcome { resume, displaced }
    }

    /// Called by a parked thread that was activated or has waited long enough, or whose pool stops. Returns what the thread has to do.
    pub(crate) fn idle_timeout(&self, index: usize) -> Resume {
        let mut states = self.states.lock();
        match states.get(index) {
            Some(ThreadState::Parked) => {
                self.set(&mut states, index, ThreadState::Exiting);
                Resume::End
            }
            // A blocked thread was displaced before it noticed that it was activated.
            Some(ThreadState::Active | ThreadState::Blocked { .. }) => Resume::Run,
            _ => Resume::End,
        }
    }

    /// Frees the index of a thread that ends, or that must not start.
    pub(crate) fn release(&self, index: usize) {
        self.set(&mut self.states.lock(), index, ThreadState::Vacant);
    }

    /// Frees the index of a thread that the system refused to start. Returns the index of the parked thread that has become
    /// active instead, and has to be unparked. A system that has just refused a thread would refuse the next thread too.
    ///
    /// The thread may have been displaced already: a thread that takes its place back does not know which stand-ins have
    /// started.
    pub(crate) fn refused(&self, index: usize) -> Option<usize> {
        let mut states = self.states.lock();
        self.set(&mut states, index, ThreadState::Vacant);
        if counts(&states).active >= self.workers {
            return None;
        }
        activate_parked(&mut states)
    }

    pub(crate) fn state(&self, index: usize) -> ThreadState {
        self.states.lock().get(index).copied().unwrap_or(ThreadState::Vacant)
    }

    /// Returns the states of all threads, by their indices.
    pub(crate) fn states(&self) -> Vec<ThreadState> {
        self.states.lock().clone()
    }

    pub(crate) fn counts(&self) -> ThreadCounts {
        counts(&self.states.lock())
    }

    fn activate_one(&self, states: &mut Vec<ThreadState>) -> Activation {
        if let Some(index) = activate_parked(states) {
            return Activation::Unpark(index);
        }
        let counts = counts(states);
        if counts.active + counts.inactive() >= self.max_threads {
            return Activation::AtLimit;
        }
        let index = states.iter().position(|state| *state == ThreadState::Vacant).unwrap_or(states.len());
        if index == states.len() {
            states.push(ThreadState::Vacant);
        }
        self.set(states, index, ThreadState::Active);
        Activation::Spawn(index)
    }

    fn set(&self, states: &mut Vec<ThreadState>, index: usize, state: ThreadState) {
        if let Some(current) = states.get_mut(index) {
            *current = state;
        }
        while states.last() == Some(&ThreadState::Vacant) {
            states.pop();
        }
        self.index_bound.store(states.len(), Ordering::Relaxed);
    }
}

/// Makes a parked thread active, and returns its index.
fn activate_parked(states: &mut [ThreadState]) -> Option<usize> {
    let index = states.iter().position(|state| *state == ThreadState::Parked)?;
    states[index] = ThreadState::Active;
    Some(index)
}

fn counts(states: &[ThreadState]) -> ThreadCounts {
    let mut counts = ThreadCounts::default();
    for state in states {
        match state {
            ThreadState::Vacant => {}
            ThreadState::Active => counts.active += 1,
            ThreadState::Blocked { is_deprioritized } => {
                counts.blocked += 1;
                counts.deprioritized += usize::from(*is_deprioritized);
            }
            ThreadState::Parked => counts.parked += 1,
            ThreadState::Exiting => counts.exiting += 1,
        }
    }
    counts
}

#[cfg(all(test, cordial_loom))]
mod tests;
