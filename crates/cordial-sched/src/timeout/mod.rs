//! Timeouts: deadlines that rarely elapse, because what they limit ends earlier.
//!
//! Arming and disarming one must be cheap, so neither touches the timer wheel of tokio: an armed timeout is in the slab of the
//! shard of its thread. One tokio task, the sweeper, sleeps until the earliest deadline that was armed since its last sweep,
//! then wakes what has elapsed and looks for the new earliest. A disarmed deadline costs at most one spurious sweep per
//! timeout period.
//!
//! ```text
//!  arm: lock the shard, insert; earlier than the shard's earliest? ─► it is the earliest now, and the sweeper is notified
//!  disarm: lock the shard, remove
//!  sweeper: lock each shard, take what has elapsed, note the earliest that is left ─► wake ─► sleep until the earliest
//!  trim: all threads sleep, so the sweeper forgets what was disarmed, and sleeps until the earliest that is still armed
//! ```
//!
//! # How the sweeper is notified
//!
//! ```text
//!  a thread that arms, or trims            sweeper
//!  ────────────────────────────            ───────
//!  1 the timeout into its shard, or        1 take the flag, look into the shards
//!    the flag `is_trimming`                2 wait to be notified, or for the earliest deadline ──► 1
//!  2 notify: `changed`
//! ```
//!
//! A notification that comes while the sweeper does not wait is kept, and two of them are one (`tokio::sync::Notify`).
//! **Notified between the look and the wait**: the wait is over at once. **Two notifications for one wait**: each was given
//! after its change, and the sweeper sees all that came before each of them. So the flag is relaxed, and the shards need
//! nothing but their locks.
//!
//! `timeout/tests.rs` checks this with loom, with a notification of the same kind. What was changed, one at a time, and what the
//! model says:
//!
//! | change | result |
//! |---|---|
//! | `trim` notifies before it sets the flag | deadlock: the sweeper sleeps, and wakes for what was disarmed |
//! | `arm` notifies before the timeout is in its shard | deadlock: the sweeper sleeps through a deadline |
//! | `arm` does not notify | deadlock: the same |
//! | a notification that comes while the sweeper does not wait is lost | deadlock: one of the two is not seen |
//!
//! `timeout/takeover.rs` explains what takes the place of the sweeper after tokio has shut down.
//!
//! Not for many deadlines that do elapse, one after the other: each sweep may go through all armed timeouts. For those there
//! is `tokio::time`.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crossbeam_utils::CachePadded;
use slab::Slab;

pub use tokio::time::Instant;

use self::takeover::{Sweeper, Takeover};
use crate::free_list::shard_of_this_thread;
use crate::sync::{AtomicBool, Mutex, Notify, Ordering};
use crate::unwind;

mod takeover;

/// How often the thread in place of the sweeper looks at the armed timeouts.
const THREAD_PERIOD: Duration = Duration::from_millis(5);

/// A timer that is so short wakes a thread of tokio that sleeps until a later deadline.
const SHORT_SLEEP: Duration = Duration::from_millis(1);

/// Identifies an armed timeout. To be disarmed exactly once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ArmedTimeout {
    /// The number of its shard, counted from one.
    shard: NonZeroU32,
    key: u32,
}

/// The armed timeouts of one executor.
pub(crate) struct Timeouts {
    shards: Box<[CachePadded<Mutex<Shard>>]>,
    changed: Notify,
    /// Whether the sweeper has to forget the deadlines that were disarmed.
    is_trimming: AtomicBool,
    takeover: Takeover,
}

#[derive(Default)]
struct Shard {
    armed: Slab<Armed>,
    /// Not later than the earliest deadline in `armed`.
    earliest: Option<Instant>,
}

struct Armed {
    deadline: Instant,
    /// `None` once it has elapsed.
    waker: Option<Waker>,
}

impl Timeouts {
    pub(crate) fn new(threads: usize) -> Arc<Timeouts> {
        let shards = (0..threads.max(1)).map(|_| CachePadded::default()).collect();
        Arc::new(Timeouts {
            shards,
            changed: Notify::new(),
            is_trimming: AtomicBool::new(false),
            takeover: Takeover::new(),
        })
    }

    /// Runs the sweeper. To be spawned on tokio.
    pub(crate) async fn sweep(self: Arc<Timeouts>) {
        loop {
            if self.take_trimming() {
                self.forget_disarmed();
                // A thread of tokio still sleeps until the deadline that was the earliest, and does not notice that its timer
                // was dropped. Setting an earlier timer wakes that thread, which then finds the new earliest deadline.
                tokio::time::sleep(SHORT_SLEEP).await;
            }
            let (elapsed, earliest) = self.take_elapsed(Instant::now());
            wake_all(elapsed);
            match earliest {
                Some(earliest) => drop(tokio::time::timeout_at(earliest, self.changed.notified()).await),
                None => self.changed.notified().await,
            }
        }
    }

