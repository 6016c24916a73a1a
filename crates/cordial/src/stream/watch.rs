//! The limits of the items, and the waits before their next attempts. In force also while nobody polls the stream.
//!
//! ```text
//!  limit ────► kill ── 100 ms ──► abandoned: rings, the item is `Err(Timeout)` and its slot is free
//!    │ ended: its answer  │ ended: `Err(Timeout)`, unless a value came after all
//!  wait ─────► rings: the next attempt may start
//! ```
//!
//! One timer serves all items. It is armed for the earliest deadline that it knows of, and what it wakes is not the
//! consumer but this watch, which looks for what is due. An attempt that ends in time leaves its deadline where it is: the
//! next one in its slot writes over it, and a look finds that its process is gone. So a limit costs one clock and one
//! lock that nobody else wants, and the timer moves about once in the time of a limit.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use cordial_sched::{Instant, Timer};

use super::ready::Ring;
use crate::exit::{Location, TimedOut};
use crate::pid::Pid;
use crate::process::{ABANDON_AFTER, Handle, abandon};

/// The deadlines of one stream, by slot. Dropped, it no longer looks.
pub(super) struct Watch(Arc<Shared>);

struct Shared {
    runtime: Handle,
    ready: Arc<dyn Ring>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    deadlines: Vec<Option<Deadline>>,
    timer: Option<(Instant, Timer)>,
}

struct Deadline {
    /// `None`: a moment that no clock will see, or one that has passed.
    at: Option<Instant>,
    then: Then,
}

/// What happens at a deadline.
enum Then {
    /// The limit of this process has passed.
    Kill(Pid, Duration),
    /// The process was killed; its poll does not return.
    Abandon(Pid, TimedOut),
    /// That was done, and nobody has looked yet.
    Abandoned(TimedOut),
    Retry,
}

impl Watch {
    pub(super) fn new(runtime: Handle, ready: Arc<dyn Ring>) -> Watch {
        Watch(Arc::new(Shared { runtime, ready, state: Mutex::default() }))
    }

    /// The process in this slot has this limit, from now on.
    pub(super) fn set_limit(&self, slot: usize, pid: Pid, limit: Duration) {
        self.0.set(slot, limit, Then::Kill(pid, limit));
    }

    /// The process in this slot ends itself when its limit passes, if it can.
    pub(super) fn set_passed(&self, slot: usize, pid: Pid, limit: Duration) {
        let timed_out = self.0.timed_out(pid, limit).unwrap_or_else(|| TimedOut::new(limit, pid, None, None));
        self.0.set(slot, ABANDON_AFTER, Then::Abandon(pid, timed_out));
    }

    /// Rings for this slot after the wait.
    pub(super) fn set_wait(&self, slot: usize, wait: Duration) {
        self.0.set(slot, wait, Then::Retry);
    }

    /// Nobody wants to know of any of them.
    pub(super) fn clear(&self) {
        let state = std::mem::take(&mut *self.0.lock());
        drop(state);
    }

    pub(super) fn is_waiting(&self, slot: usize) -> bool {
        matches!(self.0.lock().deadlines.get(slot), Some(Some(Deadline { then: Then::Retry, .. })))
    }

    /// Whether the process in this slot, which has ended, was killed because its limit had passed.
    pub(super) fn take_timed_out(&self, slot: usize) -> Option<TimedOut> {
        match self.0.lock().deadlines.get_mut(slot)?.take()?.then {
            Then::Abandon(_, timed_out) | Then::Abandoned(timed_out) => Some(timed_out),
            Then::Kill(..) | Then::Retry => None,
        }
    }

    /// Whether nobody waits any more for the process in this slot.
    pub(super) fn take_abandoned(&self, slot: usize) -> Option<TimedOut> {
        match self.0.lock().deadlines.get_mut(slot)?.take_if(|deadline| matches!(deadline.then, Then::Abandoned(_)))? {
            Deadline { then: Then::Abandoned(timed_out), .. } => Some(timed_out),
            _ => None,
        }
    }
}

