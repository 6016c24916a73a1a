//! Shutdown requests: which processes get a grace time, and which are shut down at once.

use std::future::pending;
use std::time::Duration;

use cordial::process::ProcessState;
use cordial::{Exit, Shutdown, Task, is_shutdown_requested, process, shutdown_requested};
use futures::FutureExt;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::harness::probe::Probe;
use crate::harness::seeds::{SECOND, for_each_seed};

/// What a task did before the shutdown request. Some of it opts in to graceful shutdown.
#[derive(Clone, Copy, Debug)]
enum Before {
    Nothing,
    CalledIsRequested,
    AnotherProcessCalled,
    DroppedTheGuard,
    Called,
    CalledAndDroppedTheFuture,
    CalledAndPolledTheFuture,
    CalledWithAGuard,
    HoldsAGuard,
    HoldsTheSecondGuard,
    Trapped,
    TrappedAndDroppedTheTrap,
}

async fn check(before: Before, is_graceful: bool) {
    let (ready, is_ready) = oneshot::channel();
    let task = Task::spawn(async move {
        let (mut requested, mut trap, mut guard) = (None, None, None);
        match before {
            Before::Nothing => {}
            Before::CalledIsRequested => assert!(!is_shutdown_requested()),
            Before::AnotherProcessCalled => {
                Task::spawn(async { assert!(shutdown_requested().now_or_never().is_none()) }).await.unwrap();
            }
            Before::DroppedTheGuard => drop(process::defer_shutdown()),
            Before::Called => requested = Some(shutdown_requested()),
            Before::CalledAndDroppedTheFuture => drop(shutdown_requested()),
            Before::CalledAndPolledTheFuture => assert!(shutdown_requested().now_or_never().is_none()),
            Before::CalledWithAGuard => {
                let first = process::defer_shutdown();
                drop(shutdown_requested());
                drop(process::defer_shutdown());
                drop(first);
            }
            Before::HoldsAGuard => guard = Some(process::defer_shutdown()),
            Before::HoldsTheSecondGuard => {
                let first = process::defer_shutdown();
                guard = Some(process::defer_shutdown());
                drop(first);
            }
            Before::Trapped => trap = Some(process::trap_exits()),
            Before::TrappedAndDroppedTheTrap => drop(process::trap_exits()),
        }
        let _ = ready.send(());
        // The request comes after 1 s. The task needs 2 s more.
        sleep(3 * SECOND).await;
        drop((trap, requested, guard));
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
            (Before::CalledIsRequested, false),
            (Before::AnotherProcessCalled, false),
            (Before::DroppedTheGuard, false),
            (Before::Called, true),
            (Before::CalledAndDroppedTheFuture, true),
            (Before::CalledAndPolledTheFuture, true),
            (Before::CalledWithAGuard, true),
            (Before::HoldsAGuard, true),
            (Before::HoldsTheSecondGuard, true),
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

/// A request that came while a guard lived ends the process after the last guard is dropped: at the next await point, with the exit
/// that was requested. A process that returns before its next await point ends with its value.
#[test]
fn a_deferred_request_ends_the_process_when_the_last_guard_is_dropped() {
    for_each_seed(|| async {
        let reason = Exit::Shutdown(Some("enough".into()));
        for how_it_goes_on in ["awaits", "returns", "is killed first", "drops the guard elsewhere"] {
            let (ready, is_ready) = oneshot::channel();
            let task = Task::spawn(async move {
                let (first, second) = (process::defer_shutdown(), process::defer_shutdown());
                let _ = ready.send(());
                first.requested().await;
                assert!(is_shutdown_requested());
                drop(first);
                sleep(SECOND).await;
                match how_it_goes_on {
                    "drops the guard elsewhere" => drop(Task::spawn(async move { drop(second) }).ignore()),
                    _ => drop(second),
                }
                if how_it_goes_on != "returns" {
                    sleep(SECOND).await;
                }
                "finished"
            });
            let _ = is_ready.await;
            let (end, begun) = (process::monitor(task.pid()), Instant::now());
            process::exit(task.pid(), reason.clone());
            if how_it_goes_on == "is killed first" {
                sleep(SECOND / 2).await;
                process::exit(task.pid(), Exit::Killed);
                assert_eq!((end.await, begun.elapsed()), (Exit::Killed, SECOND / 2));
                continue;
            }
            let value = (how_it_goes_on == "returns").then_some("finished");
            assert_eq!((end.await, begun.elapsed()), (reason.clone(), SECOND), "{how_it_goes_on}");
            assert_eq!(task.await, value.ok_or(reason.clone()), "{how_it_goes_on}");
        }
    });
}

/// A helper function may call `defer_shutdown` any number of times, and leaves the process as it was.
#[test]
fn a_process_without_guards_ends_at_once_as_before() {
    for_each_seed(|| async {
        let task = Task::spawn(async {
            for _ in 0..3 {
                let _guard = process::defer_shutdown();
                sleep(SECOND).await;
            }
            pending::<()>().await
        });
        sleep(4 * SECOND).await;
        let begun = Instant::now();
        assert_eq!((task.shutdown(5 * SECOND).await, begun.elapsed()), (None, Duration::ZERO));
    });
}

/// The grace time counts from the request. It does not begin again when the guard is dropped.
#[test]
fn a_guard_does_not_protect_from_the_end_of_the_grace_time() {
    for_each_seed(|| async {
        let task: Task<()> = Task::spawn(async {
            let _guard = process::defer_shutdown();
            pending().await
        });
        tokio::task::yield_now().await;
        let begun = Instant::now();
        assert_eq!((task.shutdown(5 * SECOND).await, begun.elapsed()), (Some(Err(Exit::Killed)), 5 * SECOND));
    });
}

#[expect(clippy::disallowed_methods, reason = "the future has to be polled outside of any process")]
fn spawn_outside<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::spawn(future)
}

/// The future belongs to the process that made the call, wherever it is polled and dropped.
#[test]
fn a_request_is_seen_in_other_tasks_and_after_the_process_has_ended() {
    for_each_seed(|| async {
        for shutdown in [Shutdown::After(5 * SECOND), Shutdown::BrutalKill] {
            let begun = Instant::now();
            let (tx, rx) = oneshot::channel();
            let task: Task<()> = Task::spawn(async move {
                let (by_call, guard) = (shutdown_requested(), process::defer_shutdown());
                let by_guard = guard.requested();
                let in_task = Task::spawn(async move {
                    by_guard.await;
                    begun.elapsed()
                });
                let in_tokio = spawn_outside(async move {
                    by_call.await;
                    begun.elapsed()
                });
                let _ = tx.send((in_task.pid(), in_tokio));
                drop(in_task.ignore());
                pending().await
            });
            let (in_task, in_tokio) = rx.await.unwrap();
            let in_task = process::monitor(in_task);
            sleep(SECOND).await;
            let shut_down = Task::spawn(task.shutdown(shutdown)).timeout(60 * SECOND);
            assert_eq!(in_tokio.await.unwrap(), SECOND, "{shutdown:?}");
            assert_eq!((in_task.await, begun.elapsed()), (Exit::Normal, SECOND), "{shutdown:?}");
            let _ = shut_down.await;
        }
        let left_behind = Task::spawn(async { Some(shutdown_requested()) }).await.unwrap();
        assert_eq!(left_behind.unwrap().now_or_never(), Some(()), "its process has ended");
    });
}

/// `select!` needs `FusedFuture`, and a future that is ready stays so.
#[test]
fn the_future_is_fused_and_stays_ready() {
    for_each_seed(|| async {
        let task = spawn_graceful(async {
            let mut requested = shutdown_requested();
            let mut n_rounds = 0;
            loop {
                futures::select_biased! {
                    () = requested => break,
                    () = sleep(SECOND).fuse() => n_rounds += 1,
                }
            }
            assert!(futures::future::FusedFuture::is_terminated(&requested));
            assert_eq!((&mut requested).now_or_never(), Some(()));
            n_rounds
        });
        let task = task.await;
        sleep(2 * SECOND + SECOND / 2).await;
        assert_eq!(task.shutdown(SECOND).await, Some(Ok(2)));
    });
}

/// Wakers that are replaced or no longer needed are dropped.
#[test]
fn a_waiting_future_keeps_one_waker() {
    use std::sync::Arc;
    use std::task::{Context, Wake, Waker};
    struct Unused;
    impl Wake for Unused {
        fn wake(self: Arc<Unused>) {}
    }
    for_each_seed(|| async {
        let (first, second) = (Arc::new(Unused), Arc::new(Unused));
        let mut requested = shutdown_requested();
        for unused in [&first, &first, &second, &first] {
            let waker = Waker::from(unused.clone());
            assert!(requested.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!((Arc::strong_count(&first), Arc::strong_count(&second)), (2, 1));
        drop(requested);
        assert_eq!(Arc::strong_count(&first), 1);
    });
}

/// In a simulation, the root of the runtime is the future of the test.
#[test]
fn outside_of_any_process_the_future_waits_for_the_root() {
    for_each_seed(|| async {
        let outside = spawn_outside(async {
            assert!(!is_shutdown_requested());
            let guard = process::defer_shutdown();
            let begun = Instant::now();
            futures::join!(shutdown_requested(), guard.requested());
            assert!(is_shutdown_requested());
            begun.elapsed()
        });
        let root = process::current().unwrap();
        // A request to another process is not one to the root.
        assert_eq!(Task::spawn(pending::<()>()).shutdown(SECOND).await, None);
        sleep(SECOND).await;
        // The root opts in, so that it outlives the request. The calls outside have not opted it in.
        drop(shutdown_requested());
        process::exit(root, Exit::Shutdown(None));
        assert_eq!(outside.await.unwrap(), SECOND);
    });
}
