//! Checked by loom: `RUSTFLAGS='--cfg cordial_loom' cargo test --release -p cordial-sched --lib`.
//!
//! Most models run the shipped pool. Those in which a thread has to notice that it was replaced also run the shipped loop of
//! a worker (`worker/run_loop.rs`). Sysmon is reduced to what it does with blocked threads, and has no clock: each poll counts
//! as a long one.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize as Count;

use loom::thread;

use super::*;
use crate::idle::SleepResult;
use crate::pool::{Callbacks, Pool};
use crate::remote::Remote;
use crate::sync::models::{assert_reached, check, count};
use crate::sync::{AtomicBool, Parker};
use crate::table::Key;
use crate::worker::models::TasklessWorker;
use crate::worker::park_until_activated;
use crate::worker::run_loop::{self, LoopEnd};

/// How often each outcome was reached, over all runs of a model.
#[derive(Default)]
struct Outcomes {
    saw_the_flag_awake: Count,
    saw_the_flag_asleep: Count,
    activated_while_parked: Count,
    stayed_active: Count,
    exited: Count,
    replaced: Count,
    at_limit: Count,
}

/// A pool of one worker, and room for one stand-in. The thread with index 0 is in a poll, and so is the stand-in, unless a model
/// says otherwise.
struct Model {
    pool: Pool,
    is_in_second_poll: AtomicBool,
    outcomes: Arc<Outcomes>,
}

impl Model {
    fn new(outcomes: &Arc<Outcomes>) -> loom::sync::Arc<Model> {
        let callbacks = Callbacks {
            spawn_worker: Box::new(|_| panic!("the model starts its threads")),
            on_foreign_thread: Box::new(|_| panic!("no task is left")),
            on_all_exited: Box::new(|| {}),
        };
        let pool = Pool::new(Threads::new(1, 2), Parker::new().unparker().clone(), callbacks);
        assert_eq!(pool.threads().activate(), Activation::Spawn(0));
        [0, 1].into_iter().for_each(|index| pool.queues.open(index));
        let model = Model { pool, is_in_second_poll: AtomicBool::new(false), outcomes: outcomes.clone() };
        model.remote(0).progress.begin(Key::new(0, NonZeroU32::MIN));
        model.remote(1).progress.begin(Key::new(1, NonZeroU32::MIN));
        model.remote(1).progress.mark_seen_twice(1, 0);
        loom::sync::Arc::new(model)
    }

    fn remote(&self, index: usize) -> &Remote {
        self.pool.queues.remote(index)
    }

    /// The thread with index 0 leaves its poll, and runs until it has noticed that it was replaced.
    fn end_poll_and_resume(&self, parker: &Parker) -> Resume {
        self.remote(0).progress.end();
        self.run_until_replaced(0, parker)
    }

    /// A thread that is in no poll runs until it has noticed that it was replaced. There are no tasks.
    fn run_until_replaced(&self, index: usize, parker: &Parker) -> Resume {
        let has_slept = Cell::new(false);
        let on_slept = |slept: &SleepResult<Option<()>>| {
            assert!(matches!(slept, SleepResult::Spurious), "there is no task");
            has_slept.set(true);
        };
        let worker = TasklessWorker { index, pool: &self.pool, parker, on_slept: &on_slept };
        assert_eq!(run_loop::run(&worker), LoopEnd::Replaced);
        let outcomes = &self.outcomes;
        count(if has_slept.get() { &outcomes.saw_the_flag_asleep } else { &outcomes.saw_the_flag_awake });
        self.pool.resume(index)
    }

    /// Runs rounds of sysmon: in each a blocked thread that is in no poll is unparked, so that it resumes.
    fn run_rounds_until_resumed(&self, index: usize) {
        while matches!(self.pool.threads().state(index), ThreadState::Blocked { .. }) {
            let remote = self.remote(index);
            if remote.progress.current().is_none() {
                remote.unpark_if_replaced();
            }
            thread::yield_now();
        }
    }
}

