//! Sysmon: a thread that detects long polls and activates other threads meanwhile. Named after a
//! thread of Go's runtime.
//!
//! Sysmon runs a round about once a millisecond while any worker is awake, blocked or missing. While all workers are asleep,
//! it sleeps, without a timer unless many free tasks are left to be freed. A poll that begins shortly after all workers fell
//! asleep is seen a few milliseconds late. While workers are in long polls, all others are asleep and no task is queued, its rounds become
//! rarer; a push that finds no sleeper wakes it. While the pool stops, sysmon continues until all workers have ended, because a task that has to
//! end may be ready behind a poll that does not return. Sysmon runs no tasks.
//!
//! ```text
//!  a poll begins ── seen in two rounds: the task in its LIFO slot goes to the injector
//!                ── lasts for stall_after: emitted as an event, and the tasks in its queue go to the injector
//!                                          if tasks are starving: blocked, and a stand-in becomes active
//!                ── more blocked threads compute than there are processors: all of them are deprioritized (Linux)
//!                ── it returns: the thread takes its place back or parks, or exits if it was deprioritized
//! ```
//!
//! A stopped program, a debugger and a suspended machine make all polls look long. So after a gap between its own
//! rounds, sysmon measures every poll from the end of the gap.

use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

use self::run_loop::SysmonOps;
use self::starvation::{Observation, StarvationDetector};
use crate::idle::Idle;
use crate::pool::Pool;
use crate::priority::OsThread;
use crate::remote::progress::add;
use crate::remote::{Remote, retry};
use crate::sync::{Ordering, Parker};
use crate::table::Key;
use crate::threads::{Activation, ThreadState};

pub(crate) mod run_loop;
mod starvation;

/// The time between two rounds while a worker is awake.
const PERIOD: Duration = Duration::from_millis(1);

/// A longer gap between two rounds is not explained by a busy machine: the program was stopped, or sysmon slept.
const GAP: Duration = Duration::from_millis(100);

/// Sysmon does not sleep as soon as all workers do, since waking it for every task would cost more.
/// It doubles the time to the next round for each round that finds all asleep, and sleeps when that
/// time would exceed `LINGER`.
const LINGER: Duration = Duration::from_millis(4);

/// While there is nothing to do but to measure long polls, sysmon doubles the time to the next round up to this, and up to a part of the
/// shortest of these polls, so that the time of a poll is sampled to that part.
const LONGEST_SAMPLING_PAUSE: Duration = Duration::from_millis(32);
const SAMPLED_PART: u32 = 16;

/// While the pool stops and no task is queued, only polls that do not return are left to look at. Sysmon then doubles the time to the
/// next round up to this, and ends at most this long after the last of them has returned.
const LONGEST_PAUSE: Duration = Duration::from_millis(64);

/// A blocked thread that has used this much processor time computes. A thread that blocks in the
/// system uses none.
const COMPUTES_AFTER: Duration = Duration::from_millis(1);

/// The largest number of rounds between two readings of the processor time of a blocked thread.
const MAX_ROUNDS_BETWEEN: u32 = 63;

/// The most tasks that one round moves from the queue of a stuck worker to the injector.
const MOVED_PER_ROUND: usize = 64;

/// What sysmon calls in the executor.
pub(crate) trait SysmonHooks {
    /// A task was found in a poll, and was polled for about this long since the round before.
    fn sampled(&self, key: Key, time: Duration);

    /// A poll has lasted for `stall_after`. Called once for each poll.
    fn long_poll(&self, key: Key, lasted: Duration);

    /// Tasks are starving, and there are `max_threads` threads already. Called once for each such period.
    fn threads_exhausted(&self, max_threads: usize);

    /// The system has refused a thread. Not called again until the system has granted one.
    fn threads_refused(&self, error: io::Error);

    /// All workers sleep: frees memory that is kept for reuse and was not used for long. Stops when `is_all_asleep`
    /// returns false. If more may be left to free, returns the time until the next call.
    fn trim(&self, is_all_asleep: &dyn Fn() -> bool) -> Option<Duration>;
}

