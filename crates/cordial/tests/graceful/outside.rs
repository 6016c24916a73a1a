//! `shutdown_requested` outside of any process: it waits for the root processes of the runtime.

use std::sync::mpsc;

use cordial::{Exit, Runtime, Task, is_shutdown_requested, process, shutdown_requested};
use futures::FutureExt;
use tokio::sync::oneshot;

use crate::harness::subprocess;
use crate::races::LIMIT;

#[expect(clippy::disallowed_methods, reason = "the future has to be polled outside of any process")]
fn spawn_outside<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::spawn(future)
}

fn with_workers(n: usize) -> Runtime {
    Runtime::builder().workers(n).build().unwrap()
}

/// Starts a task of tokio that waits for a request, and sends `"requested"` then.
async fn wait_outside(tx: mpsc::Sender<&'static str>) {
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
    let (tx, rx) = mpsc::channel();
    let runtime = with_workers(2);
    let asked = tx.clone();
    let result = runtime.run(async move {
        wait_outside(asked).await;
        process::exit(process::current().unwrap(), Exit::Shutdown(None));
        std::future::pending::<()>().await
    });
    assert_eq!((result, rx.recv()), (Err(Exit::Shutdown(None)), Ok("requested")));

    // A second run begins anew.
    let ends = tx.clone();
    assert_eq!(runtime.run(wait_outside(ends)), Ok(()));
    assert_eq!(rx.recv(), Ok("requested"));

    // While other processes run and end, nothing is requested.
    let by_shutdown = with_workers(2);
    by_shutdown.block_on(wait_outside(tx)).unwrap();
    by_shutdown.block_on(async { Task::spawn(async {}).await }).unwrap().unwrap();
    assert!(rx.try_recv().is_err());
    // tokio is shut down after the last process. This process waits for the task of tokio, so that the task can still send.
    by_shutdown.block_on(start_graceful(move || assert_eq!(rx.recv(), Ok("requested")))).unwrap();
    assert!(by_shutdown.shutdown(LIMIT).is_clean());
}

/// Starts a process that calls `then` when it is asked to shut down.
async fn start_graceful(then: impl FnOnce() + Send + 'static) {
    let (is_ready, ready) = oneshot::channel();
    Task::start(async move {
        let requested = shutdown_requested();
        let _ = is_ready.send(());
        requested.await;
        then();
    });
    ready.await.unwrap();
}

/// The descendants of the root and code outside are asked at the same time, so that code outside can still work with the descendants.
#[test]
fn it_is_ready_before_the_descendants_of_the_root_have_ended() {
    let (tx, rx) = mpsc::channel();
    let result = with_workers(2).run(async move {
        wait_outside(tx).await;
        start_graceful(move || assert_eq!(rx.recv(), Ok("requested"))).await;
    });
    assert_eq!(result, Ok(()));
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
        let (tx, rx) = mpsc::channel();
        let runtime = with_workers(2);
        let (release, released) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let (runs, is_running) = mpsc::channel();
            let first = scope.spawn(|| {
                runtime.run(async move {
                    runs.send(()).unwrap();
                    // A long poll, so that this root runs on.
                    let _ = released.recv();
                })
            });
            is_running.recv().unwrap();
            assert_eq!(runtime.run(wait_outside(tx)), Ok(()));
            assert!(rx.try_recv().is_err(), "one root is left");
            if is_one_asked {
                let asked = runtime.run(async {
                    process::exit(process::current().unwrap(), Exit::Shutdown(None));
                    std::future::pending::<()>().await
                });
                assert_eq!((asked, rx.recv()), (Err(Exit::Shutdown(None)), Ok("requested")));
            }
            drop(release);
            assert_eq!(first.join().unwrap(), Ok(()));
            if !is_one_asked {
                assert_eq!(rx.recv(), Ok("requested"));
            }
        });
    }
}
