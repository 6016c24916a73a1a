//! The timeouts of attempts, and the delays before the next attempts. They elapse even while the stream is not polled.
//!
//! ```text
//!  attempt starts ── timeout ──► killed ── 100 ms in one poll ──► abandoned: timed out, and the slot is notified
//!        │                          └ ended: timed out, unless its last poll returned a value or panicked
//!        └ ended in time: its reply
//!  attempt failed ── backoff ──► the slot is notified, and the item is queued
//! ```
//!
//! One timer serves the whole stream. It is armed for the earliest deadline, or for an earlier one that
//! was removed since. It wakes [`SharedDeadlines`] instead of the consumer. An attempt that returns in
//! time leaves its deadline in place: the next deadline of its slot overwrites it, or the timer
//! finds that the process has exited. So setting a timeout reads the clock once and takes one lock
//! that is hardly ever contended, and the timer is rearmed about once per timeout period.
//!
//! After a timeout the process is killed, and abandoned if one of its polls lasts for 100 ms after that. Other stops wait between
//! these steps, see [`Escalation`](crate::process::Escalation). Here the timer runs them, because a busy consumer does not poll its stream.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use cordial_sched::{Deadline, Instant, PollId, Timer};

use super::completions::NotifySlot;
use crate::exit::{NamedLimit, TimedOut};
use crate::pid::Pid;
use crate::process::{ABANDON_AFTER, Polls, RuntimeHandle, abandon_on_timer_thread};
use crate::task::timed_out;

/// The deadlines of one stream, at most one for each slot. Dropping this value cancels all deadlines.
pub(super) struct Deadlines(Arc<SharedDeadlines>);

/// What the stream and its timer share.
struct SharedDeadlines {
    runtime: RuntimeHandle,
    completions: Arc<dyn NotifySlot>,
    state: Mutex<DeadlineState>,
}

#[derive(Default)]
struct DeadlineState {
    /// Indexed by slot.
    slots: Vec<Option<SlotDeadline>>,
    timer: Option<(Instant, Timer)>,
}

impl DeadlineState {
    #[inline]
    fn slot(&mut self, slot: usize) -> &mut Option<SlotDeadline> {
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        &mut self.slots[slot]
    }
}

struct SlotDeadline {
    /// `None` if the deadline never passes: the clock cannot represent it, the action is `Abandoned`, or the process has ended
    /// after its timeout.
    at: Option<Instant>,
    action: DeadlineAction,
}

/// What the timer does when a deadline passes.
enum DeadlineAction {
    /// Kills the process, which has exceeded its timeout. The [`TimedOut`] names this limit.
    Kill(Pid, NamedLimit),
    /// Abandons the process if it is stuck in one poll. The process was killed before, unless its timeout was zero.
    /// The `PollId` names the poll that the process was in when this deadline was set.
    Abandon(Pid, Option<PollId>, TimedOut),
    /// Does nothing: the process was abandoned, and the consumer has not taken the report of the timeout yet.
    Abandoned(TimedOut),
    /// Notifies the slot, so that its item is queued for the next attempt.
    Retry,
}

impl Deadlines {
    pub(super) fn new(runtime: RuntimeHandle, completions: Arc<dyn NotifySlot>) -> Deadlines {
        Deadlines(Arc::new(SharedDeadlines { runtime, completions, state: Mutex::default() }))
    }

    /// Starts the timeout of the process in this slot. The [`TimedOut`] names the limit `named`.
    pub(super) fn set_timeout(&self, slot: usize, pid: Pid, timeout: Duration, named: &NamedLimit) {
        // `deadline` reads a coarse clock for a long timeout: an exact one for each attempt would cost too much.
        let at = self.0.runtime.executor().deadline(timeout).map(Deadline::time);
        self.0.set_kill(slot, at, pid, named);
    }

    /// Starts a timeout of zero: the process kills itself after its first poll, and is abandoned if that poll lasts for 100 ms. The
    /// [`TimedOut`] names the limit `named`.
    pub(super) fn set_single_poll(&self, slot: usize, pid: Pid, named: NamedLimit) {
        // The process may have exited already.
        let timed_out = timed_out(&self.0.runtime, pid, named).unwrap_or_else(|| TimedOut::new(named, pid, None, None));
        self.0.set_after(slot, ABANDON_AFTER, DeadlineAction::Abandon(pid, None, timed_out));
    }

