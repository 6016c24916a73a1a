//! Being asked to shut down: who is told, who gets time, and who ends at once.

use std::future::pending;
use std::time::Duration;

use cordial::process::ProcessState;
use cordial::{Exit, Shutdown, Task, is_shutdown_requested, process, shutdown_requested};
use futures::{FutureExt, StreamExt};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::orders::{SECOND, in_every_order};
use crate::probe::Probe;

/// What a task did before it was asked, and whether that was asking to be told.
#[derive(Clone, Copy, Debug)]
enum Before {
    Nothing,
    MadeTheFuture,
    AskedWhetherRequested,
    PolledTheFuture,
    PolledAndDroppedTheFuture,
    Trapped,
    TrappedAndDroppedTheTrap,
    LetAnotherProcessPoll,
}

async fn check(before: Before, gets_the_grace: bool) {
    let (ready, is_ready) = oneshot::channel();
    let task = Task::spawn(async move {
        let mut requested = Box::pin(shutdown_requested());
        let mut trap = None;
        match before {
            Before::Nothing | Before::MadeTheFuture => {}
            Before::AskedWhetherRequested => assert!(!is_shutdown_requested()),
            Before::PolledTheFuture => assert!(requested.as_mut().now_or_never().is_none()),
            Before::PolledAndDroppedTheFuture => assert!(shutdown_requested().now_or_never().is_none()),
            Before::Trapped => trap = Some(process::trap_exits()),
            Before::TrappedAndDroppedTheTrap => drop(process::trap_exits()),
            Before::LetAnotherProcessPoll => {
                Task::spawn(async { assert!(shutdown_requested().now_or_never().is_none()) }).await.unwrap();
            }
        }
        let _ = ready.send(());
        // The request comes 1 s from now; the task needs 2 s more.
        sleep(3 * SECOND).await;
        drop(trap);
        "finished"
    });
    let _ = is_ready.await;
    sleep(SECOND).await;
    let begun = Instant::now();
    let answer = task.shutdown(5 * SECOND).await;
    let expected = if gets_the_grace { (Some(Ok("finished")), 2 * SECOND) } else { (None, Duration::ZERO) };
    assert_eq!((answer, begun.elapsed()), expected, "{before:?}");
}

#[test]
fn only_a_task_that_asked_to_be_told_gets_a_grace_time_and_then_to_its_end() {
    in_every_order(|| async {
        for (before, gets_the_grace) in [
            (Before::Nothing, false),
            (Before::MadeTheFuture, false),
            (Before::AskedWhetherRequested, false),
            (Before::LetAnotherProcessPoll, false),
            (Before::PolledTheFuture, true),
            (Before::PolledAndDroppedTheFuture, true),
            (Before::Trapped, true),
            (Before::TrappedAndDroppedTheTrap, true),
        ] {
            check(before, gets_the_grace).await;
        }
    });
}

/// A task that asked to be told, and then does this.
async fn told<T: Send + 'static>(then: impl Future<Output = T> + Send + 'static) -> Task<T> {
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
fn a_request_leaves_a_mark_that_stays() {
    in_every_order(|| async {
        let task = told(async {
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
fn a_request_that_came_while_nobody_waited_is_not_missed() {
    in_every_order(|| async {
        let task = told(async {
            sleep(3 * SECOND).await;
            let begun = Instant::now();
            shutdown_requested().await;
            begun.elapsed()
        });
        assert_eq!(task.await.shutdown(60 * SECOND).await, Some(Ok(Duration::ZERO)));
    });
}

#[test]
fn everybody_in_the_process_who_waits_for_a_request_is_told() {
    in_every_order(|| async {
        let task = told(async {
            futures::join!(shutdown_requested(), shutdown_requested(), async {
                futures::future::join_all([shutdown_requested(), shutdown_requested()]).await;
            });
            "all"
        });
        assert_eq!(task.await.shutdown(SECOND).await, Some(Ok("all")));
    });
}

#[test]
fn a_process_that_was_asked_and_finishes_says_so_to_who_looks() {
    in_every_order(|| async {
        let task = told(sleep(10 * SECOND)).await;
        assert_eq!(process::info(task.pid()).unwrap().state, ProcessState::Alive);
        process::exit(task.pid(), Exit::Shutdown(None));
        assert_eq!(process::info(task.pid()).unwrap().state, ProcessState::Asked);
        assert_eq!(task.timeout(60 * SECOND).await, Ok(()));
    });
}

#[test]
fn a_told_task_whose_handle_is_dropped_takes_the_time_it_needs() {
    in_every_order(|| async {
        let task = told(async {
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
fn a_trap_gives_the_request_as_a_value_with_the_pid_of_who_asked() {
    in_every_order(|| async {
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
fn a_task_that_ends_by_a_request_knows_it_while_its_destructors_run() {
    struct Tells(Option<oneshot::Sender<bool>>);
    impl Drop for Tells {
        fn drop(&mut self) {
            let _ = self.0.take().unwrap().send(is_shutdown_requested());
        }
    }
    in_every_order(|| async {
        for (how, knows) in [(Shutdown::default(), true), (Shutdown::BrutalKill, false)] {
            let (tx, rx) = oneshot::channel();
            let task = Task::spawn(async move {
                let _tells = Tells(Some(tx));
                pending::<()>().await
            });
            sleep(SECOND).await;
            assert_eq!(task.shutdown(how).await, None);
            assert_eq!(rx.await, Ok(knows));
        }
    });
}

#[test]
fn a_future_in_the_middle_of_a_poll_ends_when_that_poll_returns() {
    in_every_order(|| async {
        let probe = Probe::default();
        let before = probe.clone();
        let task: Task<()> = Task::spawn(probe.of(async move {
            process::exit(process::current().unwrap(), Exit::Killed);
            assert_eq!(before.drops(), 0, "it runs on to its next await point");
            pending().await
        }));
        assert_eq!(task.await, Err(Exit::Killed));
        assert_eq!((probe.polls(), probe.drops()), (1, 1));
    });
}

#[test]
fn a_task_that_is_told_to_end_before_its_first_poll_is_never_polled() {
    in_every_order(|| async {
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
