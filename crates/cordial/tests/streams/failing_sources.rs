//! Sources that can fail: the first error is the last result of the stream.

use std::fmt;
use std::time::Duration;

use cordial::{Exit, Retry, StreamTimeout, Task, TaskSupervisor};
use futures::{Stream, StreamExt, stream};

use crate::harness::seeds::for_each_seed;

#[derive(Clone, Debug)]
struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection lost")
    }
}

impl std::error::Error for Lost {}

/// `n` items, an error, and items that must not be pulled.
fn rows(n: u64) -> impl Stream<Item = Result<u64, Lost>> + Unpin {
    let after = stream::poll_fn(|_| panic!("the source was polled after its error"));
    stream::iter((0..n).map(Ok)).chain(stream::iter([Err(Lost)])).chain(after)
}

/// Waits for longer the earlier the item is.
async fn backwards(n: u64) -> u64 {
    tokio::time::sleep(Duration::from_millis(100 - 10 * n)).await;
    n
}

fn is_lost(exit: &Exit) -> bool {
    matches!(exit, Exit::Error(error) if error.is::<Lost>())
}

#[test]
fn the_error_of_a_source_is_the_last_result_behind_all_items() {
    for_each_seed(|| async {
        for n in [0, 1, 5] {
            let results = Task::try_async_stream_from(rows(n), backwards).max_concurrency(3).collect().await;
            let (last, values) = results.split_last().unwrap();
            assert_eq!(values, (0..n).map(Ok).collect::<Vec<_>>());
            assert!(is_lost(last.as_ref().unwrap_err()));

            let unordered =
                Task::try_async_stream_from(rows(n), backwards).unordered().max_concurrency(8).collect().await;
            let (last, values) = unordered.split_last().unwrap();
            assert_eq!(values, (0..n).rev().map(Ok).collect::<Vec<_>>());
            assert!(is_lost(last.as_ref().unwrap_err()));
        }
    });
}

#[test]
fn the_stream_is_fused_and_hints_its_last_result() {
    for_each_seed(|| async {
        let mut stream = Task::try_async_stream_from(rows(1), |n| async move { n }).max_concurrency(4);
        assert_eq!(stream.size_hint(), (1, None));
        assert_eq!(stream.next().await, Some(Ok(0)));
        assert!(stream.size_hint().0 <= 1 && stream.size_hint().1.is_none_or(|upper| upper >= 1));
        assert!(stream.next().await.unwrap().is_err());
        assert_eq!((stream.next().await, stream.size_hint()), (None, (0, Some(0))));
    });
}

#[test]
fn a_source_without_an_error_ends_as_any_other() {
    for_each_seed(|| async {
        let source = stream::iter([Ok::<_, Lost>(1), Ok(2)]);
        assert_eq!(Task::try_async_stream_from(source, |n| async move { n }).collect().await, [Ok(1), Ok(2)]);
    });
}

#[test]
fn a_failure_of_the_source_has_an_index_and_no_input() {
    for_each_seed(|| async {
        let odd = |n: u64| async move { if n % 2 == 1 { Err(Lost) } else { Ok(n) } };
        let (values, failures) =
            Task::try_async_stream_from(rows(4), odd).or_exit().zip_input_on_exit().partition().await;
        assert_eq!(values, [0, 2]);
        let failures: Vec<_> = failures.iter().map(|failure| (failure.index, failure.input)).collect();
        assert_eq!(failures, [(1, Some(1)), (3, Some(3)), (4, None)]);
    });
}

#[test]
fn items_are_retried_and_the_source_is_not() {
    for_each_seed(|| async {
        let odd = |n: u64| async move { if n % 2 == 1 { Err(Lost) } else { Ok(n) } };
        let stream = Task::try_async_stream_from(rows(4), odd).or_exit().retry(Retry::times(2));
        let progress = stream.progress();
        let (values, failures) = stream.partition().await;
        assert_eq!((values, failures.len()), (vec![0, 2], 3));
        assert_eq!((progress.started(), progress.failed(), progress.retried()), (4, 2, 4));
    });
}

#[test]
fn a_timeout_that_ends_the_stream_is_its_last_result() {
    for_each_seed(|| async {
        let hangs = |n: u64| async move { if n == 1 { std::future::pending().await } else { n } };
        let stream =
            Task::try_async_stream_from(rows(3), hangs).max_concurrency(8).on_timeout(StreamTimeout::EndStream);
        let results = stream.collect().await;
        assert!(matches!(results[..], [Ok(0), Err(Exit::Timeout(_))]), "{results:?}");
    });
}

#[test]
fn an_error_that_is_an_exit_becomes_that_exit() {
    for_each_seed(|| async {
        let source = stream::iter([Err::<u64, _>(Exit::Killed)]);
        assert_eq!(Task::try_async_stream_from(source, |n| async move { n }).collect().await, [Err(Exit::Killed)]);
    });
}

#[test]
fn a_task_supervisor_runs_the_items_of_a_source_that_fails() {
    for_each_seed(|| async {
        let tasks = TaskSupervisor::builder().max_children(2).start();
        let results = tasks.try_async_stream_from(rows(5), backwards).max_concurrency(8).collect().await;
        assert_eq!(results.iter().flatten().copied().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert!(is_lost(results[5].as_ref().unwrap_err()));
        let plain = tasks.async_stream_from(stream::iter(0..3), backwards).collect().await;
        assert_eq!(plain, [Ok(0), Ok(1), Ok(2)]);
    });
}
