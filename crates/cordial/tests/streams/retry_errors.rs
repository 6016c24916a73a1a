//! Retries that are decided by the error of an item, and what an exit shows of an `anyhow::Error`.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use cordial::{Exit, Retry, RetryErr, Task, testing};

use crate::harness::seeds::SECOND;

/// Stands for an error whose type is private to a library.
#[derive(Debug, PartialEq)]
enum Failed {
    Busy,
    Forbidden,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Failed {}

/// Runs one item for each kind of failure, and returns how many attempts each made.
fn attempts<E, F>(retry: RetryErr<E>, fail: fn(usize) -> F) -> Vec<usize>
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
{
    let attempts: Arc<[AtomicUsize; 4]> = Arc::default();
    let counted = attempts.clone();
    testing::run(async move {
        let items = Task::async_stream(0..4, move |kind| {
            counted[kind].fetch_add(1, Ordering::SeqCst);
            fail(kind)
        });
        let results = items.or_exit().retry(retry).timeout(SECOND).collect().await;
        assert!(results.iter().all(Result::is_err));
    });
    attempts.iter().map(|attempts| attempts.load(Ordering::SeqCst)).collect()
}

async fn fail(kind: usize) -> Result<(), Failed> {
    match kind {
        0 => Err(Failed::Busy),
        1 => Err(Failed::Forbidden),
        2 => panic!("no luck"),
        _ => std::future::pending().await,
    }
}

#[test]
fn an_error_decides_with_its_own_type_and_other_exits_are_decided_by_when() {
    let is_busy = |error: &Failed| *error == Failed::Busy;
    assert_eq!(attempts(Retry::times(2).when_err(is_busy), fail), [3, 1, 3, 3]);
    assert_eq!(attempts(Retry::times(2).when_err(is_busy).when(Exit::is_timeout), fail), [3, 1, 1, 3]);
    assert_eq!(attempts(Retry::times(2).when(Exit::is_panic).when_err(is_busy), fail), [3, 1, 3, 1]);
}

#[test]
fn when_err_can_downcast_an_anyhow_error_with_and_without_a_context() {
    let is_busy = |error: &anyhow::Error| error.downcast_ref() == Some(&Failed::Busy);
    assert_eq!(attempts(Retry::times(2).when_err(is_busy), |kind| async move { Ok(fail(kind).await?) }), [3, 1, 3, 3]);
    let with_context = |kind| async move { fail(kind).await.context("reading") };
    assert_eq!(attempts(Retry::times(2).when_err(is_busy), with_context), [3, 1, 3, 3]);
}

/// `Exit::downcast_ref` finds the error in an `anyhow::Error` only if that has a context. The text is always there.
#[test]
fn an_exit_shows_the_chain_of_an_anyhow_error() {
    testing::run(async {
        let not_found = || anyhow::Error::from(io::Error::from(ErrorKind::NotFound));
        for (error, text, is_found) in [
            (not_found().context("reading").context("starting"), "starting: reading: entity not found", true),
            (not_found(), "entity not found", false),
            (anyhow::anyhow!("no {}", "luck"), "no luck", false),
        ] {
            let exit = Task::spawn(async { Err::<(), _>(error) }).or_exit().await.unwrap_err();
            assert_eq!((format!("{exit:#}").as_str(), exit.downcast_ref::<io::Error>().is_some()), (text, is_found));
        }
    });
}

#[test]
fn a_filter_is_called_once_for_each_attempt_that_may_be_retried() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let retry = Retry::times(2).when_err(move |_: &Failed| {
        counted.fetch_add(1, Ordering::SeqCst);
        true
    });
    assert_eq!(attempts(retry, fail)[..2], [3, 3]);
    assert_eq!(calls.load(Ordering::SeqCst), 4, "twice for each of two items");
}