/// The timer holds what it wakes, so they must be parted.
impl Drop for Watch {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Shared {
    fn set(self: &Arc<Shared>, slot: usize, after: Duration, then: Then) {
        let at = self.runtime.executor().now().checked_add(after);
        let mut state = self.lock();
        if state.deadlines.len() <= slot {
            state.deadlines.resize_with(slot + 1, || None);
        }
        state.deadlines[slot] = Some(Deadline { at, then });
        if let Some(at) = at {
            self.arm(&mut state, at);
        }
    }

    /// Sees to it that somebody looks then, or earlier.
    fn arm(self: &Arc<Shared>, state: &mut State, at: Instant) {
        if state.timer.as_ref().is_some_and(|(armed, _)| *armed <= at) {
            return;
        }
        let executor = self.runtime.executor();
        let Some(mut timer) = executor.timer(at.saturating_duration_since(executor.now())) else { return };
        let waker = Waker::from(self.clone());
        if std::pin::Pin::new(&mut timer).poll(&mut Context::from_waker(&waker)).is_pending() {
            state.timer = Some((at, timer));
        }
    }

    /// Does what is due.
    fn look(self: &Arc<Shared>) {
        for (slot, then) in self.take_due() {
            match then {
                Then::Kill(pid, limit) => {
                    // While it can still be asked who it is. One that has ended has rung, or is about to.
                    let timed_out = self.timed_out(pid, limit);
                    if timed_out.is_some_and(|timed_out| self.note_kill(slot, pid, timed_out)) {
                        self.runtime.kill(pid);
                    }
                }
                Then::Abandon(pid, _) => {
                    self.runtime.kill(pid);
                    abandon(&self.runtime, pid);
                    self.ready.ring(slot);
                }
                Then::Retry => self.ready.ring(slot),
                Then::Abandoned(_) => {}
            }
        }
    }

    fn take_due(self: &Arc<Shared>) -> Vec<(usize, Then)> {
        let now = self.runtime.executor().now();
        let mut due = Vec::new();
        let mut state = self.lock();
        let passed = state.timer.take();
        for (slot, place) in state.deadlines.iter_mut().enumerate() {
            let is_due = |deadline: &mut Deadline| deadline.at.is_some_and(|at| at <= now);
            let Some(Deadline { then, .. }) = place.take_if(is_due) else { continue };
            if let Then::Abandon(_, timed_out) = &then {
                *place = Some(Deadline { at: None, then: Then::Abandoned(timed_out.clone()) });
            }
            due.push((slot, then));
        }
        if let Some(next) = state.deadlines.iter().flatten().filter_map(|deadline| deadline.at).min() {
            self.arm(&mut state, next);
        }
        drop(state);
        drop(passed);
        due
    }

    /// `false`: by now the slot belongs to another attempt.
    fn note_kill(self: &Arc<Shared>, slot: usize, pid: Pid, timed_out: TimedOut) -> bool {
        let at = self.runtime.executor().now().checked_add(ABANDON_AFTER);
        let mut state = self.lock();
        let Some(place @ None) = state.deadlines.get_mut(slot) else { return false };
        *place = Some(Deadline { at, then: Then::Abandon(pid, timed_out) });
        if let Some(at) = at {
            self.arm(&mut state, at);
        }
        true
    }

    fn timed_out(&self, pid: Pid, limit: Duration) -> Option<TimedOut> {
        let known = self.runtime.with(pid, |entry| (entry.label().cloned(), Location::from(entry.spawned_at)));
        known.map(|(label, place)| TimedOut::new(limit, pid, label, Some(place)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Shared>) {
        self.look();
    }

    fn wake_by_ref(self: &Arc<Shared>) {
        self.look();
    }
}

#[cfg(test)]
mod tests;
