//! `Task::shutdown`: ends a task and returns when it has ended.
//!
//! Restates "shutdown/2" of Elixir's `task_test.exs`.
#![expect(clippy::async_yields_async, reason = "handles and monitors are passed around, not awaited")]

use std::future::pending;
use std::time::Duration;

use cordial::{Exit, Shutdown, Task, process};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::harness::exit_kind::{ExitKind, error};
use crate::harness::probe::Probe;
use crate::harness::seeds::{SECOND, for_each_seed};

/// The expected result of `shutdown`.
#[derive(Clone, Debug)]
enum Expected {
    /// `None`: the task ended in the way that the call asked for.
    Nothing,
    Value(u8),
    /// An exit of this kind.
    Failure(ExitKind),
}

use Expected::{Failure, Nothing, Value};

impl Expected {
    fn matches(&self, result: &Option<Result<u8, Exit>>) -> bool {
        match (self, result) {
            (Nothing, None) => true,
            (Value(expected), Some(Ok(value))) => expected == value,
            (Failure(kind), Some(Err(exit))) => kind.matches(exit),
            _ => false,
        }
    }
}

/// Checks the result. In every case the process has exited, its destructors have run (T-139), and its linked owner, the calling
/// process, has not been ended by the link (T-135).
async fn check(what: &str, task: impl AsyncFnOnce(Probe) -> Task<u8>, how: Shutdown, expected: Expected) {
    let probe = Probe::default();
    let task = task(probe.clone()).await;
    let pid = task.pid();
    let result = task.shutdown(how).await;
    assert!(expected.matches(&result), "{what}, {how:?}: {result:?} instead of {expected:?}");
    assert!(process::info(pid).is_none(), "{what}, {how:?}: the process has not exited");
    assert_eq!(probe.drops(), 1, "{what}, {how:?}");
}

/// All graceful ways of `shutdown`.
const GRACEFUL: [Shutdown; 4] =
    [Shutdown::After(Duration::ZERO), Shutdown::After(SECOND), Shutdown::After(Duration::MAX), Shutdown::Infinity];

/// What `shutdown` returns for a task that has ended with `kind`: `Nothing` if that is the exit that the call asks for.
fn expected_after(kind: &ExitKind, how: Shutdown) -> Expected {
    let requested = if how == Shutdown::BrutalKill { Exit::Killed } else { Exit::Shutdown(None) };
    match kind {
        ExitKind::Returns => Value(7),
        kind if kind.matches(&requested) => Nothing,
        kind => Failure(kind.clone()),
    }
}

// T-116, T-117, T-118, T-125, T-128, T-129, T-130, T-131, T-139
#[test]
fn shutting_down_a_task_that_has_ended_returns_its_result() {
    for_each_seed(|| async {
        let _exits = process::trap_exits();
        for (how, kind) in
            GRACEFUL.into_iter().chain([Shutdown::BrutalKill]).flat_map(|how| ExitKind::all().map(|kind| (how, kind)))
        {
            let expected = expected_after(&kind, how);
            let task = async |probe: Probe| {
                let task = Task::spawn_link(probe.of(async move {
                    kind.perform().await;
                    7
                }));
                process::monitor(task.pid()).await;
                task
            };
            check("ended", task, how, expected).await;
        }
    });
}

// T-123, T-137
#[test]
fn a_pending_task_is_shut_down_at_once() {
    for_each_seed(|| async {
        for how in GRACEFUL.into_iter().chain([Shutdown::BrutalKill]) {
            for polled in [false, true] {
                let begun = Instant::now();
                let task = async |probe: Probe| {
                    let task = Task::spawn_link(probe.of(pending()));
                    if polled {
                        sleep(SECOND).await;
                        assert_eq!(probe.polls(), 1);
                    }
                    task
                };
                check("waiting", task, how, Nothing).await;
                assert_eq!(begun.elapsed(), if polled { SECOND } else { Duration::ZERO });
            }
        }
    });
}

/// Spawns a linked task that opts in to graceful shutdown, and runs `then` on a shutdown request.
async fn spawn_graceful(probe: Probe, then: impl Future<Output = u8> + Send + 'static) -> Task<u8> {
    let (ready, is_ready) = oneshot::channel();
    let task = Task::spawn_link(probe.of(async move {
        let mut requested = std::pin::pin!(cordial::shutdown_requested());
        assert_eq!(requested.as_mut().now_or_never(), None);
        let _ = ready.send(());
        requested.await;
        then.await
    }));
    let _ = is_ready.await;
    task
}

/// What a graceful task does on a shutdown request, and the expected result if the grace time is long enough.
type Reaction = (&'static str, fn() -> BoxFuture<'static, u8>, Expected);

fn reactions() -> Vec<Reaction> {
    vec![
        ("returns", || async { 7 }.boxed(), Value(7)),
        ("returns in time", || sleep(SECOND / 2).map(|()| 7).boxed(), Value(7)),
        (
            "fails",
            || async { cordial::exit(error("no disk")).await }.boxed(),
            Failure(ExitKind::Exits(error("no disk"))),
        ),
        ("panics", || async { panic!("no luck") }.boxed(), Failure(ExitKind::Panics)),
        ("exits with Shutdown", || async { cordial::exit(Exit::Shutdown(None)).await }.boxed(), Nothing),
        (
            "exits with Shutdown and a reason",
            || async { cordial::exit(Exit::Shutdown(Some("enough".into()))).await }.boxed(),
            Failure(ExitKind::Exits(Exit::Shutdown(Some("enough".into())))),
        ),
        (
            "exits normally",
            || async { cordial::exit(Exit::Normal).await }.boxed(),
            Failure(ExitKind::Exits(Exit::Normal)),
        ),
        ("kills itself", || ExitKind::Killed.perform().map(|()| 7).boxed(), Failure(ExitKind::Killed)),
    ]
}

