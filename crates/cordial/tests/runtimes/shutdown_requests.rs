//! Shutdown requests: which processes get a grace time, and which are shut down at once.

use std::future::pending;
use std::time::Duration;

use cordial::process::ProcessState;
use cordial::{Exit, Shutdown, Task, is_shutdown_requested, process, shutdown_requested};
use futures::{FutureExt, StreamExt};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::harness::probe::Probe;
use crate::harness::seeds::{SECOND, for_each_seed};

/// What a task did before the shutdown request. Some of it opts in to graceful shutdown.
#[derive(Clone, Copy, Debug)]
enum Before {
    Nothing,
    CreatedTheFuture,
    CalledIsRequested,
    PolledTheFuture,
    PolledAndDroppedTheFuture,
    Trapped,
    TrappedAndDroppedTheTrap,
    AnotherProcessPolled,
}

async fn check(before: Before, is_graceful: bool) {
    let (ready, is_ready) = oneshot::channel();
    let task = Task::spawn(async move {
        let mut requested = Box::pin(shutdown_requested());
        let mut trap = None;
        match before {
            Before::Nothing | Before::CreatedTheFuture => {}
            Before::CalledIsRequested => assert!(!is_shutdown_requested()),
            Before::PolledTheFuture => assert!(requested.as_mut().now_or_never().is_none()),
            Before::PolledAndDroppedTheFuture => assert!(shutdown_requested().now_or_never().is_none()),
            Before::Trapped => trap = Some(process::trap_exits()),
            Before::TrappedAndDroppedTheTrap => drop(process::trap_exits()),
            Before::AnotherProcessPolled => {
                Task::spawn(async { assert!(shutdown_requested().now_or_never().is_none()) }).await.unwrap();
            }
        }
        let _ = ready.send(());
        // The request comes after 1 s. The task needs 2 s more.
        sleep(3 * SECOND).await;
        drop(trap);
        "finished"
    });
    let _ = is_ready.await;
    sleep(SECOND).await;
    let begun = Instant::now();
    let answer = task.shutdown(5 * SECOND).await;
    let expected = if is_graceful { (Some(Ok("finished")), 2 * SECOND) } else { (None, Duration::ZERO) };
    assert_eq!((answer, begun.elapsed()), expected, "{before:?}");
}

#[test]
fn only_a_task_that_opted_in_to_graceful_shutdown_gets_a_grace_time() {
    for_each_seed(|| async {
        for (before, is_graceful) in [
            (Before::Nothing, false),
            (Before::CreatedTheFuture, false),
            (Before::CalledIsRequested, false),
            (Before::AnotherProcessPolled, false),
            (Before::PolledTheFuture, true),
            (Before::PolledAndDroppedTheFuture, true),
            (Before::Trapped, true),
            (Before::TrappedAndDroppedTheTrap, true),
        ] {
            check(before, is_graceful).await;
        }
    });
}

/// Spawns a task that opts in to graceful shutdown and then runs `then`.
async fn spawn_graceful<T: Send + 'static>(then: impl Future<Output = T> + Send + 'static) -> Task<T> {
    let (ready, is_ready) = oneshot::channel();
    let task = Task::spawn(async move {
        assert!(shutdown_requested().now_or_never().is_none());
        let _ = ready.send(());
        then.await
    });
    let _ = is_ready.await;
    task
}

#[test]
fn a_shutdown_request_stays_visible() {
    for_each_seed(|| async {
        let task = spawn_graceful(async {
            assert!(!is_shutdown_requested());
            shutdown_requested().await;
            for _ in 0..3 {
                assert!(is_shutdown_requested());
                assert_eq!(shutdown_requested().now_or_never(), Some(()));
                sleep(SECOND).await;
            }
            let of_another = Task::spawn(async { is_shutdown_requested() }).await;
            assert_eq!(of_another, Ok(false));
            "finished"
        });
        assert_eq!(task.await.shutdown(60 * SECOND).await, Some(Ok("finished")));
    });
}

