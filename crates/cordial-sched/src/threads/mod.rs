//! The threads of the pool: who is at work, whose work was lent to somebody else, who rests.
//!
//! ```text
//!            poll does not return, work waits                 its poll returned, the pool is full
//!   active ───────────────────────────────────► lent ──────────────────────────────────────────► resting ── 10 s ──► gone
//!     ▲                                          │ it was deprioritized: gone, and a stand-in if one is missing   │
//!     └── a thread is missing ───────────────────┴──────────────────────────────────────────────────────────┘
//! ```
//!
//! There are never more than `workers` active threads, but for a lent one that has not seen yet that it is; a stand-in is
//! a thread like any other. All changes of role happen under one lock, seldom. What a thread must do is the verdict of its
//! own call; so of two that race, one comes first and the other is told.
//!
//! # How a lent thread comes back
//!
//! A thread in a poll holds no lock and is told nothing. It looks at the flag `is_blocked` of its seat after each poll.
//!
//! ```text
//!  watch                                       thread
//!  ─────                                       ──────
//!  1 replace_blocked: active ─► lent                      1 end of the poll
//!  2 flag up                                   2 read the flag
//!  each millisecond, while the role is lent:     down: run something else, or sleep ──► 2
//!  3 read whether a poll lasts, and the flag   3 flag down
//!    no poll, and up: unpark                   4 resume: lent ─► active, resting or leaving
//! ```
//!
//! **A thread that goes to sleep with its work lent.** Its poll ended just before step 2 of the watch, and it found the
//! flag down. The flag goes up afterwards, so a look of the watch sees that and unparks the thread: the token was given
//! after the flag went up, and so the thread reads it when it has the token. The watch does not sleep while a thread is
//! lent.
//!
//! **A flag without a role, a role without a flag.** The flag goes up after the role changed, so a thread that sees it finds
//! itself lent. It goes down before the role changes back, so the flag of the next time is not taken down with it. The lock
//! is between the two each time. That is why the flag may be relaxed.
//!
//! **A thread that is tired of resting while it is called.** `idle_timeout` and the call are under the lock: it was called and
//! works, or it leaves and the call goes to another seat. The token of a call waits in the parker.
//!
//! **A stand-in that the system refuses.** The lent thread came back before that and rests: then it is called. It comes back
//! after that: then one is missing and it works. Another one is not asked for.
//!
//! # How the polls of a thread are told
//!
//! ```text
//!  thread (`begin`)          watch (`current`, `is_long`)          who asks (`long_poll`)
//!  ────────────────          ────────────────────────────          ──────────────────────
//!  1 key                     1 count: odd?                         1 number of the long poll
//!  2 count, odd              2 key                                 2 its time
//!                            3 count: still the same?              3 `current`: still the same number?
//!                            4 seen before: its time,
//!                              then its number
//! ```
//!
//! Nobody waits for anybody: who comes too late, or between two polls, is told of none. **A poll with another's key**: who
//! sees a count sees its key, or a later one; and who sees a later key sees that the count has moved. **A poll with another's
//! time**: who sees a number sees its time, or a later one; and who sees a later time sees a later count, because the watch
//! has seen it.
//!
//! # Each ordering was taken away
//!
//! This failed in `threads/tests.rs`, and for `PollProgress` in `seat/tests.rs`:
//!
//! | change | what failed |
//! |---|---|
//! | the flag goes up before the role changes | a thread comes back that is not lent |
//! | the flag goes down after `resume` | the next lending is not seen |
//! | the watch does not unpark | a lent thread sleeps for good |
//! | a call leaves the role at resting | the called thread leaves |
//! | `idle_timeout` does not look whether it was called | the called thread leaves |
//! | `lower` outside the lock | a deprioritized thread rests, and would work again |
//! | `release` asks for a thread that was just refused | a second one is asked for |
//! | `release` calls nobody from its rest then | nobody is left to work |
//! | `begin`: key or count relaxed, or the count first | a poll is told with another's key |
//! | `current`: key or count relaxed, or the count not read again | the same |
//! | `is_long`: number or time relaxed, or the number first | a long poll is told with another's time |
//! | `long_poll`: number or time relaxed | the same |
//! | `long_poll`: `current` asked first, or its number not compared | the same |

use crate::sync::{AtomicUsize, Mutex, Ordering};

pub(crate) mod running;

/// What a thread is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ThreadState {
    /// There is no thread.
    Vacant,
    /// It runs tasks, or sleeps until there are some.
    Active,
    /// It is stuck in a poll, and somebody else is active for it.
    Blocked {
        /// The system runs it after others, and that cannot be taken back.
        is_deprioritized: bool,
    },
    /// It waits to become active.
    Parked,
    /// It is about to end; its seat is not free yet.
    Exiting,
}

/// What a thread has to do that comes back from a long poll.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    DynFuture,
    Park,
    Exit,
}

/// What to do for one more active thread.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StandIn {
    /// Unpark the thread in this seat.
    Unpark(usize),
    /// Start a thread for this seat.
    Spawn(usize),
    /// There are as many threads as there may be.
    NoneLeft,
}

/// Numbers of threads by role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ThreadCounts {
    pub(crate) active: usize,
    pub(crate) lent: usize,
    pub(crate) deprioritized: usize,
    pub(crate) resting: usize,
    pub(crate) leaving: usize,
}

impl ThreadCounts {
    pub(crate) fn threads(self) -> usize {
        self.active + self.lent + self.resting + self.leaving
    }
}

