//! The items in flight, which have no result yet: each in a slot, with its phase, and its input if that is kept.
//!
//! ```text
//!              ┌────── without a delay ───────┐
//!              ▼                              │
//!  insert ─► Queued ─► Running ── ended ──► retry, or remove (the stream decides)
//!              ▲                              │
//!              └────── InBackoff ◄────────────┘
//! ```
//!
//! An attempt that is refused ends without having run.

use std::sync::Arc;
use std::time::Duration;

use slab::Slab;

use super::completions::{AttemptReply, CompletionSender, Completions};
use super::deadlines::Deadlines;
use crate::backoff::{Backoff, Delays};
use crate::exit::{Exit, NamedLimit, Refusal, TimedOut};
use crate::pid::Pid;
use crate::process::{GroupKey, RuntimeHandle, discard, unlink_from_current};
use crate::timeout::Timeout;

/// The items in flight. Must be emptied with `cancel_all` or `detach_all` before it is dropped.
pub(super) struct InFlight<I, O> {
    slots: Slab<InFlightItem<I>>,
    completions: Arc<Completions<O>>,
    deadlines: Deadlines,
    runtime: RuntimeHandle,
    latest_attempt: u64,
}

/// One item in flight.
pub(super) struct InFlightItem<I> {
    pub(super) idx: usize,
    /// `Some` until the first attempt, and afterwards if the stream keeps a copy of each input.
    pub(super) input: Option<I>,
    pub(super) n_attempts: usize,
    /// The delays before further retries, if the item has a backoff and has been retried.
    delays: Option<Box<Delays>>,
    phase: ItemPhase,
}

enum ItemPhase {
    /// The slot is in the queue of the stream, or its attempt was refused.
    Queued,
    Running {
        pid: Pid,
        attempt: u64,
    },
    /// The next attempt starts after a delay.
    InBackoff,
}

/// A change of a slot: its item is queued again, or its attempt has ended.
pub(super) enum SlotEvent<O> {
    /// The backoff is over: the item is queued.
    Queued,
    Completed(Completion<O>),
}

/// How an attempt ended.
pub(super) enum Completion<O> {
    Value(O),
    Failed(Exit),
    TimedOut(TimedOut),
    /// The attempt was killed because of its timeout, and one of its polls had not returned 100 ms later.
    Abandoned(TimedOut),
}

/// The items that were cancelled.
pub(super) struct Cancelled {
    /// Their slots, sorted.
    pub(super) slots: Vec<usize>,
    /// How many of them have made at least one attempt.
    pub(super) n_started: usize,
}

/// When the next attempt of an item starts.
#[must_use = "an item whose retry starts now has to be queued"]
#[derive(PartialEq, Eq)]
pub(super) enum RetryStart {
    Now,
    AfterBackoff(Duration),
}

impl<I> InFlightItem<I> {
    /// Returns the process of the attempt that runs or has just ended. `None` if the attempt was refused, or none runs.
    pub(super) fn pid(&self) -> Option<Pid> {
        match self.phase {
            ItemPhase::Running { pid, .. } => Some(pid),
            ItemPhase::Queued | ItemPhase::InBackoff => None,
        }
    }
}

