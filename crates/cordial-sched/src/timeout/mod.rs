//! Timeouts: deadlines that rarely elapse, because what they limit ends earlier.
//!
//! Arming and disarming a timeout must be cheap, so neither touches a timer wheel: an armed timeout
//! is in a slab, in the shard of the thread that has armed it. One sweeper sleeps until the
//! earliest deadline, even if that timeout was disarmed meanwhile, then wakes what has elapsed and looks
//! for the new earliest deadline. So disarmed timeouts cost at most one spurious sweep in the time for
//! which they were armed.
//!
//! The sweeper is a thread of the executor, the *timer thread*, so that timeouts elapse even while user code blocks every
//! thread of tokio. In a simulation the sweeper is a tokio task, because there the clock is tokio's.
//!
//! ```text
//!  arm: lock the shard, insert; earlier than the shard's earliest? ─► it is the earliest now, and the sweeper is notified
//!  disarm: lock the shard, remove
//!  sweeper: lock each shard, take what has elapsed, note the earliest that is left ─► wake ─► sleep until the earliest
//!  trim: all workers sleep, so the shards forget what was disarmed, and the sweeper sleeps until the earliest still armed
//! ```
//!
//! # How the sweeper is notified
//!
//! ```text
//!  a thread that arms, trims or closes     sweeper
//!  ───────────────────────────────────     ───────
//!  1 the timeout into its shard, or        1 has the executor closed? look into the shards
//!    the flag `is_closed`                  2 wait to be notified, or for the earliest deadline ──► 1
//!  2 notify the sweeper
//! ```
//!
//! The sweeper waits on a parker or on `tokio::sync::Notify`. Both store one notification that comes while the sweeper does not wait,
//! and merge further notifications into it. **Notified between the look and the wait**: the wait is over at once. **Two notifications
//! for one wait**: each comes after its change, and the sweeper sees both changes. So the flag is relaxed, and
//! the shards need nothing but their locks. If a notification of `trim` comes late or not at all, the sweeper sweeps once for nothing.
//!
//! `timeout/tests.rs` checks this with loom. What was changed, one at a time, and what the model says:
//!
//! | change | result |
//! |---|---|
//! | `arm` notifies before the timeout is in its shard | deadlock: the sweeper sleeps through a deadline |
//! | `arm` does not notify | deadlock: the same |
//! | `trim` forgets the deadlines that are armed | deadlock: the same |
//! | `close` notifies before it sets the flag, or does not notify | deadlock: the sweeper sleeps on |
//!
//! `timeout/after_close.rs` explains which thread sweeps after the executor has closed.
//!
//! Wakers are user code, and a waker that blocks holds up all timeouts of the executor. Therefore the
//! sweeper has no other urgent work. For many deadlines that do elapse, use `tokio::time`: here, each
//! sweep may go through all armed timeouts.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crossbeam_utils::CachePadded;

pub use tokio::time::Instant;

use self::after_close::{AfterClose, Need};
use self::paged_slab::PagedSlab;
use crate::free_list::shard_of_this_thread;
use crate::sync::{Mutex, Parker, Unparker, sleep};
use crate::task::task_ref::TaskRef;
use crate::{thread, unwind};

mod after_close;
mod paged_slab;

/// After a sweep, the timer thread sleeps for at least this long unless it is notified, because each sweep may go through all armed
/// timeouts.
const RESOLUTION: Duration = Duration::from_millis(1);

/// The pause between two sweeps after the executor has closed.
const PERIOD_AFTER_CLOSE: Duration = Duration::from_millis(5);

/// Identifies an armed timeout. One that was armed with [`Timeouts::arm`] has to be disarmed exactly once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ArmedTimeout {
    /// The number of its shard, counted from one.
    shard: NonZeroU32,
    key: u32,
}

impl ArmedTimeout {
    /// Returns a number that is not 0.
    pub(crate) fn to_bits(self) -> u64 {
        u64::from(self.shard.get()) << 32 | u64::from(self.key)
    }

