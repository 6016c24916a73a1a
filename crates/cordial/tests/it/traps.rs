//! Trapping exits: ends and requests as values.
//!
//! `cases.md` 4.23: L-003, L-005. What each signal becomes is in `signals.rs`.

use std::io;
use std::time::Duration;

use cordial::process::{self, Exits, ProcessState};
use cordial::{Exit, Pid, Shutdown, Task, testing};
use futures::{FutureExt, StreamExt};
use tokio::sync::oneshot;

/// Longer than anything here takes, on a clock that is virtual.
const SETTLED: Duration = Duration::from_secs(3600);

fn error(text: &str) -> Exit {
    Exit::from(io::Error::other(text.to_owned()))
}

/// Everything that comes until nothing has come for long.
async fn drain(exits: &mut Exits) -> Vec<(Pid, Exit)> {
    let mut drained = Vec::new();
    while let Ok(Some(value)) = tokio::time::timeout(SETTLED, exits.next()).await {
        drained.push(value);
    }
    drained
}

/// L-003.
#[test]
fn each_end_of_a_linked_process_is_one_value_with_its_pid() {
    testing::run(async {
        let mut exits = process::trap_exits();
        let ends = [Exit::Normal, Exit::Shutdown(None), Exit::Killed, error("no luck"), Exit::NoProcess];
        let mut expected: Vec<(Pid, Exit)> = ends
            .map(|end| {
                let exit = end.clone();
                (Task::start_link(async move { cordial::exit(end).await }), exit)
            })
            .into();
        let mut drained = drain(&mut exits).await;
        expected.sort_by_key(|(pid, _)| *pid);
        drained.sort_by_key(|(pid, _)| *pid);
        assert_eq!(drained, expected);
        assert_eq!(process::info(process::current().unwrap()).unwrap().links, [], "the links are gone with the peers");
    });
}

/// L-003, for the two ways in which a process crashes.
#[test]
fn a_crash_of_a_linked_process_is_a_value_that_tells_it() {
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

/// L-005.
#[test]
fn a_kill_is_not_trapped_but_its_consequence_over_a_link_is() {
    testing::run(async {
        let mut exits = process::trap_exits();
        let (tell, told) = oneshot::channel();
        let traps_too = Task::start_link(async move {
            let mut exits = process::trap_exits();
            let _ = tell.send(());
            while exits.next().await.is_some() {}
        });
        told.await.unwrap();
        process::exit(traps_too, Exit::Killed);
        assert_eq!(drain(&mut exits).await, [(traps_too, Exit::Killed)]);
    });
}

#[test]
fn each_of_several_streams_gets_everything() {
    testing::run(async {
        let mut streams = [(); 3].map(|()| process::trap_exits());
        let child = Task::start_link(async { Err::<(), _>("no luck") });
        for exits in &mut streams {
            assert_eq!(drain(exits).await, [(child, error("no luck"))]);
        }
        let [first, mut second, third] = streams;
        drop((first, third));
        let child = Task::start_link(async {});
        assert_eq!(drain(&mut second).await, [(child, Exit::Normal)], "one that is left is enough");
    });
}

/// A stream made later does not see what came before.
#[test]
fn a_stream_gets_what_comes_while_it_lives() {
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
fn a_process_traps_only_while_a_stream_lives() {
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

/// The grace time is for whoever ever asked to be told; trapping is asking.
#[test]
fn after_the_stream_is_dropped_a_request_still_leaves_the_grace_time() {
    testing::run(async {
        let (tell, told) = oneshot::channel();
        let task = Task::spawn(async move {
            drop(process::trap_exits());
            let _ = tell.send(());
            tokio::time::sleep(Duration::from_secs(2)).await;
            cordial::is_shutdown_requested()
        });
        told.await.unwrap();
        assert_eq!(task.shutdown(Duration::from_secs(3)).await, Some(Ok(true)));
    });
}

/// A request names its sender, if that is a process.
#[test]
fn a_request_is_a_value_with_the_pid_of_who_asked_or_its_own() {
    async fn first_value(ask: impl FnOnce(Task<Option<(Pid, Exit)>>) -> Pid) -> (Pid, Pid) {
        let (tell, told) = oneshot::channel();
        let (give, given) = oneshot::channel();
        let task = Task::spawn(async move {
            let mut exits = process::trap_exits();
            let _ = tell.send(());
            let value = exits.next().await;
            let own = process::current().unwrap();
            assert_eq!(process::info(own).unwrap().state, ProcessState::Asked);
            assert!(cordial::is_shutdown_requested());
            let _ = give.send(value.clone());
            value
        });
        told.await.unwrap();
        let expected = ask(task);
        let (from, exit) = given.await.unwrap().unwrap();
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
        assert_eq!(from, expected, "the owner gave up the handle");

        let (from, expected) = first_value(|task| {
            let asks = Task::spawn(async move {
                let _ = task.shutdown(Shutdown::Infinity).await;
            });
            let pid = asks.pid();
            let _ = asks.ignore();
            pid
        })
        .await;
        assert_eq!(from, expected, "another process called `shutdown`");

        let (from, expected) = first_value(|task| {
            let pid = task.pid();
            outside(task);
            pid
        })
        .await;
        assert_eq!(from, expected, "a thread that runs no process dropped the handle");
    });
}

#[expect(clippy::disallowed_methods, reason = "a task of tokio's is no process, which is what this needs")]
fn outside<T: Send + 'static>(task: Task<T>) {
    drop(tokio::spawn(async move { drop(task) }));
}

#[test]
fn a_request_and_the_end_of_a_peer_each_come_once() {
    testing::run(async {
        let (tell, told) = oneshot::channel();
        let (go, gone) = oneshot::channel::<()>();
        let task = Task::spawn(async move {
            let mut exits = process::trap_exits();
            let peer = Task::start_link(async move {
                let _ = gone.await;
                Err::<(), _>("no luck")
            });
            let _ = tell.send(peer);
            cordial::shutdown_requested().await;
            drain(&mut exits).await
        });
        let peer = told.await.unwrap();
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
        let (give, given) = oneshot::channel();
        let task = Task::spawn(async move {
            let _ = give.send(process::trap_exits());
            std::future::pending::<()>().await
        });
        let mut exits = given.await.unwrap();
        assert_eq!(exits.next().now_or_never(), None, "its process lives, and nothing has come");
        process::exit(task.pid(), error("trapped"));
        assert_eq!(exits.next().await, Some((process::current().unwrap(), error("trapped"))));
        process::exit(task.pid(), Exit::Killed);
        assert_eq!(task.await, Err(Exit::Killed));
        assert_eq!(exits.next().await, None);
    });
}

#[test]
fn trapping_outside_a_process_panics_with_a_sentence() {
    testing::run(async {
        let message = message_outside().await;
        assert!(message.contains("`trap_exits` is for processes"), "{message}");
    });
}

#[expect(clippy::disallowed_methods, reason = "a task of tokio's is no process, which is what this needs")]
async fn message_outside() -> String {
    tokio::spawn(async { drop(process::trap_exits()) }).await.unwrap_err().to_string()
}