#[test]
fn a_blocked_thread_resumes() {
    let outcomes = Arc::new(Outcomes::default());
    let seen = outcomes.clone();
    check(4, move || {
        let model = Model::new(&outcomes);
        let thread = {
            let model = model.clone();
            thread::spawn(move || {
                let parker = model.remote(0).take_local().unwrap().parker;
                assert_eq!(model.end_poll_and_resume(&parker), Resume::Park);
                // It must notice the next replacement as well, so the flag of this one must be gone.
                assert!(
                    !model.remote(0).is_replaced.load(Ordering::Relaxed),
                    "the flag of the last replacement is still set"
                );
            })
        };
        assert_eq!(model.pool.replace_blocked(0), Some(Activation::Spawn(1)));
        model.run_rounds_until_resumed(0);
        thread.join().unwrap();
        let expected = ThreadCounts { active: 1, parked: 1, ..ThreadCounts::default() };
        assert_eq!(model.pool.threads().counts(), expected);
    });
    assert_reached([
        ("it saw the flag after its poll", &seen.saw_the_flag_awake),
        ("it was asleep", &seen.saw_the_flag_asleep),
    ]);
}

/// The stand-in is in no poll when the first thread takes its place back.
#[test]
fn a_stand_in_parks_when_the_thread_that_it_replaced_takes_its_place_back() {
    let outcomes = Arc::new(Outcomes::default());
    let seen = outcomes.clone();
    check(4, move || {
        let model = Model::new(&outcomes);
        model.remote(1).progress.end();
        assert_eq!(model.pool.replace_blocked(0), Some(Activation::Spawn(1)));
        let stand_in = {
            let model = model.clone();
            thread::spawn(move || {
                let parker = model.remote(1).take_local().unwrap().parker;
                assert_eq!(model.run_until_replaced(1, &parker), Resume::Park);
            })
        };
        model.remote(0).progress.end();
        assert_eq!(model.pool.resume(0), Resume::Run);
        model.run_rounds_until_resumed(1);
        stand_in.join().unwrap();
        let expected = ThreadCounts { active: 1, parked: 1, ..ThreadCounts::default() };
        assert_eq!(model.pool.threads().counts(), expected);
    });
    assert_reached([
        ("it saw the flag before it slept", &seen.saw_the_flag_awake),
        ("it was asleep", &seen.saw_the_flag_asleep),
    ]);
}

#[test]
fn a_stand_in_that_is_displaced_before_it_has_noticed_its_activation_runs_on_and_parks() {
    loom::model(|| {
        let model = Model::new(&Arc::default());
        model.remote(1).progress.end();
        assert_eq!(model.pool.replace_blocked(0), Some(Activation::Spawn(1)));
        assert_eq!(model.pool.resume(0), Resume::Run);
        assert_eq!(model.pool.resume(1), Resume::Park);
        assert_eq!(model.pool.replace_blocked(0), Some(Activation::Unpark(1)));
        assert_eq!(model.pool.resume(0), Resume::Run);
        assert_eq!(model.pool.threads().idle_timeout(1), Resume::Run);
        assert_eq!(model.pool.resume(1), Resume::Park);
    });
}

/// The system refuses the stand-in of a blocked thread. If that thread resumes afterwards, it runs on; if it has parked before,
/// it is activated again.
#[test]
fn a_thread_whose_stand_in_was_refused_runs_and_can_be_replaced_again() {
    let outcomes = Arc::new(Outcomes::default());
    let seen = outcomes.clone();
    check(3, move || {
        let model = Model::new(&outcomes);
        let thread = {
            let model = model.clone();
            thread::spawn(move || {
                let parker = model.remote(0).take_local().unwrap().parker;
                let mut resume = model.end_poll_and_resume(&parker);
                if resume == Resume::Park {
                    resume = park_until_activated(&model.pool, 0, &parker);
                    count(&model.outcomes.activated_while_parked);
                } else {
                    count(&model.outcomes.stayed_active);
                }
                assert_eq!(resume, Resume::Run, "no worker is left");
                model.remote(0).progress.begin(Key::new(1, NonZeroU32::MIN));
                model.is_in_second_poll.store(true, Ordering::Relaxed);
                assert_eq!(model.end_poll_and_resume(&parker), Resume::Park);
            })
        };
        assert_eq!(model.pool.replace_blocked(0), Some(Activation::Spawn(1)));
        match model.pool.threads().refused(1) {
            None => {}
            Some(parked) => model.remote(parked).unparker.unpark(),
        }
        model.run_rounds_until_resumed(0);
        // Sysmon replaces a thread only during a poll; the first poll may just have ended.
        while !model.is_in_second_poll.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        assert_eq!(model.pool.replace_blocked(0), Some(Activation::Spawn(1)));
        model.run_rounds_until_resumed(0);
        thread.join().unwrap();
    });
    assert_reached([
        ("it stayed active", &seen.stayed_active),
        ("it was activated while parked", &seen.activated_while_parked),
    ]);
}