    /// Returns the timeout for which [`to_bits`](ArmedTimeout::to_bits) has returned this number.
    ///
    /// # Panics
    ///
    /// If the upper half of the number is 0. `to_bits` never returns such a number.
    pub(crate) fn from_bits(bits: u64) -> ArmedTimeout {
        let [shard, key] = [bits >> 32, bits & u64::from(u32::MAX)].map(|half| u32::try_from(half).unwrap_or(0));
        ArmedTimeout { shard: NonZeroU32::new(shard).expect("a shard is counted from one"), key }
    }
}

/// The armed timeouts of one executor.
pub(crate) struct Timeouts {
    shards: Box<[CachePadded<Mutex<Shard>>]>,
    sweeper_waker: SweeperWaker,
    after_close: AfterClose,
}

/// Notifies the sweeper.
enum SweeperWaker {
    /// The timer thread.
    Thread(Unparker),
    /// The tokio task of a simulation.
    Simulated(tokio::sync::Notify),
}

#[derive(Default)]
struct Shard {
    armed: PagedSlab<Armed>,
    /// Not later than the earliest deadline in `armed` that has not elapsed.
    earliest: Option<Instant>,
    /// Whether a timeout with the deadline `earliest` was disarmed.
    is_stale: bool,
}

struct Armed {
    deadline: Instant,
    target: WakeTarget,
}

/// The waker or the task that is woken at the deadline.
enum WakeTarget {
    Waker(Waker),
    /// A task, whose alarm is then cleared. Such a timeout is removed when it elapses.
    Task(TaskRef),
    /// Nothing any more: the timeout has elapsed, and stays until it is disarmed.
    Elapsed,
}

/// The wakers and tasks whose timeouts have elapsed in a sweep.
#[derive(Default)]
struct Elapsed {
    wakers: Vec<Waker>,
    tasks: Vec<TaskRef>,
}

impl Elapsed {
    /// Takes the target of a timeout that has elapsed. Returns whether the timeout stays until it is disarmed.
    fn take(&mut self, armed: &mut Armed) -> bool {
        match std::mem::replace(&mut armed.target, WakeTarget::Elapsed) {
            WakeTarget::Waker(waker) => self.wakers.push(waker),
            WakeTarget::Task(task) => {
                self.tasks.push(task);
                return false;
            }
            WakeTarget::Elapsed => {}
        }
        true
    }

    /// Wakes all of them, even if one panics.
    fn wake(self) {
        for waker in self.wakers {
            let _ = unwind::catch(|| waker.wake());
        }
        for task in self.tasks {
            task.alarm().record_elapsed();
            let _ = unwind::catch(|| task.wake());
        }
    }
}

impl Shard {
    fn remove(&mut self, key: usize) -> Option<Armed> {
        let removed = self.armed.remove(key)?;
        self.is_stale |= self.earliest == Some(removed.deadline);
        Some(removed)
    }
}

impl Timeouts {
    /// Makes the timeouts of an executor with this number of threads. The timer thread, which the caller starts, waits with the
    /// parker of `timer_thread`.
    pub(crate) fn new(threads: usize, timer_thread: Unparker) -> Arc<Timeouts> {
        Timeouts::with(threads, SweeperWaker::Thread(timer_thread))
    }

    /// Makes the timeouts of a simulation. The caller spawns [`sweep_simulated`](Timeouts::sweep_simulated).
    pub(crate) fn simulated() -> Arc<Timeouts> {
        Timeouts::with(1, SweeperWaker::Simulated(tokio::sync::Notify::new()))
    }

    fn with(threads: usize, sweeper_waker: SweeperWaker) -> Arc<Timeouts> {
        let shards = (0..threads.max(1)).map(|_| CachePadded::default()).collect();
        let after_close = AfterClose::new(matches!(sweeper_waker, SweeperWaker::Thread(_)));
        Arc::new(Timeouts { shards, sweeper_waker, after_close })
    }

    /// Runs the sweeper of a simulation, on the clock of tokio.
    pub(crate) async fn sweep_simulated(self: Arc<Timeouts>) {
        let SweeperWaker::Simulated(changed) = &self.sweeper_waker else { unreachable!("a thread sweeps") };
        loop {
            match self.sweep(Instant::now()) {
                Some(earliest) => drop(tokio::time::timeout_at(earliest, changed.notified()).await),
                None => changed.notified().await,
            }
        }
    }

