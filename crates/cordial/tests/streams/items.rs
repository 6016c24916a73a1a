//! Parallel streams: order, laziness, timeouts, and when items start.
//!
//! Restates parts of "async_stream" of Elixir's `task_test.exs`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cordial::{Exit, StreamTimeout, Task, Timeout, process, testing};
use futures::StreamExt;
use tokio::time::{Instant, sleep};

use crate::harness::limited;
use crate::harness::probe::Probe;
use crate::harness::seeds::for_each_seed;

const MS: Duration = Duration::from_millis(1);

async fn slow(ms: u32) -> u32 {
    sleep(ms * MS).await;
    ms
}

// T-158, T-161: a concurrency equal to, below and above the length of the input
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
fn with_concurrency_1_items_run_one_after_the_other() {
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
fn a_concurrency_of_zero_panics() {
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
    // Ten were delivered. Beyond them, only the slots and the read-ahead may have been pulled.
    assert!(pulled.load(Ordering::SeqCst) <= 10 + 3 + 4 * 3);
}

// T-176
#[test]
fn a_timeout_names_the_item_and_the_other_items_continue() {
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
    assert!(timed_out.spawned_at().is_some_and(|place| place.file().ends_with("items.rs")));
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

/// Regression: any of these items could end the stream, and then the results of earlier ones were missing.
#[test]
fn of_items_that_time_out_at_the_same_moment_the_first_ends_the_stream() {
    async fn check(timeout: Duration) {
        let item = |n: u32| async move { if n.is_multiple_of(3) { n } else { std::future::pending().await } };
        let stream = Task::async_stream(0..9, item).max_concurrency(9).timeout(timeout);
        let results = stream.on_timeout(StreamTimeout::EndStream).zip_input_on_exit().collect().await;
        let (last, before) = results.split_last().unwrap();
        let index = last.as_ref().unwrap_err().index;
        assert!(index <= 1 && index == before.len() && before.iter().all(Result::is_ok), "{results:?}");
    }
    for_each_seed(|| check(50 * MS));
    let on_threads = async {
        for _ in 0..20 {
            check(5 * MS).await;
        }
    };
    limited::runtime(2).block_on(on_threads).unwrap();
}

#[test]
fn a_hanging_item_limits_how_far_other_items_run_ahead() {
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
fn a_dropped_stream_ends_nested_streams_before_time_advances() {
    let _watch = limited::watch();
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

// T-162, T-195
#[test]
fn a_crash_is_one_item_and_does_not_end_the_consumer() {
    let (values, exits) = testing::run(async {
        Task::async_stream(1..=4, |n| async move { if n % 2 == 0 { panic!("even") } else { n } }).partition().await
    });
    assert_eq!(values, [1, 3]);
    assert!(matches!(&exits[..], [Exit::Panic(_), Exit::Panic(_)]));
}

#[test]
fn a_slow_async_source_delays_no_result() {
    testing::run(async {
        let source = futures::stream::iter([1, 2]).chain(futures::stream::pending());
        let mut stream = Task::async_stream_from(source, slow).max_concurrency(8);
        let started = Instant::now();
        assert_eq!((stream.next().await, stream.next().await), (Some(Ok(1)), Some(Ok(2))));
        assert_eq!(started.elapsed(), 2 * MS);
    });
}

// T-153, T-201
#[test]
fn unordered_timeouts_are_delivered_when_they_elapse_and_free_their_slots() {
    for_each_seed(|| async {
        let begun = Instant::now();
        let stream = Task::async_stream([100, 1, 100, 1], slow).unordered().timeout(50 * MS).max_concurrency(2);
        let results = stream.collect().await;
        assert_eq!(results[0], Ok(1));
        assert!(matches!(results[..], [_, Err(Exit::Timeout(_)), Ok(1), Err(Exit::Timeout(_))]), "{results:?}");
        assert_eq!(begun.elapsed(), 51 * MS, "the third item starts when the second has ended");
    });
}

// T-149, T-150
#[test]
fn with_a_timeout_of_zero_an_item_is_polled_once() {
    for_each_seed(|| async {
        let results = Task::async_stream([0, 1, 0, 5000], |ms| async move {
            if ms > 0 {
                sleep(ms * MS).await;
            }
            ms
        });
        let begun = Instant::now();
        let results = results.timeout(Duration::ZERO).collect().await;
        let [Ok(0), Err(Exit::Timeout(late)), Ok(0), Err(Exit::Timeout(_))] = &results[..] else {
            panic!("{results:?}")
        };
        assert_eq!((late.limit(), begun.elapsed()), (Duration::ZERO, Duration::ZERO));

        let crash = Task::async_stream([()], |()| async { panic!("no luck") }).timeout(Duration::ZERO).next().await;
        assert!(matches!(crash, Some(Err(Exit::Panic(_)))), "a crash is an item");
    });
}

// T-149
#[test]
fn a_timeout_of_zero_can_end_the_stream() {
    let results = testing::run(async {
        let stream = Task::async_stream([()], |()| std::future::pending::<()>()).timeout(Duration::ZERO);
        stream.on_timeout(StreamTimeout::EndStream).collect().await
    });
    assert!(matches!(results[..], [Err(Exit::Timeout(_))]), "{results:?}");
}

#[test]
fn a_timeout_of_duration_max_never_elapses() {
    testing::run(async {
        let hour = 3_600_000 * MS;
        let results = Task::async_stream([hour], sleep).timeout(Duration::MAX).collect().await;
        assert_eq!(results, [Ok(())]);
    });
}

// T-157
#[test]
fn a_concatenated_input_yields_each_element_once_in_order() {
    let parts = (0..3).chain([7, 8].into_iter().skip(1)).chain((0..100).step_by(2).take(3));
    let results = testing::run(async { Task::async_stream(parts, |n| async move { n }).collect().await });
    assert_eq!(results, [0, 1, 2, 8, 0, 2, 4].map(Ok));
}

// T-158, T-168, T-170, T-172, T-173
#[test]
fn take_returns_the_first_results_in_order() {
    for n in [2, 4, 8] {
        for_each_seed(move || async move {
            let whole = Task::async_stream((1..=8).take(4), |n| slow(10 * (9 - n))).max_concurrency(n).collect().await;
            assert_eq!(whole, [80, 70, 60, 50].map(Ok), "{n} at once");
            let first: Vec<_> =
                Task::async_stream(1..=8, |n| slow(10 * (9 - n))).max_concurrency(n).take(4).collect().await;
            assert_eq!(first, [80, 70, 60, 50].map(Ok), "{n} at once");
            let failed = Task::async_stream(1..=8, |n: u32| async move {
                slow(10 * (9 - n)).await;
                cordial::exit(Exit::Shutdown(Some(n.to_string().into()))).await
            });
            let failed: Vec<Result<(), Exit>> =
                failed.max_concurrency(n).take(4).map(|r| r.map(|never: ()| never)).collect().await;
            let expected: Vec<_> = (1..=4).map(|n: u32| Err(Exit::Shutdown(Some(n.to_string().into())))).collect();
            assert_eq!(failed, expected, "{n} at once");
        });
    }
}

// T-196
#[test]
fn an_item_that_ends_normally_without_a_value_is_an_exit() {
    let results: Vec<Result<(), Exit>> = testing::run(async {
        Task::async_stream([()], |()| async { cordial::exit(Exit::Normal).await }).collect().await
    });
    assert_eq!(results, [Err(Exit::Normal)]);
}

// T-181, T-180
#[test]
fn items_start_in_input_order_within_the_concurrency_limit() {
    for n in [1, 2, 4, 9] {
        for_each_seed(move || async move {
            let started = Arc::new(Mutex::new(Vec::new()));
            let (seen, running) = (started.clone(), Arc::new(AtomicUsize::new(0)));
            let stream = Task::async_stream(0..20u32, move |at| {
                seen.lock().unwrap().push(at);
                let running = running.clone();
                async move {
                    assert!(running.fetch_add(1, Ordering::SeqCst) < n);
                    slow(7 * at % 5).await;
                    running.fetch_sub(1, Ordering::SeqCst);
                }
            });
            assert_eq!(stream.max_concurrency(n).unordered().collect().await, vec![Ok(()); 20]);
            assert_eq!(*started.lock().unwrap(), (0..20).collect::<Vec<_>>());
        });
    }
}

// T-185, T-186
#[test]
fn while_the_consumer_pauses_items_run_and_time_out_but_no_item_starts() {
    for_each_seed(|| async {
        let (dropped, n_started) = (Probe::default(), Arc::new(AtomicUsize::new(0)));
        let (guards, count) = (dropped.clone(), n_started.clone());
        let work = move |ms: u32| {
            count.fetch_add(1, Ordering::SeqCst);
            let guard = guards.guard();
            async move {
                let _guard = guard;
                slow(ms).await
            }
        };
        let mut stream = Task::async_stream([1, 20, 5000, 2, 3], work).timeout(50 * MS).max_concurrency(3);
        assert_eq!(stream.next().await, Some(Ok(1)));
        sleep(49 * MS).await;
        let before = (dropped.drops(), n_started.load(Ordering::SeqCst));
        assert_eq!(before, (3, 4), "1 and 20 have ended, 2 ran in the slot of 1, and 5000 runs");
        sleep(2 * MS).await;
        assert_eq!(dropped.drops(), 4, "the timeout has elapsed");
        sleep(1000 * MS).await;
        assert_eq!(n_started.load(Ordering::SeqCst), 4);
        assert_eq!(stream.next().await, Some(Ok(20)), "the item finished in time, however late the stream is polled");
        assert!(matches!(stream.next().await, Some(Err(Exit::Timeout(_)))));
        assert_eq!([stream.next().await, stream.next().await, stream.next().await], [Some(Ok(2)), Some(Ok(3)), None]);
        assert_eq!(stream.next().await, None, "the stream is fused");
    });
}

// T-187
#[test]
fn an_unordered_stream_starts_only_as_many_items_as_slots_are_free() {
    for (n, taken) in [(1, 1), (2, 3), (8, 10)] {
        for_each_seed(move || async move {
            let n_started = Arc::new(AtomicUsize::new(0));
            let count = n_started.clone();
            let work = move |at: u32| {
                count.fetch_add(1, Ordering::SeqCst);
                slow(1 + at % 3)
            };
            let stream = Task::async_stream(0.., work).unordered().max_concurrency(n);
            assert_eq!(stream.take(taken).count().await, taken);
            assert_eq!(n_started.load(Ordering::SeqCst), n + taken - 1);
        });
    }
}

// T-188
#[test]
fn an_unordered_stream_returns_the_two_fastest_successes() {
    for_each_seed(|| async {
        let mirrors = [(30, true), (10, false), (20, true), (40, true), (5, false)];
        let stream = Task::async_stream(mirrors, |(ms, works)| async move {
            slow(ms).await;
            if works { Ok(ms) } else { Err("down") }
        });
        let begun = Instant::now();
        let fastest: Vec<u32> =
            stream.or_exit().unordered().max_concurrency(5).filter_map(async |r| r.ok()).take(2).collect().await;
        assert_eq!((fastest, begun.elapsed()), (vec![20, 30], 30 * MS));
    });
}

#[test]
fn slots_are_refilled_while_the_consumer_is_slow() {
    for_each_seed(|| async {
        let begun = Instant::now();
        let mut stream = Task::async_stream([10; 12], slow).unordered().max_concurrency(4);
        while stream.next().await.is_some() {
            sleep(5 * MS).await;
        }
        assert_eq!(begun.elapsed(), (10 + 12 * 5) * MS, "the consumer waits only for the first item");
    });
}

#[test]
fn the_default_concurrency_is_the_number_of_workers() {
    /// Returns how many items start if none ends.
    async fn n_started() -> usize {
        let mut stream = Task::async_stream(0..20, |_| std::future::pending::<()>()).timeout(Timeout::Infinity);
        let progress = stream.progress();
        assert!(tokio::time::timeout(MS, stream.next()).await.is_err());
        progress.started()
    }
    let runtime = limited::runtime(3);
    // The default depends on the runtime that polls the stream.
    assert_eq!(runtime.block_on(n_started()), Ok(3));
    assert_eq!(testing::run(n_started()), 4, "a simulation has a default of its own");
}
