//! Checked by loom: `RUSTFLAGS='--cfg cordial_loom' cargo test --release -p cordial-sched --lib`.
//!
//! A timeout that never elapses, and a timer thread that is not notified, are deadlocks. The shards, the notifications and the loops
//! of the sweeping threads are the shipped ones. Time is not part of a model, so every deadline has passed when it is armed.

use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};
use std::task::Wake;

use loom::thread;

use super::*;
use crate::sync::models::{assert_reached, check};

struct UnparkWaker(Unparker);

impl Wake for UnparkWaker {
    fn wake(self: Arc<UnparkWaker>) {
        self.0.unpark();
    }
}

/// A timeout as in `Timer`: armed, waited for, disarmed. `start_thread` stands for `Timeouts::start_thread`.
fn elapse(timeouts: &Arc<Timeouts>, now: Instant, start_thread: impl Fn()) {
    let parker = Parker::new();
    // A timeout with the same deadline, which is disarmed at once, so that `trim` looks for the earliest deadline anew.
    let twin = timeouts.insert(now, WakeTarget::Waker(Waker::noop().clone()));
    let armed = timeouts.insert(now, WakeTarget::Waker(Arc::new(UnparkWaker(parker.unparker().clone())).into()));
    timeouts.disarm(twin);
    if timeouts.after_close.armed() == Need::Thread {
        start_thread();
    }
    parker.park();
    timeouts.disarm(armed);
}

/// Runs the timer thread as a thread of the model. The handle returns how many times it has swept until it saw the close.
fn spawn_timer_thread(timeouts: &Arc<Timeouts>, parker: Parker) -> thread::JoinHandle<usize> {
    let timeouts = timeouts.clone();
    thread::spawn(move || {
        let mut n_sweeps = 0;
        timeouts.run_timer_thread(&parker, |_| {
            n_sweeps += 1;
            None
        });
        n_sweeps
    })
}

#[test]
fn the_timer_thread_sees_every_timeout() {
    static AT_ONCE: Count = Count::new(0);
    static NOTIFIED: Count = Count::new(0);
    check(3, || {
        let (parker, now) = (Parker::new(), Instant::now());
        let timeouts = Timeouts::new(1, parker.unparker().clone());
        let timer_thread = spawn_timer_thread(&timeouts, parker);
        let sysmon = {
            let timeouts = timeouts.clone();
            thread::spawn(move || timeouts.trim())
        };
        elapse(&timeouts, now, || panic!("the timer thread runs"));
        sysmon.join().unwrap();
        assert_eq!(timeouts.begin_close(), Need::Nothing);
        let outcome = if timer_thread.join().unwrap() == 1 { &AT_ONCE } else { &NOTIFIED };
        outcome.fetch_add(1, Relaxed);
    });
    assert_reached([("the first sweep saw it", &AT_ONCE), ("the timer thread was notified", &NOTIFIED)]);
}

#[test]
fn a_timeout_elapses_if_it_is_armed_while_the_executor_closes() {
    static BEFORE_CLOSE: Count = Count::new(0);
    static AFTER_CLOSE: Count = Count::new(0);
    static BY_ANOTHER_THREAD: Count = Count::new(0);
    check(3, || {
        let (parker, now, threads) = (Parker::new(), Instant::now(), Arc::new(SweepingThreads::default()));
        let timeouts = Timeouts::new(1, parker.unparker().clone());
        let timer_thread = spawn_timer_thread(&timeouts, parker);
        let closing = {
            let (timeouts, threads) = (timeouts.clone(), threads.clone());
            thread::spawn(move || {
                // As `Timeouts::close`.
                if timeouts.begin_close() == Need::Thread {
                    threads.start(&timeouts);
                }
            })
        };
        elapse(&timeouts, now, || threads.start(&timeouts));
        closing.join().unwrap();
        let outcome = match (threads.n_started.load(Relaxed), timer_thread.join().unwrap()) {
            (0, 0) => &AFTER_CLOSE,
            (0, _) => &BEFORE_CLOSE,
            (_, _) => &BY_ANOTHER_THREAD,
        };
        outcome.fetch_add(1, Relaxed);
    });
    assert_reached([
        ("the timer thread swept before the close", &BEFORE_CLOSE),
        ("the timer thread swept after the close", &AFTER_CLOSE),
        ("the timer thread had ended", &BY_ANOTHER_THREAD),
    ]);
}

/// The threads that sweep after the close, beside the timer thread.
#[derive(Default)]
struct SweepingThreads {
    n_started: Count,
    n_sweeping: Count,
}

impl SweepingThreads {
    /// As `Timeouts::start_thread`.
    fn start(self: &Arc<SweepingThreads>, timeouts: &Arc<Timeouts>) {
        self.n_started.fetch_add(1, Relaxed);
        let (threads, timeouts) = (self.clone(), timeouts.clone());
        thread::spawn(move || {
            timeouts.sweep_after_close(|| {
                assert_eq!(threads.n_sweeping.fetch_add(1, Relaxed), 0, "there are two threads");
                thread::yield_now();
                threads.n_sweeping.fetch_sub(1, Relaxed);
            });
        });
    }
}

#[test]
fn a_timeout_elapses_if_it_is_armed_while_a_simulation_closes_or_its_sweeper_ends() {
    static BY_ONE: Count = Count::new(0);
    static BY_TWO: Count = Count::new(0);
    static AT_CLOSE: Count = Count::new(0);
    check(3, || {
        let (timeouts, now, threads) = (Timeouts::simulated(), Instant::now(), Arc::new(SweepingThreads::default()));
        let task = {
            let (timeouts, threads) = (timeouts.clone(), threads.clone());
            thread::spawn(move || (0..2).for_each(|_| elapse(&timeouts, now, || threads.start(&timeouts))))
        };
        // As `Timeouts::close`.
        if timeouts.begin_close() == Need::Thread {
            AT_CLOSE.fetch_add(1, Relaxed);
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
        ("it was armed before the close", &AT_CLOSE),
    ]);
}
