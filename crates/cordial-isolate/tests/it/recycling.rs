//! Workers that are replaced, restarted and stopped, and pools in trees.
//!
//! The mistakes of counting that are restated here are known from other pools: a worker that recycles is counted as missing forever
//! (`ProcessPoolExecutor` with `max_tasks_per_child`), a worker that dies while it is idle is never replaced (`multiprocessing.Pool`), calls that
//! wait are not given to a worker that was started late, and a pool whose last worker recycles while calls wait stands still.

use std::collections::BTreeSet;
use std::time::Duration;

use cordial::{Exit, Strategy, Supervisor, Task};
use cordial_isolate::{Pool, PoolError, WorkerActivity};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use crate::functions::*;
use crate::out_of_memory::without_oom_kills;
use crate::waits::{LONG, run, until, until_some};

#[test]
fn recycling_under_load_never_stalls() {
    cordial_isolate::test_main(functions());
    run(async {
        for (workers, recycle_after, calls) in [(1, 1, 30), (2, 1, 40), (2, 3, 100), (3, 7, 200)] {
            let pool = Pool::builder().workers(workers).recycle_after(recycle_after).start().unwrap();
            let results = pool.async_stream(SQUARE, 0..calls).max_concurrency(16).timeout(LONG).collect().await;
            let expected: Vec<_> = (0..calls).map(|n| Ok(n * n)).collect();
            assert_eq!(results, expected, "{workers} workers, recycled after {recycle_after}");
            let statistics = pool.statistics();
            let in_use: u64 = statistics.workers.iter().map(|worker| worker.calls % recycle_after).sum();
            assert_eq!(statistics.recycled * recycle_after + in_use, calls, "{statistics:?}");
            assert!(statistics.workers.iter().all(|worker| worker.calls <= recycle_after), "{statistics:?}");
            pool.stop().await;
        }
    })
    .unwrap();
}

#[test]
fn with_one_call_each_every_call_has_a_process_of_its_own() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(2).recycle_after(1).start().unwrap();
        let pids = pool.async_stream(OS_PID, vec![(); 20]).timeout(LONG).collect().await;
        let pids: BTreeSet<u32> = pids.into_iter().map(Result::unwrap).collect();
        assert_eq!(pids.len(), 20);
    })
    .unwrap();
}

#[test]
fn no_more_calls_run_at_once_than_there_are_workers_while_workers_are_replaced() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(2).recycle_after(1).start().unwrap();
        let waits = pool.async_stream(WAIT, vec![5; 30]).max_concurrency(30).timeout(LONG);
        let all = Task::spawn(waits.collect()).timeout(LONG);
        let started = Instant::now();
        while !all.is_finished() {
            assert!(started.elapsed() < LONG, "the calls have not ended: {:?}", pool.statistics());
            let running = pool.statistics().running;
            assert!(running <= 2, "{running} calls run at once");
            tokio::task::yield_now().await;
        }
        assert_eq!(all.await.unwrap().len(), 30);
    })
    .unwrap();
}

#[test]
fn a_call_that_is_lost_as_the_last_of_its_worker_is_counted_once() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).recycle_after(1).start().unwrap();
        for _ in 0..5 {
            assert!(matches!(pool.call(ABORT, ()).timeout(LONG).await, Err(Exit::Lost(_))));
            assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
            let exit = spinning(&pool).await.timeout(Duration::from_millis(1)).await.unwrap_err();
            assert!(exit.is_timeout());
        }
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
        until_idle(&pool, 1).await;
        // The last worker may still be ending.
        until("a single worker", || pool.statistics().workers.len() == 1).await;
        let statistics = pool.statistics();
        assert_eq!((statistics.lost, statistics.killed), (5, 5), "{statistics:?}");
    })
    .unwrap();
}

#[test]
fn calls_that_wait_are_given_to_a_worker_that_is_started_after_them() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        for _ in 0..5 {
            let spin = pool.call(SPIN, ()).timeout(Duration::from_millis(20));
            let waiting: Vec<_> = (0..10).map(|n| pool.call(SQUARE, n).timeout(LONG)).collect();
            assert!(spin.await.unwrap_err().is_timeout());
            for (n, task) in (0..).zip(waiting) {
                assert_eq!(task.await, Ok(n * n));
            }
        }
    })
    .unwrap();
}

/// Workers are killed in whatever state they are while others are recycled: each call ends, and in the end all workers are there.
#[test]
fn kills_in_any_state_while_workers_are_recycled_stall_nothing() {
    cordial_isolate::test_main(functions());
    let _guard = without_oom_kills();
    run(async {
        for (workers, recycle_after) in [(1, 1), (2, 1), (3, 2)] {
            let pool = Pool::builder().workers(workers).recycle_after(recycle_after).start().unwrap();
            let calls = pool.async_stream(SQUARE, 0..150).max_concurrency(8).timeout(LONG);
            let all = Task::spawn(calls.collect()).timeout(LONG);
            let (mut n_killed, mut choice) = (0, 0usize);
            let started = Instant::now();
            while !all.is_finished() {
                assert!(started.elapsed() < LONG, "the calls have not ended: {:?}", pool.statistics());
                // Starts that fail again and again are tested elsewhere.
                let living = |activity: &WorkerActivity| n_killed < 30 && *activity != WorkerActivity::Starting;
                let found = pool.statistics().workers;
                let found: Vec<_> = found.iter().filter(|worker| living(&worker.activity)).collect();
                if let Some(worker) = found.get(choice % found.len().max(1)) {
                    let _ = kill_process(Pid::from_raw(worker.os_pid).unwrap(), Signal::KILL);
                    n_killed += 1;
                }
                choice = choice.wrapping_add(7);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let results = all.await.unwrap();
            for (n, result) in (0..).zip(&results) {
                let is_lost = matches!(result, Err(Exit::Lost(lost)) if *lost.cause() == cordial::LostCause::signal(9));
                assert!(is_lost || *result == Ok(n * n), "{n}: {result:?}");
            }
            assert_eq!(results.len(), 150);
            until_idle(&pool, workers).await;
            assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
        }
    })
    .unwrap();
}

#[test]
fn a_worker_that_is_killed_while_it_is_idle_is_replaced() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(2).start().unwrap();
        for round in 1..=10 {
            let killed = until_idle(&pool, 2).await;
            for os_pid in &killed {
                kill_process(Pid::from_raw(*os_pid).unwrap(), Signal::KILL).unwrap();
            }
            until("two new workers", || idle(&pool).iter().filter(|os_pid| !killed.contains(os_pid)).count() == 2)
                .await;
            assert_eq!(pool.call(SQUARE, round).timeout(LONG).await, Ok(round * round));
        }
    })
    .unwrap();
}

