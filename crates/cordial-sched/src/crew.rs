//! The threads of the pool: who is at work, whose work was lent to somebody else, who rests.
//!
//! ```text
//!            poll does not return, work waits                 its poll returned, the pool is full
//!   active ───────────────────────────────────► lent ──────────────────────────────────────────► resting ── 10 s ──► gone
//!     ▲                                          │ it was lowered: gone, and a stand-in if one is missing   │
//!     └── a thread is missing ───────────────────┴──────────────────────────────────────────────────────────┘
//! ```
//!
//! There are never more than `workers` active threads, but for a lent one that has not seen yet that it is; a stand-in is
//! a thread like any other. All changes of role happen under one lock, seldom. What a thread must do is the verdict of its
//! own call; so of two that race, one comes first and the other is told.
//!
//! # How a lent thread comes back
//!
//! A thread in a poll holds no lock and is told nothing. It looks at the flag `is_lent` of its seat after each poll.
//!
//! ```text
//!  watch                                       thread
//!  ─────                                       ──────
//!  1 lend: active ─► lent                      1 end of the poll
//!  2 flag up                                   2 read the flag
//!  each millisecond, while the role is lent:     down: run something else, or sleep ──► 2
//!  3 read whether a poll lasts, and the flag   3 flag down
//!    no poll, and up: unpark                   4 come_back: lent ─► active, resting or leaving
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
//! **A thread that is tired of resting while it is called.** `rested` and the call are under the lock: it was called and
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
//! This failed in `crew/tests.rs`, and for `Progress` in `seat/tests.rs`:
//!
//! | change | what failed |
//! |---|---|
//! | the flag goes up before the role changes | a thread comes back that is not lent |
//! | the flag goes down after `come_back` | the next lending is not seen |
//! | the watch does not unpark | a lent thread sleeps for good |
//! | a call leaves the role at resting | the called thread leaves |
//! | `rested` does not look whether it was called | the called thread leaves |
//! | `lower` outside the lock | a lowered thread rests, and would work again |
//! | `vacate` asks for a thread that was just refused | a second one is asked for |
//! | `vacate` calls nobody from its rest then | nobody is left to work |
//! | `begin`: key or count relaxed, or the count first | a poll is told with another's key |
//! | `current`: key or count relaxed, or the count not read again | the same |
//! | `is_long`: number or time relaxed, or the number first | a long poll is told with another's time |
//! | `long_poll`: number or time relaxed | the same |
//! | `long_poll`: `current` asked first, or its number not compared | the same |

use crate::sync::{AtomicUsize, Mutex, Ordering};

/// What a thread is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// There is no thread.
    Vacant,
    /// It runs tasks, or sleeps until there are some.
    Active,
    /// It is stuck in a poll, and somebody else is active for it.
    Lent {
        /// The system runs it after others, and that cannot be taken back.
        is_lowered: bool,
    },
    /// It waits to become active.
    Resting,
    /// It is about to end; its seat is not free yet.
    Leaving,
}

/// What a thread has to do that comes back from a long poll.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ComeBack {
    Work,
    Rest,
    Leave,
}

/// What to do for one more active thread.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StandIn {
    /// Unpark the thread in this seat.
    Wake(usize),
    /// Start a thread for this seat.
    Start(usize),
    /// There are as many threads as there may be.
    NoneLeft,
}

/// Numbers of threads by role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Strength {
    pub(crate) active: usize,
    pub(crate) lent: usize,
    pub(crate) lowered: usize,
    pub(crate) resting: usize,
    pub(crate) leaving: usize,
}

impl Strength {
    pub(crate) fn threads(self) -> usize {
        self.active + self.lent + self.resting + self.leaving
    }
}

/// The roles of all threads.
pub(crate) struct Crew {
    workers: usize,
    max_threads: usize,
    roles: Mutex<Vec<Role>>,
    /// The length of `roles`: in the seats from here on there is nobody and nothing. Relaxed, since it is raised before
    /// the thread of a new seat starts, and so before each push there: the fences of `Idle` that bring the push to the one
    /// who looks bring this number as well.
    n_seats: AtomicUsize,
}

impl Crew {
    pub(crate) fn new(workers: usize, max_threads: usize) -> Crew {
        Crew { workers, max_threads, roles: Mutex::new(Vec::new()), n_seats: AtomicUsize::new(0) }
    }

