//! `or_exit`: the await returns an inner `Err` as an exit.
#![expect(clippy::async_yields_async, reason = "handles and monitors are passed around, not awaited")]

use std::fmt;
use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use cordial::{Exit, Refusal, Runtime, Shutdown, Task, process};
use futures::FutureExt;
use tokio::time::Instant;

use crate::harness::exit_kind::{ExitKind, error};
use crate::harness::seeds::{SECOND, for_each_seed};

type Inner = Result<u8, Box<dyn std::error::Error + Send + Sync>>;

async fn check(inner: Inner, expected: Result<u8, Exit>) {
    let text = inner.as_ref().map_err(ToString::to_string).copied();
    let again = || -> Inner { text.clone().map_err(Into::into) };
    assert_eq!(Task::spawn(async { inner }).or_exit().await, expected);
    assert_eq!(Task::completed(again()).or_exit().await, expected);
    let running = again();
    assert_eq!(Task::spawn(async { running }).or_exit().yield_for(SECOND).await, Some(expected.clone()));
    let done = again();
    let done = Task::spawn(async { done });
    process::monitor(done.pid()).await;
    assert_eq!(done.or_exit().shutdown(Shutdown::default()).await, Some(expected.clone()));
    assert_eq!(Task::completed(again()).or_exit().ignore(), Some(expected));
}

#[test]
fn an_inner_err_becomes_an_exit_with_its_text_and_an_ok_its_value() {
    for_each_seed(|| async {
        check(Ok(7), Ok(7)).await;
        check(Err("no disk".into()), Err(error("no disk"))).await;
    });
}

#[test]
fn an_inner_exit_stays_that_exit() {
    for_each_seed(|| async {
        for exit in [Exit::Normal, Exit::Shutdown(None), Exit::Killed, Exit::NoProcess] {
            let inner = exit.clone();
            let task = Task::spawn(async { Err::<(), Exit>(inner) });
            assert_eq!(task.or_exit().await, Err(exit));
        }
    });
}

#[test]
fn a_task_that_ended_without_a_value_keeps_its_exit() {
    for_each_seed(|| async {
        for kind in ExitKind::all().into_iter().filter(|kind| !matches!(kind, ExitKind::Returns)) {
            let how = kind.clone();
            let task: Task<Inner> = Task::spawn(async {
                how.perform().await;
                pending().await
            });
            let exit = task.or_exit().await.unwrap_err();
            assert!(kind.matches(&exit), "{kind:?} was reported as {exit}");
        }
    });
}

#[test]
fn or_exit_can_be_nested_and_the_outermost_err_is_returned() {
    type Nested = Result<Result<u8, String>, &'static str>;
    for_each_seed(|| async {
        for (answer, expected) in [
            (Ok(Ok(7)), Ok(7)),
            (Ok(Err("inner".to_owned())), Err(error("inner"))),
            (Err("outer"), Err(error("outer"))),
        ] {
            let same: Nested = answer.clone();
            assert_eq!(Task::spawn(async { same }).or_exit().or_exit().await, expected);
            assert_eq!(Task::completed(answer).or_exit().or_exit().await, expected);
        }
    });
}

#[test]
fn or_exit_keeps_pid_timeout_and_link_of_the_handle() {
    for_each_seed(|| async {
        let own = process::current().unwrap();
        let task: Task<Inner> = Task::spawn_link(pending());
        let pid = task.pid();
        let end = process::monitor(pid);
        let task = task.timeout(2 * SECOND).or_exit();
        assert_eq!((task.pid(), task.is_finished()), (pid, false));
        let begun = Instant::now();
        let Err(Exit::Timeout(timed_out)) = task.await else { panic!("expected a timeout") };
        assert_eq!((timed_out.pid(), timed_out.limit(), begun.elapsed()), (pid, 2 * SECOND, 2 * SECOND));
        assert!(process::info(own).unwrap().links.is_empty());
        assert_eq!(end.await, Exit::Shutdown(None));

        let task: Task<Inner> = Task::spawn_link(tokio::time::sleep(SECOND).map(|()| Ok(7)));
        let end = process::monitor(task.pid());
        assert!(task.or_exit().ignore().is_none());
        assert_eq!(end.await, Exit::Normal, "an ignored task runs on");

        let task: Task<Inner> = Task::spawn_link(pending());
        assert!(task.or_exit().shutdown(Shutdown::BrutalKill).await.is_none());

        let task: Task<Inner> = Task::spawn(pending());
        let end = process::monitor(task.pid());
        drop(task.or_exit());
        assert_eq!(end.await, Exit::Shutdown(None));
    });
}

#[test]
fn or_exit_keeps_a_started_timeout() {
    for_each_seed(|| async {
        let mut task: Task<Inner> = Task::spawn(pending());
        assert!((&mut task).now_or_never().is_none());
        tokio::time::sleep(3 * SECOND).await;
        let begun = Instant::now();
        assert!(matches!(task.or_exit().await, Err(Exit::Timeout(_))));
        assert_eq!(begun.elapsed(), 2 * SECOND);
    });
}

#[test]
fn a_handle_whose_result_was_taken_returns_no_process() {
    for_each_seed(|| async {
        let mut task = Task::spawn(async { Err::<u8, _>("no disk") });
        assert_eq!((&mut task).await, Ok(Err("no disk")));
        assert_eq!(task.or_exit().await, Err(Exit::NoProcess));
    });
}

#[test]
fn a_refused_task_stays_refused() {
    let runtime = Arc::new(Runtime::builder().workers(2).build().unwrap());
    let own = runtime.clone();
    let refused = runtime.block_on(async move {
        own.shutdown(Duration::ZERO);
        Task::spawn(async { Ok::<_, fmt::Error>(Ok::<u8, fmt::Error>(7)) })
    });
    let refused = refused.unwrap().or_exit().or_exit();
    assert!(process::info(refused.pid()).is_none() && refused.is_finished());
    assert_eq!(refused.wait(), Err(Exit::Refused(Refusal::RuntimeStopped)));
}

/// An error whose conversion panics.
struct Inconvertible;

impl From<Inconvertible> for Box<dyn std::error::Error + Send + Sync> {
    fn from(_: Inconvertible) -> Self {
        panic!("no luck")
    }
}

#[test]
fn after_a_conversion_that_panics_the_handle_has_no_result_any_more() {
    for_each_seed(|| async {
        let mut task = Task::spawn_link(async { Err::<(), _>(Inconvertible) }).or_exit();
        assert!(AssertUnwindSafe(&mut task).catch_unwind().await.is_err());
        assert!(format!("{task:?}").contains("is_finished: true"));
        assert!(process::info(task.pid()).is_none());
        assert_eq!(Task::yield_many(std::slice::from_mut(&mut task)).await, [None]);
        assert_eq!(task.shutdown(Shutdown::default()).await, Some(Err(Exit::NoProcess)));
    });
}
