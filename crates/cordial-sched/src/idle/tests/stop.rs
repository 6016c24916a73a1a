//! A pool that stops while a worker starts.

use super::*;
use crate::pool::{Callbacks, Pool};
use crate::threads::Threads;
use crate::worker::models::TasklessWorker;

/// A pool that stops unparks every worker whose remote is open. A worker whose remote is opened later sees that the pool
/// is stopping.
#[test]
fn a_worker_that_starts_while_the_pool_stops_does_not_sleep() {
    let outcomes = Arc::new(Outcomes::default());
    let seen = outcomes.clone();
    check(3, move || {
        let callbacks = Callbacks {
            spawn_worker: Box::new(|_| Ok(true)),
            on_foreign_thread: Box::new(|_| panic!("no task is left")),
            on_all_exited: Box::new(|| {}),
        };
        let threads = Threads::new(1, 1);
        let pool = loom::sync::Arc::new(Pool::new(threads, Parker::new().unparker().clone(), callbacks));
        let worker = {
            let (pool, outcomes) = (pool.clone(), outcomes.clone());
            // This thread activates the worker and also runs it. A second thread would add a happens-before edge, from its
            // spawn, on which the protocol must not rely.
            thread::spawn(move || {
                if !pool.activate(pool.threads().activate()).unwrap() {
                    // The pool was stopped first. It had no running worker, so it starts none any more.
                    return;
                }
                let parker = pool.queues.remote(0).take_local().unwrap().parker;
                let on_slept = |slept: &SleepResult<Option<()>>| match slept {
                    SleepResult::Found(_, None) => count(&outcomes.found_by_recheck),
                    SleepResult::Spurious => count(&outcomes.spurious),
                    SleepResult::Found(_, Some(_)) | SleepResult::Woken(_) => panic!("there is no task"),
                };
                let worker = TasklessWorker { index: 0, pool: &pool, parker: &parker, on_slept: &on_slept };
                assert_eq!(run_loop::run(&worker), LoopEnd::Stopping);
            })
        };
        pool.begin_stop();
        worker.join().unwrap();
    });
    assert_reached([("the recheck found it", &seen.found_by_recheck), ("unparked", &seen.spurious)]);
}
