//! The threads of the pool: who is at work, whose work was lent to somebody else, who rests.
//!
//! ```text
//!            poll does not return, work waits                 its poll returned, the pool is full
//!   active ───────────────────────────────────► lent ──────────────────────────────────────────► resting ── 10 s ──► gone
//!     ▲                                          │ it was lowered: gone, and a stand-in if one is missing   │
//!     └── a thread is missing ───────────────────┴──────────────────────────────────────────────────────────┘
//! ```
//!
//! There are never more than `workers` active threads; a stand-in is a thread like any other. All changes of role happen
//! under one lock, seldom; a worker looks at its own flag after each poll.

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
    /// The length of `roles`: in the seats from here on there is nobody and nothing.
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

    /// The seat is free. If a thread is missing now, this says where it comes from.
    pub(crate) fn vacate(&self, seat: usize) -> Option<StandIn> {
        let mut roles = self.roles.lock();
        self.set(&mut roles, seat, Role::Vacant);
        (strength(&roles).active < self.workers).then(|| self.call_one(&mut roles))
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