/// Returns the process ids of the idle workers.
fn idle(pool: &Pool) -> Vec<i32> {
    let workers = pool.statistics().workers;
    let idle = workers.iter().filter(|worker| worker.activity == WorkerActivity::Idle);
    idle.map(|worker| worker.os_pid).collect()
}

/// Waits until `n` workers are idle, and returns their process ids.
async fn until_idle(pool: &Pool, n: usize) -> Vec<i32> {
    until_some("idle workers", || Some(idle(pool)).filter(|idle| idle.len() == n)).await
}

#[test]
fn idle_workers_exit_and_the_next_call_starts_one() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(3).idle_timeout(Duration::from_millis(20)).start().unwrap();
        for n in 1..=5 {
            until("the end of the idle workers", || pool.statistics().workers.is_empty()).await;
            assert_eq!(pool.call(SQUARE, n).timeout(LONG).await, Ok(n * n));
            assert_eq!(pool.statistics().failed_starts, 0);
        }
    })
    .unwrap();
}

#[test]
fn a_call_that_waits_for_a_worker_can_be_given_up() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let spin = pool.call(SPIN, ());
        until_running(&pool).await;
        let waiting: Vec<_> = (0..100).map(|n| pool.call(SQUARE, n)).collect();
        until("a full queue", || pool.statistics().queued == 100).await;
        drop(waiting);
        until("an empty queue", || pool.statistics().queued == 0).await;
        drop(spin);
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
    })
    .unwrap();
}

#[test]
fn a_stop_ends_all_calls_and_a_dropped_pool_has_no_worker() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let spin = spinning(&pool).await;
        let waiting = pool.call(SQUARE, 3);
        until("a call that waits", || pool.statistics().queued > 0).await;
        pool.stop().await;
        assert_eq!(spin.timeout(LONG).await, Err(Exit::Killed));
        assert_eq!(waiting.timeout(LONG).await, Err(Exit::Shutdown(Some("the pool was stopped".into()))));
        let error = pool.call(SQUARE, 3).timeout(LONG).await.unwrap_err();
        assert_eq!(error.downcast_ref::<PoolError>(), Some(&PoolError::Stopped));
    })
    .unwrap();
}

#[test]
fn encoded_calls_that_a_stop_has_ended_say_so() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let call = || pool.call_encoded(WAIT_FOR_EVER.signature(), WAIT_FOR_EVER.encode_input(&()).unwrap());
        let calls = [call(), call()];
        until("both calls", || pool.statistics().running > 0 && pool.statistics().queued > 0).await;
        pool.stop().await;
        for call in calls {
            let error = call.await.unwrap_err();
            assert_eq!(error.downcast_ref::<PoolError>(), Some(&PoolError::Stopped), "{error}");
        }
    })
    .unwrap();
}

/// Waits until the pool answers a call.
async fn until_it_works(pool: &Pool) {
    let started = Instant::now();
    while pool.call(SQUARE, 3).timeout(LONG).await != Ok(9) {
        assert!(started.elapsed() < LONG, "no call is answered: {:?}", pool.statistics());
        tokio::task::yield_now().await;
    }
}

/// Makes a pool that was stopped the child of another tree, in which it answers calls again.
pub(crate) async fn assert_works_in_a_tree(pool: &Pool) {
    let tree = Supervisor::builder(Strategy::OneForOne).child(pool.child_spec()).start().await;
    let tree = tree.expect("the tree starts");
    until_it_works(pool).await;
    tree.stop().await;
}

#[test]
fn a_pool_is_a_child_of_a_tree() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        let tree = Supervisor::builder(Strategy::OneForOne).child(pool.child_spec()).start().await.unwrap();
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
        let shown = cordial::process::snapshot().to_string();
        let worker = pool.statistics().workers[0].os_pid;
        assert!(
            shown.contains(&format!("OS process {worker}: idle for")) && shown.contains("1 calls, 0 lost"),
            "{shown}"
        );
        assert!(tree.stop().await.is_clean());
        assert_eq!(pool.statistics().workers.len(), 0);
        assert_works_in_a_tree(&pool).await;
    })
    .unwrap();
}

#[test]
fn a_pool_that_is_stopped_below_its_supervisor_stops_and_starts_again() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(2).start().unwrap();
        let tree = Supervisor::builder(Strategy::OneForOne).child(pool.child_spec()).start().await.unwrap();
        tokio::time::timeout(LONG, pool.stop()).await.expect("the stop ends");
        until_it_works(&pool).await;
        assert!(tree.stop().await.is_clean());
    })
    .unwrap();
}
