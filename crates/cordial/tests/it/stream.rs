//! Parallel streams: order, bounds, limits, and what is left when nobody looks any more. After Elixir's task_test.exs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cordial::{Exit, StreamTimeout, Task, Timeout, process, testing};
use futures::StreamExt;
use tokio::time::{Instant, sleep};

const MS: Duration = Duration::from_millis(1);

async fn slow(ms: u32) -> u32 {
    sleep(ms * MS).await;
    ms
}

// T-158, T-161: at, below and above the length of the input.
#[test]
fn results_come_in_input_order_however_long_they_take() {
    for n in [4, 2, 8] {
        let results =
            testing::run(async move { Task::async_stream([40, 30, 20, 10], slow).max_concurrency(n).collect().await });
        assert_eq!(results, [Ok(40), Ok(30), Ok(20), Ok(10)], "{n} at once");
    }
}

// T-152
#[test]
fn unordered_results_come_as_they_are_ready() {
    let results = testing::run(async {
        Task::async_stream([40, 30, 20, 10], slow).unordered().max_concurrency(4).collect().await
    });
    assert_eq!(results, [Ok(10), Ok(20), Ok(30), Ok(40)]);
}

// T-151, T-180
#[test]
fn one_at_a_time_is_one_after_the_other() {
    let (results, lasted) = testing::run(async {
        let started = Instant::now();
        let results = Task::async_stream([40, 30, 20, 10], slow).unordered().max_concurrency(1).collect().await;
        (results, started.elapsed())
    });
    assert_eq!(results, [Ok(40), Ok(30), Ok(20), Ok(10)]);
    assert_eq!(lasted, 100 * MS);
}

// T-142
#[test]
fn nothing_runs_and_no_input_is_pulled_before_the_first_poll() {
    let pulled = Arc::new(AtomicUsize::new(0));
    let count = pulled.clone();
    testing::run(async move {
        let items = std::iter::from_fn(move || Some(count.fetch_add(1, Ordering::SeqCst)));
        let stream = Task::async_stream(items, |n| async move { n });
        sleep(1000 * MS).await;
        drop(stream);
    });
    assert_eq!(pulled.load(Ordering::SeqCst), 0);
}

// T-144
#[test]
#[should_panic(expected = "max_concurrency(0) lets nothing run; use at least 1")]
fn none_at_once_is_refused_when_it_is_asked_for() {
    let _ = Task::async_stream(0..3, |n| async move { n }).max_concurrency(0);
}

#[test]
fn endless_input_is_pulled_only_into_free_slots() {
    let pulled = Arc::new(AtomicUsize::new(0));
    let count = pulled.clone();
    let first: Vec<_> = testing::run(async move {
        let items = std::iter::from_fn(move || Some(count.fetch_add(1, Ordering::SeqCst)));
        Task::async_stream(items, |n| async move { n }).max_concurrency(3).take(10).collect().await
    });
    assert_eq!(first, (0..10).map(Ok).collect::<Vec<_>>());
    // Ten were delivered; no more than the slots and the run-ahead can be beyond.
    assert!(pulled.load(Ordering::SeqCst) <= 10 + 3 + 4 * 3);
}

// T-176
#[test]
fn an_item_that_takes_too_long_is_a_timeout_that_names_it_and_the_others_go_on() {
    let results = testing::run(async {
        let work = |ms| async move {
            process::set_label(format!("item {ms}"));
            slow(ms).await
        };
        Task::async_stream([100, 1, 100, 1], work).timeout(50 * MS).max_concurrency(4).collect().await
    });
    let [Err(Exit::Timeout(timed_out)), Ok(1), Err(Exit::Timeout(_)), Ok(1)] = &results[..] else {
        panic!("{results:?}")
    };
    assert_eq!(timed_out.limit(), 50 * MS);
    assert_eq!(timed_out.label(), Some("item 100"));
    assert!(timed_out.spawned_at().is_some_and(|place| place.file().ends_with("stream.rs")));
}

#[test]
fn a_timeout_that_ends_the_stream_is_its_last_item() {
    let results = testing::run(async {
        let stream = Task::async_stream([1, 100, 200, 2], slow).timeout(50 * MS).on_timeout(StreamTimeout::EndStream);
        let progress = stream.progress();
        let results = stream.unordered().max_concurrency(3).collect().await;
        assert_eq!(progress.running(), 0);
        results
    });
    assert_eq!(results[..2], [Ok(1), Ok(2)]);
    assert!(matches!(results[2..], [Err(Exit::Timeout(_))]), "{results:?}");
}

#[test]
fn a_hanging_item_lets_the_others_run_ahead_only_so_far() {
    let started = Arc::new(AtomicUsize::new(0));
    let count = started.clone();
    testing::run(async move {
        let work = move |n: usize| {
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                if n == 0 {
                    std::future::pending().await
                }
            }
        };
        let mut stream = Task::async_stream(0.., work).max_concurrency(2).max_ahead(5).timeout(Timeout::Infinity);
        assert!(tokio::time::timeout(1000 * MS, stream.next()).await.is_err());
    });
    assert_eq!(started.load(Ordering::SeqCst), 2 + 5);
}

// T-163, T-189, T-200
#[test]
fn a_stream_that_is_dropped_leaves_nothing_behind_before_time_moves() {
    testing::run(async {
        let n_alive = Arc::new(());
        let alive = n_alive.clone();
        let outer = Task::async_stream([0], move |_| {
            let alive = alive.clone();
            async move {
                let work = move |_| {
                    let alive = alive.clone();
                    async move {
                        let _alive = alive;
                        std::future::pending::<()>().await
                    }
                };
                Task::async_stream([0, 1], work).timeout(Timeout::Infinity).collect().await
            }
        });
        let mut outer = outer.timeout(Timeout::Infinity);
        assert!(tokio::time::timeout(10 * MS, outer.next()).await.is_err());
        assert!(Arc::strong_count(&n_alive) > 2, "the inner items run");
        let dropped = Instant::now();
        drop(outer);
        while Arc::strong_count(&n_alive) > 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(dropped.elapsed(), Duration::ZERO);
    });
}

// T-162
#[test]
fn a_crash_is_one_item_and_the_consumer_lives() {
    let (values, exits) = testing::run(async {
        Task::async_stream(1..=4, |n| async move { if n % 2 == 0 { panic!("even") } else { n } }).partition().await
    });
    assert_eq!(values, [1, 3]);
    assert!(matches!(&exits[..], [Exit::Panic(_), Exit::Panic(_)]));
}

#[test]
fn a_slow_async_source_holds_back_no_result() {
    testing::run(async {
        let source = futures::stream::iter([1, 2]).chain(futures::stream::pending());
        let mut stream = Task::async_stream_from(source, slow).max_concurrency(8);
        let started = Instant::now();
        assert_eq!((stream.next().await, stream.next().await), (Some(Ok(1)), Some(Ok(2))));
        assert_eq!(started.elapsed(), 2 * MS);
    });
}