/// The settings of sysmon.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// How long a poll may last before it counts as long.
    pub(crate) stall_after: Duration,
    /// If more blocked threads than this compute, they are deprioritized. `None`: no thread is ever deprioritized.
    pub(crate) deprioritizes_above: Option<usize>,
}

/// The state of the sysmon thread.
struct Sysmon<'a, H> {
    pool: &'a Pool,
    hooks: &'a H,
    parker: &'a Parker,
    settings: Settings,
    started: Instant,
    /// The time of the last round, since `started`.
    last_round: Duration,
    /// How long to wait for the next round.
    pause: Duration,
    /// The longest time to the next round: zero unless there is nothing to do but to measure long polls.
    sampling_pause: Duration,
    /// Whether sysmon has parked since the last round, so that the workers were asleep for most of the time.
    has_parked: Cell<bool>,
    /// The last poll that was seen of each worker, by index.
    seen_polls: Vec<SeenPoll>,
    starvation: StarvationDetector,
    /// How many polls had returned by the last round.
    n_finished: u64,
    /// Whether `threads_exhausted` was called for the present starvation.
    is_exhausted: bool,
    /// Whether the system has refused a thread, and has granted none since.
    is_refused: bool,
}

/// The result of an attempt to activate threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ActivationResult {
    Activated,
    /// There are `max_threads` threads already.
    AtLimit,
    /// The system has refused a thread.
    Refused,
}

/// The poll in which sysmon saw a worker last.
#[derive(Clone, Copy, Default)]
struct SeenPoll {
    /// The number of the poll, or `None` if the worker was in no poll.
    poll: Option<u64>,
    /// When the measurement of the poll began: in the first round that saw it, or at the end of a later gap.
    since: Duration,
    /// When the poll was first seen, or when a later gap ended, on the coarse clock.
    first_seen: u64,
    is_reported: bool,
    /// The processor time of the thread when it was first read during this poll.
    cpu_time: Option<Duration>,
    /// How many rounds go by before the processor time is read again, and how many between the two readings after that.
    rounds_to_read: u32,
    rounds_between: u32,
    /// Whether the blocked thread has used processor time for `COMPUTES_AFTER`.
    computes: bool,
}

impl SeenPoll {
    /// Returns whether the blocked thread has computed since the first call for this poll. Must be called once in each round.
    /// `read_cpu_time` reads the processor time of the thread. That takes a few microseconds, and hundreds of threads may be blocked for
    /// long, so the time is read in fewer and fewer rounds.
    fn has_computed(&mut self, read_cpu_time: impl FnOnce() -> Option<Duration>) -> bool {
        if self.computes || self.rounds_to_read > 0 {
            self.rounds_to_read = self.rounds_to_read.saturating_sub(1);
            return self.computes;
        }
        self.rounds_to_read = self.rounds_between;
        self.rounds_between = (2 * self.rounds_between + 1).min(MAX_ROUNDS_BETWEEN);
        if let Some(now) = read_cpu_time() {
            let before = *self.cpu_time.get_or_insert(now);
            self.computes = now.saturating_sub(before) >= COMPUTES_AFTER;
        }
        self.computes
    }
}

/// The times of one round.
struct Round {
    /// The time since sysmon was started.
    now: Duration,
    /// The same moment on the coarse clock.
    clock: u64,
    /// The time since the round before.
    elapsed: Duration,
    /// The busy time that is counted for a worker whose poll is seen for the first time.
    sampled: Duration,
    /// Polls that have returned since the round before.
    n_finished: u64,
}