/// The roles of all threads.
pub(crate) struct Threads {
    workers: usize,
    max_threads: usize,
    roles: Mutex<Vec<ThreadState>>,
    /// The length of `roles`: in the seats from here on there is nobody and nothing. Relaxed, since it is raised before
    /// the thread of a new seat starts, and so before each push there: the fences of `Idle` that schedule_remote the push to the one
    /// who looks schedule_remote this number as well.
    n_seats: AtomicUsize,
}

impl Threads {
    pub(crate) fn new(workers: usize, max_threads: usize) -> Threads {
        Threads { workers, max_threads, roles: Mutex::new(Vec::new()), n_seats: AtomicUsize::new(0) }
    }

    /// How many seats have to be record_search at to see every thread.
    pub(crate) fn n_seats(&self) -> usize {
        self.n_seats.load(Ordering::Relaxed)
    }

    /// One more active thread.
    pub(crate) fn call(&self) -> StandIn {
        self.call_one(&mut self.roles.lock())
    }

    /// The thread is stuck, and somebody is active for it from now on. `None` if it is not active.
    pub(crate) fn replace_blocked(&self, seat: usize) -> Option<StandIn> {
        let mut roles = self.roles.lock();
        if roles.get(seat) != Some(&ThreadState::Active) {
            return None;
        }
        let stand_in = self.call_one(&mut roles);
        if stand_in != StandIn::NoneLeft {
            roles[seat] = ThreadState::Blocked { is_deprioritized: false };
        }
        Some(stand_in)
    }

    /// The system will run the lent thread after others. `false` if it has come back.
    pub(crate) fn lower(&self, seat: usize, lower: impl FnOnce() -> bool) -> bool {
        let mut roles = self.roles.lock();
        let Some(ThreadState::Blocked { is_deprioritized }) = roles.get_mut(seat) else { return false };
        *is_deprioritized = lower();
        *is_deprioritized
    }

    /// The long poll of a lent thread has returned.
    pub(crate) fn resume(&self, seat: usize) -> Resume {
        let mut roles = self.roles.lock();
        let is_full = counts(&roles).active >= self.workers;
        let (role, resume) = match roles.get(seat) {
            Some(ThreadState::Blocked { is_deprioritized: true }) => (ThreadState::Exiting, Resume::Exit),
            Some(ThreadState::Blocked { is_deprioritized: false }) if is_full => (ThreadState::Parked, Resume::Park),
            _ => (ThreadState::Active, Resume::DynFuture),
        };
        self.set(&mut roles, seat, role);
        resume
    }

    /// A resting thread was woken or is tired of waiting.
    pub(crate) fn idle_timeout(&self, seat: usize) -> Resume {
        let mut roles = self.roles.lock();
        match roles.get(seat) {
            Some(ThreadState::Parked) => {
                self.set(&mut roles, seat, ThreadState::Exiting);
                Resume::Exit
            }
            Some(ThreadState::Active) => Resume::DynFuture,
            _ => Resume::Exit,
        }
    }

    /// The thread in this seat has ended, or could not be started. If one is missing now, this says where it comes from.
    pub(crate) fn release(&self, seat: usize) -> Option<StandIn> {
        let mut roles = self.roles.lock();
        let was_refused = roles.get(seat) == Some(&ThreadState::Active);
        self.set(&mut roles, seat, ThreadState::Vacant);
        let is_missing = counts(&roles).active < self.workers;
        // The system has no thread to give: only one that rests can come.
        (is_missing && (!was_refused || roles.contains(&ThreadState::Parked))).then(|| self.call_one(&mut roles))
    }

    pub(crate) fn role(&self, seat: usize) -> ThreadState {
        self.roles.lock().get(seat).copied().unwrap_or(ThreadState::Vacant)
    }

    pub(crate) fn counts(&self) -> ThreadCounts {
        counts(&self.roles.lock())
    }

    fn call_one(&self, roles: &mut Vec<ThreadState>) -> StandIn {
        if let Some(seat) = roles.iter().position(|role| *role == ThreadState::Parked) {
            roles[seat] = ThreadState::Active;
            return StandIn::Unpark(seat);
        }
        if counts(roles).threads() >= self.max_threads {
            return StandIn::NoneLeft;
        }
        let seat = roles.iter().position(|role| *role == ThreadState::Vacant).unwrap_or(roles.len());
        if seat == roles.len() {
            roles.push(ThreadState::Vacant);
        }
        self.set(roles, seat, ThreadState::Active);
        StandIn::Spawn(seat)
    }

    fn set(&self, roles: &mut Vec<ThreadState>, seat: usize, role: ThreadState) {
        if let Some(place) = roles.get_mut(seat) {
            *place = role;
        }
        while roles.last() == Some(&ThreadState::Vacant) {
            roles.pop();
        }
        self.n_seats.store(roles.len(), Ordering::Relaxed);
    }
}

fn counts(roles: &[ThreadState]) -> ThreadCounts {
    let mut counts = ThreadCounts::default();
    for role in roles {
        match role {
            ThreadState::Vacant => {}
            ThreadState::Active => counts.active += 1,
            ThreadState::Blocked { is_deprioritized } => {
                counts.lent += 1;
                counts.deprioritized += usize::from(*is_deprioritized);
            }
            ThreadState::Parked => counts.resting += 1,
            ThreadState::Exiting => counts.leaving += 1,
        }
    }
    counts
}

#[cfg(all(test, cordial_loom))]
mod tests;
