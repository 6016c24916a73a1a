//! What is ready to run: a queue and a slot for each thread, open to thieves, and a queue for what comes from outside.

use std::sync::{Arc, OnceLock};

use crossbeam_deque::{Injector, Worker};

use crate::task::runnable::Runnable;
use crate::threads::Threads;
use crate::worker::progress::add;
use crate::worker::remote::{Remote, until_sure};
use crate::worker::steal_policy::StealPolicy;

/// The ends of the queues that every thread may use.
pub(crate) struct Queues {
    injector: Injector<Runnable>,
    seats: Box<[OnceLock<Arc<Remote>>]>,
    pub(crate) threads: Threads,
}

impl Queues {
    pub(crate) fn new(threads: Threads, max_threads: usize) -> Queues {
        Queues { injector: Injector::new(), seats: (0..max_threads).map(|_| OnceLock::new()).collect(), threads }
    }

    /// Makes the seat, if it was not made before.
    pub(crate) fn open(&self, seat: usize) {
        self.seats[seat].get_or_init(|| Arc::new(Remote::new()));
    }

    /// A seat that was opened.
    pub(crate) fn seat(&self, seat: usize) -> &Arc<Remote> {
        self.seats[seat].get().expect("opened before its thread was started")
    }

    /// All seats that may have a thread.
    pub(crate) fn seats(&self) -> impl Iterator<Item = (usize, &Remote)> {
        self.seats[..self.threads.n_seats()]
            .iter()
            .enumerate()
            .filter_map(|(index, seat)| Some((index, &**seat.get()?)))
    }

    /// All seats that had a thread, now or before. They are opened one after the other.
    pub(crate) fn opened(&self) -> impl Iterator<Item = &Remote> {
        self.seats.iter().map_while(|seat| Some(&**seat.get()?))
    }

    pub(crate) fn inject(&self, ready: Runnable) {
        self.injector.push(ready);
    }

    pub(crate) fn take_injected(&self, own: &Worker<Runnable>) -> Option<Runnable> {
        if self.injector.is_empty() {
            return None;
        }
        until_sure(|| self.injector.steal_batch_and_pop(own))
    }

    /// From the queues of the others that are not left alone, beginning with a random one.
    pub(crate) fn steal(&self, own: &Worker<Runnable>, thief: &Remote, steal_policy: &StealPolicy) -> Option<Runnable> {
        let n_seats = self.threads.n_seats();
        let first = fastrand::usize(..n_seats.max(1));
        (0..n_seats).find_map(|step| {
            let index = (first + step) % n_seats;
            let victim = self.seats[index].get()?;
            if victim.stealer.is_empty() || steal_policy.should_skip(index, victim) {
                return None;
            }
            let stolen = until_sure(|| victim.stealer.steal_batch_and_pop(own))?;
            add(&thief.progress.steals, 1);
            Some(stolen)
        })
    }

    /// From the slots of the others. Only for who is about to sleep, and for stuck threads: a task that was just woken
    /// is best run where that happened.
    pub(crate) fn take_slot(&self) -> Option<Runnable> {
        self.seats().find_map(|(_, seat)| seat.take_slot())
    }

    pub(crate) fn is_nothing_injected(&self) -> bool {
        self.injector.is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.injector.is_empty() && self.seats().all(|(_, seat)| seat.stealer.is_empty())
    }

    /// For threads that have no queue.
    pub(crate) fn take_any(&self) -> Option<Runnable> {
        until_sure(|| self.injector.steal())
            .or_else(|| self.seats().find_map(|(_, seat)| until_sure(|| seat.stealer.steal())))
            .or_else(|| self.take_slot())
    }

    /// Tasks from outside, and tasks in the queues of the threads.
    pub(crate) fn lengths(&self) -> (usize, usize) {
        (self.injector.len(), self.seats().map(|(_, seat)| seat.stealer.len()).sum())
    }
}
