//! The items at work: each in a slot, with the attempt that runs, and what is kept for the next one.
//!
//! ```text
//!            ┌────────── may start ─────────┐
//!  insert ─► Queued ─► Running ── ended ──► │ ─► the stream decides: again, or remove
//!              ▲                            │
//!              └──── Waiting ◄── again ─────┘
//! ```

use std::sync::Arc;
use std::time::Duration;

use slab::Slab;

use super::ready::{Addressee, Answer, Ready};
use super::watch::Watch;
use crate::backoff::{Backoff, Waits};
use crate::exit::{Exit, Refusal, TimedOut};
use crate::pid::Pid;
use crate::process::Handle;
use crate::task::Timeout;

/// The items at work. Dropping them gives them up.
pub(super) struct Flights<I, O> {
    slots: Slab<Flight<I>>,
    ready: Arc<Ready<O>>,
    watch: Watch,
    runtime: Handle,
    latest_attempt: u64,
}

/// One item at work.
pub(super) struct Flight<I> {
    pub(super) idx: usize,
    /// Until the first attempt, and for as long as somebody may want it.
    pub(super) input: Option<I>,
    pub(super) n_attempts: usize,
    waits: Option<Box<Waits>>,
    phase: Phase,
}

enum Phase {
    /// It may start as soon as there is room.
    Queued,
    Running {
        pid: Pid,
        attempt: u64,
    },
    /// For its next attempt.
    Waiting,
}

/// What is new about a slot.
pub(super) enum News<O> {
    /// It was rung in vain, or the answer is that of another attempt.
    Nothing,
    /// It waits no longer, and is queued.
    MayStart,
    Ended(Landing<O>),
}

/// How an attempt ended.
pub(super) enum Landing<O> {
    Value(O),
    Failed(Exit),
    TimedOut(TimedOut),
    /// Its poll did not return.
    Abandoned(TimedOut),
}

impl<I, O: Send + 'static> Flights<I, O> {
    pub(super) fn new(runtime: Handle) -> Flights<I, O> {
        let ready = Arc::<Ready<O>>::default();
        let watch = Watch::new(runtime.clone(), ready.clone());
        Flights { slots: Slab::new(), ready, watch, runtime, latest_attempt: 0 }
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(super) fn ready(&self) -> &Ready<O> {
        &self.ready
    }

    /// Queues an item, and gives its slot.
    pub(super) fn insert(&mut self, idx: usize, input: I) -> usize {
        let phase = Phase::Queued;
        self.slots.insert(Flight { idx, input: Some(input), n_attempts: 0, waits: None, phase })
    }

    pub(super) fn get_mut(&mut self, slot: usize) -> &mut Flight<I> {
        &mut self.slots[slot]
    }

    pub(super) fn remove(&mut self, slot: usize) -> Flight<I> {
        self.slots.remove(slot)
    }

    /// For the answer of the next attempt in this slot.
    pub(super) fn addressee(&mut self, slot: usize) -> Addressee<O> {
        self.latest_attempt += 1;
        Addressee { ready: self.ready.clone(), slot, attempt: self.latest_attempt }
    }

    /// That attempt has begun, and its limit counts from here. Or it was refused.
    pub(super) fn run(&mut self, slot: usize, started: Result<Pid, Refusal>, limit: Timeout) -> News<O> {
        let flight = &mut self.slots[slot];
        flight.n_attempts += 1;
        let pid = match started {
            Ok(pid) => pid,
            Err(refusal) => return News::Ended(Landing::Failed(Exit::Refused(refusal))),
        };
        flight.phase = Phase::Running { pid, attempt: self.latest_attempt };
        match limit {
            Timeout::After(Duration::ZERO) => self.watch.set_passed(slot, pid, Duration::ZERO),
            Timeout::After(limit) => self.watch.set_limit(slot, pid, limit),
            Timeout::Infinity => {}
        }
        News::Nothing
    }

    /// What an answer means. One that comes too late is for nobody.
    pub(super) fn hear(&self, answer: Answer<O>) -> News<O> {
        let Answer { slot, attempt, reply } = answer;
        let is_awaited =
            |flight: &Flight<I>| matches!(flight.phase, Phase::Running { attempt: own, .. } if own == attempt);
        if self.slots.get(slot).is_some_and(is_awaited) { self.land(slot, reply.take()) } else { News::Nothing }
    }

    fn land(&self, slot: usize, answer: Result<O, Exit>) -> News<O> {
        News::Ended(match answer {
            Ok(value) => Landing::Value(value),
            Err(exit) => {
                let timed_out = self.watch.take_timed_out(slot).filter(|_| matches!(exit, Exit::Killed));
                timed_out.map_or(Landing::Failed(exit), Landing::TimedOut)
            }
        })
    }

    /// There will be another attempt.
    pub(super) fn again(&mut self, slot: usize, backoff: Option<Backoff>) -> News<O> {
        let random = || self.runtime.executor().random();
        let flight = &mut self.slots[slot];
        let waits = &mut flight.waits;
        let wait = backoff.and_then(|backoff| waits.get_or_insert_with(|| Box::new(backoff.waits(random()))).next());
        match wait.filter(|wait| !wait.is_zero()) {
            Some(wait) => {
                flight.phase = Phase::Waiting;
                self.watch.set_wait(slot, wait);
                News::Nothing
            }
            None => {
                flight.phase = Phase::Queued;
                News::MayStart
            }
        }
    }

    /// What is new about a slot that rang.
    pub(super) fn look(&mut self, slot: usize) -> News<O> {
        let Some(flight) = self.slots.get_mut(slot) else { return News::Nothing };
        match flight.phase {
            Phase::Queued => News::Nothing,
            Phase::Waiting if self.watch.is_waiting(slot) => News::Nothing,
            Phase::Waiting => {
                flight.phase = Phase::Queued;
                News::MayStart
            }
            Phase::Running { pid, attempt } => match self.watch.take_abandoned(slot) {
                Some(timed_out) => {
                    self.ready.forget(attempt);
                    self.runtime.request_shutdown(pid);
                    News::Ended(Landing::Abandoned(timed_out))
                }
                None => News::Nothing,
            },
        }
    }
}

impl<I, O> Flights<I, O> {
    /// How many have begun and not ended.
    pub(super) fn n_begun(&self) -> usize {
        self.slots.iter().filter(|(_, flight)| flight.n_attempts > 0).count()
    }

    /// Gives them up.
    pub(super) fn clear(&mut self) {
        for (_, flight) in &self.slots {
            if let Phase::Running { pid, .. } = flight.phase {
                self.runtime.request_shutdown(pid);
            }
        }
        self.let_run_on();
    }

    /// Lets go of them. What runs runs on.
    pub(super) fn let_run_on(&mut self) {
        self.ready.close();
        self.watch.clear();
        self.slots.clear();
    }
}
