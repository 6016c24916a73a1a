//! Property test: a parallel stream returns the same results as a sequential model, for any durations, failures and retries. If a
//! timeout ends the stream, its results are a subset of those of the model, and nothing is left running.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cordial::{Backoff, Exit, Progress, Retry, StreamTimeout, Task, process, testing};
use futures::StreamExt;
use proptest::prelude::*;
use tokio::time::{Instant, sleep};

use crate::harness::exit_kind::error;

const MS: Duration = Duration::from_millis(1);
const LIMIT: Duration = Duration::from_millis(50);

/// One attempt of an item: its duration and its outcome.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    ms: u32,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Value,
    Err,
    Panic,
    Exit,
    Killed,
    Hangs,
}

/// The attempts of one item. Further attempts are like the last one.
#[derive(Clone, Debug)]
struct Item(Vec<Attempt>);

#[derive(Clone, Debug)]
struct Setting {
    items: Vec<Item>,
    max_concurrency: usize,
    max_ahead: usize,
    is_ordered: bool,
    retries: usize,
    retries_timeouts: bool,
    on_timeout: StreamTimeout,
    has_backoff: bool,
    seed: u64,
    /// For how long the consumer is busy with each result.
    busy_ms: u32,
}

/// The result of an item: its index, its value or the kind of its failure, and the number of attempts.
type ItemResult = (usize, Result<u32, Outcome>, usize);

impl Item {
    fn attempt(&self, n: usize) -> Attempt {
        self.0[n.min(self.0.len() - 1)]
    }
}

/// Runs the items sequentially. Returns the expected results, and the total duration without backoffs.
fn model(setting: &Setting) -> (Vec<ItemResult>, Duration) {
    let mut duration = Duration::ZERO;
    let one = |(idx, item): (usize, &Item)| {
        for n in 0.. {
            let Attempt { ms, outcome } = item.attempt(n);
            duration += if outcome == Outcome::Hangs { LIMIT } else { ms * MS };
            let is_last = n == setting.retries || (outcome == Outcome::Hangs && !setting.retries_timeouts);
            match outcome {
                Outcome::Value => return (idx, Ok(ms), n + 1),
                _ if is_last => return (idx, Err(outcome), n + 1),
                _ => {}
            }
        }
        unreachable!("the loop returns after the last attempt")
    };
    let results = setting.items.iter().enumerate().map(one).collect();
    (results, duration)
}

/// Counts what the items do, for the invariants that are checked during the run.
#[derive(Default)]
struct Tracker {
    attempts: Vec<usize>,
    first_starts: Vec<usize>,
    running: usize,
    n_delivered: usize,
}

struct Running(Arc<Mutex<Tracker>>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.lock().unwrap().running -= 1;
    }
}

async fn work(
    setting: Arc<Setting>,
    tracker: Arc<Mutex<Tracker>>,
    idx: usize,
    attempt: usize,
) -> Result<(usize, u32), &'static str> {
    tracker.lock().unwrap().running += 1;
    let running = Running(tracker.clone());
    assert!(tracker.lock().unwrap().running <= setting.max_concurrency, "more items run than max_concurrency");
    let Attempt { ms, outcome } = setting.items[idx].attempt(attempt);
    sleep(ms * MS).await;
    match outcome {
        Outcome::Value => return Ok((idx, ms)),
        Outcome::Err => return Err("no luck"),
        Outcome::Panic => panic!("no luck"),
        Outcome::Exit => cordial::exit(Exit::Shutdown(None)).await,
        Outcome::Killed => process::exit(process::current().unwrap(), Exit::Killed),
        Outcome::Hangs => {}
    }
    std::future::pending::<()>().await;
    drop(running);
    Ok((idx, 0))
}

fn kind(exit: &Exit) -> Outcome {
    match exit {
        Exit::Error(_) if *exit == error("no luck") => Outcome::Err,
        Exit::Panic(_) => Outcome::Panic,
        Exit::Shutdown(None) => Outcome::Exit,
        Exit::Killed => Outcome::Killed,
        Exit::Timeout(_) => Outcome::Hangs,
        other => panic!("unexpected exit: {other}"),
    }
}

/// Runs the items as a parallel stream and checks the invariants.
async fn run_stream(setting: Arc<Setting>) -> (Vec<ItemResult>, Duration, Progress) {
    let tracker = Arc::new(Mutex::new(Tracker { attempts: vec![0; setting.items.len()], ..Tracker::default() }));
    let (rules, notes) = (setting.clone(), tracker.clone());
    let start = move |idx: usize| {
        let mut tracker = notes.lock().unwrap();
        let attempt = tracker.attempts[idx];
        tracker.attempts[idx] += 1;
        if attempt == 0 {
            tracker.first_starts.push(idx);
            let n_held = tracker.first_starts.len() - tracker.n_delivered;
            assert!(n_held <= rules.max_concurrency + if rules.is_ordered { rules.max_ahead } else { 0 });
        }
        work(rules.clone(), notes.clone(), idx, attempt)
    };
    let retries_timeouts = setting.retries_timeouts;
    let retry = Retry::times(setting.retries).when(move |exit| retries_timeouts || !matches!(exit, Exit::Timeout(_)));
    let retry = if setting.has_backoff { retry.backoff(Backoff::exponential(5 * MS, 40 * MS)) } else { retry };
    let stream = Task::async_stream(0..setting.items.len(), start)
        .max_concurrency(setting.max_concurrency)
        .max_ahead(setting.max_ahead)
        .timeout(LIMIT)
        .on_timeout(setting.on_timeout)
        .or_exit()
        .retry(retry)
        .zip_input_on_exit();
    let mut stream = if setting.is_ordered { stream } else { stream.unordered() };
    let progress = stream.progress();
    let begun = Instant::now();
    let mut results: Vec<ItemResult> = Vec::new();
    while let Some(result) = StreamExt::next(&mut stream).await {
        let attempts = {
            let mut tracker = tracker.lock().unwrap();
            tracker.n_delivered += 1;
            tracker.attempts.clone()
        };
        results.push(match result {
            Ok((idx, ms)) => (idx, Ok(ms), attempts[idx]),
            Err(failure) => {
                assert_eq!(failure.index, failure.input);
                (failure.index, Err(kind(&failure.exit)), attempts[failure.index])
            }
        });
        sleep(setting.busy_ms * MS).await;
    }
    let duration = begun.elapsed();
    // Cancelled items end at their next await point.
    sleep(MS).await;
    let tracker = tracker.lock().unwrap();
    assert!(tracker.first_starts.iter().copied().eq(0..tracker.first_starts.len()), "items must start in input order");
    assert_eq!(tracker.running, 0, "no item may be left running");
    (results, duration, progress)
}