    /// Notifies this slot after the backoff.
    pub(super) fn set_backoff(&self, slot: usize, backoff: Duration) {
        self.0.set_after(slot, backoff, DeadlineAction::Retry);
    }

    /// Cancels all deadlines.
    pub(super) fn clear(&self) {
        if self.0.runtime.is_forked() {
            // Another thread may have held the lock at the fork.
            return;
        }
        let state = std::mem::take(&mut *self.0.lock());
        drop(state);
    }

    /// Cancels the deadline of this slot.
    pub(super) fn remove(&self, slot: usize) {
        if let Some(deadline) = self.0.lock().slots.get_mut(slot) {
            *deadline = None;
        }
    }

    pub(super) fn is_in_backoff(&self, slot: usize) -> bool {
        matches!(self.0.lock().slots.get(slot), Some(Some(SlotDeadline { action: DeadlineAction::Retry, .. })))
    }

    /// Removes the deadline of the process `pid`, which has ended. Returns the report of its timeout if the timeout had elapsed.
    pub(super) fn take_timed_out(&self, slot: usize, pid: Pid) -> Option<TimedOut> {
        match self.0.lock().slots.get_mut(slot)?.take()?.action {
            // An attempt without a timeout has left the deadline of an earlier process in place.
            DeadlineAction::Abandon(.., timed_out) | DeadlineAction::Abandoned(timed_out) => {
                Some(timed_out).filter(|timed_out| timed_out.pid() == pid)
            }
            DeadlineAction::Kill(..) | DeadlineAction::Retry => None,
        }
    }

    /// If the process `pid`, which is in this slot, was abandoned, removes its deadline and returns the report of its timeout.
    pub(super) fn take_abandoned(&self, slot: usize, pid: Pid) -> Option<TimedOut> {
        let mut state = self.0.lock();
        let deadline = state.slots.get_mut(slot)?;
        let Some(SlotDeadline { action: DeadlineAction::Abandoned(timed_out), .. }) = deadline else { return None };
        // As in `take_timed_out`.
        let timed_out = Some(timed_out).filter(|timed_out| timed_out.pid() == pid)?.clone();
        *deadline = None;
        Some(timed_out)
    }
}

/// `SharedDeadlines` holds the timer, whose waker holds `SharedDeadlines`: dropping the timer breaks the cycle.
impl Drop for Deadlines {
    fn drop(&mut self) {
        self.clear();
    }
}

impl SharedDeadlines {
    fn set_after(self: &Arc<SharedDeadlines>, slot: usize, after: Duration, action: DeadlineAction) {
        self.set(slot, self.runtime.executor().now().checked_add(after), action);
    }

    fn set(self: &Arc<SharedDeadlines>, slot: usize, at: Option<Instant>, action: DeadlineAction) {
        let mut state = self.lock();
        *state.slot(slot) = Some(SlotDeadline { at, action });
        if let Some(at) = at {
            self.arm(&mut state, at);
        }
    }

    /// Sets the deadline of an attempt. Usually the slot still has the deadline of an earlier attempt, whose fields are then overwritten in
    /// place: that is faster than to move a new deadline there.
    fn set_kill(self: &Arc<SharedDeadlines>, slot: usize, at: Option<Instant>, pid: Pid, named: &NamedLimit) {
        let mut state = self.lock();
        let deadline = state.slot(slot);
        if let Some(SlotDeadline { at: at_of_slot, action: DeadlineAction::Kill(pid_of_slot, named_of_slot) }) =
            deadline
        {
            *at_of_slot = at;
            *pid_of_slot = pid;
            *named_of_slot = *named;
        } else {
            *deadline = Some(SlotDeadline { at, action: DeadlineAction::Kill(pid, *named) });
        }
        if let Some(at) = at {
            self.arm(&mut state, at);
        }
    }

