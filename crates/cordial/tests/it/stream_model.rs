//! Parallel streams against a model that does one thing after the other: whatever takes how long, fails how often and is
//! tried again, the results are the same. Where a timeout ends the stream, they are some of those, and nothing is left.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cordial::{Backoff, Exit, Progress, Retry, StreamTimeout, Task, process, testing};
use futures::StreamExt;
use proptest::prelude::*;
use tokio::time::{Instant, sleep};

use crate::ends::error;

const MS: Duration = Duration::from_millis(1);
const LIMIT: Duration = Duration::from_millis(50);

/// How one attempt goes: it takes so long, and ends so.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    ms: u32,
    end: AttemptEnd,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum AttemptEnd {
    Value,
    Err,
    Panic,
    Exit,
    Killed,
    Hangs,
}

/// The attempts of one item. After the last one it goes on like that.
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
    /// How long the consumer is busy with each result.
    busy_ms: u32,
}

/// What came of an item: its value, or the kind of its failure, and after how many attempts.
type Came = (usize, Result<u32, AttemptEnd>, usize);

impl Item {
    fn attempt(&self, n: usize) -> Attempt {
        self.0[n.min(self.0.len() - 1)]
    }
}

/// One after the other, without any of the machinery: what has to come, and how long it takes without waits.
fn model(setting: &Setting) -> (Vec<Came>, Duration) {
    let mut lasted = Duration::ZERO;
    let one = |(idx, item): (usize, &Item)| {
        for n in 0.. {
            let Attempt { ms, end } = item.attempt(n);
            lasted += if end == AttemptEnd::Hangs { LIMIT } else { ms * MS };
            let is_over = n == setting.retries || (end == AttemptEnd::Hangs && !setting.retries_timeouts);
            match end {
                AttemptEnd::Value => return (idx, Ok(ms), n + 1),
                _ if is_over => return (idx, Err(end), n + 1),
                _ => {}
            }
        }
        unreachable!("an item is over after its last attempt")
    };
    let came = setting.items.iter().enumerate().map(one).collect();
    (came, lasted)
}

/// Notes what happens, and checks what must never happen.
#[derive(Default)]
struct Book {
    attempts: Vec<usize>,
    first_starts: Vec<usize>,
    running: usize,
    n_delivered: usize,
}

struct Running(Arc<Mutex<Book>>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.lock().unwrap().running -= 1;
    }
}

async fn work(
    setting: Arc<Setting>,
    book: Arc<Mutex<Book>>,
    idx: usize,
    attempt: usize,
) -> Result<(usize, u32), &'static str> {
    book.lock().unwrap().running += 1;
    let running = Running(book.clone());
    assert!(book.lock().unwrap().running <= setting.max_concurrency, "too many run");
    let Attempt { ms, end } = setting.items[idx].attempt(attempt);
    sleep(ms * MS).await;
    match end {
        AttemptEnd::Value => return Ok((idx, ms)),
        AttemptEnd::Err => return Err("no luck"),
        AttemptEnd::Panic => panic!("no luck"),
        AttemptEnd::Exit => cordial::exit(Exit::Shutdown(None)).await,
        AttemptEnd::Killed => process::exit(process::current().unwrap(), Exit::Killed),
        AttemptEnd::Hangs => {}
    }
    std::future::pending::<()>().await;
    drop(running);
    Ok((idx, 0))
}

fn kind(exit: &Exit) -> AttemptEnd {
    match exit {
        Exit::Error(_) if *exit == error("no luck") => AttemptEnd::Err,
        Exit::Panic(_) => AttemptEnd::Panic,
        Exit::Shutdown(None) => AttemptEnd::Exit,
        Exit::Killed => AttemptEnd::Killed,
        Exit::Timeout(_) => AttemptEnd::Hangs,
        other => panic!("nothing ends so: {other}"),
    }
}

