//! The watch: a thread that sees polls that do not end. It sleeps without a timer while all workers do.
//!
//! A worker bumps one counter at the start and at the end of each poll and stores the key; it reads no clock. The watch
//! compares the counters about once a millisecond.

use std::time::Duration;

use crossbeam_utils::sync::{Parker, Unparker};

use crate::sync::{AtomicU32, AtomicU64, Mutex, Ordering};
use crate::{Executor, Key};

/// How often the watch looks while anything runs.
const PERIOD: Duration = Duration::from_millis(1);

/// What a worker tells of its polls.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Odd while polling.
    polls: AtomicU32,
    /// Index and generation of the key in the poll.
    key: AtomicU64,
}

impl Progress {
    pub(crate) fn begin(&self, key: Key) {
        self.key.store(key.to_bits(), Ordering::Relaxed);
        // Release pairs with the acquire in `current`: whoever sees the odd count sees the key.
        self.polls.store(self.polls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }

    pub(crate) fn end(&self) {
        self.polls.store(self.polls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }

    fn current(&self) -> Option<(u32, Key)> {
        let polls = self.polls.load(Ordering::Acquire);
        if polls.is_multiple_of(2) {
            return None;
        }
        Key::from_bits(self.key.load(Ordering::Relaxed)).map(|key| (polls, key))
    }
}

pub(crate) struct Watch {
    stall_after: Duration,
    /// Taken by the watch thread when it starts.
    parker: Mutex<Option<Parker>>,
    unparker: Unparker,
}

impl Watch {
    pub(crate) fn new(stall_after: Duration) -> Watch {
        let parker = Parker::new();
        Watch { stall_after, unparker: parker.unparker().clone(), parker: Mutex::new(Some(parker)) }
    }

    /// To be called when the first worker wakes up. The parker keeps the token, so it may come too early.
    pub(crate) fn rouse(&self) {
        self.unparker.unpark();
    }
}

/// One worker as the watch saw it last.
#[derive(Clone, Copy, Default)]
struct Seen {
    polls: u32,
    since: Duration,
    reported: bool,
}

/// The life of the watch thread.
#[expect(clippy::disallowed_methods, reason = "a poll lasts real time")]
pub(crate) fn watch(executor: &Executor) {
    let Some(pool) = executor.pool() else { return };
    let Some(parker) = pool.watch.parker.lock().take() else { return };
    let started = std::time::Instant::now();
    let mut seen = vec![Seen::default(); pool.workers()];
    while !pool.is_stopping() {
        if pool.idle.all_asleep() {
            parker.park();
            continue;
        }
        parker.park_timeout(PERIOD);
        let now = started.elapsed();
        for (seen, progress) in seen.iter_mut().zip(&pool.progress) {
            let Some((polls, key)) = progress.current() else { continue };
            if polls != seen.polls {
                *seen = Seen { polls, since: now, reported: false };
            }
            let lasted = now - seen.since;
            if lasted >= pool.watch.stall_after && !seen.reported {
                seen.reported = true;
                executor.layer_dyn().long_poll(key, lasted);
            }
        }
    }
}
