//! Searching again before going to sleep, for as long as a burst of work may pause.
//!
//! A task that was woken into a worker's slot is about to be run there, so a thief leaves it alone, unless that worker
//! stays in one poll from one round to the next: then the slot is stuck behind it.

use std::time::{Duration, Instant};

use crossbeam_deque::Worker;

use crate::pool::Pool;
use crate::task::runnable::Runnable;
use crate::worker::remote::Remote;
use crate::worker::steal_policy::StealPolicy;

const ROUNDS: usize = 20;
const ROUND: Duration = Duration::from_micros(10);

/// Whoever yields the processor and gets it back later than this has kept another thread waiting.
const TURN_OF_ANOTHER: Duration = Duration::from_micros(3);

/// Looks into all queues for some tens of microseconds.
///
/// It looks at the workers once in a round and leaves them alone in between: each look takes the lines of the queues away
/// from those who work with them. Where the processors have other work to do, it goes to sleep.
pub(crate) fn look(
    pool: &Pool,
    own: &Worker<Runnable>,
    thief: &Remote,
    steal_policy: &StealPolicy,
) -> Option<Runnable> {
    let current = |seat: &Remote| seat.progress.current().map(|(poll, _)| poll);
    let mut seen: Vec<Option<u64>> = pool.queues.seats().map(|(_, seat)| current(seat)).collect();
    for _ in 0..ROUNDS {
        let is_wanted = pause(pool);
        if let Some(ready) = pool.queues.take_injected(own).or_else(|| pool.queues.steal(own, thief, steal_policy)) {
            return Some(ready);
        }
        if pool.is_stopping() || is_wanted {
            return None;
        }
        for (index, seat) in pool.queues.seats() {
            let poll = current(seat);
            if seen.len() <= index {
                seen.resize(index + 1, None);
            }
            let is_same_poll = std::mem::replace(&mut seen[index], poll) == poll && poll.is_some();
            if is_same_poll && let Some(ready) = seat.take_slot() {
                return Some(ready);
            }
        }
    }
    None
}

/// Waits for the next round, or for something from outside, which has nobody else who would take it soon. Whether another
/// thread had its turn meanwhile.
#[expect(clippy::disallowed_methods, reason = "a round lasts real time")]
fn pause(pool: &Pool) -> bool {
    let started = Instant::now();
    let (mut waited, mut had_turn) = (Duration::ZERO, false);
    while waited < ROUND && !had_turn && pool.queues.is_nothing_injected() {
        std::thread::yield_now();
        let before = std::mem::replace(&mut waited, started.elapsed());
        had_turn = waited - before > TURN_OF_ANOTHER;
    }
    had_turn
}