// T-134, T-135, T-136
#[test]
fn a_graceful_task_finishes_in_its_own_way_within_the_grace_time() {
    for_each_seed(|| async {
        for (what, react, expected) in reactions() {
            for how in GRACEFUL.into_iter().skip(1) {
                check(what, async |probe| spawn_graceful(probe, react()).await, how, expected.clone()).await;
            }
        }
    });
}

// T-123, T-133, T-137, T-139
#[test]
fn a_graceful_task_without_a_grace_time_is_killed() {
    for_each_seed(|| async {
        for (what, react, _) in reactions() {
            let killed = Failure(ExitKind::Killed);
            check(what, async |probe| spawn_graceful(probe, react()).await, Shutdown::After(Duration::ZERO), killed)
                .await;
            check(what, async |probe| spawn_graceful(probe, react()).await, Shutdown::BrutalKill, Nothing).await;
        }
    });
}

// T-133
#[test]
fn a_graceful_task_that_takes_too_long_is_killed_after_the_grace_time() {
    for_each_seed(|| async {
        for (how, grace) in
            [(Duration::from_millis(1).into(), Duration::from_millis(1)), (Shutdown::default(), 5 * SECOND)]
        {
            let begun = Instant::now();
            check("too slow", async |probe| spawn_graceful(probe, pending()).await, how, Failure(ExitKind::Killed))
                .await;
            assert_eq!(begun.elapsed(), grace);
        }
    });
}

// T-133
#[test]
fn a_task_that_traps_exits_and_ignores_the_request_is_killed_after_the_grace_time() {
    for_each_seed(|| async {
        let (ready, is_ready) = oneshot::channel();
        let task: Task<()> = Task::spawn(async move {
            let _exits = process::trap_exits();
            let _ = ready.send(());
            pending().await
        });
        let _ = is_ready.await;
        assert_eq!(task.shutdown(Duration::from_millis(1)).await, Some(Err(Exit::Killed)));
    });
}

// T-138
#[test]
fn a_shutdown_without_a_timeout_waits_for_a_graceful_task() {
    for_each_seed(|| async {
        let probe = Probe::default();
        let task = spawn_graceful(probe.clone(), pending()).await;
        let pid = task.pid();
        let days = 30 * 24 * 3600 * SECOND;
        assert!(tokio::time::timeout(days, task.shutdown(Shutdown::Infinity)).await.is_err());
        assert!(process::info(pid).is_some() && probe.drops() == 0);
        process::exit(pid, Exit::Killed);
    });
}

// T-140
#[test]
fn a_shutdown_whose_caller_is_killed_has_sent_its_request() {
    for_each_seed(|| async {
        let (tx, rx) = oneshot::channel();
        let task = spawn_graceful(Probe::default(), async {
            sleep(10 * SECOND).await;
            let _ = tx.send(cordial::is_shutdown_requested());
            7
        });
        let task = task.await;
        let end = process::monitor(task.pid());
        let caller = Task::spawn(task.shutdown(60 * SECOND));
        sleep(SECOND).await;
        process::exit(caller.pid(), Exit::Killed);
        assert_eq!(caller.await, Err(Exit::Killed));
        assert_eq!(rx.await, Ok(true));
        assert_eq!(end.await, Exit::Normal);
    });
}

// T-140
#[test]
fn dropping_an_unpolled_shutdown_drops_the_handle() {
    for_each_seed(|| async {
        let task = Task::spawn_link(pending::<()>());
        let end = process::monitor(task.pid());
        drop(task.shutdown(Shutdown::Infinity));
        assert_eq!(end.await, Exit::Shutdown(None));
    });
}

#[test]
fn shutting_down_a_handle_whose_result_was_taken_returns_no_process() {
    for_each_seed(|| async {
        for how in [Shutdown::default(), Shutdown::BrutalKill, Shutdown::Infinity] {
            let mut task = Task::spawn(async { 7 });
            assert_eq!((&mut task).await, Ok(7));
            assert_eq!(task.shutdown(how).await, Some(Err(Exit::NoProcess)));
        }
    });
}

// T-125: the task is ended in the poll that returns its value.
#[test]
fn a_value_takes_precedence_over_an_exit_of_the_same_poll() {
    for_each_seed(|| async {
        for how in GRACEFUL.into_iter().chain([Shutdown::BrutalKill]) {
            for exit in [Exit::Killed, Exit::Shutdown(None), error("no disk")] {
                let task = async |probe: Probe| {
                    let task = Task::spawn_link(probe.of(async {
                        process::exit(process::current().unwrap(), exit);
                        7
                    }));
                    process::monitor(task.pid()).await;
                    task
                };
                let _exits = process::trap_exits();
                check("value and exit", task, how, Value(7)).await;
            }
        }
    });
}