/// The stand-in blocks as well, while the first thread is parked and times out.
#[test]
fn a_parked_thread_that_times_out_exits_or_is_activated_but_not_both() {
    let outcomes = Arc::new(Outcomes::default());
    let seen = outcomes.clone();
    loom::model(move || {
        let model = Model::new(&outcomes);
        assert_eq!(model.pool.replace_blocked(0), Some(Activation::Spawn(1)));
        assert_eq!(model.pool.resume(0), Resume::Park);
        let thread = {
            let model = model.clone();
            // It has waited long enough, and does not park again.
            thread::spawn(move || {
                let resume = model.pool.threads().idle_timeout(0);
                if resume == Resume::End {
                    model.pool.threads().release(0);
                }
                resume
            })
        };
        let stand_in = model.pool.replace_blocked(1);
        let resume = thread.join().unwrap();
        let way = match (resume, stand_in) {
            (Resume::Run, Some(Activation::Unpark(0))) => &model.outcomes.activated_while_parked,
            (Resume::End, Some(Activation::AtLimit)) => &model.outcomes.exited,
            (Resume::End, Some(Activation::Spawn(0))) => &model.outcomes.replaced,
            wrong => panic!("it exited and was activated: {wrong:?}"),
        };
        count(way);
        assert_eq!(model.pool.threads().counts().active, 1);
    });
    assert_reached([
        ("activated", &seen.activated_while_parked),
        ("exited, and its index was not free yet", &seen.exited),
        ("exited, and its index was used again", &seen.replaced),
    ]);
}

#[test]
fn a_parked_thread_is_activated_when_its_stand_in_blocks() {
    let outcomes = Arc::new(Outcomes::default());
    let seen = outcomes.clone();
    loom::model(move || {
        let model = Model::new(&outcomes);
        assert_eq!(model.pool.replace_blocked(0), Some(Activation::Spawn(1)));
        let thread = {
            let model = model.clone();
            thread::spawn(move || {
                let parker = model.remote(0).take_local().unwrap().parker;
                assert_eq!(model.pool.resume(0), Resume::Park);
                assert_eq!(park_until_activated(&model.pool, 0, &parker), Resume::Run);
            })
        };
        // At the limit, until the first thread parks.
        while model.pool.replace_blocked(1) == Some(Activation::AtLimit) {
            count(&model.outcomes.at_limit);
            thread::yield_now();
        }
        model.remote(0).unparker.unpark();
        thread.join().unwrap();
        let expected = ThreadCounts { active: 1, blocked: 1, ..ThreadCounts::default() };
        assert_eq!(model.pool.threads().counts(), expected);
    });
    assert_reached([("at the limit", &seen.at_limit)]);
}

#[test]
fn a_thread_is_deprioritized_before_it_resumes_or_not_at_all() {
    let outcomes = Arc::new(Outcomes::default());
    let seen = outcomes.clone();
    loom::model(move || {
        let model = Model::new(&outcomes);
        assert_eq!(model.pool.replace_blocked(0), Some(Activation::Spawn(1)));
        let thread = {
            let model = model.clone();
            thread::spawn(move || model.pool.resume(0))
        };
        let is_deprioritized = model.pool.threads().deprioritize(0, || true);
        let resume = thread.join().unwrap();
        assert_eq!(resume, if is_deprioritized { Resume::End } else { Resume::Park });
        count(if is_deprioritized { &model.outcomes.exited } else { &model.outcomes.stayed_active });
    });
    assert_reached([("deprioritized", &seen.exited), ("too late for that", &seen.stayed_active)]);
}