impl<I, O: Send + 'static> InFlight<I, O> {
    pub(super) fn new(runtime: RuntimeHandle) -> InFlight<I, O> {
        let completions = Arc::new(Completions::new());
        let deadlines = Deadlines::new(runtime.clone(), completions.clone());
        InFlight { slots: Slab::new(), completions, deadlines, runtime, latest_attempt: 0 }
    }

    pub(super) fn runtime(&self) -> &RuntimeHandle {
        &self.runtime
    }

    /// Returns whether the items run in the OS process from which this one was forked.
    pub(super) fn is_forked(&self) -> bool {
        self.runtime.is_forked()
    }

    pub(super) fn completions(&self) -> &Completions<O> {
        &self.completions
    }

    /// Adds a queued item, and returns its slot.
    pub(super) fn insert(&mut self, idx: usize, input: I) -> usize {
        let phase = ItemPhase::Queued;
        self.slots.insert(InFlightItem { idx, input: Some(input), n_attempts: 0, delays: None, phase })
    }

    pub(super) fn get_mut(&mut self, slot: usize) -> &mut InFlightItem<I> {
        &mut self.slots[slot]
    }

    pub(super) fn remove(&mut self, slot: usize) -> InFlightItem<I> {
        self.slots.remove(slot)
    }

    /// Numbers the next attempt in this slot, and returns the sender for its reply.
    #[inline]
    pub(super) fn next_attempt(&mut self, slot: usize) -> CompletionSender<O> {
        self.latest_attempt += 1;
        CompletionSender { completions: self.completions.clone(), slot, attempt: self.latest_attempt }
    }

    /// Records the start of the attempt that [`next_attempt`](InFlight::next_attempt) numbered, and starts its timeout.
    /// Returns an event if the attempt was refused.
    #[inline]
    pub(super) fn attempt_started(
        &mut self,
        slot: usize,
        started: Result<Pid, Refusal>,
        limits: &(Timeout, NamedLimit),
    ) -> Option<SlotEvent<O>> {
        let item = &mut self.slots[slot];
        item.n_attempts += 1;
        let pid = match started {
            Ok(pid) => pid,
            Err(refusal) => return Some(SlotEvent::Completed(Completion::Failed(Exit::Refused(refusal)))),
        };
        item.phase = ItemPhase::Running { pid, attempt: self.latest_attempt };
        let (timeout, named) = limits;
        match *timeout {
            Timeout::After(Duration::ZERO) => self.deadlines.set_single_poll(slot, pid, *named),
            Timeout::After(timeout) => self.deadlines.set_timeout(slot, pid, timeout, named),
            Timeout::Infinity => {}
        }
        None
    }

    /// Handles a reply. `None` if its attempt is no longer the one that runs in the slot.
    #[inline]
    pub(super) fn on_reply(&self, reply: AttemptReply<O>) -> Option<SlotEvent<O>> {
        let AttemptReply { slot, attempt, reply } = reply;
        let pid = match self.slots.get(slot)?.phase {
            ItemPhase::Running { pid, attempt: current } if current == attempt => pid,
            _ => return None,
        };
        Some(SlotEvent::Completed(match reply.take() {
            Ok(value) => Completion::Value(value),
            Err(exit) => {
                let timed_out = self.deadlines.take_timed_out(slot, pid).filter(|_| matches!(exit, Exit::Killed));
                timed_out.map_or(Completion::Failed(exit), Completion::TimedOut)
            }
        }))
    }

    /// Handles a notification. `None` if it was spurious.
    pub(super) fn on_notified(&mut self, slot: usize) -> Option<SlotEvent<O>> {
        let item = self.slots.get_mut(slot)?;
        match item.phase {
            ItemPhase::Queued => None,
            ItemPhase::InBackoff if self.deadlines.is_in_backoff(slot) => None,
            ItemPhase::InBackoff => {
                item.phase = ItemPhase::Queued;
                Some(SlotEvent::Queued)
            }
            ItemPhase::Running { pid, attempt } => {
                let timed_out = self.deadlines.take_abandoned(slot, pid)?;
                self.completions.abandon(attempt);
                self.give_up(pid);
                Some(SlotEvent::Completed(Completion::Abandoned(timed_out)))
            }
        }
    }

    /// Schedules the next attempt of an item whose attempt has ended or was refused.
    pub(super) fn retry(&mut self, slot: usize, backoff: Option<Backoff>) -> RetryStart {
        let random = || self.runtime.executor().random();
        let item = &mut self.slots[slot];
        let delays = &mut item.delays;
        let delay = backoff.and_then(|backoff| delays.get_or_insert_with(|| Box::new(backoff.delays(random()))).next());
        match delay.filter(|delay| !delay.is_zero()) {
            Some(delay) => {
                item.phase = ItemPhase::InBackoff;
                self.deadlines.set_backoff(slot, delay);
                RetryStart::AfterBackoff(delay)
            }
            None => {
                item.phase = ItemPhase::Queued;
                RetryStart::Now
            }
        }
    }
}

impl<I, O> InFlight<I, O> {
    /// Returns how many items have made at least one attempt.
    pub(super) fn n_started(&self) -> usize {
        self.slots.iter().filter(|(_, item)| item.n_attempts > 0).count()
    }

    /// Returns the slots of the items whose attempt runs, and of those that are in their backoff.
    pub(super) fn waiting(&self) -> Vec<usize> {
        let waiting = self.slots.iter().filter(|(_, item)| !matches!(item.phase, ItemPhase::Queued));
        waiting.map(|(slot, _)| slot).collect()
    }

    /// Removes the stream from those that observers see.
    pub(super) fn remove_group(&self, key: GroupKey) {
        self.runtime.remove_group(key);
    }

    /// Asks all running processes to shut down, and removes all items.
    pub(super) fn cancel_all(&mut self) {
        for (_, item) in &self.slots {
            if let ItemPhase::Running { pid, .. } = item.phase {
                self.give_up(pid);
            }
        }
        self.detach_all();
    }

    /// Asks the running processes of the items after `idx` to shut down, and removes these items.
    pub(super) fn cancel_after(&mut self, idx: usize) -> Cancelled {
        let later = self.slots.iter().filter(|(_, item)| item.idx > idx).map(|(slot, _)| slot);
        let mut cancelled = Cancelled { slots: later.collect(), n_started: 0 };
        for &slot in &cancelled.slots {
            let item = self.slots.remove(slot);
            self.deadlines.remove(slot);
            cancelled.n_started += usize::from(item.n_attempts > 0);
            if let ItemPhase::Running { pid, .. } = item.phase {
                self.give_up(pid);
            }
            // Drops the user's input.
            discard(item);
        }
        cancelled
    }

    /// Asks the process of an attempt to shut down. Its exit does not end the consumer, with which it may have linked itself.
    fn give_up(&self, pid: Pid) {
        unlink_from_current(&self.runtime, pid);
        self.runtime.request_shutdown(pid);
    }

    /// Removes all items, and drops the replies of their processes. Leaves the processes alone.
    pub(super) fn detach_all(&mut self) {
        // In a forked process, another thread may have held the locks at the fork.
        if !self.runtime.is_forked() {
            self.completions.close();
            self.deadlines.clear();
        }
        // Inputs of the user: each on its own, because two destructors that panic would abort the program.
        std::mem::take(&mut self.slots).into_iter().for_each(|(_, item)| discard(item));
    }
}
