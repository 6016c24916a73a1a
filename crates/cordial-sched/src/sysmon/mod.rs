//! The watch: a thread that sees polls that do not end, and brings others to work meanwhile.
//!
//! It looks about once a millisecond while anything runs, and sleeps without a timer when nothing does. What begins a moment after
//! everybody went to sleep it sees some milliseconds late. It runs no tasks.
//!
//! ```text
//!  poll begins ── 1 look later, the same poll: its slot is for everybody
//!              ── stall_after: reported, and its queue is for everybody
//!                              if work waits that nobody takes soon: lent, a stand-in comes to work
//!              ── lent, and it computes: lowered (Linux)
//!              ── it returns: the thread rests, or leaves if it was lowered
//! ```
//!
//! A stopped program, a debugger and a suspended machine look like long polls of everybody. So after a gap in its own
//! looks the watch counts every poll from there on.

use std::time::Duration;

use self::starvation::{Observation, StarvationDetector};
use crate::idle::SearchResult;
use crate::pool::Pool;
use crate::sync::{AtomicU64, Ordering, Parker};
use crate::threads::{StandIn, ThreadState};
use crate::worker::remote::{Remote, until_sure};
use crate::{Executor, Key, free_list};

mod starvation;

/// How often the watch looks while anything runs.
const PERIOD: Duration = Duration::from_millis(1);

/// A gap between two looks that no busy machine explains.
const GAP: Duration = Duration::from_millis(100);

/// The watch does not sleep as soon as everybody does, since waking it for every task costs more. It waits twice as long for
/// each look that finds nobody awake, and sleeps when that would be longer than this.
const LINGER: Duration = Duration::from_millis(4);

/// What a lent thread must have computed to be lowered; one that blocks has not.
const COMPUTES: Duration = Duration::from_millis(1);

/// How much of a stuck thread's queue one look gives to everybody.
const RELEASED_AT_ONCE: usize = 64;

/// Counts of the watch.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(crate) long_polls: AtomicU64,
}

/// One seat as the watch saw it last.
#[derive(Clone, Copy, Default)]
struct Seen {
    poll: Option<u64>,
    /// Since when it counts: later than `first` if the watch could not look for a while.
    since: Duration,
    /// When it was seen first, on the coarse clock.
    first: u64,
    is_reported: bool,
    cpu_time: Option<Duration>,
}

/// When the watch looks.
struct Moment {
    /// Since it was started.
    now: Duration,
    /// The same moment on the coarse clock.
    clock: u64,
    /// Since it record_search before.
    passed: Duration,
    /// No poll has returned since then.
    is_still: bool,
}

/// The life of the watch thread.
#[expect(clippy::disallowed_methods, reason = "a poll lasts real time")]
pub(crate) fn watch(executor: &Executor, parker: &Parker) {
    let Some(pool) = executor.pool() else { return };
    let started = std::time::Instant::now();
    let mut seen: Vec<Seen> = Vec::new();
    let mut last = Duration::ZERO;
    let mut pause = PERIOD;
    let mut is_capped = false;
    let mut shortage = StarvationDetector::none(pool.options.stall_after);
    let mut n_finished_before = 0;
    while !pool.is_stopping() {
        pause = if is_everybody_asleep(pool) { 2 * pause } else { PERIOD };
        if pause > LINGER {
            let park = || {
                executor.core().limits.fall_quiet();
                free_list::fall_quiet(|| is_everybody_asleep(pool));
                parker.park();
            };
            pool.idle.sysmon_sleeps(|| is_everybody_asleep(pool) && !pool.is_stopping(), park);
            pause = PERIOD;
        } else {
            parker.park_timeout(pause);
        }
        let clock = pool.idle.clock.set();
        let now = started.elapsed();
        let mut passed = now - last;
        if passed > GAP {
            seen.iter_mut().for_each(|seen| seen.since = now);
            passed = PERIOD;
        }
        last = now;
        pool.idle.record_search(SearchResult::Found);
        let n_finished: u64 = pool.queues.opened().map(|seat| seat.progress.finished()).sum();
        let n_done = n_finished.wrapping_sub(std::mem::replace(&mut n_finished_before, n_finished));
        let stuck = look(executor, pool, &mut seen, &Moment { now, clock, passed, is_still: n_done == 0 });
        // The system had no thread to give when one was needed.
        if pool.threads().counts().active < pool.options.workers && !pool.queues.is_empty() && !pool.is_stopping() {
            let _ = pool.follow(pool.threads().call());
        }
        let (injected, queued) = pool.queues.lengths();
        let sight = Observation {
            now,
            passed,
            n_done,
            n_waiting: injected.saturating_add(queued),
            n_active: pool.threads().counts().active,
            n_stuck: stuck.len(),
        };
        if shortage.look(&sight) {
            let was_capped = is_capped;
            is_capped = !bring_stand_ins(pool, &stuck);
            if is_capped && !was_capped {
                let max_threads = pool.options.max_threads;
                executor.tell(move |layer| layer.threads_exhausted(max_threads));
            }
        } else {
            // As long as polls are stuck, the same shortage goes on, though nothing waits for a moment.
            is_capped &= !stuck.is_empty();
            if !pool.queues.is_empty() {
                pool.idle.notify();
            }
        }
        if pool.options.deprioritize_long_polls {
            lower_those_that_compute(pool, &mut seen);
        }
    }
}