#[test]
fn a_request_that_came_before_the_wait_is_not_missed() {
    for_each_seed(|| async {
        let task = spawn_graceful(async {
            sleep(3 * SECOND).await;
            let begun = Instant::now();
            shutdown_requested().await;
            begun.elapsed()
        });
        assert_eq!(task.await.shutdown(60 * SECOND).await, Some(Ok(Duration::ZERO)));
    });
}

#[test]
fn all_shutdown_requested_futures_of_a_process_are_woken() {
    for_each_seed(|| async {
        let task = spawn_graceful(async {
            futures::join!(shutdown_requested(), shutdown_requested(), async {
                futures::future::join_all([shutdown_requested(), shutdown_requested()]).await;
            });
            "all"
        });
        assert_eq!(task.await.shutdown(SECOND).await, Some(Ok("all")));
    });
}

#[test]
fn info_shows_that_a_shutdown_was_requested() {
    for_each_seed(|| async {
        let task = spawn_graceful(sleep(10 * SECOND)).await;
        assert_eq!(process::info(task.pid()).unwrap().state, ProcessState::Running);
        process::exit(task.pid(), Exit::Shutdown(None));
        assert_eq!(process::info(task.pid()).unwrap().state, ProcessState::ShutdownRequested);
        assert_eq!(task.timeout(60 * SECOND).await, Ok(()));
    });
}

#[test]
fn a_graceful_task_whose_handle_is_dropped_has_no_time_limit() {
    for_each_seed(|| async {
        let task = spawn_graceful(async {
            shutdown_requested().await;
            sleep(1000 * SECOND).await;
        });
        let task = task.await;
        let end = process::monitor(task.pid());
        let begun = Instant::now();
        drop(task);
        assert_eq!((end.await, begun.elapsed()), (Exit::Normal, 1000 * SECOND));
    });
}

#[test]
fn a_trapped_request_has_the_pid_of_the_requesting_process() {
    for_each_seed(|| async {
        let own = process::current().unwrap();
        let (ready, is_ready) = oneshot::channel();
        let task = Task::spawn(async {
            let mut exits = process::trap_exits();
            let _ = ready.send(());
            exits.next().await
        });
        let _ = is_ready.await;
        let request = task.shutdown(SECOND).await;
        assert_eq!(request, Some(Ok(Some((own, Exit::Shutdown(None))))));
    });
}

#[test]
fn is_shutdown_requested_is_true_in_destructors_after_a_request() {
    struct SendsOnDrop(Option<oneshot::Sender<bool>>);
    impl Drop for SendsOnDrop {
        fn drop(&mut self) {
            let _ = self.0.take().unwrap().send(is_shutdown_requested());
        }
    }
    for_each_seed(|| async {
        for (how, is_requested) in [(Shutdown::default(), true), (Shutdown::BrutalKill, false)] {
            let (tx, rx) = oneshot::channel();
            let task = Task::spawn(async move {
                let _guard = SendsOnDrop(Some(tx));
                pending::<()>().await
            });
            sleep(SECOND).await;
            assert_eq!(task.shutdown(how).await, None);
            assert_eq!(rx.await, Ok(is_requested));
        }
    });
}

#[test]
fn a_future_that_is_being_polled_is_dropped_when_the_poll_returns() {
    for_each_seed(|| async {
        let probe = Probe::default();
        let before = probe.clone();
        let task: Task<()> = Task::spawn(probe.of(async move {
            process::exit(process::current().unwrap(), Exit::Killed);
            assert_eq!(before.drops(), 0, "the future runs on to its next await point");
            pending().await
        }));
        assert_eq!(task.await, Err(Exit::Killed));
        assert_eq!((probe.polls(), probe.drops()), (1, 1));
    });
}

#[test]
fn a_task_that_is_shut_down_before_its_first_poll_is_never_polled() {
    for_each_seed(|| async {
        let probe = Probe::default();
        let task = Task::spawn(probe.of(async { 7 }));
        assert_eq!(task.shutdown(Shutdown::default()).await, None);
        assert_eq!((probe.polls(), probe.drops()), (0, 1));
    });
}

#[test]
fn outside_a_process_nothing_is_requested() {
    assert!(!is_shutdown_requested());
    assert!(shutdown_requested().now_or_never().is_none());
}
