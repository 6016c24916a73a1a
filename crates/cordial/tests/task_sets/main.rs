//! Sets of tasks.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../harness/mod.rs"]
mod harness;

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cordial::{Exit, Refusal, Shutdown, Task, TaskSet, process, testing};
use futures::StreamExt;
use tokio::time::{Instant, sleep};

use crate::harness::limited;

const SECOND: Duration = Duration::from_secs(1);

/// A future that is ready after this many seconds.
async fn after(seconds: u64) -> u64 {
    sleep(Duration::from_secs(seconds)).await;
    seconds
}

#[test]
fn results_come_as_the_tasks_end() {
    testing::run(async {
        let mut set = TaskSet::new();
        for seconds in [3, 1, 2] {
            set.spawn(after(seconds));
        }
        assert_eq!(set.len(), 3);
        for seconds in [1, 2, 3] {
            assert_eq!(set.next().await, Some(Ok(seconds)));
        }
        assert!(set.is_empty());
        assert_eq!(set.next().await, None);
        set.spawn(after(1));
        assert_eq!(set.next().await, Some(Ok(1)));
    });
}

#[test]
fn a_crash_is_the_result_of_its_task() {
    testing::run(async {
        let mut set = TaskSet::new();
        let pid = set.spawn(async { panic!("no luck") });
        let exit = set.next().await.unwrap().map(|never: ()| never).unwrap_err();
        let Exit::Panic(report) = exit else { panic!("{exit}") };
        assert_eq!((report.message(), report.pid()), ("no luck", pid));
        assert_eq!(report.spawned_at().file(), file!());
    });
}

#[test]
fn at_most_max_concurrency_tasks_run_at_once() {
    testing::run(async {
        let running = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let mut set = TaskSet::new().max_concurrency(3);
        for n in 0..10 {
            let (running, most) = (running.clone(), most.clone());
            let pid = set.spawn(async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                after(1).await;
                running.fetch_sub(1, Ordering::SeqCst);
                n
            });
            assert!(process::info(pid).is_some());
        }
        let begun = Instant::now();
        assert_eq!(set.all().await, Ok((0..10).collect()));
        assert_eq!((most.load(Ordering::SeqCst), begun.elapsed()), (3, 4 * SECOND));
    });
}

#[test]
fn tasks_that_wait_run_in_the_order_of_their_spawns_on_several_workers() {
    let runtime = limited::runtime(4);
    for _ in 0..50 {
        let order = runtime.block_on(async {
            let order = Arc::new(Mutex::new(Vec::new()));
            let mut set = TaskSet::new().max_concurrency(1);
            for n in 0..200 {
                let order = order.clone();
                set.spawn(async move { order.lock().unwrap().push(n) });
            }
            set.all().await.unwrap();
            std::mem::take(&mut *order.lock().unwrap())
        });
        assert_eq!(order.unwrap(), (0..200).collect::<Vec<_>>());
    }
}

#[test]
fn the_permit_of_a_task_that_crashes_or_is_killed_is_free_again() {
    testing::run(async {
        let mut set = TaskSet::new().max_concurrency(1);
        set.spawn(async { panic!("no luck") });
        let killed = set.spawn(pending());
        let waiting = set.spawn(pending());
        set.spawn(async { 4 });
        assert!(set.next().await.unwrap().unwrap_err().is_panic());
        process::exit(waiting, Exit::Killed);
        process::exit(killed, Exit::Killed);
        let mut results: Vec<_> = set.by_ref().collect().await;
        results.sort_by_key(Result::is_ok);
        assert_eq!(results, [Err(Exit::Killed), Err(Exit::Killed), Ok(4)]);
    });
}

#[test]
fn the_first_value_ends_the_other_tasks() {
    testing::run(async {
        let mut set = TaskSet::new();
        let slow = set.spawn(after(100));
        set.spawn(async { panic!("not this one") });
        set.spawn(after(2));
        assert_eq!(set.first_ok().await, Ok(2));
        sleep(SECOND).await;
        assert!(process::info(slow).is_none());
    });
}