fn check(setting: Setting) -> Result<(), TestCaseError> {
    let (expected, sequential_duration) = model(&setting);
    let shared = Arc::new(setting.clone());
    let (mut results, duration, progress) = testing::run_seeded(setting.seed, run_stream(shared));
    let busy = setting.busy_ms * MS * u32::try_from(setting.items.len()).unwrap();
    if !setting.has_backoff {
        prop_assert!(
            duration <= sequential_duration + busy,
            "a parallel run must not take longer than a sequential one"
        );
    }
    let is_timeout = |result: &ItemResult| result.1 == Err(Outcome::Hangs);
    if setting.on_timeout == StreamTimeout::EndStream && expected.iter().any(is_timeout) {
        return check_ended_stream(&setting, &expected, &results, &progress);
    }
    let n_failed = expected.iter().filter(|(_, result, _)| result.is_err()).count();
    let n_retried: usize = expected.iter().map(|(_, _, n_attempts)| n_attempts - 1).sum();
    prop_assert_eq!(
        (progress.started(), progress.failed(), progress.retried(), progress.running(), progress.cancelled()),
        (expected.len(), n_failed, n_retried, 0, 0)
    );
    if !setting.is_ordered {
        results.sort_by_key(|(idx, ..)| *idx);
    }
    prop_assert_eq!(results, expected);
    if !setting.has_backoff && setting.max_concurrency == 1 && setting.busy_ms == 0 {
        prop_assert_eq!(duration, sequential_duration, "with max_concurrency 1 the run is sequential");
    }
    Ok(())
}

/// Checks a stream that was ended by a timeout.
fn check_ended_stream(
    setting: &Setting,
    expected: &[ItemResult],
    results: &[ItemResult],
    progress: &Progress,
) -> Result<(), TestCaseError> {
    let is_timeout = |result: &ItemResult| result.1 == Err(Outcome::Hangs);
    prop_assert_eq!(results.iter().position(is_timeout), results.len().checked_sub(1), "the timeout is the last item");
    for result in results {
        prop_assert_eq!(result, &expected[result.0]);
    }
    let mut indexes: Vec<usize> = results.iter().map(|(idx, ..)| *idx).collect();
    if setting.is_ordered {
        prop_assert!(indexes.is_sorted(), "results must be in input order");
    }
    indexes.sort_unstable();
    indexes.dedup();
    prop_assert_eq!(indexes.len(), results.len(), "each item has one result");
    if setting.max_concurrency == 1 || setting.is_ordered {
        let first = expected.iter().position(is_timeout).map_or(0, |idx| idx + 1);
        prop_assert_eq!(results, &expected[..first], "no item before the timeout is missing");
    }
    prop_assert_eq!(progress.running(), 0);
    prop_assert_eq!(progress.started(), progress.succeeded() + progress.failed() + progress.cancelled());
    Ok(())
}

fn attempts() -> impl Strategy<Value = Attempt> {
    let outcome = prop_oneof![
        4 => Just(Outcome::Value),
        2 => Just(Outcome::Err),
        1 => Just(Outcome::Panic),
        1 => Just(Outcome::Exit),
        1 => Just(Outcome::Killed),
        1 => Just(Outcome::Hangs),
    ];
    (0u32..40, outcome).prop_map(|(ms, outcome)| Attempt { ms, outcome })
}

prop_compose! {
    fn settings()(
        items in proptest::collection::vec(proptest::collection::vec(attempts(), 1..4).prop_map(Item), 0..25),
        (max_concurrency, max_ahead, is_ordered) in (1usize..9, 0usize..9, any::<bool>()),
        (retries, retries_timeouts, has_backoff) in (0usize..4, any::<bool>(), any::<bool>()),
        on_timeout in prop_oneof![2 => Just(StreamTimeout::KillTask), 1 => Just(StreamTimeout::EndStream)],
        seed: u64,
        busy_ms in prop_oneof![3 => Just(0u32), 1 => 1u32..30],
    ) -> Setting {
        Setting {
            items,
            max_concurrency,
            max_ahead,
            is_ordered,
            retries,
            retries_timeouts,
            on_timeout,
            has_backoff,
            seed,
            busy_ms,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_parallel_stream_returns_the_results_of_a_sequential_run(setting in settings()) {
        check(setting)?;
    }
}
