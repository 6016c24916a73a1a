//! `shutdown_requested` outside of any process: it waits for the root processes of the runtime.

use cordial::{Exit, Runtime, Task, is_shutdown_requested, process, shutdown_requested};
use futures::FutureExt;
use tokio::sync::{mpsc, oneshot};

use crate::harness::subprocess;
use crate::races::LIMIT;

#[expect(clippy::disallowed_methods, reason = "the future has to be polled outside of any process")]
fn spawn_outside<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::spawn(future)
}

fn with_workers(n: usize) -> Runtime {
    Runtime::builder().workers(n).build().unwrap()
}

/// Returns whether a shutdown is requested, as a task of tokio on this runtime sees it.
fn is_requested_outside(runtime: &Runtime) -> bool {
    runtime.block_on(async { spawn_outside(async { is_shutdown_requested() }).await.unwrap() }).unwrap()
}

/// Starts a task of tokio that waits for a request, and sends `"requested"` then.
async fn wait_outside(tx: mpsc::UnboundedSender<&'static str>) {
    let (is_waiting, waiting) = oneshot::channel();
    spawn_outside(async move {
        let requested = shutdown_requested();
        assert!(!is_shutdown_requested());
        let _ = is_waiting.send(());
        requested.await;
        assert!(is_shutdown_requested());
        let _ = tx.send("requested");
    });
    waiting.await.unwrap();
}

#[test]
fn it_is_ready_when_the_root_is_asked_has_ended_or_the_runtime_is_shut_down() {
    let (tx, mut rx) = mpsc::unbounded_channel();
    let runtime = with_workers(2);
    let asked = tx.clone();
    let result = runtime.run(async move {
        wait_outside(asked).await;
        process::exit(process::current().unwrap(), Exit::Shutdown(None));
        std::future::pending::<()>().await
    });
    assert_eq!((result, rx.blocking_recv()), (Err(Exit::Shutdown(None)), Some("requested")));

    // A second run begins anew.
    let ends = tx.clone();
    assert_eq!(runtime.run(wait_outside(ends)), Ok(()));
    assert_eq!(rx.blocking_recv(), Some("requested"));

    // While other processes run and end, nothing is requested.
    let by_shutdown = with_workers(2);
    by_shutdown.block_on(wait_outside(tx)).unwrap();
    by_shutdown.block_on(async { Task::spawn(async {}).await }).unwrap().unwrap();
    assert!(!is_requested_outside(&by_shutdown));
    // tokio is shut down after the last process. This process waits for the task of tokio, so that the task can still send.
    let (seen, was_seen) = oneshot::channel();
    let receives = async move {
        let _ = seen.send(rx.recv().await);
    };
    by_shutdown.block_on(start_graceful(receives)).unwrap();
    assert!(by_shutdown.shutdown(LIMIT).is_clean());
    assert_eq!(was_seen.blocking_recv(), Ok(Some("requested")));
}

/// Starts a process that awaits `then` when it is asked to shut down.
async fn start_graceful(then: impl Future<Output = ()> + Send + 'static) {
    let (is_ready, ready) = oneshot::channel();
    Task::start(async move {
        let requested = shutdown_requested();
        let _ = is_ready.send(());
        requested.await;
        then.await;
    });
    ready.await.unwrap();
}

/// The descendants of the root and code outside are asked at the same time, so that code outside can still work with the descendants.
#[test]
fn it_is_ready_before_the_descendants_of_the_root_have_ended() {
    let (tx, mut rx) = mpsc::unbounded_channel();
    let (seen, was_seen) = oneshot::channel();
    let result = with_workers(2).run(async move {
        wait_outside(tx).await;
        // A descendant that receives nothing is killed after 5 s.
        start_graceful(async move {
            let _ = seen.send(rx.recv().await);
        })
        .await;
    });
    assert_eq!((result, was_seen.blocking_recv()), (Ok(()), Ok(Some("requested"))));
}

/// The call opts in the process that makes it, and no other one.
#[test]
fn it_does_not_opt_in_the_root() {
    let result = with_workers(1).run(async {
        spawn_outside(async { drop(shutdown_requested()) }).await.unwrap();
        process::exit(process::current().unwrap(), Exit::Shutdown(None));
        tokio::task::yield_now().await;
    });
    assert_eq!(result, Err(Exit::Shutdown(None)));
}

/// The runtime of a plain thread is the default runtime.
#[test]
fn a_plain_thread_waits_for_the_root_of_the_default_runtime() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    assert!(!is_shutdown_requested());
    let mut requested = shutdown_requested();
    let guard = process::defer_shutdown();
    assert!((&mut requested).now_or_never().is_none() && guard.requested().now_or_never().is_none());
    assert_eq!(with_workers(1).run(async {}), Ok(()));
    assert!((&mut requested).now_or_never().is_none(), "another runtime");
    assert_eq!(cordial::run(async { is_shutdown_requested() }), Ok(false));
    assert!(is_shutdown_requested());
    assert_eq!((requested.now_or_never(), guard.requested().now_or_never()), (Some(()), Some(())));
    // Dropping the guard sends no request.
    drop(guard);
    assert_eq!(cordial::run(async { 1 }), Ok(1));
}

/// The roots of one runtime share the notice: it is given when one of them is asked, or when none is left.
#[test]
fn of_several_roots_the_first_that_is_asked_counts_or_the_last_that_ends() {
    for is_one_asked in [true, false] {
        let (tx, mut rx) = mpsc::unbounded_channel();
        let runtime = with_workers(2);
        let (release, released) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let (runs, is_running) = std::sync::mpsc::channel();
            let first = scope.spawn(|| {
                runtime.run(async move {
                    runs.send(()).unwrap();
                    // A long poll, so that the root cannot end before it is released.
                    let _ = released.recv();
                })
            });
            is_running.recv().unwrap();
            assert_eq!(runtime.run(wait_outside(tx)), Ok(()));
            assert!(!is_requested_outside(&runtime), "one root is left");
            if is_one_asked {
                let asked = runtime.run(async {
                    process::exit(process::current().unwrap(), Exit::Shutdown(None));
                    std::future::pending::<()>().await
                });
                assert_eq!((asked, rx.blocking_recv()), (Err(Exit::Shutdown(None)), Some("requested")));
            }
            drop(release);
            assert_eq!(first.join().unwrap(), Ok(()));
            if !is_one_asked {
                assert_eq!(rx.blocking_recv(), Some("requested"));
            }
        });
    }
}