/// The same with the stream.
async fn streamed(setting: Arc<Setting>) -> (Vec<Came>, Duration, Progress) {
    let book = Arc::new(Mutex::new(Book { attempts: vec![0; setting.items.len()], ..Book::default() }));
    let (rules, notes) = (setting.clone(), book.clone());
    let start = move |idx: usize| {
        let mut book = notes.lock().unwrap();
        let attempt = book.attempts[idx];
        book.attempts[idx] += 1;
        if attempt == 0 {
            book.first_starts.push(idx);
            let n_held = book.first_starts.len() - book.n_delivered;
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
    let mut came: Vec<Came> = Vec::new();
    while let Some(result) = StreamExt::next(&mut stream).await {
        let attempts = {
            let mut book = book.lock().unwrap();
            book.n_delivered += 1;
            book.attempts.clone()
        };
        came.push(match result {
            Ok((idx, ms)) => (idx, Ok(ms), attempts[idx]),
            Err(failure) => {
                assert_eq!(failure.index, failure.input);
                (failure.index, Err(kind(&failure.exit)), attempts[failure.index])
            }
        });
        sleep(setting.busy_ms * MS).await;
    }
    let lasted = begun.elapsed();
    // What was given up ends at its await.
    sleep(MS).await;
    let book = book.lock().unwrap();
    assert!(book.first_starts.iter().copied().eq(0..book.first_starts.len()), "they start in input order");
    assert_eq!(book.running, 0, "nothing is left");
    (came, lasted, progress)
}

fn check(setting: Setting) -> Result<(), TestCaseError> {
    let (expected, lasted_alone) = model(&setting);
    let shared = Arc::new(setting.clone());
    let (mut came, lasted, progress) = testing::run_seeded(setting.seed, streamed(shared));
    let busy = setting.busy_ms * MS * u32::try_from(setting.items.len()).unwrap();
    if !setting.has_backoff {
        prop_assert!(lasted <= lasted_alone + busy, "in parallel it takes no longer");
    }
    let is_timeout = |came: &Came| came.1 == Err(AttemptEnd::Hangs);
    if setting.on_timeout == StreamTimeout::EndStream && expected.iter().any(is_timeout) {
        return check_cut(&setting, &expected, &came, &progress);
    }
    let n_failed = expected.iter().filter(|(_, result, _)| result.is_err()).count();
    let n_retried: usize = expected.iter().map(|(_, _, n_attempts)| n_attempts - 1).sum();
    prop_assert_eq!(
        (progress.started(), progress.failed(), progress.retried(), progress.running(), progress.cancelled()),
        (expected.len(), n_failed, n_retried, 0, 0)
    );
    if !setting.is_ordered {
        came.sort_by_key(|(idx, ..)| *idx);
    }
    prop_assert_eq!(came, expected);
    if !setting.has_backoff && setting.max_concurrency == 1 && setting.busy_ms == 0 {
        prop_assert_eq!(lasted, lasted_alone, "one after the other it takes as long");
    }
    Ok(())
}

/// Of a stream that a timeout has ended.
fn check_cut(setting: &Setting, expected: &[Came], came: &[Came], progress: &Progress) -> Result<(), TestCaseError> {
    let is_timeout = |came: &Came| came.1 == Err(AttemptEnd::Hangs);
    prop_assert_eq!(came.iter().position(is_timeout), came.len().checked_sub(1), "the timeout comes last");
    for came in came {
        prop_assert_eq!(came, &expected[came.0]);
    }
    let mut indexes: Vec<usize> = came.iter().map(|(idx, ..)| *idx).collect();
    if setting.is_ordered {
        prop_assert!(indexes.is_sorted(), "they come in input order");
    }
    indexes.sort_unstable();
    indexes.dedup();
    prop_assert_eq!(indexes.len(), came.len(), "each comes once");
    if setting.max_concurrency == 1 {
        let first = expected.iter().position(is_timeout).map_or(0, |idx| idx + 1);
        prop_assert_eq!(came, &expected[..first], "one after the other, nothing is given up");
    }
    prop_assert_eq!(progress.running(), 0);
    prop_assert_eq!(progress.started(), progress.succeeded() + progress.failed() + progress.cancelled());
    Ok(())
}

fn attempts() -> impl Strategy<Value = Attempt> {
    let end = prop_oneof![
        4 => Just(AttemptEnd::Value),
        2 => Just(AttemptEnd::Err),
        1 => Just(AttemptEnd::Panic),
        1 => Just(AttemptEnd::Exit),
        1 => Just(AttemptEnd::Killed),
        1 => Just(AttemptEnd::Hangs),
    ];
    (0u32..40, end).prop_map(|(ms, end)| Attempt { ms, end })
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
    fn a_stream_gives_what_one_after_the_other_would(setting in settings()) {
        check(setting)?;
    }
}