    /// Arms the timer for `at`, unless it is armed for an earlier moment.
    fn arm(self: &Arc<SharedDeadlines>, state: &mut DeadlineState, at: Instant) {
        if state.timer.as_ref().is_some_and(|(armed, _)| *armed <= at) {
            return;
        }
        let executor = self.runtime.executor();
        let Some(mut timer) = executor.timer(at.saturating_duration_since(executor.now())) else { return };
        let waker = Waker::from(self.clone());
        let armed = Pin::new(&mut timer).poll(&mut Context::from_waker(&waker));
        assert!(armed.is_pending(), "the first poll of a timer arms it, and is never ready");
        state.timer = Some((at, timer));
    }

    /// Runs the actions of all deadlines that have passed.
    fn run_due(self: &Arc<SharedDeadlines>) {
        for (slot, action) in self.take_due() {
            match action {
                DeadlineAction::Kill(pid, limit) => {
                    // The `TimedOut` is made before the kill, while the process is in the table. A process that is not in the
                    // table has ended in time, and its reply has arrived or is about to arrive.
                    let timed_out = timed_out(&self.runtime, pid, limit);
                    if timed_out.is_some_and(|timed_out| self.set_abandon(slot, pid, timed_out)) {
                        self.runtime.kill(pid);
                    }
                }
                DeadlineAction::Abandon(pid, ..) => {
                    // A process whose timeout is zero was not killed before.
                    self.runtime.kill(pid);
                    abandon_on_timer_thread(&self.runtime, pid);
                    self.completions.notify(slot);
                }
                DeadlineAction::Retry => self.completions.notify(slot),
                DeadlineAction::Abandoned(_) => unreachable!("`Abandoned` has no deadline that can pass"),
            }
        }
    }

    /// Takes the actions of all deadlines that have passed, leaves `Abandoned` in place of `Abandon`, and arms the timer for
    /// the next deadline. A killed process that is not stuck in one poll, for example because it waits for a thread, gets
    /// another deadline, unless it has ended.
    fn take_due(self: &Arc<SharedDeadlines>) -> Vec<(usize, DeadlineAction)> {
        let (now, polls) = (self.runtime.executor().now(), Polls::now(&self.runtime));
        let mut due = Vec::new();
        let mut state = self.lock();
        let elapsed = state.timer.take();
        for (slot, deadline) in state.slots.iter_mut().enumerate() {
            let is_due = |deadline: &mut SlotDeadline| deadline.at.is_some_and(|at| at <= now);
            let Some(SlotDeadline { action, .. }) = deadline.take_if(is_due) else { continue };
            if let DeadlineAction::Abandon(pid, poll, timed_out) = &action {
                if !polls.is_stuck(*pid, *poll) {
                    let action = DeadlineAction::Abandon(*pid, polls.of(*pid), timed_out.clone());
                    // If the process has ended, the deadline stays, without a time: the reply of the process may not have been taken.
                    let at = if self.runtime.is_alive(*pid) { now.checked_add(ABANDON_AFTER) } else { None };
                    *deadline = Some(SlotDeadline { at, action });
                    continue;
                }
                *deadline = Some(SlotDeadline { at: None, action: DeadlineAction::Abandoned(timed_out.clone()) });
            }
            due.push((slot, action));
        }
        if let Some(next) = state.slots.iter().flatten().filter_map(|deadline| deadline.at).min() {
            self.arm(&mut state, next);
        }
        drop(state);
        drop(elapsed);
        due
    }

    /// Sets the deadline after which a process that is about to be killed is abandoned. Returns `false`, and changes
    /// nothing, if the slot has another deadline by now, or if all deadlines were cleared.
    #[must_use = "the process of another attempt must not be killed"]
    fn set_abandon(self: &Arc<SharedDeadlines>, slot: usize, pid: Pid, timed_out: TimedOut) -> bool {
        let at = self.runtime.executor().now().checked_add(ABANDON_AFTER);
        let poll = Polls::now(&self.runtime).of(pid);
        let mut state = self.lock();
        let Some(deadline @ None) = state.slots.get_mut(slot) else { return false };
        *deadline = Some(SlotDeadline { at, action: DeadlineAction::Abandon(pid, poll, timed_out) });
        if let Some(at) = at {
            self.arm(&mut state, at);
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, DeadlineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for SharedDeadlines {
    fn wake(self: Arc<SharedDeadlines>) {
        self.run_due();
    }

    fn wake_by_ref(self: &Arc<SharedDeadlines>) {
        self.run_due();
    }
}

#[cfg(test)]
mod tests;