#[test]
fn when_all_fail_first_ok_returns_every_exit() {
    testing::run(async {
        let mut set = TaskSet::new().or_exit();
        for text in ["x", "y"] {
            set.spawn(async move { text.parse::<u8>() });
        }
        let exits = set.first_ok().await.unwrap_err();
        assert_eq!(exits.len(), 2);
        assert!(exits.iter().all(|exit| exit.to_string() == "invalid digit found in string"));
        assert_eq!(TaskSet::<u8>::new().first_ok().await, Err(Vec::new()));
    });
}

#[test]
fn all_values_are_in_the_order_of_the_spawns_and_the_first_failure_ends_the_other_tasks() {
    testing::run(async {
        let mut set = TaskSet::new();
        for seconds in [3, 1, 2] {
            set.spawn(after(seconds));
        }
        assert_eq!(set.all().await, Ok(vec![3, 1, 2]));
        assert_eq!(TaskSet::<u8>::new().all().await, Ok(vec![]));
        let mut set = TaskSet::new();
        let slow = set.spawn(after(100));
        set.spawn(async { panic!("no luck") });
        assert!(set.all().await.unwrap_err().is_panic());
        sleep(SECOND).await;
        assert!(process::info(slow).is_none());
    });
}

#[test]
fn dropping_next_loses_nothing() {
    testing::run(async {
        let mut set = TaskSet::new();
        set.spawn(after(1));
        let mut results = Vec::new();
        while !set.is_empty() {
            tokio::select! {
                biased;
                () = sleep(Duration::from_millis(100)) => {}
                result = set.next() => results.push(result),
            }
        }
        assert_eq!(results, [Some(Ok(1))]);
    });
}

#[test]
fn dropping_the_set_ends_its_tasks() {
    testing::run(async {
        let mut set = TaskSet::new().max_concurrency(1);
        let pids = [set.spawn(pending::<()>()), set.spawn(pending())];
        tokio::task::yield_now().await;
        drop(set);
        sleep(SECOND).await;
        assert!(pids.iter().all(|pid| process::info(*pid).is_none()));
    });
}

#[test]
fn a_shutdown_ends_all_at_once_and_waits_for_them() {
    testing::run(async {
        let ended = Arc::new(AtomicUsize::new(0));
        let mut set = TaskSet::new();
        for seconds in [1, 2, 100] {
            let ended = ended.clone();
            set.spawn(async move {
                cordial::shutdown_requested().await;
                after(seconds).await;
                ended.fetch_add(1, Ordering::SeqCst);
            });
        }
        tokio::task::yield_now().await;
        let begun = Instant::now();
        let report = set.shutdown(5 * SECOND).await;
        assert_eq!((begun.elapsed(), ended.load(Ordering::SeqCst)), (5 * SECOND, 2));
        assert_eq!(report.killed.len(), 1);
        let mut set = TaskSet::new();
        set.spawn(pending::<()>());
        assert!(set.shutdown(Shutdown::BrutalKill).await.is_clean());
    });
}

#[test]
fn the_failure_of_a_task_is_not_seen_by_a_process_that_has_to_end() {
    testing::run(async {
        let owner = Task::spawn(async {
            let mut set = TaskSet::new();
            let pid = set.spawn(pending::<()>());
            tokio::task::yield_now().await;
            process::exit(process::current().unwrap(), Exit::from("own"));
            process::exit(pid, Exit::Killed);
            set.next().await.map(|result| result.unwrap_err())
        });
        assert_eq!(owner.await.unwrap_err().to_string(), "own");
    });
}

