//! Trapping exits: exits and shutdown requests as values. `signals.rs` has the table of the effects of each signal.

use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use cordial::process::{self, Exits, ProcessState};
use cordial::{Exit, Pid, Shutdown, Task, testing};
use futures::{FutureExt, StreamExt};
use tokio::sync::oneshot;

use crate::harness::exit_kind::error;

/// Longer than anything here takes, on the virtual clock.
const SETTLED: Duration = Duration::from_secs(3600);

/// Returns all trapped exits until none arrives for an hour.
async fn drain(exits: &mut Exits) -> Vec<(Pid, Exit)> {
    let mut drained = Vec::new();
    while let Ok(Some(value)) = tokio::time::timeout(SETTLED, exits.next()).await {
        drained.push(value);
    }
    drained
}

// L-003
#[test]
fn each_exit_of_a_linked_process_is_one_value_with_its_pid() {
    testing::run(async {
        let mut exits = process::trap_exits();
        let all = [Exit::Normal, Exit::Shutdown(None), Exit::Killed, error("no luck"), Exit::NoProcess];
        let mut expected: Vec<(Pid, Exit)> = all
            .map(|exit| {
                let own = exit.clone();
                (Task::start_link(async move { cordial::exit(own).await }), exit)
            })
            .into();
        let mut drained = drain(&mut exits).await;
        expected.sort_by_key(|(pid, _)| *pid);
        drained.sort_by_key(|(pid, _)| *pid);
        assert_eq!(drained, expected);
        assert_eq!(
            process::info(process::current().unwrap()).unwrap().links,
            [],
            "the links are removed with the peers"
        );
    });
}

// L-003: a panic and an `Err`
#[test]
fn a_crash_of_a_linked_process_is_a_value_with_its_reason() {
    testing::run(async {
        let mut exits = process::trap_exits();
        let panics = Task::start_link(async { panic!("no luck") });
        let (pid, exit) = exits.next().await.unwrap();
        assert_eq!(pid, panics);
        assert!(matches!(&exit, Exit::Panic(report) if report.message() == "no luck"), "{exit}");
        let fails = Task::start_link(async { Err::<(), _>("no disk") });
        assert_eq!(exits.next().await, Some((fails, error("no disk"))));
    });
}

// L-005
#[test]
fn a_kill_cannot_be_trapped_but_the_exit_of_a_killed_peer_can() {
    testing::run(async {
        let mut exits = process::trap_exits();
        let (ready, is_ready) = oneshot::channel();
        let traps_too = Task::start_link(async move {
            let mut exits = process::trap_exits();
            let _ = ready.send(());
            while exits.next().await.is_some() {}
        });
        is_ready.await.unwrap();
        process::exit(traps_too, Exit::Killed);
        assert_eq!(drain(&mut exits).await, [(traps_too, Exit::Killed)]);
    });
}

#[test]
fn each_of_several_streams_receives_every_exit() {
    testing::run(async {
        let mut streams = [(); 3].map(|()| process::trap_exits());
        let child = Task::start_link(async { Err::<(), _>("no luck") });
        for exits in &mut streams {
            assert_eq!(drain(exits).await, [(child, error("no luck"))]);
        }
        let [first, mut second, third] = streams;
        drop((first, third));
        let child = Task::start_link(async {});
        assert_eq!(drain(&mut second).await, [(child, Exit::Normal)], "one remaining stream is enough");
    });
}

/// A stream does not receive exits that were trapped before it was created.
#[test]
fn a_stream_receives_the_exits_trapped_during_its_lifetime() {
    testing::run(async {
        let mut early = process::trap_exits();
        let before = Task::start_link(async {});
        assert_eq!(drain(&mut early).await, [(before, Exit::Normal)]);
        let mut late = process::trap_exits();
        let after = Task::start_link(async {});
        assert_eq!(drain(&mut late).await, [(after, Exit::Normal)]);
        assert_eq!(drain(&mut early).await, [(after, Exit::Normal)]);
    });
}

#[test]
fn a_process_traps_exits_only_while_it_has_a_stream() {
    testing::run(async {
        let task = Task::spawn(async {
            let own = process::current().unwrap();
            let exits = process::trap_exits();
            assert!(process::info(own).unwrap().traps_exits);
            drop(exits);
            assert!(!process::info(own).unwrap().traps_exits);
            Task::start_link(async { Err::<(), _>("no luck") });
            std::future::pending::<()>().await
        });
        assert_eq!(task.await, Err(error("no luck")));
    });
}

/// Trapping exits opts in to graceful shutdown, and the opt-in lasts after the stream is dropped.
#[test]
fn after_the_stream_is_dropped_a_request_still_has_its_grace_time() {
    testing::run(async {
        let (ready, is_ready) = oneshot::channel();
        let task = Task::spawn(async move {
            drop(process::trap_exits());
            let _ = ready.send(());
            tokio::time::sleep(Duration::from_secs(2)).await;
            cordial::is_shutdown_requested()
        });
        is_ready.await.unwrap();
        assert_eq!(task.shutdown(Duration::from_secs(3)).await, Some(Ok(true)));
    });
}

