//! `Task::wait` blocks the calling thread: where it works, and where it panics.

use std::future::pending;
use std::time::Duration;

use cordial::{Exit, Runtime, Task, process, testing};

use crate::harness::exit_kind::{ExitKind, error};

/// Runs `call` in a simulated task and returns the message of its panic.
fn refusal_in_simulation(call: impl FnOnce() + Send + 'static) -> String {
    testing::run(async {
        let Err(Exit::Panic(report)) = Task::spawn(async { call() }).await else { panic!("expected a panic") };
        assert_eq!(report.location().file(), file!(), "the report names the line of the caller");
        report.message().to_owned()
    })
}

#[test]
fn wait_panics_with_a_clear_message_in_simulation() {
    let message = refusal_in_simulation(|| {
        let _ = Task::completed(7).wait();
    });
    assert!(
        message.starts_with("`Task::wait` ") && message.contains("simulation") && message.contains("`.await`"),
        "{message}"
    );
}

/// A tokio runtime of each kind.
fn tokio_runtimes() -> [tokio::runtime::Runtime; 2] {
    [tokio::runtime::Builder::new_multi_thread, tokio::runtime::Builder::new_current_thread]
        .map(|builder| builder().enable_all().build().unwrap())
}

fn panic_message(error: tokio::task::JoinError) -> String {
    *error.into_panic().downcast::<String>().unwrap()
}

#[test]
fn wait_panics_with_a_clear_message_on_a_tokio_worker() {
    for tokio in tokio_runtimes() {
        let on_worker = tokio.spawn(async { Task::spawn(async { 7 }).wait() });
        let message = panic_message(tokio.block_on(on_worker).unwrap_err());
        let expected = "`Task::wait` would block a thread that drives tokio's tasks";
        assert!(message.starts_with(expected) && message.contains("`spawn_blocking`"), "{message}");
    }
}

#[test]
fn wait_works_in_spawn_blocking() {
    for tokio in tokio_runtimes() {
        let answer = tokio.block_on(async {
            #[expect(clippy::disallowed_methods, reason = "the behavior under test")]
            tokio::task::spawn_blocking(|| Task::spawn(async { 7 }).wait()).await
        });
        assert_eq!(answer.unwrap(), Ok(7));
    }
}

#[test]
fn wait_works_on_a_plain_thread() {
    assert_eq!(Task::spawn(async { 7 }).wait(), Ok(7));
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| Task::spawn(async { 7 }).wait());
        assert_eq!(waits.join().unwrap(), Ok(7));
    });
}

#[test]
fn wait_works_inside_a_process() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let answer = runtime.block_on(async { Task::spawn(async { 7 }).wait() });
    assert_eq!(answer, Ok(Ok(7)));
}

#[test]
fn wait_returns_the_same_result_as_await() {
    for kind in ExitKind::all() {
        let exit = Task::spawn(kind.clone().perform()).wait().err().unwrap_or(Exit::Normal);
        assert!(kind.matches(&exit), "{kind:?} was reported as {exit}");
    }
    let failed = Task::spawn(async { Err::<(), _>("no disk") }).or_exit().wait();
    assert_eq!(failed, Err(error("no disk")));
}

#[test]
fn wait_has_the_same_timeout_as_await() {
    let task: Task<()> = Task::spawn(pending());
    let end = process::monitor(task.pid());
    let Err(Exit::Timeout(timed_out)) = task.timeout(Duration::from_millis(20)).wait() else {
        panic!("expected a timeout")
    };
    assert_eq!(timed_out.limit(), Duration::from_millis(20));
    let exit = Task::spawn(end).wait();
    assert_eq!(exit, Ok(Exit::Shutdown(None)));
}