#[test]
fn a_parked_thread_that_comes_in_place_of_a_refused_stand_in_is_the_only_one_that_becomes_active() {
    loom::model(|| {
        let threads = Threads::new(2, 4);
        assert_eq!([threads.activate(), threads.activate()], [Activation::Spawn(0), Activation::Spawn(1)]);
        assert_eq!(threads.replace_blocked(1), Some(Activation::Spawn(2)));
        assert_eq!(threads.replace_blocked(0), Some(Activation::Spawn(3)));
        // No stand-in may be displaced.
        assert_eq!(threads.resume(1, |_| false), ResumeOutcome { resume: Resume::Park, displaced: None });
        assert_eq!(threads.refused(3), Some(1), "the system refuses the stand-in of thread 0");
        threads.stand_in_refused(0);
        assert_eq!(threads.counts(), ThreadCounts { active: 2, blocked: 1, ..ThreadCounts::default() });
    });
}

/// Both stand-ins are refused while a thread takes its place back from one of them.
#[test]
fn two_stand_ins_that_are_refused_at_once_leave_no_index_active() {
    let displaced: Arc<[Count; 3]> = Arc::default();
    let seen = displaced.clone();
    loom::model(move || {
        let threads = Arc::new(Threads::new(2, 4));
        assert_eq!([threads.activate(), threads.activate()], [Activation::Spawn(0), Activation::Spawn(1)]);
        assert_eq!(threads.replace_blocked(0), Some(Activation::Spawn(2)));
        assert_eq!(threads.replace_blocked(1), Some(Activation::Spawn(3)));
        let resuming = {
            let threads = threads.clone();
            thread::spawn(move || threads.resume(0, |_| true))
        };
        let refused = {
            let threads = threads.clone();
            thread::spawn(move || threads.refused(2))
        };
        assert_eq!(threads.refused(3), None, "no thread is parked");
        assert_eq!(refused.join().unwrap(), None, "no thread is parked");
        let ResumeOutcome { resume, displaced: of } = resuming.join().unwrap();
        assert_eq!(resume, Resume::Run);
        count(&displaced[of.map_or(0, |stand_in| stand_in - 1)]);
        assert_eq!(threads.counts(), ThreadCounts { active: 1, blocked: 1, ..ThreadCounts::default() });
        assert_eq!(threads.index_bound(), 2, "an index is taken without a thread");
    });
    assert_reached([("a worker was missing", &seen[0]), ("the last stand-in was displaced", &seen[2])]);
}

/// Sysmon tries again after a refusal, while the blocked thread resumes.
#[test]
fn sysmon_activates_a_thread_that_is_missing_and_none_beside_one_that_resumes() {
    let outcomes = Arc::new(Outcomes::default());
    let seen = outcomes.clone();
    loom::model(move || {
        let threads = Arc::new(Threads::new(1, 2));
        assert_eq!(threads.activate(), Activation::Spawn(0));
        assert_eq!(threads.replace_blocked(0), Some(Activation::Spawn(1)));
        assert_eq!(threads.refused(1), None, "no thread is parked");
        let resuming = {
            let threads = threads.clone();
            thread::spawn(move || threads.resume(0, |_| false))
        };
        let activation = threads.activate_if_missing();
        let ResumeOutcome { resume, .. } = resuming.join().unwrap();
        let way = match (activation, resume) {
            (None, Resume::Run) => &outcomes.stayed_active,
            (Some(Activation::Spawn(1)), Resume::Park) => &outcomes.replaced,
            (Some(Activation::Unpark(0)), Resume::Park) => &outcomes.activated_while_parked,
            wrong => panic!("one thread too many, or none: {wrong:?}"),
        };
        count(way);
        assert_eq!(threads.counts().active, 1);
    });
    assert_reached([("it resumed first", &seen.stayed_active), ("sysmon was first", &seen.replaced)]);
}
