//! Timeouts: moments that almost never come, because what they limit is done before.
//!
//! Arming and disarming one must cost next to nothing, so neither touches the timer wheel of tokio: an armed limit
//! stands in the slab of the shard of its thread. One tokio task, the sweeper, sleeps until the earliest deadline that
//! was ever in a shard since its last look, then wakes what is due and looks for the new earliest. Deadlines that were
//! disarmed meanwhile cost one look in vain, as often as limits are long.
//!
//! ```text
//!  arm: lock shard, insert; earlier than the shard's earliest? ─► it is the earliest now, and the sweeper is told
//!  disarm: lock shard, remove
//!  sweeper: lock each shard, take out what is due, note the earliest that is left ─► wake ─► sleep until the earliest
//!  the watch goes to sleep: nothing runs, so the sweeper looks for the earliest that is still armed, and sleeps until then
//! ```
//!
//! # How the sweeper is told
//!
//! ```text
//!  one who arms, or the watch            sweeper
//!  ──────────────────────────            ───────
//!  1 a limit into its shard, or          1 take the mark, look into the shards
//!    the mark: all is quiet              2 wait for a word, or for the earliest deadline ──► 1
//!  2 a word: `changed`
//! ```
//!
//! A word that nobody waits for is kept, and two of them are one (`tokio::sync::Notify`). **Told between the look and the
//! wait**: then the wait is over at once. **Two words for one wait**: both were given after what they tell of, and whoever
//! takes a word sees what came before each. So the mark is relaxed, and the shards need nothing but their locks.
//!
//! `timer/tests.rs` checks that in loom, with a word of the same kind, and each ordering was taken away:
//!
//! | change | what failed |
//! |---|---|
//! | `fall_quiet`: the word before the mark | deadlock: the sweeper sleeps, and wakes for what was disarmed |
//! | `arm`: the word before the limit is in its shard | deadlock: the sweeper sleeps through a limit |
//! | `arm`: no word | deadlock: the same |
//! | a word that nobody waits for is not kept | deadlock: one of the two is not heard |
//!
//! Who takes the place of the sweeper when tokio is gone stands in `timer/takeover.rs`.
//!
//! Not for many moments that do come, one after the other: each look goes through all armed limits. For those there is
//! `tokio::time`.

use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crossbeam_utils::CachePadded;
use slab::Slab;

pub use tokio::time::Instant;

use self::takeover::{Need, Takeover};
use crate::sync::{AtomicBool, Mutex, Notify, Ordering};
use crate::table::shard_of_this_thread;
use crate::{Executor, unwind};

mod takeover;

/// How often the thread looks that takes the place of the sweeper, for as long as anything is armed.
const ON_ITS_OWN: Duration = Duration::from_millis(5);

/// A moment that is earlier than any that tokio's driver sleeps for.
const SOON: Duration = Duration::from_millis(1);

/// A future that is ready at a moment, from any thread and inside any other executor.
#[derive(Debug)]
pub struct Timer {
    executor: Executor,
    deadline: Instant,
    place: Option<Place>,
}

/// Where an armed limit stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Its number, from one on.
    shard: NonZeroU32,
    key: u32,
}

/// All armed limits of an executor.
pub(crate) struct Timeouts {
    shards: Box<[CachePadded<Mutex<Shard>>]>,
    changed: Notify,
    /// Nothing runs any more, and the sweeper has not seen to that yet.
    is_quiet: AtomicBool,
    /// The sweeper goes with its tokio runtime.
    takeover: Takeover,
}

#[derive(Default)]
struct Shard {
    armed: Slab<Armed>,
    /// Not later than the earliest deadline of those.
    earliest: Option<Instant>,
}

struct Armed {
    deadline: Instant,
    /// `None` once it was due.
    waker: Option<Waker>,
}

impl Timeouts {
    pub(crate) fn new(threads: usize) -> Arc<Timeouts> {
        let shards = (0..threads.max(1)).map(|_| CachePadded::default()).collect();
        Arc::new(Timeouts {
            shards,
            changed: Notify::new(),
            is_quiet: AtomicBool::new(false),
            takeover: Takeover::new(),
        })
    }

    /// The life of the sweeper.
    pub(crate) async fn sweep(self: Arc<Timeouts>) {
        loop {
            if self.take_quiet() {
                self.forget_disarmed();
                // A thread of tokio still sleeps until the earliest deadline that there was, tokio's own timers included:
                // it does not notice that one is dropped. It looks anew when an earlier one comes.
                tokio::time::sleep(SOON).await;
            }
            let (due, earliest) = self.take_due(Instant::now());
            wake_all(due);
            match earliest {
                Some(earliest) => drop(tokio::time::timeout_at(earliest, self.changed.notified()).await),
                None => self.changed.notified().await,
            }
        }
    }