    /// Runs the timer thread until the executor has closed and nothing is armed. `after_sweep` is called after each sweep, with
    /// the current time, until the executor has closed. It returns the latest time at which it has to be called again.
    pub(crate) fn run_timer_thread(&self, parker: &Parker, mut after_sweep: impl FnMut(Instant) -> Option<Instant>) {
        while !self.after_close.is_closed() {
            let now = Instant::now();
            let next = [self.sweep(now), after_sweep(now)].into_iter().flatten().min();
            match next {
                Some(next) => parker.park_deadline(next.max(now + RESOLUTION).into_std()),
                None => parker.park(),
            }
        }
        self.sweep_after_close(|| sleep(PERIOD_AFTER_CLOSE));
    }

    /// Called when all workers sleep: forgets the deadlines that were disarmed, so that the timer thread does not wake up
    /// for them.
    pub(crate) fn trim(&self) {
        let (mut before, mut after) = (None, None);
        for shard in &self.shards {
            let mut shard = shard.lock();
            before = earlier(before, shard.earliest);
            if std::mem::take(&mut shard.is_stale) {
                shard.earliest = earliest(&shard.armed);
            }
            after = earlier(after, shard.earliest);
        }
        if before != after {
            self.notify();
        }
    }

    fn notify(&self) {
        match &self.sweeper_waker {
            SweeperWaker::Thread(thread) => thread.unpark(),
            SweeperWaker::Simulated(changed) => changed.notify_one(),
        }
    }

    /// Wakes what has elapsed. Returns the earliest deadline that is left.
    fn sweep(&self, now: Instant) -> Option<Instant> {
        let mut elapsed = Elapsed::default();
        let mut next = None;
        for shard in &self.shards {
            let mut shard = shard.lock();
            let Shard { armed, earliest: of_shard, is_stale } = &mut *shard;
            if of_shard.is_some_and(|of_shard| of_shard <= now) {
                armed.retain(|armed| armed.deadline > now || elapsed.take(armed));
                *of_shard = earliest(armed);
                *is_stale = false;
            }
            next = earlier(next, *of_shard);
        }
        elapsed.wake();
        next
    }

    /// Arms a timeout: the waker is woken at the deadline, unless the timeout is disarmed before.
    pub(crate) fn arm(self: &Arc<Timeouts>, deadline: Instant, waker: Waker) -> ArmedTimeout {
        self.arm_target(deadline, WakeTarget::Waker(waker))
    }

    /// Arms the timeout of an alarm: at the deadline the alarm is cleared, and the task is woken, unless
    /// [`disarm_alarm`](Timeouts::disarm_alarm) comes before.
    pub(crate) fn arm_alarm(self: &Arc<Timeouts>, deadline: Instant, task: TaskRef) -> ArmedTimeout {
        self.arm_target(deadline, WakeTarget::Task(task))
    }

    fn arm_target(self: &Arc<Timeouts>, deadline: Instant, target: WakeTarget) -> ArmedTimeout {
        let armed = self.insert(deadline, target);
        if self.after_close.armed() == Need::Thread {
            self.start_thread();
        }
        armed
    }

    fn insert(&self, deadline: Instant, target: WakeTarget) -> ArmedTimeout {
        let index = shard_of_this_thread(self.shards.len());
        let (key, is_earliest) = {
            let mut shard = self.shards[index].lock();
            let is_earliest = shard.earliest.is_none_or(|earliest| deadline < earliest);
            if is_earliest {
                shard.earliest = Some(deadline);
                shard.is_stale = false;
            }
            (shard.armed.insert(Armed { deadline, target }), is_earliest)
        };
        if is_earliest {
            self.notify();
        }
        let shard = u32::try_from(index + 1).ok().and_then(NonZeroU32::new).expect("one shard for each worker");
        let key = u32::try_from(key).expect("a shard has fewer than 2^32 timeouts");
        ArmedTimeout { shard, key }
    }