    /// How many seats have to be looked at to see every thread.
    pub(crate) fn n_seats(&self) -> usize {
        self.n_seats.load(Ordering::Relaxed)
    }

    /// One more active thread.
    pub(crate) fn call(&self) -> StandIn {
        self.call_one(&mut self.roles.lock())
    }

    /// The thread is stuck, and somebody is active for it from now on. `None` if it is not active.
    pub(crate) fn lend(&self, seat: usize) -> Option<StandIn> {
        let mut roles = self.roles.lock();
        if roles.get(seat) != Some(&Role::Active) {
            return None;
        }
        let stand_in = self.call_one(&mut roles);
        if stand_in != StandIn::NoneLeft {
            roles[seat] = Role::Lent { is_lowered: false };
        }
        Some(stand_in)
    }

    /// The system will run the lent thread after others. `false` if it has come back.
    pub(crate) fn lower(&self, seat: usize, lower: impl FnOnce() -> bool) -> bool {
        let mut roles = self.roles.lock();
        let Some(Role::Lent { is_lowered }) = roles.get_mut(seat) else { return false };
        *is_lowered = lower();
        *is_lowered
    }

    /// The long poll of a lent thread has returned.
    pub(crate) fn come_back(&self, seat: usize) -> ComeBack {
        let mut roles = self.roles.lock();
        let is_full = strength(&roles).active >= self.workers;
        let (role, come_back) = match roles.get(seat) {
            Some(Role::Lent { is_lowered: true }) => (Role::Leaving, ComeBack::Leave),
            Some(Role::Lent { is_lowered: false }) if is_full => (Role::Resting, ComeBack::Rest),
            _ => (Role::Active, ComeBack::Work),
        };
        self.set(&mut roles, seat, role);
        come_back
    }

    /// A resting thread was woken or is tired of waiting.
    pub(crate) fn rested(&self, seat: usize) -> ComeBack {
        let mut roles = self.roles.lock();
        match roles.get(seat) {
            Some(Role::Resting) => {
                self.set(&mut roles, seat, Role::Leaving);
                ComeBack::Leave
            }
            Some(Role::Active) => ComeBack::Work,
            _ => ComeBack::Leave,
        }
    }

    /// The thread in this seat has ended, or could not be started. If one is missing now, this says where it comes from.
    pub(crate) fn vacate(&self, seat: usize) -> Option<StandIn> {
        let mut roles = self.roles.lock();
        let was_refused = roles.get(seat) == Some(&Role::Active);
        self.set(&mut roles, seat, Role::Vacant);
        let is_missing = strength(&roles).active < self.workers;
        // The system has no thread to give: only one that rests can come.
        (is_missing && (!was_refused || roles.contains(&Role::Resting))).then(|| self.call_one(&mut roles))
    }

    pub(crate) fn role(&self, seat: usize) -> Role {
        self.roles.lock().get(seat).copied().unwrap_or(Role::Vacant)
    }

    pub(crate) fn strength(&self) -> Strength {
        strength(&self.roles.lock())
    }

    fn call_one(&self, roles: &mut Vec<Role>) -> StandIn {
        if let Some(seat) = roles.iter().position(|role| *role == Role::Resting) {
            roles[seat] = Role::Active;
            return StandIn::Wake(seat);
        }
        if strength(roles).threads() >= self.max_threads {
            return StandIn::NoneLeft;
        }
        let seat = roles.iter().position(|role| *role == Role::Vacant).unwrap_or(roles.len());
        if seat == roles.len() {
            roles.push(Role::Vacant);
        }
        self.set(roles, seat, Role::Active);
        StandIn::Start(seat)
    }

    fn set(&self, roles: &mut Vec<Role>, seat: usize, role: Role) {
        if let Some(place) = roles.get_mut(seat) {
            *place = role;
        }
        while roles.last() == Some(&Role::Vacant) {
            roles.pop();
        }
        self.n_seats.store(roles.len(), Ordering::Relaxed);
    }
}

fn strength(roles: &[Role]) -> Strength {
    let mut strength = Strength::default();
    for role in roles {
        match role {
            Role::Vacant => {}
            Role::Active => strength.active += 1,
            Role::Lent { is_lowered } => {
                strength.lent += 1;
                strength.lowered += usize::from(*is_lowered);
            }
            Role::Resting => strength.resting += 1,
            Role::Leaving => strength.leaving += 1,
        }
    }
    strength
}

#[cfg(all(test, cordial_loom))]
mod tests;
