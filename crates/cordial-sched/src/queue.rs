//! What is ready to run: a queue for each worker, open to thieves, and one for what comes from outside.

use async_task::Runnable;
use crossbeam_deque::{Injector, Steal, Stealer, Worker};

use crate::executor::Ticket;

pub(crate) type Ready = Runnable<Ticket>;

/// The ends of the queues that every thread may use.
pub(crate) struct Queues {
    injector: Injector<Ready>,
    stealers: Box<[Stealer<Ready>]>,
}

impl Queues {
    /// The shared ends, and for each worker its own.
    pub(crate) fn new(workers: usize) -> (Queues, Vec<Worker<Ready>>) {
        let own: Vec<Worker<Ready>> = (0..workers).map(|_| Worker::new_fifo()).collect();
        (Queues { injector: Injector::new(), stealers: own.iter().map(Worker::stealer).collect() }, own)
    }

    pub(crate) fn inject(&self, ready: Ready) {
        self.injector.push(ready);
    }

    /// From outside first, then from the others, beginning with a random one.
    pub(crate) fn find(&self, own: &Worker<Ready>) -> Option<Ready> {
        self.take_injected(own).or_else(|| self.steal(own))
    }

    pub(crate) fn take_injected(&self, own: &Worker<Ready>) -> Option<Ready> {
        until_sure(|| self.injector.steal_batch_and_pop(own))
    }

    fn steal(&self, own: &Worker<Ready>) -> Option<Ready> {
        let first = fastrand::usize(..self.stealers.len());
        (0..self.stealers.len()).find_map(|step| {
            let victim = &self.stealers[(first + step) % self.stealers.len()];
            until_sure(|| victim.steal_batch_and_pop(own))
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.injector.is_empty() && self.stealers.iter().all(Stealer::is_empty)
    }

    /// For threads that have no queue.
    pub(crate) fn take_any(&self) -> Option<Ready> {
        until_sure(|| self.injector.steal())
            .or_else(|| self.stealers.iter().find_map(|stealer| until_sure(|| stealer.steal())))
    }
}

fn until_sure(mut steal: impl FnMut() -> Steal<Ready>) -> Option<Ready> {
    loop {
        match steal() {
            Steal::Success(ready) => return Some(ready),
            Steal::Empty => return None,
            Steal::Retry => std::hint::spin_loop(),
        }
    }
}
