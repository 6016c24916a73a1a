//! Checked by loom: `RUSTFLAGS='--cfg cordial_loom' cargo test --release -p cordial-sched --lib`.
//!
//! The seats and the threads are the shipped ones. The thread is as in `worker.rs`, the watch as in `watch.rs`; its look at
//! the clock is left out: it takes every poll for a long one.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};

use loom::thread;

use super::*;
use crate::Key;
use crate::idle::{Idle, Slept};
use crate::sync::{AtomicBool, Parker};
use crate::worker::remote::Remote;

/// How often a model went which way, over all its runs.
#[derive(Default)]
struct Ways {
    saw_at_once: Count,
    roused: Count,
    woken_from_rest: Count,
    stayed: Count,
    left: Count,
    replaced: Count,
    capped: Count,
}

#[track_caller]
fn assert_taken<const N: usize>(ways: [(&str, &Count); N]) {
    for (name, way) in ways {
        assert!(way.load(Relaxed) > 0, "it never went this way: {name}");
    }
}

fn once(way: &Count) {
    way.fetch_add(1, Relaxed);
}

/// One worker, and a stand-in beside it. The thread in seat 0 is in a poll.
struct Model {
    threads: Threads,
    idle: Idle,
    seats: [Remote; 2],
    is_in_second_poll: AtomicBool,
    ways: Arc<Ways>,
}

impl Model {
    fn new(ways: &Arc<Ways>) -> loom::sync::Arc<Model> {
        let threads = Threads::new(1, 2);
        assert_eq!(threads.call(), StandIn::Spawn(0));
        let model = Model {
            threads,
            idle: Idle::new(Parker::new().unparker().clone()),
            seats: [Remote::new(), Remote::new()],
            is_in_second_poll: AtomicBool::new(false),
            ways: ways.clone(),
        };
        model.seats[0].progress.begin(Key::new(0, NonZeroU32::MIN));
        loom::sync::Arc::new(model)
    }

    /// As `worker::run` and `worker::stay`, from the end of the poll until the thread has come back. There is no work.
    fn comes_back(&self, parker: &Parker) -> Resume {
        let seat = &self.seats[0];
        seat.progress.end();
        let mut way = &self.ways.saw_at_once;
        while !seat.is_blocked.load(Ordering::Relaxed) {
            match self.idle.sleep(0, &seat.unparker, || parker.park(), || None::<()>) {
                Slept::Spurious => way = &self.ways.roused,
                Slept::Found(..) | Slept::Woken(_) => panic!("there is no work"),
            }
        }
        once(way);
        seat.is_blocked.store(false, Ordering::Relaxed);
        self.threads.resume(0)
    }

    /// The rest of `worker::stay`.
    fn rests(&self, parker: &Parker) -> Resume {
        parker.park_timeout(std::time::Duration::MAX);
        self.threads.idle_timeout(0)
    }

    /// As `watch::bring_stand_ins`.
    fn replace_blocked(&self, seat: usize) -> Option<StandIn> {
        let stand_in = self.threads.replace_blocked(seat);
        if matches!(stand_in, Some(StandIn::Unpark(_) | StandIn::Spawn(_))) {
            self.seats[seat].is_blocked.store(true, Ordering::Relaxed);
        }
        stand_in
    }

    /// As `watch::look`, each millisecond: a lent thread that polls nothing has to come back.
    fn looks_until_back(&self, seat: usize) {
        while matches!(self.threads.role(seat), ThreadState::Blocked { .. }) {
            let Remote { progress, is_blocked, unparker, .. } = &self.seats[seat];
            if progress.current().is_none() && is_blocked.load(Ordering::Relaxed) {
                unparker.unpark();
            }
            thread::yield_now();
        }
    }
}

fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

#[test]
fn a_lent_thread_comes_back() {
    let ways = Arc::new(Ways::default());
    let seen = ways.clone();
    check(4, move || {
        let model = Model::new(&ways);
        let thread = {
            let model = model.clone();
            thread::spawn(move || {
                let parker = model.seats[0].take_tools().unwrap().parker;
                assert_eq!(model.comes_back(&parker), Resume::Park);
                // Each time it is lent anew it has to see that, so nothing is left of the last time.
                assert!(!model.seats[0].is_blocked.load(Ordering::Relaxed), "what was over was told again");
            })
        };
        assert_eq!(model.replace_blocked(0), Some(StandIn::Spawn(1)));
        model.looks_until_back(0);
        thread.join().unwrap();
        let expected = ThreadCounts { active: 1, resting: 1, ..ThreadCounts::default() };
        assert_eq!(model.threads.counts(), expected);
    });
    assert_taken([("it saw the flag after its poll", &seen.saw_at_once), ("it was asleep", &seen.roused)]);
}

