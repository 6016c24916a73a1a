//! Checked by loom: `RUSTFLAGS='--cfg cordial_loom' cargo test --release -p cordial-sched --lib`.
//!
//! A limit that never passes, and a sweeper that is not told, are deadlocks. Wakers, shards and the takeover are the shipped
//! ones; time is not part of a model, so every deadline has come when it is armed, and the sweeper waits for words alone.

use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};
use std::task::Wake;

use loom::thread;

use super::*;
use crate::sync::{Parker, Unparker};

struct Bell(Unparker);

impl Wake for Bell {
    fn wake(self: Arc<Bell>) {
        self.0.unpark();
    }
}

/// A limit as in `Timer`: armed, waited for, disarmed. `start_thread` stands for that of `Timeouts`.
fn pass(limits: &Arc<Timeouts>, now: Instant, start_thread: impl Fn()) {
    let parker = Parker::new();
    let place = limits.put(now, Arc::new(Bell(parker.unparker().clone())).into());
    if limits.takeover.armed() == Need::Thread {
        start_thread();
    }
    parker.park();
    limits.disarm(place);
}

fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

#[track_caller]
fn assert_taken<const N: usize>(ways: [(&str, &Count); N]) {
    for (name, way) in ways {
        assert!(way.load(Relaxed) > 0, "it never went this way: {name}");
    }
}

#[test]
fn the_sweeper_hears_that_all_is_quiet_and_of_every_limit() {
    static AT_ONCE: Count = Count::new(0);
    static TOLD: Count = Count::new(0);
    loom::model(|| {
        let (limits, now) = (Timeouts::new(1), Instant::now());
        let sweeper = {
            let limits = limits.clone();
            thread::spawn(move || {
                let (mut has_heard, mut n_woken, mut n_waits) = (false, 0, 0);
                // As `sweep`.
                loop {
                    has_heard |= limits.take_quiet();
                    let (due, earliest) = limits.take_due(now);
                    n_woken += due.len();
                    wake_all(due);
                    assert_eq!(earliest, None, "each deadline has come");
                    if has_heard && n_woken == 1 {
                        let way = if n_waits == 0 { &AT_ONCE } else { &TOLD };
                        return way.fetch_add(1, Relaxed);
                    }
                    n_waits += 1;
                    limits.changed.wait();
                }
            })
        };
        let watch = {
            let limits = limits.clone();
            thread::spawn(move || limits.fall_quiet())
        };
        pass(&limits, now, || panic!("tokio is there"));
        watch.join().unwrap();
        sweeper.join().unwrap();
    });
    assert_taken([("it saw both in one look", &AT_ONCE), ("it was told", &TOLD)]);
}

/// Threads in the place of tokio.
#[derive(Default)]
struct Threads {
    n_started: Count,
    n_at_work: Count,
}

impl Threads {
    /// As `Timeouts::start_thread`.
    fn start(self: &Arc<Threads>, limits: &Arc<Timeouts>) {
        self.n_started.fetch_add(1, Relaxed);
        let (threads, limits) = (self.clone(), limits.clone());
        thread::spawn(move || {
            limits.sweep_alone(|| {
                assert_eq!(threads.n_at_work.fetch_add(1, Relaxed), 0, "there are two threads");
                thread::yield_now();
                threads.n_at_work.fetch_sub(1, Relaxed);
            });
        });
    }
}

#[test]
fn a_limit_passes_that_is_armed_while_tokio_goes_or_the_thread_in_its_place_ends() {
    static BY_ONE: Count = Count::new(0);
    static BY_TWO: Count = Count::new(0);
    static BY_CLOSE: Count = Count::new(0);
    check(3, || {
        let (limits, now, threads) = (Timeouts::new(1), Instant::now(), Arc::new(Threads::default()));
        let task = {
            let (limits, threads) = (limits.clone(), threads.clone());
            thread::spawn(move || (0..2).for_each(|_| pass(&limits, now, || threads.start(&limits))))
        };
        // As `Timeouts::leave_tokio`.
        if limits.takeover.leave_tokio(|| limits.is_armed()) == Need::Thread {
            BY_CLOSE.fetch_add(1, Relaxed);
            threads.start(&limits);
        }
        task.join().unwrap();
        let way = match threads.n_started.load(Relaxed) {
            1 => &BY_ONE,
            2 => &BY_TWO,
            n => panic!("{n} threads were started for two limits"),
        };
        way.fetch_add(1, Relaxed);
    });
    assert_taken([
        ("one thread saw to both limits", &BY_ONE),
        ("each limit had its thread", &BY_TWO),
        ("it was armed before tokio went", &BY_CLOSE),
    ]);
}
