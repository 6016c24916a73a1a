//! The memory bound of a parallel stream, slow and blocking sources, and busy consumers.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use cordial::{Exit, Pid, Task, Timeout, process, testing};
use futures::stream::{self, FusedStream};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt};
use tokio::time::{Instant, sleep};

use crate::harness::exit_kind::error;
use crate::harness::limited;
use crate::harness::seeds::for_each_seed;

const MS: Duration = Duration::from_millis(1);

/// Counts the live values of one kind, and their maximum.
#[derive(Clone, Default)]
struct LiveCount(Arc<(AtomicUsize, AtomicUsize)>);

/// A counted value.
struct Counted(LiveCount);

impl LiveCount {
    fn value(&self) -> Counted {
        let (now, max) = &*self.0;
        max.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Counted(self.clone())
    }

    fn now(&self) -> usize {
        self.0.0.load(Ordering::SeqCst)
    }

    fn max(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

impl Clone for Counted {
    fn clone(&self) -> Counted {
        self.0.value()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Consumes a long stream in which every hundredth item is slow. Returns the maximum numbers of live inputs and results.
async fn max_held(length: u32, n: usize, max_ahead: Option<usize>) -> (usize, usize) {
    let (inputs, results) = (LiveCount::default(), LiveCount::default());
    let (of_inputs, of_results) = (inputs.clone(), results.clone());
    let items = (0..length).map(move |n| (n, of_inputs.value()));
    let work = move |(n, input): (u32, Counted)| {
        let results = of_results.clone();
        async move {
            let _input = input;
            if n % 100 == 0 {
                sleep(MS).await;
            }
            results.value()
        }
    };
    let stream = Task::async_stream(items, work).max_concurrency(n).timeout(Timeout::Infinity);
    let n_results = match max_ahead {
        Some(max_ahead) => stream.max_ahead(max_ahead).map(drop).count().await,
        None => stream.unordered().map(drop).count().await,
    };
    assert_eq!((n_results, inputs.now(), results.now()), (length as usize, 0, 0));
    (inputs.max(), results.max())
}

#[test]
fn memory_is_bounded_by_concurrency_and_max_ahead_for_any_length() {
    for (n, max_ahead) in [(1, Some(0)), (4, Some(0)), (4, Some(10)), (16, Some(3)), (1, None), (8, None)] {
        let bound = n + max_ahead.unwrap_or(0);
        for length in [10, 300, 10_000] {
            let (inputs, results) = testing::run(max_held(length, n, max_ahead));
            assert!(inputs <= n, "{inputs} inputs of {length} with {n} and {max_ahead:?}");
            assert!(results <= bound, "{results} results of {length} with {n} and {max_ahead:?}");
        }
    }
}

#[test]
fn memory_is_bounded_on_the_real_scheduler_too() {
    let runtime = limited::runtime(2);
    let (inputs, results) = runtime.block_on(max_held(20_000, 8, Some(8))).unwrap();
    assert!(inputs <= 8 && results <= 16, "{inputs} inputs and {results} results");
}

#[test]
fn with_zip_an_input_is_stored_only_while_its_item_runs() {
    for_each_seed(|| async {
        let inputs = LiveCount::default();
        let of_inputs = inputs.clone();
        let items = (0..100).map(move |_| of_inputs.value());
        let sleeps = |_input| async {
            sleep(MS).await;
        };
        let mut stream = Task::async_stream(items, sleeps).max_concurrency(4).zip_input_on_exit();
        while let Some(result) = stream.next().await {
            assert!(result.is_ok());
            assert!(inputs.now() <= 4);
        }
        assert_eq!(inputs.now(), 0);
        assert!(inputs.max() <= 8, "each running item has its input and one stored copy");
    });
}

#[test]
fn a_hanging_item_limits_what_is_pulled_by_default_too() {
    for_each_seed(|| async {
        let pulled = Arc::new(AtomicUsize::new(0));
        let count = pulled.clone();
        let items = std::iter::repeat_with(move || count.fetch_add(1, Ordering::SeqCst));
        let work = |n| async move { if n == 0 { std::future::pending().await } else { n } };
        let mut stream = Task::async_stream(items, work).max_concurrency(3).timeout(Timeout::Infinity);
        assert!(tokio::time::timeout(MS, stream.next()).await.is_err());
        assert_eq!(pulled.load(Ordering::SeqCst), 3 + 4 * 3);
    });
}

#[test]
fn a_blocking_source_is_pulled_at_most_once_between_two_ready_results() {
    for_each_seed(|| async {
        let pulled = Arc::new(AtomicUsize::new(0));
        let count = pulled.clone();
        let items = std::iter::repeat_with(move || count.fetch_add(1, Ordering::SeqCst));
        for order in ["input order", "completion order"] {
            let stream = Task::async_stream(items.clone(), |n| sleep((1 + n as u32 % 3) * MS)).max_concurrency(6);
            let mut stream = if order == "input order" { stream } else { stream.unordered() };
            let (mut before, mut n_ready) = (0, 0);
            for _ in 0..50 {
                let result = stream.next().now_or_never();
                let now = pulled.load(Ordering::SeqCst);
                if let Some(Some(result)) = result {
                    result.unwrap();
                    n_ready += 1;
                    assert!(now - before <= 1, "pulled {} times before a result ({order})", now - before);
                }
                before = now;
                if n_ready % 4 == 0 {
                    sleep(5 * MS).await;
                }
            }
            assert!(n_ready > 30, "{n_ready} were ready");
        }
    });
}

/// While an endless source blocks the consumer, started items and unrelated tasks run.
#[test]
fn a_blocking_source_stops_neither_items_nor_other_tasks() {
    let runtime = limited::runtime(1);
    let (tx, rx) = mpsc::channel::<&str>();
    let items = (0..).inspect(move |n| {
        // The source waits for another task before it yields the second and the third item, on the only worker.
        if let Some(expected) = ["item 0", "other"].get((*n as usize).wrapping_sub(1)) {
            assert_eq!(rx.recv().as_ref(), Ok(expected));
        }
    });
    let results = runtime.block_on(async move {
        let other = tx.clone();
        let work = move |n: u32| {
            let tx = tx.clone();
            let other = other.clone();
            async move {
                if n == 0 {
                    tx.send("item 0").unwrap();
                    Task::start(async move { other.send("other").unwrap_or_default() });
                }
                n
            }
        };
        let stream = Task::async_stream(items, work).max_concurrency(2).timeout(Timeout::Infinity);
        stream.take(5).collect::<Vec<_>>().await
    });
    assert_eq!(results.unwrap(), [0, 1, 2, 3, 4].map(Ok));
}

#[test]
fn items_run_in_parallel_while_the_consumer_is_busy() {
    let runtime = limited::runtime(2);
    let done = runtime.block_on(async {
        let (tx, rx) = mpsc::channel::<Pid>();
        // The stream would deliver a ready result before it starts further items. So no item finishes before all four
        // have started.
        let all_started = Arc::new(tokio::sync::Barrier::new(4));
        let work = move |n: u32| {
            let (tx, all_started) = (tx.clone(), all_started.clone());
            async move {
                all_started.wait().await;
                tx.send(process::current().unwrap()).unwrap();
                n
            }
        };
        let mut stream = Task::async_stream(0..4, work).max_concurrency(4).timeout(Timeout::Infinity);
        assert_eq!(stream.next().await, Some(Ok(0)));
        // `recv` blocks this process. The items finish nevertheless, each in a process of its own.
        let mut pids: Vec<Pid> = (0..4).map(|_| rx.recv().unwrap()).collect();
        pids.sort_unstable();
        pids.dedup();
        (pids.len(), stream.collect().await)
    });
    assert_eq!(done.unwrap(), (4, vec![Ok(1), Ok(2), Ok(3)]));
}

#[test]
fn a_slow_source_and_slow_items_are_polled_together() {
    for_each_seed(|| async {
        // The source yields an item every 10 ms, and an item takes 25 ms.
        let source = stream::unfold(0, |n| async move {
            sleep(10 * MS).await;
            Some((n, n + 1))
        });
        let begun = Instant::now();
        let stream = Task::async_stream_from(source.take(5), |n| async move {
            sleep(25 * MS).await;
            n
        });
        let seen: Vec<_> = stream.max_concurrency(9).map(|n| (n, begun.elapsed())).collect().await;
        assert_eq!(seen, [(Ok(0), 35 * MS), (Ok(1), 45 * MS), (Ok(2), 55 * MS), (Ok(3), 65 * MS), (Ok(4), 75 * MS)]);
    });
}

#[test]
fn the_consumer_is_the_caller_of_the_items() {
    for_each_seed(|| async {
        let made_here = Task::async_stream(0..3, |_| async { (process::current(), process::callers()) });
        let own = process::current().unwrap();
        let consumer = Task::spawn(async move { (process::current().unwrap(), made_here.collect().await) });
        let (consumer, seen) = consumer.await.unwrap();
        for result in seen {
            let (item, callers) = result.unwrap();
            assert!(item.is_some_and(|item| item != consumer));
            assert_eq!(callers, [consumer, own]);
        }
    });
}

#[test]
fn progress_can_be_read_while_another_process_consumes_the_stream() {
    for_each_seed(|| async {
        let work = |n: u32| async move {
            sleep(n * 10 * MS).await;
            assert_ne!(n, 2);
        };
        let stream = Task::async_stream(1..=6, work).max_concurrency(2).unordered();
        let progress = stream.progress();
        let counts = || (progress.started(), progress.running(), progress.succeeded(), progress.failed());
        assert_eq!(counts(), (0, 0, 0, 0));
        let consumer = Task::spawn(stream.collect());
        for (after, expected) in [(5, (2, 2, 0, 0)), (10, (3, 2, 1, 0)), (10, (4, 2, 1, 1)), (10, (4, 2, 1, 1))] {
            sleep(after * MS).await;
            assert_eq!(counts(), expected);
        }
        assert_eq!(consumer.await.unwrap().len(), 6);
        assert_eq!(counts(), (6, 0, 5, 1));
        assert_eq!(progress.clone().cancelled(), 0);
    });
}

/// A stream of the numbers 0 to 9 in which 7 is a failure.
fn numbers() -> impl FusedStream<Item = Result<u32, Exit>> + Send + Unpin {
    let work = |n| async move { if n == 7 { Err("seven") } else { Ok(n) } };
    Task::async_stream(0..10, work).or_exit().max_concurrency(3)
}

#[test]
fn stream_combinators_work() {
    for_each_seed(|| async {
        let seven = || error("seven");
        assert_eq!(numbers().try_collect::<Vec<_>>().await, Err(seven()));
        assert_eq!(numbers().take(3).try_collect::<Vec<_>>().await, Ok(vec![0, 1, 2]));
        assert_eq!(numbers().skip(8).collect::<Vec<_>>().await, [Ok(8), Ok(9)]);
        assert_eq!(numbers().try_fold(0, async |sum, n| Ok(sum + n)).await, Err(seven()));
        assert_eq!(numbers().or_else(async |_| Ok::<_, Exit>(0)).try_fold(0, async |sum, n| Ok(sum + n)).await, Ok(38));
        assert_eq!(
            numbers().try_for_each(async |n| if n < 5 { Ok(()) } else { Err(Exit::Normal) }).await,
            Err(Exit::Normal)
        );
        let even = numbers().filter_map(async |n| n.ok()).filter(|n| std::future::ready(n % 2 == 0));
        assert_eq!(even.collect::<Vec<_>>().await, [0, 2, 4, 6, 8]);
        assert_eq!(numbers().chunks(4).map(|chunk| chunk.len()).collect::<Vec<_>>().await, [4, 4, 2]);
        assert_eq!(numbers().enumerate().map(|(at, n)| (at, n.is_ok())).collect::<HashMap<_, _>>().await.len(), 10);
        let flat = numbers().flat_map(|n| stream::iter(n.into_iter().flat_map(|n| [n, n])));
        assert_eq!(flat.count().await, 18);
        let nested = numbers().take(2).map(|_| numbers().boxed()).flatten();
        assert_eq!(nested.count().await, 20);
        assert_eq!(numbers().chain(numbers()).count().await, 20);
        let squares = Task::async_stream_from(numbers().filter_map(async |n| n.ok()), |n| async move { n * n });
        assert_eq!(squares.take(4).collect::<Vec<_>>().await, [Ok(0), Ok(1), Ok(4), Ok(9)]);
        assert_eq!(numbers().buffer_unordered_with(2).await, 10);
        let mut peekable = numbers().peekable();
        assert_eq!(std::pin::Pin::new(&mut peekable).peek().await, Some(&Ok(0)));
        assert_eq!(numbers().try_skip_while(|n| std::future::ready(Ok(*n < 5))).next().await, Some(Ok(5)));
        assert_eq!(AssertUnwindSafe(numbers()).catch_unwind().count().await, 10);
        let mut both = stream::select(numbers(), numbers());
        let mut n_both = 0;
        while let Some(Ok(_) | Err(_)) = both.try_next().await.transpose() {
            n_both += 1;
        }
        assert_eq!(n_both, 20);
        let mut selected = numbers();
        assert_eq!(selected.select_next_some().await, Ok(0));
        while selected.next().await.is_some() {}
        assert!(selected.is_terminated());
    });
}

trait BufferUnorderedWith: Stream<Item = Result<u32, Exit>> + Sized {
    /// Passes each result through a task of its own.
    async fn buffer_unordered_with(self, n: usize) -> usize {
        self.map(|result| Task::spawn(async move { result })).buffer_unordered(n).count().await
    }
}

impl<S: Stream<Item = Result<u32, Exit>>> BufferUnorderedWith for S {}

#[test]
fn size_hint_counts_the_remaining_results() {
    for_each_seed(|| async {
        let mut stream = Task::async_stream(0..10, |n| async move { n }).max_concurrency(4);
        assert_eq!(stream.size_hint(), (10, Some(10)));
        for left in (0..10).rev() {
            assert!(stream.next().await.is_some());
            assert_eq!(stream.size_hint(), (left, Some(left)));
        }
        assert_eq!((stream.next().await, stream.size_hint()), (None, (0, Some(0))));
        let endless = Task::async_stream(0u64.., |n| async move { n });
        assert_eq!(endless.size_hint().0, (0u64..).size_hint().0);
    });
}

/// A process that holds the stream across an await may be polled by any thread.
#[test]
fn a_stream_is_send_and_unpin_if_its_source_is() {
    fn check<T: Send + Unpin>(value: T) -> T {
        value
    }
    testing::run(async {
        let unsync = std::cell::Cell::new(1);
        let stream = Task::async_stream(0..3, move |n| {
            unsync.set(unsync.get() + n);
            async move { n }
        });
        assert_eq!(check(stream).collect().await.len(), 3);
    });
}

/// Regression: a consumer that found a result at every poll of the stream never yielded, so its own poll was reported as long,
/// and its worker was replaced by a stand-in and deprioritized.
#[test]
fn a_consumer_that_always_finds_a_result_yields_to_other_tasks() {
    testing::run(async {
        let mut stream = Task::async_stream(0..200, |n| async move { n }).max_concurrency(200);
        assert!(stream.next().now_or_never().is_none(), "no item has run yet");
        sleep(MS).await;
        let mut n_in_a_row = 0;
        while let Some(Some(result)) = stream.next().now_or_never() {
            assert_eq!(result, Ok(n_in_a_row));
            n_in_a_row += 1;
        }
        assert_eq!(n_in_a_row, 16);
        let rest = stream.collect().await;
        assert_eq!(rest, (16..200).map(Ok).collect::<Vec<_>>(), "the stream woke its consumer");
    });
}