/// The system refuses the stand-in, so the thread is missing when it comes back, or is called from its rest.
#[test]
fn a_thread_whose_stand_in_was_refused_works_and_can_be_lent_again() {
    let ways = Arc::new(Ways::default());
    let seen = ways.clone();
    check(3, move || {
        let model = Model::new(&ways);
        let thread = {
            let model = model.clone();
            thread::spawn(move || {
                let parker = model.seats[0].take_tools().unwrap().parker;
                let mut resume = model.comes_back(&parker);
                if resume == Resume::Park {
                    resume = model.rests(&parker);
                    once(&model.ways.woken_from_rest);
                } else {
                    once(&model.ways.stayed);
                }
                assert_eq!(resume, Resume::DynFuture, "nobody is left to work");
                model.seats[0].progress.begin(Key::new(1, NonZeroU32::MIN));
                model.is_in_second_poll.store(true, Ordering::Relaxed);
                assert_eq!(model.comes_back(&parker), Resume::Park);
            })
        };
        assert_eq!(model.replace_blocked(0), Some(StandIn::Spawn(1)));
        match model.threads.release(1) {
            None => {}
            Some(StandIn::Unpark(0)) => model.seats[0].unparker.unpark(),
            Some(_) => panic!("a thread was asked for again"),
        }
        model.looks_until_back(0);
        // Only who is in a poll is lent; this one may just have ended.
        while !model.is_in_second_poll.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        assert_eq!(model.replace_blocked(0), Some(StandIn::Spawn(1)));
        model.looks_until_back(0);
        thread.join().unwrap();
    });
    assert_taken([("it stayed", &seen.stayed), ("it was called from its rest", &seen.woken_from_rest)]);
}

/// A stand-in sticks as well, while the first thread rests and gets tired of it.
#[test]
fn a_tired_thread_leaves_or_is_called_back_but_not_both() {
    let ways = Arc::new(Ways::default());
    let seen = ways.clone();
    loom::model(move || {
        let model = Model::new(&ways);
        assert_eq!(model.replace_blocked(0), Some(StandIn::Spawn(1)));
        assert_eq!(model.threads.resume(0), Resume::Park);
        let thread = {
            let model = model.clone();
            // Its time is over: it does not park.
            thread::spawn(move || {
                let resume = model.threads.idle_timeout(0);
                if resume == Resume::Exit {
                    assert_eq!(model.threads.release(0), None);
                }
                resume
            })
        };
        let stand_in = model.replace_blocked(1);
        let resume = thread.join().unwrap();
        let way = match (resume, stand_in) {
            (Resume::DynFuture, Some(StandIn::Unpark(0))) => &model.ways.woken_from_rest,
            (Resume::Exit, Some(StandIn::NoneLeft)) => &model.ways.left,
            (Resume::Exit, Some(StandIn::Spawn(0))) => &model.ways.replaced,
            strange => panic!("it left and was called back: {strange:?}"),
        };
        once(way);
        assert_eq!(model.threads.counts().active, 1);
    });
    assert_taken([
        ("called back", &seen.woken_from_rest),
        ("left, and its seat was not free yet", &seen.left),
        ("left, and its seat was taken again", &seen.replaced),
    ]);
}

#[test]
fn a_thread_that_rests_is_woken_when_its_stand_in_sticks() {
    let ways = Arc::new(Ways::default());
    let seen = ways.clone();
    loom::model(move || {
        let model = Model::new(&ways);
        assert_eq!(model.replace_blocked(0), Some(StandIn::Spawn(1)));
        let thread = {
            let model = model.clone();
            thread::spawn(move || {
                let parker = model.seats[0].take_tools().unwrap().parker;
                assert_eq!(model.threads.resume(0), Resume::Park);
                assert_eq!(model.rests(&parker), Resume::DynFuture);
            })
        };
        // At the cap, until the first thread rests.
        while model.replace_blocked(1) == Some(StandIn::NoneLeft) {
            once(&model.ways.capped);
            thread::yield_now();
        }
        model.seats[0].unparker.unpark();
        thread.join().unwrap();
        assert_eq!(model.threads.counts(), ThreadCounts { active: 1, lent: 1, ..ThreadCounts::default() });
    });
    assert_taken([("at the cap", &seen.capped)]);
}

#[test]
fn a_thread_is_lowered_before_it_comes_back_or_not_at_all() {
    let ways = Arc::new(Ways::default());
    let seen = ways.clone();
    loom::model(move || {
        let model = Model::new(&ways);
        assert_eq!(model.replace_blocked(0), Some(StandIn::Spawn(1)));
        let thread = {
            let model = model.clone();
            thread::spawn(move || model.threads.resume(0))
        };
        let is_deprioritized = model.threads.lower(0, || true);
        let resume = thread.join().unwrap();
        assert_eq!(resume, if is_deprioritized { Resume::Exit } else { Resume::Park });
        once(if is_deprioritized { &model.ways.left } else { &model.ways.stayed });
    });
    assert_taken([("deprioritized", &seen.left), ("too late for it", &seen.stayed)]);
}
