//! Streams whose items are children of a task supervisor.
//!
//! Restates the stream parts of Elixir's `task/supervisor_test.exs`.

use std::future::{Ready, pending};
use std::panic::AssertUnwindSafe;

use cordial::{Exit, Refusal, StreamTimeout, Task, TaskSupervisor, process};
use futures::{FutureExt, StreamExt};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::harness::children::settle;
use crate::harness::exit_kind::error;
use crate::harness::seeds::{SECOND, for_each_seed};

// S-045, S-048, S-054, S-058, S-060, S-061
#[test]
fn items_are_children_and_results_come_in_order() {
    for_each_seed(|| async {
        let tasks = TaskSupervisor::start();
        let slowest_first = |n: u32| async move {
            sleep((10 - n) * SECOND / 10).await;
            (n, process::info(process::current().unwrap()).unwrap().supervisor)
        };
        let expected: Vec<_> = (1..=4).map(|n| Ok((n, Some(tasks.pid())))).collect();
        assert_eq!(tasks.async_stream(1..=4, slowest_first).collect().await, expected);
        assert_eq!(tasks.async_stream_nolink(1..=4, slowest_first).collect().await, expected);
        assert!(tasks.children().is_empty(), "all children have exited");
    });
}

// S-049, S-056, S-062
#[test]
fn failures_are_items() {
    for_each_seed(|| async {
        let tasks = TaskSupervisor::start();
        let fails = |n: u32| async move { cordial::exit(error(if n == 1 { "one" } else { "more" })).await };
        let failures =
            tasks.async_stream_nolink(1..=2, fails).map(|item| item.map(|never: ()| never)).collect::<Vec<_>>();
        assert_eq!(failures.await, [Err(error("one")), Err(error("more"))]);
        let zipped = tasks.async_stream(1..=8, fails).zip_input_on_exit().take(4).collect::<Vec<_>>().await;
        let inputs: Vec<u32> = zipped.into_iter().map(|item| item.map(|never: ()| never).unwrap_err().input).collect();
        assert_eq!(inputs, [1, 2, 3, 4]);
    });
}

// S-052, S-071
#[test]
fn a_stream_waits_when_the_supervisor_is_full() {
    for_each_seed(|| async {
        let tasks = TaskSupervisor::builder().max_children(2).start();
        let other = tasks.start_child(sleep(3 * SECOND)).unwrap();
        let begun = tokio::time::Instant::now();
        let results = tasks.async_stream(0..6, |n| async move {
            sleep(SECOND).await;
            n
        });
        assert_eq!(results.max_concurrency(4).collect().await, (0..6).map(Ok).collect::<Vec<_>>());
        assert!(begun.elapsed() < 6 * SECOND);
        assert!(process::info(other).is_none());
        assert!(tasks.children().is_empty());
    });
}

// S-063, S-066, S-067, S-070
#[test]
fn a_dropped_stream_ends_its_children_and_leaves_the_waiting_queue() {
    for_each_seed(|| async {
        let work = |n: u32| async move {
            match n {
                0 => n,
                1 => cordial::exit(error("the second item")).await,
                _ => pending().await,
            }
        };
        for (is_linked, takes_failure) in [(true, false), (true, true), (false, false), (false, true)] {
            let tasks = TaskSupervisor::builder().max_children(4).start();
            let n_taken = if takes_failure { 2 } else { 1 };
            let taken: Vec<_> = if is_linked {
                tasks.async_stream(0.., work).max_concurrency(9).take(n_taken).collect().await
            } else {
                tasks.async_stream_nolink(0.., work).max_concurrency(9).take(n_taken).collect().await
            };
            assert_eq!((taken[0].clone(), taken.get(1).is_some_and(Result::is_err)), (Ok(0), takes_failure));
            settle().await;
            assert!(tasks.children().is_empty());
            for _ in 0..4 {
                tasks.start_child(pending::<()>()).unwrap();
            }
        }
    });
}

// S-068
#[test]
fn when_a_signal_ends_the_consumer_only_unlinked_items_run_on() {
    for_each_seed(|| async {
        for (is_linked, n_remaining) in [(true, 0), (false, 3)] {
            let tasks = TaskSupervisor::start();
            let of_consumer = tasks.clone();
            let (tx, rx) = oneshot::channel();
            let consumer = Task::spawn(async move {
                let work = |_: u32| pending::<()>();
                if is_linked {
                    let stream = of_consumer.async_stream(0..3, work).max_concurrency(3);
                    tx.send(stream.progress()).unwrap_or_default();
                    stream.collect().await
                } else {
                    let stream = of_consumer.async_stream_nolink(0..3, work).max_concurrency(3);
                    tx.send(stream.progress()).unwrap_or_default();
                    stream.collect().await
                }
            });
            settle().await;
            assert_eq!(tasks.children().len(), 3);
            let progress = rx.await.unwrap();
            assert_eq!((progress.running(), progress.cancelled()), (3, 0));
            process::exit(consumer.pid(), Exit::Killed);
            settle().await;
            assert_eq!(tasks.children().len(), n_remaining, "linked: {is_linked}");
            assert_eq!((progress.running(), progress.cancelled()), (0, 3), "all three count as cancelled");
        }
    });
}

#[test]
fn an_item_that_waits_for_the_supervisor_is_not_started() {
    for_each_seed(|| async {
        let tasks = TaskSupervisor::builder().max_children(2).start();
        let mut stream = tasks.async_stream(0.., |_: u32| pending::<()>()).max_concurrency(9);
        let progress = stream.progress();
        assert!(tokio::time::timeout(SECOND, stream.next()).await.is_err());
        assert_eq!((progress.started(), progress.running()), (2, 2));
        drop(stream);
        assert_eq!((progress.started(), progress.running(), progress.cancelled()), (2, 0, 2));
    });
}

// S-072
#[test]
fn when_the_supervisor_stops_the_remaining_items_are_refused() {
    for_each_seed(|| async {
        let tasks = TaskSupervisor::builder().max_children(2).start();
        let mut results = tasks.async_stream_nolink(0..4, |_| pending::<()>()).max_concurrency(3);
        assert!(tokio::time::timeout(SECOND, results.next()).await.is_err());
        tasks.stop().await;
        let results: Vec<_> = StreamExt::collect(results).await;
        let refused = || Err(Exit::Refused(Refusal::SupervisorStopped));
        assert_eq!(results, [Err(Exit::Shutdown(None)), Err(Exit::Shutdown(None)), refused(), refused()]);
    });
}

#[test]
fn a_stream_that_a_timeout_has_ended_leaves_its_room_to_others() {
    for_each_seed(|| async {
        let tasks = TaskSupervisor::builder().max_children(1).start();
        // The second item waits for room until the first one ends the stream.
        let stream = tasks.async_stream(0..2, |_| pending::<()>()).max_concurrency(2);
        let mut stream = stream.timeout(SECOND).on_timeout(StreamTimeout::EndStream);
        assert!(stream.next().await.unwrap().unwrap_err().is_timeout());
        assert_eq!(stream.next().await, None);
        assert_eq!(tasks.spawn(async { 7 }).await, Ok(7));
        drop(stream);
    });
}

#[test]
fn a_stream_whose_closure_has_panicked_leaves_its_room_to_others() {
    for_each_seed(|| async {
        let tasks = TaskSupervisor::builder().max_children(1).start();
        let mut stream = tasks.async_stream([()], |()| -> Ready<()> { panic!("no luck") });
        assert!(AssertUnwindSafe(stream.next()).catch_unwind().await.is_err());
        assert_eq!(tasks.spawn(async { 7 }).await, Ok(7));
        drop(stream);
    });
}
