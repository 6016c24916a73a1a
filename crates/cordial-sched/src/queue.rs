//! What is ready to run: a queue and a slot for each thread, open to thieves, and a queue for what comes from outside.

use std::sync::{Arc, OnceLock};

use crossbeam_deque::{Injector, Worker};

use crate::crew::Crew;
use crate::scout::Scout;
use crate::seat::{Ready, Seat, add, until_sure};

/// The ends of the queues that every thread may use.
pub(crate) struct Queues {
    injector: Injector<Ready>,
    seats: Box<[OnceLock<Arc<Seat>>]>,
    pub(crate) crew: Crew,
}

impl Queues {
    pub(crate) fn new(crew: Crew, max_threads: usize) -> Queues {
        Queues { injector: Injector::new(), seats: (0..max_threads).map(|_| OnceLock::new()).collect(), crew }
    }

    /// Makes the seat, if it was not made before.
    pub(crate) fn open(&self, seat: usize) {
        self.seats[seat].get_or_init(|| Arc::new(Seat::new()));
    }

    /// A seat that was opened.
    pub(crate) fn seat(&self, seat: usize) -> &Arc<Seat> {
        self.seats[seat].get().expect("opened before its thread was started")
    }

    /// All seats that may have a thread.
    pub(crate) fn seats(&self) -> impl Iterator<Item = (usize, &Seat)> {
        self.seats[..self.crew.n_seats()].iter().enumerate().filter_map(|(index, seat)| Some((index, &**seat.get()?)))
    }

    /// All seats that had a thread, now or before. They are opened one after the other.
    pub(crate) fn opened(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().map_while(|seat| Some(&**seat.get()?))
    }

    pub(crate) fn inject(&self, ready: Ready) {
        self.injector.push(ready);
    }

    pub(crate) fn take_injected(&self, own: &Worker<Ready>) -> Option<Ready> {
        if self.injector.is_empty() {
            return None;
        }
        until_sure(|| self.injector.steal_batch_and_pop(own))
    }

    /// From the queues of the others that are not left alone, beginning with a random one.
    pub(crate) fn steal(&self, own: &Worker<Ready>, thief: &Seat, scout: &Scout) -> Option<Ready> {
        let n_seats = self.crew.n_seats();
        let first = fastrand::usize(..n_seats.max(1));
        (0..n_seats).find_map(|step| {
            let index = (first + step) % n_seats;
            let victim = self.seats[index].get()?;
            if victim.stealer.is_empty() || scout.leaves_alone(index, victim) {
                return None;
            }
            let stolen = until_sure(|| victim.stealer.steal_batch_and_pop(own))?;
            add(&thief.progress.steals, 1);
            Some(stolen)
        })
    }

    /// From the slots of the others. Only for who is about to sleep, and for stuck threads: a task that was just woken
    /// is best run where that happened.
    pub(crate) fn take_slot(&self) -> Option<Ready> {
        self.seats().find_map(|(_, seat)| seat.take_slot())
    }

    pub(crate) fn is_nothing_injected(&self) -> bool {
        self.injector.is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.injector.is_empty() && self.seats().all(|(_, seat)| seat.stealer.is_empty())
    }

    /// For threads that have no queue.
    pub(crate) fn take_any(&self) -> Option<Ready> {
        until_sure(|| self.injector.steal())
            .or_else(|| self.seats().find_map(|(_, seat)| until_sure(|| seat.stealer.steal())))
            .or_else(|| self.take_slot())
    }

    /// Tasks from outside, and tasks in the queues of the threads.
    pub(crate) fn lengths(&self) -> (usize, usize) {
        (self.injector.len(), self.seats().map(|(_, seat)| seat.stealer.len()).sum())
    }
}