#[test]
fn a_spawn_that_the_runtime_refuses_is_a_result() {
    let runtime = limited::runtime(1);
    let set = runtime.block_on(async {
        let mut set = TaskSet::new();
        set.spawn(async { 1 });
        set
    });
    let mut set = set.unwrap();
    runtime.shutdown(SECOND);
    set.spawn(async { 2 });
    let results: Vec<_> = futures::executor::block_on(set.collect());
    assert!(results.contains(&Err(Exit::Refused(Refusal::RuntimeStopped))), "{results:?}");
}

#[test]
#[should_panic(expected = "`max_concurrency(0)` would run no task; use at least 1")]
fn a_concurrency_of_zero_panics() {
    drop(TaskSet::<()>::new().max_concurrency(0));
}

#[test]
fn large_futures_that_wait_for_a_permit_give_their_outputs() {
    testing::run(async {
        let mut set = TaskSet::new().max_concurrency(2);
        for n in 0..4u8 {
            set.spawn(async move {
                let bytes = [n; 100_000];
                tokio::task::yield_now().await;
                bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>()
            });
        }
        assert_eq!(set.all().await, Ok(vec![0, 100_000, 200_000, 300_000]));
    });
}

/// A regression test: if the owner of a set had linked itself to a task, the owner ended with that task when it gave up the set.
#[test]
fn a_set_that_is_given_up_does_not_end_its_owner_over_a_link() {
    testing::run(async {
        for is_shut_down in [false, true] {
            let mut set = TaskSet::new();
            let task = set.spawn(pending::<()>());
            process::link(task);
            let end = process::monitor(task);
            if is_shut_down {
                set.shutdown(SECOND).await;
            } else {
                drop(set);
            }
            assert_eq!(end.await, Exit::Shutdown(None));
            sleep(SECOND).await;
        }
    });
}

/// Drops sets of 1000 tasks, of which one runs and the others wait for their turn. `change` is called before the drop. Checks that no other
/// task has begun.
fn check_drop_of_waiting_tasks(change: fn(TaskSet<()>) -> TaskSet<()>) {
    let runtime = limited::runtime(2);
    for _ in 0..50 {
        let n_begun = runtime.block_on(async move {
            let begun = Arc::new(AtomicUsize::new(0));
            let mut set = TaskSet::new().max_concurrency(1);
            for _ in 0..1000 {
                let begun = begun.clone();
                set.spawn(async move {
                    begun.fetch_add(1, Ordering::SeqCst);
                    pending::<()>().await
                });
            }
            let set = change(set);
            while begun.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            drop(set);
            while Arc::strong_count(&begun) > 1 {
                tokio::task::yield_now().await;
            }
            begun.load(Ordering::SeqCst)
        });
        assert_eq!(n_begun, Ok(1));
    }
}

/// A regression test: when a task ended because the set was dropped, a task that waited for its turn could begin before it was asked to
/// shut down.
#[test]
fn no_waiting_task_begins_while_its_set_is_dropped() {
    check_drop_of_waiting_tasks(|set| set);
}

/// The bug was that the set forgot its first limit, so a task that waited for it could begin while the set was dropped.
#[test]
fn no_waiting_task_of_an_earlier_limit_begins_while_its_set_is_dropped() {
    check_drop_of_waiting_tasks(|set| set.max_concurrency(2));
}

/// An error whose destructor panics.
#[derive(Debug)]
struct BombError;

impl Drop for BombError {
    fn drop(&mut self) {
        panic!("boom");
    }
}

impl std::fmt::Display for BombError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no luck")
    }
}

impl std::error::Error for BombError {}

/// The bug was that the owner ended with the panic of the destructor.
#[test]
fn an_error_that_was_not_returned_because_the_owner_ends_may_have_a_destructor_that_panics() {
    testing::run(async {
        let owner = Task::start(async {
            let mut set = TaskSet::new().or_exit();
            set.spawn(async { Err::<(), _>(BombError) });
            sleep(SECOND).await;
            process::exit(process::current().unwrap(), Exit::Killed);
            let _ = set.next().await;
        });
        assert_eq!(process::monitor(owner).await, Exit::Killed);
    });
}