/// A trapped request has the pid of the requesting process, or the receiver's own pid if the
/// request comes from outside of any process.
#[test]
fn a_request_is_a_value_with_the_pid_of_the_requesting_process_or_its_own() {
    async fn first_value(request: impl FnOnce(Task<Option<(Pid, Exit)>>) -> Pid) -> (Pid, Pid) {
        let (ready, is_ready) = oneshot::channel();
        let (tx, rx) = oneshot::channel();
        let task = Task::spawn(async move {
            let mut exits = process::trap_exits();
            let _ = ready.send(());
            let value = exits.next().await;
            let own = process::current().unwrap();
            assert_eq!(process::info(own).unwrap().state, ProcessState::ShutdownRequested);
            assert!(cordial::is_shutdown_requested());
            let _ = tx.send(value.clone());
            value
        });
        is_ready.await.unwrap();
        let expected = request(task);
        let (from, exit) = rx.await.unwrap().unwrap();
        assert_eq!(exit, Exit::Shutdown(None));
        (from, expected)
    }
    testing::run(async {
        let own = process::current().unwrap();
        let (from, expected) = first_value(|task| {
            drop(task);
            own
        })
        .await;
        assert_eq!(from, expected, "the owner dropped the handle");

        let (from, expected) = first_value(|task| {
            let other = Task::spawn(async move {
                let _ = task.shutdown(Shutdown::Infinity).await;
            });
            let pid = other.pid();
            let _ = other.ignore();
            pid
        })
        .await;
        assert_eq!(from, expected, "another process called `shutdown`");

        let (from, expected) = first_value(|task| {
            let pid = task.pid();
            drop_outside(task);
            pid
        })
        .await;
        assert_eq!(from, expected, "a thread that runs no process dropped the handle");
    });
}

#[expect(clippy::disallowed_methods, reason = "a tokio task is not a process")]
fn drop_outside<T: Send + 'static>(task: Task<T>) {
    drop(tokio::spawn(async move { drop(task) }));
}

#[test]
fn a_request_and_the_exit_of_a_peer_are_each_received_once() {
    testing::run(async {
        let (ready, is_ready) = oneshot::channel();
        let (go, gate) = oneshot::channel::<()>();
        let task = Task::spawn(async move {
            let mut exits = process::trap_exits();
            let peer = Task::start_link(async move {
                let _ = gate.await;
                Err::<(), _>("no luck")
            });
            let _ = ready.send(peer);
            cordial::shutdown_requested().await;
            drain(&mut exits).await
        });
        let peer = is_ready.await.unwrap();
        let own = process::current().unwrap();
        go.send(()).unwrap();
        assert_eq!(process::monitor(peer).await, error("no luck"));
        let answer = task.shutdown(2 * SETTLED).await;
        assert_eq!(answer, Some(Ok(vec![(peer, error("no luck")), (own, Exit::Shutdown(None))])));
    });
}

#[test]
fn a_stream_that_outlives_its_process_ends() {
    testing::run(async {
        let (tx, rx) = oneshot::channel();
        let task = Task::spawn(async move {
            let _ = tx.send(process::trap_exits());
            std::future::pending::<()>().await
        });
        let mut exits = rx.await.unwrap();
        assert_eq!(exits.next().now_or_never(), None, "the process runs, and no exit was trapped");
        process::exit(task.pid(), error("trapped"));
        assert_eq!(exits.next().await, Some((process::current().unwrap(), error("trapped"))));
        process::exit(task.pid(), Exit::Killed);
        assert_eq!(task.await, Err(Exit::Killed));
        assert_eq!(exits.next().await, None);
    });
}

#[test]
fn trap_exits_outside_a_process_panics_with_a_clear_message() {
    testing::run(async {
        let message = message_outside().await;
        assert!(message.contains("`trap_exits` is for processes"), "{message}");
    });
}

#[expect(clippy::disallowed_methods, reason = "a tokio task is not a process")]
async fn message_outside() -> String {
    tokio::spawn(async { drop(process::trap_exits()) }).await.unwrap_err().to_string()
}

/// A waker that panics.
struct PanickingWaker;

impl Wake for PanickingWaker {
    fn wake(self: Arc<PanickingWaker>) {
        panic!("planned panic of a waker")
    }
}

#[test]
fn a_waker_that_panics_keeps_no_exit_from_another_stream_and_does_not_affect_the_sender() {
    testing::run(async {
        let receiver = Task::spawn(async {
            let (mut first, mut second) = (process::trap_exits(), process::trap_exits());
            let panicking = Waker::from(Arc::new(PanickingWaker));
            assert!(first.poll_next_unpin(&mut Context::from_waker(&panicking)).is_pending());
            let exit = second.next().await.unwrap().1;
            (exit, first.next().await.unwrap().1)
        });
        tokio::time::sleep(SETTLED).await;
        process::exit(receiver.pid(), error("no luck"));
        assert_eq!(receiver.await, Ok((error("no luck"), error("no luck"))));
    });
}