/// Runs sysmon on this thread until the pool has stopped.
#[expect(clippy::disallowed_methods, reason = "a poll lasts real time")]
pub(crate) fn run(pool: &Pool, hooks: &impl SysmonHooks, settings: Settings, parker: &Parker) {
    run_loop::run(&mut Sysmon {
        pool,
        hooks,
        parker,
        settings,
        started: Instant::now(),
        last_round: Duration::ZERO,
        pause: PERIOD,
        sampling_pause: Duration::ZERO,
        has_parked: Cell::new(false),
        seen_polls: Vec::new(),
        starvation: StarvationDetector::new(settings.stall_after),
        n_finished: 0,
        is_exhausted: false,
        is_refused: false,
    });
}

impl<H: SysmonHooks> SysmonOps for Sysmon<'_, H> {
    fn has_ended(&self) -> bool {
        self.pool.have_all_exited()
    }

    fn is_all_asleep(&self) -> bool {
        if self.pool.is_stopping() {
            // Workers that end wake nothing, so sysmon has to find out by itself that all have ended.
            return false;
        }
        let counts = self.pool.threads().counts();
        // If the system has refused a thread, sysmon stays awake, because only sysmon tries again to start one.
        let is_complete = counts.active >= self.pool.threads().workers();
        is_complete && counts.blocked == 0 && self.pool.idle.n_sleepers() >= counts.active
    }

    fn should_sleep(&mut self) -> bool {
        if self.pool.is_stopping() {
            self.pause = if self.has_queued() { PERIOD } else { LONGEST_PAUSE.min(2 * self.pause) };
            return false;
        }
        if !self.is_all_asleep() {
            self.pause = (2 * self.pause).min(self.sampling_pause).max(PERIOD);
            return false;
        }
        // A sampling pause may just have ended.
        self.pause = if self.pause > LINGER { PERIOD } else { 2 * self.pause };
        let should_sleep = self.pause > LINGER;
        if should_sleep {
            self.pause = PERIOD;
        }
        should_sleep
    }

    fn park(&self) {
        self.has_parked.set(true);
        match self.hooks.trim(&|| self.is_all_asleep()) {
            Some(pause) => self.parker.park_timeout(pause),
            None => self.parker.park(),
        }
    }

    fn wait(&self) {
        let wait = || self.parker.park_timeout(self.pause);
        // Shorter pauses are not worth the wake-up.
        if self.pause > LINGER && !self.pool.is_stopping() {
            self.pool.idle.sysmon_sleep(|| !self.has_queued(), wait);
        } else {
            wait();
        }
    }

    fn observe(&mut self) -> bool {
        let round = self.begin_round();
        let stuck = self.find_stuck(&round);
        self.sampling_pause = self.sampling_pause(&round);
        let threads = self.pool.threads();
        if self.pool.queues.has_queued()
            && self.is_worker_missed(stuck.len())
            && let Some(activation) = threads.activate_if_missing()
        {
            // If the system refuses the thread, the next round tries once more.
            self.activate(activation);
        }
        let (injected, queued) = self.pool.queues.lengths();
        let is_starving = self.starvation.observe(&Observation {
            now: round.now,
            elapsed: round.elapsed,
            n_finished: round.n_finished,
            n_waiting: injected.saturating_add(queued),
            n_active: threads.counts().active,
            n_stuck: stuck.len(),
        });
        if is_starving {
            let was_exhausted = self.is_exhausted;
            self.is_exhausted = self.activate_stand_ins(&stuck) == ActivationResult::AtLimit;
            if self.is_exhausted && !was_exhausted {
                self.hooks.threads_exhausted(threads.max_threads());
            }
        } else {
            // While polls are stuck, the same starvation continues, even if no task waits at the
            // moment.
            self.is_exhausted &= !stuck.is_empty();
        }
        is_starving
    }

    fn has_queued(&self) -> bool {
        self.pool.queues.has_queued()
    }

    /// A few threads that compute do not delay the others by much, so they keep their priority. If there are more of them than
    /// processors, several wait for each processor, and a thread that wakes up would wait for a time slice of each of these.
    fn deprioritize(&mut self) {
        let Some(limit) = self.settings.deprioritizes_above else { return };
        let threads = self.pool.threads();
        if threads.counts().blocked <= limit {
            return;
        }
        let mut computing: Vec<(usize, OsThread)> = Vec::new();
        for (index, remote) in self.pool.queues.remotes() {
            let Some(seen) = self.seen_polls.get_mut(index) else { continue };
            if !matches!(threads.state(index), ThreadState::Blocked { .. }) {
                continue;
            }
            let Some(thread) = *remote.os_thread.lock() else { continue };
            if seen.has_computed(|| thread.cpu_time()) {
                computing.push((index, thread));
            }
        }
        if computing.len() <= limit {
            return;
        }
        for (index, thread) in computing {
            if threads.state(index) == (ThreadState::Blocked { is_deprioritized: false }) {
                threads.deprioritize(index, || thread.deprioritize());
            }
        }
    }

    fn idle(&self) -> &Idle {
        &self.pool.idle
    }
}

