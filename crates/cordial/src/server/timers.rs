//! The timers of one incarnation: messages that come due, for its process alone.

use std::collections::BTreeSet;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use cordial_sched::Instant;

use crate::process::{HeldValue, RuntimeHandle, discard};
use crate::sorted_map::SortedMap;

/// A timer of a server. Dropping it cancels it.
#[must_use = "dropping a Timer cancels it; use `detach` to let it run"]
pub struct Timer {
    table: Weak<dyn Cancel>,
    id: u64,
}

/// The timers of one incarnation.
pub(super) struct Timers<T> {
    runtime: RuntimeHandle,
    table: Arc<Mutex<TimerTable<T>>>,
    /// Whether there has been a timer or an idle timeout.
    is_used: bool,
    idle: Option<Idle<T>>,
    /// Sleeps until the earliest time at which a message is due, as of the last poll.
    sleep: Option<(Instant, cordial_sched::Timer)>,
}

struct TimerTable<T> {
    last_id: u64,
    /// The timer whose message is being created, unless it was cancelled meanwhile.
    creating: Option<u64>,
    by_time: BTreeSet<(Instant, u64)>,
    timers: SortedMap<u64, Scheduled<T>>,
}

struct Scheduled<T> {
    due: Instant,
    kind: Kind<T>,
}

enum Kind<T> {
    Once(T),
    Every(Duration, Create<T>),
}

struct Idle<T> {
    delay: Duration,
    since: Instant,
    create: Create<T>,
}

/// Creates the message of each tick. A `HeldValue`, because it may be dropped while a handler, or this function, unwinds.
pub(super) type Create<T> = HeldValue<Box<dyn FnMut() -> T + Send>>;

/// Cancels timers, whatever their messages are.
trait Cancel: Send + Sync {
    fn cancel(&self, id: u64);
}

impl<T: Send> Cancel for Mutex<TimerTable<T>> {
    fn cancel(&self, id: u64) {
        let cancelled = {
            let mut table = lock(self);
            table.creating.take_if(|creating| *creating == id);
            table.remove(id)
        };
        cancelled.into_iter().for_each(discard);
    }
}

/// Discards each message on its own: two destructors that panic would abort the program.
impl<T> Drop for TimerTable<T> {
    fn drop(&mut self) {
        std::mem::take(&mut self.timers).into_values().for_each(discard);
    }
}

impl<T> TimerTable<T> {
    fn insert(&mut self, id: u64, scheduled: Scheduled<T>) {
        self.by_time.insert((scheduled.due, id));
        self.timers.insert(id, scheduled);
    }

    fn remove(&mut self, id: u64) -> Option<Scheduled<T>> {
        let removed = self.timers.remove(id)?;
        self.by_time.remove(&(removed.due, id));
        Some(removed)
    }
}

impl<T: Send + 'static> Timers<T> {
    pub(super) fn new(runtime: RuntimeHandle) -> Timers<T> {
        let table = TimerTable { last_id: 0, creating: None, by_time: BTreeSet::new(), timers: SortedMap::default() };
        Timers { runtime, table: Arc::new(Mutex::new(table)), is_used: false, idle: None, sleep: None }
    }

    pub(super) fn once(&mut self, delay: Duration, message: T) -> Timer {
        self.schedule(delay, Kind::Once(message))
    }

    pub(super) fn every(&mut self, period: Duration, create: Create<T>) -> Timer {
        self.schedule(period, Kind::Every(period, create))
    }

    pub(super) fn idle(&mut self, delay: Option<Duration>, create: Create<T>) {
        self.is_used = true;
        let since = self.runtime.executor().now();
        self.idle = delay.map(|delay| Idle { delay, since, create });
    }

    fn schedule(&mut self, delay: Duration, kind: Kind<T>) -> Timer {
        self.is_used = true;
        let table: Arc<dyn Cancel> = self.table.clone();
        let mut timers = lock(&self.table);
        timers.last_id += 1;
        let id = timers.last_id;
        // A time beyond the range of the clock never comes.
        match self.runtime.executor().now().checked_add(delay) {
            Some(due) => timers.insert(id, Scheduled { due, kind }),
            None => {
                drop(timers);
                discard(kind);
            }
        }
        Timer { table: Arc::downgrade(&table), id }
    }

    #[inline]
    pub(super) fn has_idle(&self) -> bool {
        self.idle.is_some()
    }

    /// Records that the server is not idle: a message was handled, or waits.
    #[inline]
    pub(super) fn touch(&mut self) {
        if let Some(idle) = &mut self.idle {
            idle.since = self.runtime.executor().now();
        }
    }

    /// Returns the message that is due first. `Pending` if none is due: then the process is woken when one is.
    #[inline]
    pub(super) fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        if self.is_used { self.poll_used(cx) } else { Poll::Pending }
    }

    fn poll_used(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        loop {
            let first = lock(&self.table).by_time.first().map(|(due, _)| *due);
            let idle = self.idle.as_ref().and_then(|idle| idle.since.checked_add(idle.delay));
            let Some(due) = [first, idle].into_iter().flatten().min() else {
                self.sleep = None;
                return Poll::Pending;
            };
            let now = self.runtime.executor().now();
            if due <= now {
                if let Some(message) = self.take_due(now) {
                    return Poll::Ready(message);
                }
                continue;
            }
            if self.sleep.as_ref().is_none_or(|(until, _)| *until != due) {
                self.sleep = self.runtime.executor().timer(due - now).map(|timer| (due, timer));
            }
            // A time beyond the range of the clock never comes.
            let Some((_, timer)) = &mut self.sleep else { return Poll::Pending };
            ready!(Pin::new(timer).poll(cx));
            self.sleep = None;
        }
    }

    fn take_due(&mut self, now: Instant) -> Option<T> {
        let due = {
            let mut table = lock(&self.table);
            let first = table.by_time.first().copied().filter(|(due, _)| *due <= now);
            let due = first.and_then(|(_, id)| Some((id, table.remove(id)?)));
            table.creating = due.as_ref().map(|(id, _)| *id);
            due
        };
        match due {
            Some((_, Scheduled { kind: Kind::Once(message), .. })) => Some(message),
            Some((id, Scheduled { due, kind: Kind::Every(period, mut create) })) => {
                // The next tick is the first multiple of the period after now: missed ticks are skipped.
                let late = now.saturating_duration_since(due).as_nanos() % period.as_nanos();
                let wait = period - Duration::from_nanos(u64::try_from(late).unwrap_or(0));
                let next = now.checked_add(wait);
                let message = create.get_mut()();
                let mut table = lock(&self.table);
                if let Some(due) = next.filter(|_| table.creating == Some(id)) {
                    table.insert(id, Scheduled { due, kind: Kind::Every(period, create) });
                }
                Some(message)
            }
            None => {
                let idle = self.idle.as_mut()?;
                if now.saturating_duration_since(idle.since) < idle.delay {
                    return None;
                }
                idle.since = now;
                Some(idle.create.get_mut()())
            }
        }
    }
}

impl Timer {
    /// Lets the timer run on without this handle.
    pub fn detach(mut self) {
        self.id = 0;
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if self.id != 0
            && let Some(table) = self.table.upgrade()
        {
            table.cancel(self.id);
        }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").finish_non_exhaustive()
    }
}

fn lock<T>(table: &Mutex<TimerTable<T>>) -> MutexGuard<'_, TimerTable<T>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}
