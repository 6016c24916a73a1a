//! Ending a task and knowing that it has ended.
//!
//! Restates "shutdown/2" of Elixir's `task_test.exs`; the table is that of `elixir.md` 1.6.
#![expect(clippy::async_yields_async, reason = "handles and monitors are handed around, not awaited")]

use std::future::pending;
use std::time::Duration;

use cordial::{Exit, Shutdown, Task, process};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::ends::{End, error};
use crate::orders::{SECOND, in_every_order};
use crate::probe::Probe;

/// What `shutdown` answers.
#[derive(Clone, Debug)]
enum Answer {
    /// It ended the way the call asked for.
    Nothing,
    Value(u8),
    /// It ended so.
    By(End),
}

use Answer::{By, Nothing, Value};

impl Answer {
    fn is(&self, answer: &Option<Result<u8, Exit>>) -> bool {
        match (self, answer) {
            (Nothing, None) => true,
            (Value(value), Some(Ok(given))) => value == given,
            (By(end), Some(Err(exit))) => end.is(exit),
            _ => false,
        }
    }
}

/// Whatever the answer, the task is dead and its destructors have run (T-139), and its owner, who is linked, is not struck
/// (T-135).
async fn check(what: &str, task: impl AsyncFnOnce(Probe) -> Task<u8>, how: Shutdown, expected: Answer) {
    let probe = Probe::default();
    let task = task(probe.clone()).await;
    let pid = task.pid();
    let answer = task.shutdown(how).await;
    assert!(expected.is(&answer), "{what}, {how:?}: {answer:?} instead of {expected:?}");
    assert!(process::info(pid).is_none(), "{what}, {how:?}: it lives");
    assert_eq!(probe.drops(), 1, "{what}, {how:?}");
}

/// Each way of asking, and the grace that it gives.
const GRACEFUL: [Shutdown; 4] =
    [Shutdown::After(Duration::ZERO), Shutdown::After(SECOND), Shutdown::After(Duration::MAX), Shutdown::Infinity];

/// `Nothing` for the end that was asked for.
fn unless_asked_for(end: &End, how: Shutdown) -> Answer {
    let asked_for = if how == Shutdown::BrutalKill { Exit::Killed } else { Exit::Shutdown(None) };
    match end {
        End::Returns => Value(7),
        end if end.is(&asked_for) => Nothing,
        end => By(end.clone()),
    }
}

// T-116, T-117, T-118, T-125, T-128, T-129, T-130, T-131, T-139
#[test]
fn of_a_task_that_has_ended_already_the_answer_is_how() {
    in_every_order(|| async {
        let _exits = process::trap_exits();
        for (how, end) in
            GRACEFUL.into_iter().chain([Shutdown::BrutalKill]).flat_map(|how| End::each().map(|end| (how, end)))
        {
            let expected = unless_asked_for(&end, how);
            let task = async |probe: Probe| {
                let task = Task::spawn_link(probe.of(async move {
                    end.meet().await;
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
fn a_task_that_waits_ends_at_once() {
    in_every_order(|| async {
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

/// A linked task that asked to be told, and does this when it is.
async fn told(probe: Probe, then: impl Future<Output = u8> + Send + 'static) -> Task<u8> {
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

/// What a told task does, and what a graceful call that gives it the time answers.
type Deed = (&'static str, fn() -> BoxFuture<'static, u8>, Answer);

fn deeds() -> Vec<Deed> {
    vec![
        ("returns", || async { 7 }.boxed(), Value(7)),
        ("returns in time", || sleep(SECOND / 2).map(|()| 7).boxed(), Value(7)),
        ("fails", || async { cordial::exit(error("no disk")).await }.boxed(), By(End::Exits(error("no disk")))),
        ("panics", || async { panic!("no luck") }.boxed(), By(End::Panics)),
        ("exits so", || async { cordial::exit(Exit::Shutdown(None)).await }.boxed(), Nothing),
        (
            "exits so for a reason",
            || async { cordial::exit(Exit::Shutdown(Some("enough".into()))).await }.boxed(),
            By(End::Exits(Exit::Shutdown(Some("enough".into())))),
        ),
        ("exits normally", || async { cordial::exit(Exit::Normal).await }.boxed(), By(End::Exits(Exit::Normal))),
        ("kills itself", || End::Killed.meet().map(|()| 7).boxed(), By(End::Killed)),
    ]
}

// T-134, T-135, T-136
#[test]
fn a_told_task_ends_in_its_own_way_within_the_grace() {
    in_every_order(|| async {
        for (what, deed, expected) in deeds() {
            for how in GRACEFUL.into_iter().skip(1) {
                check(what, async |probe| told(probe, deed()).await, how, expected.clone()).await;
            }
        }
    });
}

// T-123, T-133, T-137, T-139
#[test]
fn a_told_task_that_gets_no_time_is_killed() {
    in_every_order(|| async {
        for (what, deed, _) in deeds() {
            let killed = By(End::Killed);
            check(what, async |probe| told(probe, deed()).await, Shutdown::After(Duration::ZERO), killed).await;
            check(what, async |probe| told(probe, deed()).await, Shutdown::BrutalKill, Nothing).await;
        }
    });
}

// T-133
#[test]
fn a_told_task_that_takes_too_long_is_killed_after_the_grace() {
    in_every_order(|| async {
        for (how, grace) in
            [(Duration::from_millis(1).into(), Duration::from_millis(1)), (Shutdown::default(), 5 * SECOND)]
        {
            let begun = Instant::now();
            check("too slow", async |probe| told(probe, pending()).await, how, By(End::Killed)).await;
            assert_eq!(begun.elapsed(), grace);
        }
    });
}

// T-133
#[test]
fn a_task_that_traps_exits_and_ignores_the_request_is_killed_after_the_grace() {
    in_every_order(|| async {
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
fn without_limit_it_waits_as_long_as_a_told_task_wants() {
    in_every_order(|| async {
        let probe = Probe::default();
        let task = told(probe.clone(), pending()).await;
        let pid = task.pid();
        let days = 30 * 24 * 3600 * SECOND;
        assert!(tokio::time::timeout(days, task.shutdown(Shutdown::Infinity)).await.is_err());
        assert!(process::info(pid).is_some() && probe.drops() == 0);
        process::exit(pid, Exit::Killed);
    });
}

// T-140
#[test]
fn a_shutdown_whose_caller_is_killed_has_asked_all_the_same() {
    in_every_order(|| async {
        let (tx, rx) = oneshot::channel();
        let task = told(Probe::default(), async {
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
fn a_shutdown_that_was_never_polled_gives_up_the_handle() {
    in_every_order(|| async {
        let task = Task::spawn_link(pending::<()>());
        let end = process::monitor(task.pid());
        drop(task.shutdown(Shutdown::Infinity));
        assert_eq!(end.await, Exit::Shutdown(None));
    });
}

#[test]
fn of_a_handle_whose_result_was_taken_the_answer_is_no_process() {
    in_every_order(|| async {
        for how in [Shutdown::default(), Shutdown::BrutalKill, Shutdown::Infinity] {
            let mut task = Task::spawn(async { 7 });
            assert_eq!((&mut task).await, Ok(7));
            assert_eq!(task.shutdown(how).await, Some(Err(Exit::NoProcess)));
        }
    });
}

// T-125: the value and the end came together.
#[test]
fn a_value_wins_over_the_end_that_came_with_it() {
    in_every_order(|| async {
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
                check("value and end", task, how, Value(7)).await;
            }
        }
    });
}
