//! The items at work: each in a slot, with the attempt that runs, and what is kept for the next one.
//!
//! ```text
//!            ┌────────── may start ─────────┐
//!  insert ─► Queued ─► Running ── ended ──► │ ─► the stream decides: again, or remove
//!              ▲                            │
//!              └──── Waiting ◄── again ─────┘
//! ```

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use slab::Slab;

use super::ready::{Bell, Ready};
use super::watch::Watch;
use crate::backoff::{Backoff, Waits};
use crate::exit::{Exit, TimedOut};
use crate::process::Handle;
use crate::task::{Task, Timeout};

/// The items at work. Dropping them gives them up.
pub(super) struct Flights<I, O> {
    slots: Slab<Flight<I, O>>,
    /// By slot. Each is made once, and serves whoever is in the slot.
    bells: Vec<Waker>,
    ready: Arc<Ready>,
    watch: Watch,
    runtime: Handle,
}

/// One item at work.
pub(super) struct Flight<I, O> {
    pub(super) idx: usize,
    /// Until the first attempt, and for as long as somebody may want it.
    pub(super) input: Option<I>,
    pub(super) n_attempts: usize,
    waits: Option<Box<Waits>>,
    phase: Phase<O>,
}

enum Phase<O> {
    /// It may start as soon as there is room.
    Queued,
    Running(Task<O>),
    /// For its next attempt.
    Waiting,
}

/// What is new about a slot that rang.
pub(super) enum News<O> {
    /// It was rung in vain.
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

impl<I, O: Send> Flights<I, O> {
    pub(super) fn new(runtime: Handle) -> Flights<I, O> {
        let ready = Arc::<Ready>::default();
        let watch = Watch::new(runtime.clone(), ready.clone());
        Flights { slots: Slab::new(), bells: Vec::new(), ready, watch, runtime }
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(super) fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Queues an item, and gives its slot.
    pub(super) fn insert(&mut self, idx: usize, input: I) -> usize {
        let phase = Phase::Queued;
        let slot = self.slots.insert(Flight { idx, input: Some(input), n_attempts: 0, waits: None, phase });
        if self.bells.len() == slot {
            self.bells.push(Waker::from(Arc::new(Bell { ready: self.ready.clone(), slot })));
        }
        slot
    }

    pub(super) fn get_mut(&mut self, slot: usize) -> &mut Flight<I, O> {
        &mut self.slots[slot]
    }

    pub(super) fn remove(&mut self, slot: usize) -> Flight<I, O> {
        self.slots.remove(slot)
    }

    /// The attempt has begun, and its limit counts from here.
    pub(super) fn run(&mut self, slot: usize, task: Task<O>, limit: Timeout) {
        match limit {
            Timeout::After(Duration::ZERO) => self.watch.set_passed(slot, task.pid(), Duration::ZERO),
            Timeout::After(limit) => self.watch.set_limit(slot, task.pid(), limit),
            Timeout::Infinity => {}
        }
        let flight = &mut self.slots[slot];
        flight.n_attempts += 1;
        flight.phase = Phase::Running(task);
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

    /// What is new about a slot that rang, or whose attempt has just begun.
    pub(super) fn look(&mut self, slot: usize) -> News<O> {
        let Some(flight) = self.slots.get_mut(slot) else { return News::Nothing };
        match &mut flight.phase {
            Phase::Queued => News::Nothing,
            Phase::Waiting if self.watch.is_waiting(slot) => News::Nothing,
            Phase::Waiting => {
                flight.phase = Phase::Queued;
                News::MayStart
            }
            Phase::Running(task) => match task.poll_answer(&mut Context::from_waker(&self.bells[slot])) {
                Poll::Ready(Ok(value)) => News::Ended(Landing::Value(value)),
                Poll::Ready(Err(exit)) => {
                    let timed_out = self.watch.take_timed_out(slot).filter(|_| matches!(exit, Exit::Killed));
                    News::Ended(timed_out.map_or(Landing::Failed(exit), Landing::TimedOut))
                }
                Poll::Pending => match self.watch.take_abandoned(slot) {
                    Some(timed_out) => {
                        task.give_up();
                        News::Ended(Landing::Abandoned(timed_out))
                    }
                    None => News::Nothing,
                },
            },
        }
    }

    /// Lets go of them. What runs runs on.
    pub(super) fn let_run_on(&mut self) {
        for flight in self.slots.drain() {
            if let Phase::Running(task) = flight.phase {
                drop(task.ignore());
            }
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
        self.slots.clear();
    }
}