    /// The program goes to sleep, and nothing that was disarmed is to wake it.
    pub(crate) fn fall_quiet(&self) {
        // Read and written in one step, as by the sweeper: the model checker does not order a plain store among such steps.
        self.is_quiet.swap(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    fn take_quiet(&self) -> bool {
        self.is_quiet.swap(false, Ordering::Relaxed)
    }

    fn forget_disarmed(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.earliest = next(&shard.armed);
        }
    }

    fn take_due(&self, now: Instant) -> (Vec<Waker>, Option<Instant>) {
        let mut due = Vec::new();
        let mut earliest: Option<Instant> = None;
        for shard in &self.shards {
            let mut shard = shard.lock();
            let Shard { armed, earliest: of_shard } = &mut *shard;
            if of_shard.is_some_and(|of_shard| of_shard <= now) {
                due.extend(
                    armed
                        .iter_mut()
                        .filter(|(_, armed)| armed.deadline <= now)
                        .filter_map(|(_, armed)| armed.waker.take()),
                );
                *of_shard = next(armed);
            }
            earliest = [earliest, *of_shard].into_iter().flatten().min();
        }
        (due, earliest)
    }

    /// Wakes at the deadline, until it is disarmed.
    pub(crate) fn arm(self: &Arc<Timeouts>, deadline: Instant, waker: Waker) -> Place {
        let place = self.put(deadline, waker);
        if self.takeover.armed() == Need::Thread {
            self.start_thread();
        }
        place
    }

    fn put(&self, deadline: Instant, waker: Waker) -> Place {
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
        // There are fewer tasks than that, and each waits for one limit at a time, as a rule.
        let (shard, key) = (u32::try_from(index + 1).map(NonZeroU32::new), u32::try_from(key));
        let (Ok(Some(shard)), Ok(key)) = (shard, key) else {
            panic!("there are at most four billion limits at a time")
        };
        Place { shard, key }
    }

    /// Ready once the deadline has passed.
    pub(crate) fn poll(&self, place: Place, cx: &mut Context<'_>) -> Poll<()> {
        let (shard, key) = self.find(place);
        let is_current = match shard.lock().armed.get(key) {
            Some(Armed { waker: Some(waker), .. }) => waker.will_wake(cx.waker()),
            _ => return Poll::Ready(()),
        };
        if is_current {
            return Poll::Pending;
        }
        // Wakers are the user's: cloned before the lock is taken, dropped after it is released.
        let mut waker = Some(cx.waker().clone());
        match shard.lock().armed.get_mut(key) {
            Some(Armed { waker: current @ Some(_), .. }) => std::mem::swap(current, &mut waker),
            _ => return Poll::Ready(()),
        }
        Poll::Pending
    }

    /// To be called once for each limit that was armed.
    pub(crate) fn disarm(&self, place: Place) {
        let (shard, key) = self.find(place);
        let armed = shard.lock().armed.try_remove(key);
        // Outside the lock: the waker is the user's.
        drop(armed);
    }

    fn find(&self, Place { shard, key }: Place) -> (&Mutex<Shard>, usize) {
        (&self.shards[shard.get() as usize - 1], key as usize)
    }

    /// The tokio runtime is about to end, and polls may be stuck: a thread sees to what is armed, or will be.
    pub(crate) fn leave_tokio(self: &Arc<Timeouts>) {
        if self.takeover.leave_tokio(|| self.is_armed()) == Need::Thread {
            self.start_thread();
        }
    }

    fn is_armed(&self) -> bool {
        self.shards.iter().any(|shard| !shard.lock().armed.is_empty())
    }

    fn start_thread(self: &Arc<Timeouts>) {
        let limits = self.clone();
        let sweep = move || limits.sweep_alone(|| std::thread::sleep(ON_ITS_OWN));
        // Where the system has no thread to give, such a limit does not pass before its poll returns.
        let _ = std::thread::Builder::new().name("cordial-limits".to_owned()).spawn(sweep);
    }

    /// The life of the thread.
    fn sweep_alone(&self, pause: impl Fn()) {
        loop {
            while self.is_armed() {
                wake_all(self.take_due(Instant::now()).0);
                pause();
            }
            // Armed since the last look, by somebody who saw a thread.
            if self.takeover.ends(|| self.is_armed()) == Need::Nothing {
                return;
            }
        }
    }
}

/// The earliest deadline that has not come.
fn next(armed: &Slab<Armed>) -> Option<Instant> {
    armed.iter().filter(|(_, armed)| armed.waker.is_some()).map(|(_, armed)| armed.deadline).min()
}

/// Wakers are the user's, and one that panics must not keep the others asleep.
fn wake_all(due: Vec<Waker>) {
    for waker in due {
        let _ = unwind::catch(|| waker.wake());
    }
}

impl Timer {
    pub(crate) fn new(executor: Executor, deadline: Instant) -> Timer {
        Timer { executor, deadline, place: None }
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(place) = self.place {
            return self.executor.limits().poll(place, cx);
        }
        let place = self.executor.limits().arm(self.deadline, cx.waker().clone());
        self.place = Some(place);
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.executor.limits().disarm(place);
        }
    }
}

#[cfg(all(test, cordial_loom))]
mod tests;
