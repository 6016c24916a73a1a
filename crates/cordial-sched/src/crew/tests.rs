//! Checked by loom: `RUSTFLAGS='--cfg cordial_loom' cargo test --release -p cordial-sched --lib`.
//!
//! The seats and the crew are the shipped ones. The thread is as in `worker.rs`, the watch as in `watch.rs`; its look at
//! the clock is left out: it takes every poll for a long one.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};

use loom::thread;

use super::*;
use crate::Key;
use crate::idle::{Idle, Slept};
use crate::seat::Seat;
use crate::sync::{AtomicBool, Parker};

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
    crew: Crew,
    idle: Idle,
    seats: [Seat; 2],
    is_in_second_poll: AtomicBool,
    ways: Arc<Ways>,
}

impl Model {
    fn new(ways: &Arc<Ways>) -> loom::sync::Arc<Model> {
        let crew = Crew::new(1, 2);
        assert_eq!(crew.call(), StandIn::Start(0));
        let model = Model {
            crew,
            idle: Idle::new(Parker::new().unparker().clone()),
            seats: [Seat::new(), Seat::new()],
            is_in_second_poll: AtomicBool::new(false),
            ways: ways.clone(),
        };
        model.seats[0].progress.begin(Key::new(0, NonZeroU32::MIN));
        loom::sync::Arc::new(model)
    }

    /// As `worker::run` and `worker::stay`, from the end of the poll until the thread has come back. There is no work.
    fn comes_back(&self, parker: &Parker) -> ComeBack {
        let seat = &self.seats[0];
        seat.progress.end();
        let mut way = &self.ways.saw_at_once;
        while !seat.is_lent.load(Ordering::Relaxed) {
            match self.idle.sleep(0, &seat.unparker, || parker.park(), || None::<()>) {
                Slept::Roused => way = &self.ways.roused,
                Slept::Found(..) | Slept::Woken(_) => panic!("there is no work"),
            }
        }
        once(way);
        seat.is_lent.store(false, Ordering::Relaxed);
        self.crew.come_back(0)
    }

    /// The rest of `worker::stay`.
    fn rests(&self, parker: &Parker) -> ComeBack {
        parker.park_timeout(std::time::Duration::MAX);
        self.crew.rested(0)
    }

    /// As `watch::bring_stand_ins`.
    fn lend(&self, seat: usize) -> Option<StandIn> {
        let stand_in = self.crew.lend(seat);
        if matches!(stand_in, Some(StandIn::Wake(_) | StandIn::Start(_))) {
            self.seats[seat].is_lent.store(true, Ordering::Relaxed);
        }
        stand_in
    }

    /// As `watch::look`, each millisecond: a lent thread that polls nothing has to come back.
    fn looks_until_back(&self, seat: usize) {
        while matches!(self.crew.role(seat), Role::Lent { .. }) {
            let Seat { progress, is_lent, unparker, .. } = &self.seats[seat];
            if progress.current().is_none() && is_lent.load(Ordering::Relaxed) {
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
                assert_eq!(model.comes_back(&parker), ComeBack::Rest);
                // Each time it is lent anew it has to see that, so nothing is left of the last time.
                assert!(!model.seats[0].is_lent.load(Ordering::Relaxed), "what was over was told again");
            })
        };
        assert_eq!(model.lend(0), Some(StandIn::Start(1)));
        model.looks_until_back(0);
        thread.join().unwrap();
        let expected = Strength { active: 1, resting: 1, ..Strength::default() };
        assert_eq!(model.crew.strength(), expected);
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
                let mut come_back = model.comes_back(&parker);
                if come_back == ComeBack::Rest {
                    come_back = model.rests(&parker);
                    once(&model.ways.woken_from_rest);
                } else {
                    once(&model.ways.stayed);
                }
                assert_eq!(come_back, ComeBack::Work, "nobody is left to work");
                model.seats[0].progress.begin(Key::new(1, NonZeroU32::MIN));
                model.is_in_second_poll.store(true, Ordering::Relaxed);
                assert_eq!(model.comes_back(&parker), ComeBack::Rest);
            })
        };
        assert_eq!(model.lend(0), Some(StandIn::Start(1)));
        match model.crew.vacate(1) {
            None => {}
            Some(StandIn::Wake(0)) => model.seats[0].unparker.unpark(),
            Some(_) => panic!("a thread was asked for again"),
        }
        model.looks_until_back(0);
        // Only who is in a poll is lent; this one may just have ended.
        while !model.is_in_second_poll.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        assert_eq!(model.lend(0), Some(StandIn::Start(1)));
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
        assert_eq!(model.lend(0), Some(StandIn::Start(1)));
        assert_eq!(model.crew.come_back(0), ComeBack::Rest);
        let thread = {
            let model = model.clone();
            // Its time is over: it does not park.
            thread::spawn(move || {
                let come_back = model.crew.rested(0);
                if come_back == ComeBack::Leave {
                    assert_eq!(model.crew.vacate(0), None);
                }
                come_back
            })
        };
        let stand_in = model.lend(1);
        let come_back = thread.join().unwrap();
        let way = match (come_back, stand_in) {
            (ComeBack::Work, Some(StandIn::Wake(0))) => &model.ways.woken_from_rest,
            (ComeBack::Leave, Some(StandIn::NoneLeft)) => &model.ways.left,
            (ComeBack::Leave, Some(StandIn::Start(0))) => &model.ways.replaced,
            strange => panic!("it left and was called back: {strange:?}"),
        };
        once(way);
        assert_eq!(model.crew.strength().active, 1);
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
        assert_eq!(model.lend(0), Some(StandIn::Start(1)));
        let thread = {
            let model = model.clone();
            thread::spawn(move || {
                let parker = model.seats[0].take_tools().unwrap().parker;
                assert_eq!(model.crew.come_back(0), ComeBack::Rest);
                assert_eq!(model.rests(&parker), ComeBack::Work);
            })
        };
        // At the cap, until the first thread rests.
        while model.lend(1) == Some(StandIn::NoneLeft) {
            once(&model.ways.capped);
            thread::yield_now();
        }
        model.seats[0].unparker.unpark();
        thread.join().unwrap();
        assert_eq!(model.crew.strength(), Strength { active: 1, lent: 1, ..Strength::default() });
    });
    assert_taken([("at the cap", &seen.capped)]);
}

#[test]
fn a_thread_is_lowered_before_it_comes_back_or_not_at_all() {
    let ways = Arc::new(Ways::default());
    let seen = ways.clone();
    loom::model(move || {
        let model = Model::new(&ways);
        assert_eq!(model.lend(0), Some(StandIn::Start(1)));
        let thread = {
            let model = model.clone();
            thread::spawn(move || model.crew.come_back(0))
        };
        let is_lowered = model.crew.lower(0, || true);
        let come_back = thread.join().unwrap();
        assert_eq!(come_back, if is_lowered { ComeBack::Leave } else { ComeBack::Rest });
        once(if is_lowered { &model.ways.left } else { &model.ways.stayed });
    });
    assert_taken([("lowered", &seen.left), ("too late for it", &seen.stayed)]);
}
