//! Failing items of a parallel stream: failures as values, with their input, and retries.

use std::collections::BTreeMap;
use std::error::Error;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cordial::{Backoff, Exit, Failure, Retry, Shutdown, StreamTimeout, Task, Timeout, process, testing};
use futures::{FutureExt, StreamExt};
use tokio::time::{Instant, sleep};

use crate::harness::exit_kind::{ExitKind, error};
use crate::harness::seeds::{SECOND, for_each_seed};

const MS: Duration = Duration::from_millis(1);

/// Records the start of each attempt of each item.
#[derive(Clone, Default)]
struct Attempts(Arc<Mutex<BTreeMap<u32, Vec<Instant>>>>);

impl Attempts {
    /// Records the start of an attempt. Returns the number of earlier attempts.
    fn begin(&self, item: u32) -> usize {
        let mut all = self.0.lock().unwrap();
        let of_item = all.entry(item).or_default();
        of_item.push(Instant::now());
        of_item.len() - 1
    }

    fn of(&self, item: u32) -> Vec<Instant> {
        self.0.lock().unwrap().get(&item).cloned().unwrap_or_default()
    }
}

/// Fails in the first `n` attempts.
async fn fails(n: usize, attempt: usize) -> Result<usize, &'static str> {
    if attempt < n { Err("busy") } else { Ok(attempt) }
}

// T-162, T-169, T-197: a concurrency below, equal to and above the length of the input
#[test]
fn each_kind_of_failure_is_one_item_at_its_position() {
    for n in [2, 7, 14] {
        for_each_seed(move || async move {
            let stream = Task::async_stream(ExitKind::all(), |kind| async move { kind.perform().await });
            let results = stream.max_concurrency(n).collect().await;
            for (kind, result) in ExitKind::all().iter().zip(&results) {
                assert!(
                    result.as_ref().map_or_else(|exit| kind.matches(exit), |()| kind.is_normal()),
                    "{kind:?}: {result:?}"
                );
            }
            assert_eq!(results.len(), 7);
        });
    }
}

// T-162: the consumer traps no exits of items
#[test]
fn a_consumer_that_traps_exits_receives_none_from_items() {
    for_each_seed(|| async {
        let mut exits = process::trap_exits();
        let crashed: Vec<Result<(), Exit>> = Task::async_stream(0..4, |n| async move { panic!("{n}") }).collect().await;
        assert!(crashed.iter().all(|result| matches!(result, Err(Exit::Panic(_)))));
        assert!(exits.next().now_or_never().is_none());
    });
}

// T-166
#[test]
fn two_streams_with_failures_line_up() {
    for_each_seed(|| async {
        let stream = || {
            Task::async_stream(0..6u32, |n| async move {
                sleep((7 - n) * MS).await;
                if n % 2 == 0 { Err(Exit::Shutdown(Some(n.to_string().into()))) } else { Ok(n) }
            })
            .or_exit()
        };
        let pairs: Vec<_> = stream().max_concurrency(2).zip(stream().max_concurrency(3)).collect().await;
        assert_eq!(pairs.len(), 6);
        assert!(pairs.iter().all(|(a, b)| a == b), "{pairs:?}");
    });
}

#[test]
fn without_or_exit_an_inner_err_is_a_value_and_with_it_a_failure() {
    for_each_seed(|| async {
        let parse = |text: &'static str| async move { text.parse::<u8>() };
        let (values, exits) = Task::async_stream(["7", "x"], parse).partition().await;
        assert_eq!((values.len(), values[1].is_err(), exits.len()), (2, true, 0));

        let stream = Task::async_stream(["7", "x"], parse).or_exit();
        let progress = stream.progress();
        assert_eq!(stream.collect().await, [Ok(7), Err(error("invalid digit found in string"))]);
        assert_eq!((progress.succeeded(), progress.failed()), (1, 1));
    });
}

#[test]
fn or_exit_leaves_exits_and_crashes_as_they_are() {
    for_each_seed(|| async {
        let stream = Task::async_stream(0..3, |n| async move {
            match n {
                0 => Err(Exit::NoProcess),
                1 => panic!("no luck"),
                _ => Ok(n),
            }
        });
        let results = stream.or_exit().collect().await;
        assert!(matches!(&results[..], [Err(Exit::NoProcess), Err(Exit::Panic(_)), Ok(2)]), "{results:?}");
    });
}