impl<H: SysmonHooks> Sysmon<'_, H> {
    fn begin_round(&mut self) -> Round {
        let clock = self.pool.idle.clock.update();
        let now = self.started.elapsed();
        let mut elapsed = now - std::mem::replace(&mut self.last_round, now);
        if elapsed > GAP + self.pause {
            for seen in &mut self.seen_polls {
                (seen.since, seen.first_seen) = (now, clock);
            }
            elapsed = PERIOD;
        }
        let total: u64 = self.pool.queues.all_remotes().map(|remote| remote.progress.finished()).sum();
        let n_finished = total.wrapping_sub(std::mem::replace(&mut self.n_finished, total));
        let sampled = if self.has_parked.take() { PERIOD.min(elapsed) } else { elapsed };
        Round { now, clock, elapsed, sampled, n_finished }
    }

    /// Looks at every worker, records and reports its long poll, and moves the tasks behind it to the injector. Returns the
    /// active workers that are stuck, the longest poll first.
    fn find_stuck(&mut self, round: &Round) -> Vec<usize> {
        let Settings { stall_after, .. } = self.settings;
        let pool = self.pool;
        let mut stuck: Vec<(Duration, usize)> = Vec::new();
        // If as many threads are blocked as there are workers, the next polls are probably long too. Wait less for those, and
        // not at all if no poll returns.
        let stuck_after = match pool.threads().counts().blocked >= pool.threads().workers() {
            true if round.n_finished == 0 => Duration::ZERO,
            true => PERIOD,
            false => stall_after,
        };
        for (index, remote) in pool.queues.remotes() {
            if self.seen_polls.len() <= index {
                self.seen_polls.resize(index + 1, SeenPoll::default());
            }
            let seen = &mut self.seen_polls[index];
            let Some((poll, key)) = remote.progress.current() else {
                *seen = SeenPoll::default();
                remote.unpark_if_replaced();
                continue;
            };
            let is_same_poll = seen.poll == Some(poll);
            remote.progress.busy_samples.fetch_add(1, Ordering::Relaxed);
            let busy = if is_same_poll { round.elapsed } else { round.sampled };
            add(&remote.progress.busy_us, u64::try_from(busy.as_micros()).unwrap_or(u64::MAX));
            // A poll that is new may have begun at any time since the last round.
            self.hooks.sampled(key, if is_same_poll { round.elapsed } else { PERIOD });
            let is_active = || pool.threads().state(index) == ThreadState::Active;
            if !is_same_poll {
                *seen = SeenPoll { poll: Some(poll), since: round.now, first_seen: round.clock, ..SeenPoll::default() };
                if stuck_after.is_zero() && is_active() {
                    stuck.push((Duration::ZERO, index));
                }
                continue;
            }
            remote.progress.mark_seen_twice(poll, seen.first_seen);
            if let Some(task) = remote.steal_lifo_slot() {
                pool.inject(task);
            }
            let lasted = round.now.saturating_sub(seen.since);
            if lasted >= stall_after {
                move_queue(pool, remote);
                if !seen.is_reported {
                    seen.is_reported = true;
                    pool.long_polls.fetch_add(1, Ordering::Relaxed);
                    self.hooks.long_poll(key, lasted);
                }
            }
            if lasted >= stuck_after && is_active() {
                stuck.push((lasted, index));
            }
        }
        stuck.sort_unstable_by(|a, b| b.cmp(a));
        stuck.into_iter().map(|(_, index)| index).collect()
    }

    /// Returns how long sysmon may pause before the next round: a part of the shortest poll, if no poll has returned since the round before,
    /// all threads that are in no poll sleep, none is missing or may have to be deprioritized, and no task is queued. Otherwise zero. A task
    /// that is pushed during the pause wakes a worker, or sysmon.
    fn sampling_pause(&self, round: &Round) -> Duration {
        let pool = self.pool;
        let counts = pool.threads().counts();
        let polls = pool.queues.remotes().filter(|(_, remote)| remote.progress.current().is_some());
        let lasted = |index: usize| {
            self.seen_polls.get(index).map_or(Duration::ZERO, |seen| round.now.saturating_sub(seen.since))
        };
        let (n_polls, shortest) = polls
            .fold((0, LONGEST_SAMPLING_PAUSE * SAMPLED_PART), |(n, shortest), (index, _)| {
                (n + 1, shortest.min(lasted(index)))
            });
        let are_others_asleep = pool.idle.n_sleepers() + n_polls >= counts.active + counts.blocked;
        let is_complete = counts.active >= pool.threads().workers();
        let may_deprioritize = self.settings.deprioritizes_above.is_some_and(|limit| counts.blocked > limit);
        match are_others_asleep && is_complete && round.n_finished == 0 && !may_deprioritize && !self.has_queued() {
            true => shortest / SAMPLED_PART,
            false => Duration::ZERO,
        }
    }

    /// Returns whether queued tasks need a worker if one is missing. In a pool that is not stopping, one is missing because the system has
    /// refused a thread. In a pool that stops, workers end when they find no task, and are missed if all that are left are stuck.
    fn is_worker_missed(&self, n_stuck: usize) -> bool {
        let pool = self.pool;
        !pool.is_stopping() || !pool.have_all_exited() && pool.threads().counts().active <= n_stuck
    }

    /// Wakes a sleeping worker. If none sleeps, activates stand-ins for stuck workers, one for each place at most.
    fn activate_stand_ins(&mut self, stuck: &[usize]) -> ActivationResult {
        let pool = self.pool;
        if pool.idle.n_sleepers() > 0 {
            pool.idle.notify();
            return ActivationResult::Activated;
        }
        for &index in stuck.iter().take(pool.threads().workers()) {
            let Some(activation) = pool.replace_blocked(index) else { continue };
            let outcome = self.activate(activation);
            if outcome == ActivationResult::Refused {
                pool.threads().stand_in_refused(index);
            }
            if outcome != ActivationResult::Activated {
                return outcome;
            }
        }
        ActivationResult::Activated
    }

    fn activate(&mut self, activation: Activation) -> ActivationResult {
        let is_new = matches!(activation, Activation::Spawn(_));
        match self.pool.activate(activation) {
            Ok(true) => {
                self.is_refused &= !is_new;
                ActivationResult::Activated
            }
            Ok(false) => ActivationResult::AtLimit,
            Err(error) => {
                if !std::mem::replace(&mut self.is_refused, true) {
                    self.hooks.threads_refused(error);
                }
                ActivationResult::Refused
            }
        }
    }
}

/// Moves tasks behind a stuck poll to the injector. Workers steal only when they have no task of their own, which may
/// never happen.
fn move_queue(pool: &Pool, remote: &Remote) {
    let stolen = std::iter::from_fn(|| retry(|| remote.stealer.steal())).take(MOVED_PER_ROUND);
    let n_moved = stolen.map(|task| pool.queues.inject(task)).count();
    if n_moved > 0 {
        pool.idle.notify();
    }
}

#[cfg(all(test, not(cordial_loom)))]
mod tests;