    /// Returns ready once the timeout has elapsed in a sweep. Until then, replaces the waker of the timeout by that of `cx`.
    pub(crate) fn poll(&self, timeout: ArmedTimeout, cx: &mut Context<'_>) -> Poll<()> {
        let (shard, key) = self.find(timeout);
        let is_current = match shard.lock().armed.get(key) {
            Some(Armed { target: WakeTarget::Waker(waker), .. }) => waker.will_wake(cx.waker()),
            Some(Armed { target: WakeTarget::Elapsed, .. }) => return Poll::Ready(()),
            Some(Armed { target: WakeTarget::Task(_), .. }) => unreachable!("an alarm is not polled"),
            None => unreachable!("the owner of a timeout does not poll it after it has disarmed it"),
        };
        if is_current {
            return Poll::Pending;
        }
        // User code: cloned before the lock is taken, dropped after it is released.
        let mut waker = cx.waker().clone();
        match shard.lock().armed.get_mut(key) {
            Some(Armed { target: WakeTarget::Waker(current), .. }) => std::mem::swap(current, &mut waker),
            _ => return Poll::Ready(()),
        }
        Poll::Pending
    }

    /// Disarms a timeout.
    pub(crate) fn disarm(&self, timeout: ArmedTimeout) {
        let (shard, key) = self.find(timeout);
        let removed = shard.lock().remove(key);
        // Outside of the lock: the destructor of a waker is user code.
        drop(removed);
    }

    /// Disarms the timeout of an alarm of `task`. Does nothing if the timeout has elapsed: its key may belong to another timeout by then.
    pub(crate) fn disarm_alarm(&self, timeout: ArmedTimeout, task: &TaskRef) {
        let (shard, key) = self.find(timeout);
        let removed = {
            let mut shard = shard.lock();
            match shard.armed.get(key) {
                Some(Armed { target: WakeTarget::Task(of_place), .. }) if of_place.is_same(task) => shard.remove(key),
                _ => None,
            }
        };
        drop(removed);
    }

    fn find(&self, ArmedTimeout { shard, key }: ArmedTimeout) -> (&Mutex<Shard>, usize) {
        (&self.shards[shard.get() as usize - 1], key as usize)
    }

    /// Must be called when the executor closes. Armed timeouts still elapse.
    pub(crate) fn close(self: &Arc<Timeouts>) {
        if self.begin_close() == Need::Thread {
            self.start_thread();
        }
    }

    fn begin_close(&self) -> Need {
        let need = self.after_close.close(|| self.has_armed());
        self.notify();
        need
    }

    /// Returns whether an armed timeout has not elapsed yet.
    fn has_armed(&self) -> bool {
        let is_left = |armed: &Armed| !matches!(armed.target, WakeTarget::Elapsed);
        self.shards.iter().any(|shard| shard.lock().armed.iter().any(is_left))
    }

    fn start_thread(self: &Arc<Timeouts>) {
        let timeouts = self.clone();
        let sweep = move || timeouts.sweep_after_close(|| sleep(PERIOD_AFTER_CLOSE));
        // If the operating system refuses the thread, neither the armed timeouts nor later ones elapse.
        let _ = thread::start("cordial-timer".to_owned(), Box::new(sweep));
    }

    /// Sweeps until no timeout is armed.
    fn sweep_after_close(&self, pause: impl Fn()) {
        loop {
            while self.has_armed() {
                self.sweep(Instant::now());
                pause();
            }
            // Meanwhile, another thread may have armed a timeout and started no thread, because this one was there.
            if self.after_close.thread_ends(|| self.has_armed()) == Need::Nothing {
                return;
            }
        }
    }
}

/// Returns the earliest deadline of a timeout that has not elapsed.
fn earliest(armed: &PagedSlab<Armed>) -> Option<Instant> {
    let armed = armed.iter().filter(|armed| !matches!(armed.target, WakeTarget::Elapsed));
    armed.map(|armed| armed.deadline).min()
}

/// Returns the earlier of two deadlines. `None` is later than any deadline.
fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    [a, b].into_iter().flatten().min()
}

#[cfg(all(test, not(cordial_loom)))]
mod alarm_tests;
#[cfg(all(test, cordial_loom))]
mod tests;