#[test]
fn an_inner_timeout_is_not_a_timeout_of_the_item() {
    for_each_seed(|| async {
        let inner = |n: u32| async move {
            let hang = Task::spawn(std::future::pending::<()>()).timeout(MS);
            if n == 0 { hang.await } else { Ok(()) }
        };
        let stream = Task::async_stream(0..3, inner).or_exit().on_timeout(StreamTimeout::EndStream).max_concurrency(1);
        assert_eq!(stream.collect().await.len(), 3, "no item has exceeded its own timeout");
    });
}

// T-178
#[test]
fn failures_have_index_and_input_in_both_orders() {
    for n in [2, 4, 8] {
        for_each_seed(move || async move {
            let work = |ms: u64| async move {
                sleep(Duration::from_millis(ms)).await;
                if ms.is_multiple_of(2) { Ok(ms) } else { Err(ms.to_string()) }
            };
            let inputs = [9, 4, 7, 2, 5, 1];
            let stream = || Task::async_stream(inputs, work).or_exit().max_concurrency(n).zip_input_on_exit();
            let (values, failed) = stream().partition().await;
            assert_eq!(values, [4, 2]);
            assert_eq!(failed.iter().map(|failure| failure.index).collect::<Vec<_>>(), [0, 2, 4, 5]);
            let (_, unordered) = stream().unordered().partition().await;
            for Failure { index, input, exit, .. } in failed.into_iter().chain(unordered) {
                assert_eq!((input, exit.to_string()), (inputs[index], input.to_string()));
            }
        });
    }
}