fn is_everybody_asleep(pool: &Pool) -> bool {
    let counts = pool.threads().counts();
    // Where the system has refused a thread, only the watch will see that there is work for one.
    let is_complete = counts.active >= pool.options.workers;
    is_complete && counts.lent == 0 && pool.idle.n_sleepers() >= counts.active
}

/// Samples every seat. Returns the active ones that are stuck, the longest first.
fn look(executor: &Executor, pool: &Pool, seen: &mut Vec<Seen>, moment: &Moment) -> Vec<usize> {
    let now = moment.now;
    let mut stuck: Vec<(Duration, usize)> = Vec::new();
    // With everybody stuck, whoever comes next is likely to be as well: wait less, and not at all where nothing moves.
    let patience = match pool.threads().counts().lent >= pool.options.workers {
        true if moment.is_still => Duration::ZERO,
        true => PERIOD,
        false => pool.options.stall_after,
    };
    for (index, seat) in pool.queues.seats() {
        if seen.len() <= index {
            seen.resize(index + 1, Seen::default());
        }
        let Some((poll, key)) = seat.progress.current() else {
            seen[index] = Seen::default();
            if seat.is_blocked.load(Ordering::Relaxed) {
                // Its poll returned while it was lent, and it may have gone to sleep without noticing.
                seat.unparker.unpark();
            }
            continue;
        };
        let seen = &mut seen[index];
        // It is in the same poll since the last look, or nobody knows for how long.
        sample(executor, seat, key, if seen.poll == Some(poll) { moment.passed } else { PERIOD });
        if seen.poll != Some(poll) {
            *seen = Seen { poll: Some(poll), since: now, first: moment.clock, is_reported: false, cpu_time: None };
            if patience.is_zero() && pool.threads().role(index) == ThreadState::Active {
                stuck.push((Duration::ZERO, index));
            }
            continue;
        }
        seat.progress.is_long(poll, seen.first);
        if let Some(ready) = seat.take_slot() {
            pool.inject(ready);
        }
        let lasted = now.saturating_sub(seen.since);
        if lasted >= pool.options.stall_after {
            release_queue(pool, seat);
        }
        if lasted >= pool.options.stall_after && !seen.is_reported {
            seen.is_reported = true;
            pool.watch.long_polls.fetch_add(1, Ordering::Relaxed);
            executor.tell(move |layer| layer.long_poll(key, lasted));
        }
        if lasted >= patience && pool.threads().role(index) == ThreadState::Active {
            stuck.push((lasted, index));
        }
    }
    stuck.sort_unstable_by(|a, b| b.cmp(a));
    stuck.into_iter().map(|(_, index)| index).collect()
}

/// Others steal when they have nothing else to do, and that may never be: what stands behind a stuck poll is for everybody.
fn release_queue(pool: &Pool, seat: &Remote) {
    let released = std::iter::from_fn(|| until_sure(|| seat.stealer.steal())).take(RELEASED_AT_ONCE);
    let n_released = released.map(|ready| pool.queues.inject(ready)).count();
    if n_released > 0 {
        pool.idle.notify();
    }
}

fn sample(executor: &Executor, seat: &Remote, key: Key, time: Duration) {
    seat.progress.busy_samples.fetch_add(1, Ordering::Relaxed);
    executor.hooks_dyn().sampled(key, time);
}

/// `false` if there are as many threads as there may be.
fn bring_stand_ins(pool: &Pool, stuck: &[usize]) -> bool {
    if pool.idle.n_sleepers() > 0 {
        pool.idle.notify();
        return true;
    }
    for &index in stuck.iter().take(pool.options.workers) {
        match pool.threads().replace_blocked(index) {
            None => continue,
            Some(StandIn::NoneLeft) => return false,
            Some(stand_in) => {
                pool.queues.seat(index).is_blocked.store(true, Ordering::Relaxed);
                // A system that has no more threads is at its cap as well.
                if !pool.follow(stand_in).unwrap_or(false) {
                    return false;
                }
            }
        }
    }
    true
}

fn lower_those_that_compute(pool: &Pool, seen: &mut [Seen]) {
    for (index, seat) in pool.queues.seats() {
        let Some(seen) = seen.get_mut(index) else { continue };
        if pool.threads().role(index) != (ThreadState::Blocked { is_deprioritized: false }) {
            continue;
        }
        let Some(thread) = *seat.thread.lock() else { continue };
        let Some(now) = thread.cpu_time() else { continue };
        let before = *seen.cpu_time.get_or_insert(now);
        if now.saturating_sub(before) >= COMPUTES {
            pool.threads().lower(index, || thread.lower());
        }
    }
}