    /// Lets the sweeper sleep until the earliest timeout that is still armed. To be called when all threads sleep, so that
    /// they are not woken for nothing.
    pub(crate) fn trim(&self) {
        // An exchange, as in the sweeper: loom does not order a plain store among exchanges.
        self.is_trimming.swap(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    fn take_trimming(&self) -> bool {
        self.is_trimming.swap(false, Ordering::Relaxed)
    }

    fn forget_disarmed(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.earliest = earliest(&shard.armed);
        }
    }

    /// Returns the wakers of the timeouts that have elapsed, and the earliest deadline after that.
    fn take_elapsed(&self, now: Instant) -> (Vec<Waker>, Option<Instant>) {
        let mut wakers = Vec::new();
        let mut next: Option<Instant> = None;
        for shard in &self.shards {
            let mut shard = shard.lock();
            let Shard { armed, earliest: of_shard } = &mut *shard;
            if of_shard.is_some_and(|of_shard| of_shard <= now) {
                let elapsed = armed.iter_mut().filter(|(_, armed)| armed.deadline <= now);
                wakers.extend(elapsed.filter_map(|(_, armed)| armed.waker.take()));
                *of_shard = earliest(armed);
            }
            next = [next, *of_shard].into_iter().flatten().min();
        }
        (wakers, next)
    }

    /// Arms a timeout: the waker is woken at the deadline, unless it is disarmed before.
    pub(crate) fn arm(self: &Arc<Timeouts>, deadline: Instant, waker: Waker) -> ArmedTimeout {
        let armed = self.insert(deadline, waker);
        if self.takeover.armed() == Sweeper::StartThread {
            self.start_thread();
        }
        armed
    }

    fn insert(&self, deadline: Instant, waker: Waker) -> ArmedTimeout {
        let index = shard_of_this_thread(self.shards.len());
        let (key, is_earliest) = {
            let mut shard = self.shards[index].lock();
            let is_earliest = shard.earliest.is_none_or(|earliest| deadline < earliest);
            if is_earliest {
                shard.earliest = Some(deadline);
            }
            (shard.armed.insert(Armed { deadline, waker: Some(waker) }), is_earliest)
        };
        if is_earliest {
            self.changed.notify_one();
        }
        let shard = u32::try_from(index + 1).ok().and_then(NonZeroU32::new).expect("one shard for each worker");
        let key = u32::try_from(key).expect("fewer timeouts than fit into memory");
        ArmedTimeout { shard, key }
    }

    /// Ready once the deadline has passed. Otherwise replaces the waker.
    pub(crate) fn poll(&self, timeout: ArmedTimeout, cx: &mut Context<'_>) -> Poll<()> {
        let (shard, key) = self.find(timeout);
        let is_current = match shard.lock().armed.get(key) {
            Some(Armed { waker: Some(waker), .. }) => waker.will_wake(cx.waker()),
            Some(Armed { waker: None, .. }) => return Poll::Ready(()),
            None => unreachable!("it is disarmed by its owner, who polls it"),
        };
        if is_current {
            return Poll::Pending;
        }
        // User code: cloned before the lock is taken, dropped after it is released.
        let mut waker = Some(cx.waker().clone());
        match shard.lock().armed.get_mut(key) {
            Some(Armed { waker: current @ Some(_), .. }) => std::mem::swap(current, &mut waker),
            _ => return Poll::Ready(()),
        }
        Poll::Pending
    }

    /// Disarms a timeout.
    pub(crate) fn disarm(&self, timeout: ArmedTimeout) {
        let (shard, key) = self.find(timeout);
        let armed = shard.lock().armed.try_remove(key);
        // Outside of the lock: the destructor of a waker is user code.
        drop(armed);
    }

    fn find(&self, ArmedTimeout { shard, key }: ArmedTimeout) -> (&Mutex<Shard>, usize) {
        (&self.shards[shard.get() as usize - 1], key as usize)
    }

    /// To be called before tokio shuts down, and the sweeper with it: a thread takes its place while a timeout is armed.
    pub(crate) fn outlive_tokio(self: &Arc<Timeouts>) {
        if self.takeover.tokio_shuts_down(|| self.has_armed()) == Sweeper::StartThread {
            self.start_thread();
        }
    }

    fn has_armed(&self) -> bool {
        self.shards.iter().any(|shard| !shard.lock().armed.is_empty())
    }

    fn start_thread(self: &Arc<Timeouts>) {
        let timeouts = self.clone();
        let sweep = move || timeouts.sweep_on_thread(|| std::thread::sleep(THREAD_PERIOD));
        // If the operating system refuses the thread, the armed timeouts do not elapse.
        let _ = std::thread::Builder::new().name("cordial-timeouts".to_owned()).spawn(sweep);
    }

    /// Runs the thread that takes the place of the sweeper, until no timeout is armed.
    fn sweep_on_thread(&self, pause: impl Fn()) {
        loop {
            while self.has_armed() {
                wake_all(self.take_elapsed(Instant::now()).0);
                pause();
            }
            // A thread may have armed a timeout since then, and have seen that there is a sweeper.
            if self.takeover.thread_ends(|| self.has_armed()) == Sweeper::NotNeeded {
                return;
            }
        }
    }
}

/// Returns the earliest deadline that has not elapsed.
fn earliest(armed: &Slab<Armed>) -> Option<Instant> {
    armed.iter().filter(|(_, armed)| armed.waker.is_some()).map(|(_, armed)| armed.deadline).min()
}

/// Wakes all, even if one of them panics.
fn wake_all(wakers: Vec<Waker>) {
    for waker in wakers {
        let _ = unwind::catch(|| waker.wake());
    }
}

#[cfg(all(test, cordial_loom))]
mod tests;
