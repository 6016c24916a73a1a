//! Checked by loom: `RUSTFLAGS='--cfg cordial_loom' cargo test --release -p cordial-sched --lib`.
//!
//! A timeout that never elapses, and a sweeper that is not notified, are deadlocks. Wakers, shards and the takeover are the shipped
//! ones; time is not part of a model, so every deadline has passed when it is armed, and the sweeper waits for notifications alone.

use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};
use std::task::Wake;

use loom::thread;

use super::*;
use crate::sync::models::{assert_reached, check};
use crate::sync::{Parker, Unparker};

struct UnparkWaker(Unparker);

impl Wake for UnparkWaker {
    fn wake(self: Arc<UnparkWaker>) {
        self.0.unpark();
    }
}

/// A timeout as in `Timer`: armed, waited for, disarmed. `start_thread` stands for that of `Timeouts`.
fn elapse(timeouts: &Arc<Timeouts>, now: Instant, start_thread: impl Fn()) {
    let parker = Parker::new();
    let armed = timeouts.insert(now, Arc::new(UnparkWaker(parker.unparker().clone())).into());
    if timeouts.takeover.armed() == Sweeper::StartThread {
        start_thread();
    }
    parker.park();
    timeouts.disarm(armed);
}

#[test]
fn the_sweeper_sees_every_trim_and_every_timeout() {
    static AT_ONCE: Count = Count::new(0);
    static NOTIFIED: Count = Count::new(0);
    loom::model(|| {
        let (timeouts, now) = (Timeouts::new(1), Instant::now());
        let sweeper = {
            let timeouts = timeouts.clone();
            thread::spawn(move || {
                let (mut has_trimmed, mut n_woken, mut n_waits) = (false, 0, 0);
                // As `sweep`.
                loop {
                    has_trimmed |= timeouts.take_trimming();
                    let (elapsed, earliest) = timeouts.take_elapsed(now);
                    n_woken += elapsed.len();
                    wake_all(elapsed);
                    assert_eq!(earliest, None, "each deadline has passed");
                    if has_trimmed && n_woken == 1 {
                        let outcome = if n_waits == 0 { &AT_ONCE } else { &NOTIFIED };
                        return outcome.fetch_add(1, Relaxed);
                    }
                    n_waits += 1;
                    timeouts.changed.wait();
                }
            })
        };
        let sysmon = {
            let timeouts = timeouts.clone();
            thread::spawn(move || timeouts.trim())
        };
        elapse(&timeouts, now, || panic!("tokio runs"));
        sysmon.join().unwrap();
        sweeper.join().unwrap();
    });
    assert_reached([("it saw both in one look", &AT_ONCE), ("it was notified", &NOTIFIED)]);
}

/// The threads in place of the sweeper.
#[derive(Default)]
struct Threads {
    n_started: Count,
    n_sweeping: Count,
}

impl Threads {
    /// As `Timeouts::start_thread`.
    fn start(self: &Arc<Threads>, timeouts: &Arc<Timeouts>) {
        self.n_started.fetch_add(1, Relaxed);
        let (threads, timeouts) = (self.clone(), timeouts.clone());
        thread::spawn(move || {
            timeouts.sweep_on_thread(|| {
                assert_eq!(threads.n_sweeping.fetch_add(1, Relaxed), 0, "there are two threads");
                thread::yield_now();
                threads.n_sweeping.fetch_sub(1, Relaxed);
            });
        });
    }
}

#[test]
fn a_timeout_elapses_that_is_armed_while_tokio_shuts_down_or_the_thread_in_its_place_ends() {
    static BY_ONE: Count = Count::new(0);
    static BY_TWO: Count = Count::new(0);
    static AT_SHUTDOWN: Count = Count::new(0);
    check(3, || {
        let (timeouts, now, threads) = (Timeouts::new(1), Instant::now(), Arc::new(Threads::default()));
        let task = {
            let (timeouts, threads) = (timeouts.clone(), threads.clone());
            thread::spawn(move || (0..2).for_each(|_| elapse(&timeouts, now, || threads.start(&timeouts))))
        };
        // As `Timeouts::outlive_tokio`.
        if timeouts.takeover.tokio_shuts_down(|| timeouts.has_armed()) == Sweeper::StartThread {
            AT_SHUTDOWN.fetch_add(1, Relaxed);
            threads.start(&timeouts);
        }
        task.join().unwrap();
        let outcome = match threads.n_started.load(Relaxed) {
            1 => &BY_ONE,
            2 => &BY_TWO,
            n => panic!("{n} threads were started for two timeouts"),
        };
        outcome.fetch_add(1, Relaxed);
    });
    assert_reached([
        ("one thread swept both timeouts", &BY_ONE),
        ("each timeout had its thread", &BY_TWO),
        ("it was armed before the shutdown", &AT_SHUTDOWN),
    ]);
}