#[test]
fn a_failure_is_an_error_with_index_input_and_exit() {
    let failure = testing::run(async {
        let read = |name: &'static str| async move { Err::<(), _>(std::io::Error::other(format!("no {name}"))) };
        Task::async_stream(["disk"], read).or_exit().zip_input_on_exit().next().await.unwrap().unwrap_err()
    });
    let as_error: &(dyn Error + Send + Sync) = &failure.clone();
    assert_eq!(as_error.to_string(), r#"item 0 ("disk"): no disk"#);
    assert!(format!("{failure:?}").starts_with(r#"Failure { index: 0, input: "disk""#));
}

#[test]
fn a_failed_item_is_retried_until_it_succeeds_or_has_no_attempts_left() {
    for_each_seed(|| async {
        let attempts = Attempts::default();
        let counts = attempts.clone();
        let work = move |n: u32| fails(n as usize, counts.begin(n));
        let stream = Task::async_stream(0..6, work).or_exit().retry(Retry::times(3)).zip_input_on_exit();
        let progress = stream.progress();
        let begun = Instant::now();
        let (values, failed) = stream.partition().await;
        assert_eq!(values, [0, 1, 2, 3]);
        assert_eq!(
            failed.iter().map(|f| (f.index, f.input, f.exit.to_string())).collect::<Vec<_>>(),
            [(4, 4, "busy".to_owned()), (5, 5, "busy".to_owned())]
        );
        assert_eq!((0..6).map(|n| attempts.of(n).len()).collect::<Vec<_>>(), [1, 2, 3, 4, 4, 4]);
        assert_eq!((progress.started(), progress.succeeded(), progress.failed()), (6, 4, 2));
        assert_eq!((progress.retried(), progress.running()), (1 + 2 + 3 + 3 + 3, 0));
        assert_eq!(begun.elapsed(), Duration::ZERO, "without a backoff, retries start at once");
    });
}

#[test]
fn an_item_is_retried_after_a_panic_a_kill_or_a_timeout_too() {
    for_each_seed(|| async {
        let attempts = Attempts::default();
        let counts = attempts.clone();
        let work = move |n: u32| {
            let attempt = counts.begin(n);
            async move {
                match (attempt, n) {
                    (0, 0) => panic!("no luck"),
                    (0, 1) => process::exit(process::current().unwrap(), Exit::Killed),
                    (0, 2) => std::future::pending().await,
                    _ => return n,
                }
                std::future::pending().await
            }
        };
        let stream = Task::async_stream(0..3, work).timeout(50 * MS).retry(Retry::times(1));
        assert_eq!(stream.collect().await, [Ok(0), Ok(1), Ok(2)]);
        let [first, second] = attempts.of(2)[..] else { panic!("two attempts") };
        assert_eq!(second - first, 50 * MS, "each attempt has the whole timeout");
    });
}

#[test]
fn exits_rejected_by_the_predicate_are_not_retried() {
    for_each_seed(|| async {
        let (attempts, n_decisions) = (Attempts::default(), Arc::new(AtomicUsize::new(0)));
        let (counts, count) = (attempts.clone(), n_decisions.clone());
        let work = move |n: u32| {
            counts.begin(n);
            async move { if n == 0 { std::future::pending().await } else { Err::<(), _>("busy") } }
        };
        let retry = Retry::times(2).when(move |exit| {
            count.fetch_add(1, Ordering::SeqCst);
            !matches!(exit, Exit::Timeout(_))
        });
        let results = Task::async_stream(0..2, work).or_exit().retry(retry).timeout(MS).collect().await;
        assert!(matches!(&results[..], [Err(Exit::Timeout(_)), Err(Exit::Error(_))]));
        assert_eq!((attempts.of(0).len(), attempts.of(1).len()), (1, 3));
        assert_eq!(n_decisions.load(Ordering::SeqCst), 1 + 2, "the predicate is not called after the last attempt");
    });
}

#[test]
fn backoffs_grow_with_jitter_and_keep_their_slot() {
    for_each_seed(|| async {
        let attempts = Attempts::default();
        let counts = attempts.clone();
        let work = move |n: u32| fails(if n == 0 { 9 } else { 0 }, counts.begin(n));
        let backoff = Backoff::exponential(100 * MS, 1000 * MS);
        let stream =
            Task::async_stream(0..2, work).or_exit().retry(Retry::times(5).backoff(backoff)).max_concurrency(1);
        let progress = stream.progress();
        let mut stream = Box::pin(stream.unordered());
        assert!(tokio::time::timeout(99 * MS, stream.next()).await.is_err());
        assert_eq!((progress.started(), progress.running()), (1, 1), "a waiting retry keeps its slot");
        assert!(matches!(stream.next().await, Some(Err(Exit::Error(_)))));
        assert_eq!(stream.next().await, Some(Ok(0)));
        let waits: Vec<_> = attempts.of(0).windows(2).map(|pair| pair[1] - pair[0]).collect();
        for (wait, (from, to)) in waits.iter().zip([(100, 200), (200, 400), (400, 800), (500, 1000), (500, 1000)]) {
            // The tokio timer has a resolution of 1 ms.
            assert!((from * MS..=(to + 1) * MS).contains(wait), "{waits:?}");
        }
        assert_eq!(waits.len(), 5);
        assert_eq!(
            attempts.of(1),
            [*attempts.of(0).last().unwrap()],
            "the next item starts in the slot that becomes free"
        );
    });
}

#[test]
fn a_seed_repeats_its_jitter_and_another_has_its_own() {
    let waits = |seed| {
        testing::run_seeded(seed, async {
            let attempts = Attempts::default();
            let counts = attempts.clone();
            let backoff = Backoff::exponential(1000 * MS, 60_000 * MS);
            let work = move |n: u32| fails(9, counts.begin(n));
            let results =
                Task::async_stream(0..3, work).or_exit().retry(Retry::times(4).backoff(backoff)).collect().await;
            assert!(results.iter().all(Result::is_err));
            let begun = attempts.of(0)[0];
            (0..3).flat_map(|n| attempts.of(n)).map(|at| at - begun).collect::<Vec<_>>()
        })
    };
    assert_eq!(waits(3), waits(3));
    assert_ne!(waits(3), waits(4));
    let all = waits(3);
    assert_ne!(all[1], all[6], "items that failed at the same time are retried at different times");
}

#[test]
fn a_timeout_ends_the_stream_only_after_the_last_attempt() {
    for_each_seed(|| async {
        let attempts = Attempts::default();
        let counts = attempts.clone();
        let work = move |n: u32| {
            counts.begin(n);
            async move { if n == 1 { std::future::pending().await } else { n } }
        };
        let stream = Task::async_stream(0..5, work).timeout(10 * MS).on_timeout(StreamTimeout::EndStream);
        let results = stream.retry(Retry::times(2)).max_concurrency(1).collect().await;
        assert!(matches!(&results[..], [Ok(0), Err(Exit::Timeout(_))]), "{results:?}");
        assert_eq!(attempts.of(1).len(), 3);
    });
}

#[test]
fn no_attempt_starts_after_the_stream_was_dropped_during_a_backoff() {
    for_each_seed(|| async {
        let attempts = Attempts::default();
        let counts = attempts.clone();
        let backoff = Backoff::exponential(100 * MS, 1000 * MS);
        let stream = Task::async_stream([7], move |n| fails(9, counts.begin(n))).or_exit();
        let mut stream = Box::pin(stream.retry(Retry::times(5).backoff(backoff)));
        assert!(tokio::time::timeout(50 * MS, stream.next()).await.is_err());
        drop(stream);
        sleep(10_000 * MS).await;
        assert_eq!(attempts.of(7).len(), 1);
    });
}

#[test]
fn zero_retries_and_an_infinite_backoff() {
    for_each_seed(|| async {
        let none = Task::async_stream([1], |_| fails(1, 0)).or_exit().retry(Retry::times(0)).collect().await;
        assert_eq!(none, [Err(error("busy"))]);

        let forever = Backoff::exponential(Duration::MAX, Duration::MAX);
        let mut stream = Box::pin(
            Task::async_stream(0..2, |n| fails(1 - n, 0)).or_exit().retry(Retry::times(1).backoff(forever)).unordered(),
        );
        assert_eq!(stream.next().await, Some(Ok(0)));
        assert!(tokio::time::timeout(100_000_000 * MS, stream.next()).await.is_err());
    });
}

#[test]
fn give_up_after_limits_the_attempts_of_each_item() {
    for_each_seed(|| async {
        for n in [1, 2, 5] {
            let attempts = Attempts::default();
            let backoff = Backoff::exponential(100 * MS, 1000 * MS).give_up_after(n);
            // The lower limit decides, whichever it is.
            for (base, times, expected) in [(0, 100, n as usize), (10, 2, 3.min(n as usize))] {
                let counts = attempts.clone();
                let work = move |item: u32| fails(if item % 10 == 3 { 1 } else { 99 }, counts.begin(item));
                let retry = Retry::times(times).backoff(backoff);
                let results = Task::async_stream(base..base + 4, work).or_exit().retry(retry).collect().await;
                assert_eq!(results.iter().filter(|result| result.is_ok()).count(), usize::from(expected > 1));
                assert_eq!((base..base + 3).map(|item| attempts.of(item).len()).collect::<Vec<_>>(), [expected; 3]);
            }
            let counts = attempts.clone();
            let work = move |item: u32| fails(99, counts.begin(item));
            let retry = Retry::times(100).when_err(|_: &&str| true).backoff(backoff);
            let results = Task::async_stream([20], work).or_exit().retry(retry).collect().await;
            assert_eq!((results.len(), attempts.of(20).len()), (1, n as usize));
        }
    });
}

#[test]
fn options_may_come_in_any_order() {
    for_each_seed(|| async {
        let work = |n: u32| async move { if n == 1 { Err("odd") } else { Ok(n) } };
        let first = Task::async_stream(0..3, work).zip_input_on_exit().retry(Retry::times(1)).or_exit().unordered();
        let last = Task::async_stream(0..3, work).unordered().or_exit().retry(Retry::times(1)).zip_input_on_exit();
        for (values, failed) in [first.partition().await, last.partition().await] {
            assert_eq!((values.len(), failed.len(), failed[0].index), (2, 1, 1));
        }
    });
}

#[test]
fn a_backoff_of_zero_takes_no_time() {
    for_each_seed(|| async {
        let backoff = Backoff::exponential(Duration::ZERO, 1000 * MS);
        let (begun, mut attempt) = (Instant::now(), 0);
        let work = move |_: u32| {
            attempt += 1;
            fails(3, attempt - 1)
        };
        let results = Task::async_stream([0], work).or_exit().retry(Retry::times(9).backoff(backoff)).collect().await;
        assert_eq!((results, begun.elapsed()), (vec![Ok(3)], Duration::ZERO));
    });
}

/// How a consumer reacts to a shutdown request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Consumer {
    /// It has not opted in to graceful shutdown.
    NotOptedIn,
    /// It pulls no more items and waits for the running items.
    Drains,
    /// Like `Drains`, without retries after the request.
    DrainsWithoutRetries,
}

#[test]
fn a_shutdown_waits_for_a_backoff_only_if_the_consumer_does() {
    // Items fail after 10 s and are retried 60 s later. The request comes after 15 s, during the backoff, or after 5 s.
    for (consumer, requested_after, n_attempts, lasted) in [
        (Consumer::NotOptedIn, 15, 1, 15),
        (Consumer::NotOptedIn, 5, 1, 5),
        (Consumer::Drains, 15, 2, 80),
        (Consumer::Drains, 5, 2, 80),
        (Consumer::DrainsWithoutRetries, 15, 2, 80),
        (Consumer::DrainsWithoutRetries, 5, 1, 10),
    ] {
        for_each_seed(move || async move {
            let attempts = Attempts::default();
            let counts = attempts.clone();
            let consumer = Task::spawn(async move {
                let work = move |n: u32| {
                    counts.begin(n);
                    async {
                        sleep(10_000 * MS).await;
                        Err::<(), _>("busy")
                    }
                };
                let backoff = Backoff::exponential(60_000 * MS, 60_000 * MS);
                let retry = Retry::times(1).backoff(backoff);
                let retry = match consumer {
                    Consumer::DrainsWithoutRetries => retry.when(|_| !cordial::is_shutdown_requested()),
                    _ => retry,
                };
                let jobs = futures::stream::iter(0..);
                let jobs = match consumer {
                    Consumer::NotOptedIn => jobs.boxed(),
                    _ => jobs.take_until(Box::pin(cordial::shutdown_requested())).boxed(),
                };
                let stream = Task::async_stream_from(jobs, work).or_exit().max_concurrency(2).retry(retry);
                stream.timeout(20_000 * MS).collect().await.len()
            });
            let begun = Instant::now();
            sleep(requested_after * 1000 * MS).await;
            let result = consumer.shutdown(Shutdown::Infinity).await;
            let seen = (consumer_value(result.as_ref()), begun.elapsed().as_secs());
            let n_results = if lasted == requested_after { None } else { Some(2) };
            assert_eq!(seen, (n_results, u64::from(lasted)));
            sleep(1_000_000 * MS).await;
            assert_eq!((attempts.of(0).len(), attempts.of(1).len(), attempts.of(2).len()), (n_attempts, n_attempts, 0));
        });
    }
}

fn consumer_value(result: Option<&Result<usize, Exit>>) -> Option<usize> {
    result.map(|result| *result.as_ref().unwrap())
}

#[test]
fn while_the_consumer_is_busy_retries_are_delayed_and_items_run_on() {
    for_each_seed(|| async {
        let attempts = Attempts::default();
        let counts = attempts.clone();
        let work = move |n: u32| {
            let attempt = counts.begin(n);
            async move {
                sleep(10 * MS).await;
                if n == 1 && attempt == 0 { Err("once") } else { Ok(n) }
            }
        };
        let backoff = Backoff::exponential(100 * MS, 100 * MS);
        let stream = Task::async_stream(0..2, work).or_exit().max_concurrency(2);
        let mut stream = stream.retry(Retry::times(1).backoff(backoff));
        assert_eq!(stream.next().await, Some(Ok(0)));
        sleep(MS).await;
        assert!(stream.next().now_or_never().is_none(), "the item has failed and waits for its retry");
        sleep(5000 * MS).await;
        assert_eq!(attempts.of(1).len(), 1, "the closure runs only inside a poll of the stream");
        assert_eq!(stream.next().await, Some(Ok(1)));
        let [first, second] = attempts.of(1)[..] else { panic!("two attempts") };
        assert_eq!((second - first).as_millis(), 5011);
    });
}

/// The first item starts in a scope whose deadline has passed. It returns its value in its first poll, so it does not time out.
#[test]
fn the_timeout_of_an_item_does_not_become_that_of_a_later_item_without_one() {
    for_each_seed(|| async {
        let pids = Arc::new(Mutex::new(Vec::new()));
        let started = pids.clone();
        let work = move |n| {
            let started = started.clone();
            async move {
                started.lock().unwrap().push(process::current().unwrap());
                if n == 1 {
                    pending::<()>().await;
                }
            }
        };
        let mut stream = Task::async_stream(0..2, work).max_concurrency(1).timeout(Timeout::Infinity);
        assert!(cordial::within(Duration::ZERO, stream.next()).await.unwrap_err().is_timeout());
        assert_eq!(stream.next().await, Some(Ok(())));
        let killed = async {
            sleep(SECOND).await;
            let pid = pids.lock().unwrap()[1];
            process::exit(pid, Exit::Killed);
        };
        let (result, ()) = tokio::join!(stream.next(), killed);
        assert_eq!(result, Some(Err(Exit::Killed)));
    });
}
