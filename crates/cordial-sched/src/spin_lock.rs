//! A lock that is held for a few instructions.

use std::fmt;
use std::ops::DerefMut;
use std::sync::OnceLock;
use std::time::Duration;

use try_lock::TryLock;

/// How many times a thread that finds the lock held tries again before it yields the processor.
const SPIN_STEPS: u32 = 5;

/// The number of spin hints, of some 10 ns each, before the first of these tries. Before each further try there are twice as many.
const FIRST_PAUSES: u32 = 8;

/// The number of rounds that end with a yield. `SLEEPS` more rounds follow, each of which ends with a sleep of `PAUSE`: a second in all.
const YIELDS: u32 = 100;
const SLEEPS: u32 = 1000;
const PAUSE: Duration = Duration::from_millis(1);

/// Notices a fork. Empty until the first executor with threads starts.
static FORK_GUARD: OnceLock<forkguard::Guard> = OnceLock::new();

/// Notices forks from now on. Must be called before the first thread that may hold a lock is started.
pub(crate) fn notice_forks() {
    FORK_GUARD.get_or_init(forkguard::new);
}

/// A lock for a few instructions that run no user code and take no other lock, except others of this kind in a fixed order. Taking
/// it costs one atomic exchange, and releasing it one store: half of what a `Mutex` costs. In return, a thread that finds the lock
/// held is not woken when the lock is released: it tries again and again, yields the processor in between, and after a while sleeps for a
/// millisecond between two tries.
pub struct SpinLock<T>(TryLock<T>);

impl<T> SpinLock<T> {
    /// Makes a lock that is free.
    pub const fn new(value: T) -> SpinLock<T> {
        SpinLock(TryLock::new(value))
    }

    /// Takes the lock. The returned guard releases it when it is dropped, even during a panic.
    #[inline]
    pub fn lock(&self) -> impl DerefMut<Target = T> + '_ {
        match self.0.try_lock() {
            Some(locked) => locked,
            None => self.lock_taken(),
        }
    }

    /// Like [`lock`](SpinLock::lock), but returns `None` in a forked process if the lock was not released within a second: a thread that
    /// stayed in the parent process may hold it. Any other process waits until the lock is released, even if the system gives the holder
    /// no processor time for more than a second, because a wake-up that gave up would be lost. Before [`notice_forks`] was called, every
    /// process counts as forked.
    #[inline]
    pub(crate) fn lock_for_a_second(&self) -> Option<impl DerefMut<Target = T> + '_> {
        self.0.try_lock().or_else(|| self.lock_taken_for_a_second())
    }

    /// Takes the lock if it is free.
    #[inline]
    pub(crate) fn try_lock(&self) -> Option<impl DerefMut<Target = T> + '_> {
        self.0.try_lock()
    }

    #[cold]
    fn lock_taken_for_a_second(&self) -> Option<try_lock::Locked<'_, T>> {
        loop {
            let locked = self.wait_for_a_second();
            // A guard reports a fork only once, so a new clone is asked each time.
            if locked.is_some() || FORK_GUARD.get().is_none_or(|guard| guard.clone().detected_fork()) {
                return locked;
            }
        }
    }

    #[cold]
    fn lock_taken(&self) -> try_lock::Locked<'_, T> {
        loop {
            if let Some(locked) = self.wait_for_a_second() {
                return locked;
            }
        }
    }

    /// Waits for the lock. `None` if it was not released within a second.
    fn wait_for_a_second(&self) -> Option<try_lock::Locked<'_, T>> {
        for round in 0..YIELDS + SLEEPS {
            if let Some(locked) = self.spin() {
                return Some(locked);
            }
            // The holder may need this processor. It may have a lower priority, and then a thread that only yields keeps it waiting.
            if round < YIELDS { std::thread::yield_now() } else { std::thread::sleep(PAUSE) }
        }
        None
    }

    /// Tries to take the lock several times, with longer and longer pauses before the tries. Each try takes the cache line away from the
    /// holder, so tries without pauses would slow the holder down. During a pause, the holder can release the lock and take it again
    /// several times.
    fn spin(&self) -> Option<try_lock::Locked<'_, T>> {
        for step in 0..SPIN_STEPS {
            for _ in 0..FIRST_PAUSES << step {
                std::hint::spin_loop();
            }
            if let Some(locked) = self.0.try_lock() {
                return Some(locked);
            }
        }
        None
    }
}

impl<T> fmt::Debug for SpinLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpinLock").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(cordial_loom)))]
mod tests;
