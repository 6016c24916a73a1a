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

fn tokio_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn panic_message(error: tokio::task::JoinError) -> String {
    *error.into_panic().downcast::<String>().unwrap()
}

#[test]
fn wait_panics_with_a_clear_message_on_a_tokio_worker() {
    let tokio = tokio_runtime();
    let on_worker = tokio.spawn(async { Task::spawn(async { 7 }).wait() });
    let message = panic_message(tokio.block_on(on_worker).unwrap_err());
    assert!(message.starts_with("`Task::wait` ") && message.contains("`spawn_blocking`"), "{message}");
}

#[test]
fn wait_works_in_spawn_blocking() {
    let tokio = tokio_runtime();
    let answer = tokio.block_on(async {
        #[expect(clippy::disallowed_methods, reason = "the behavior under test")]
        tokio::task::spawn_blocking(|| Task::spawn(async { 7 }).wait()).await
    });
    assert_eq!(answer.unwrap(), Ok(7));
}

#[test]
fn tasks_can_be_spawned_and_awaited_inside_a_tokio_runtime() {
    let tokio = tokio_runtime();
    let answers = tokio.block_on(async {
        let here = Task::spawn(async { 1 }).await;
        #[expect(clippy::disallowed_methods, reason = "the behavior under test")]
        let on_worker = tokio::spawn(async { Task::spawn(async { process::callers() }).await });
        let late = Task::spawn(pending::<()>()).timeout(Duration::from_millis(1)).await;
        (here, on_worker.await.unwrap(), late)
    });
    assert!(matches!(answers, (Ok(1), Ok(callers), Err(Exit::Timeout(_))) if callers.is_empty()));
}

#[test]
fn tasks_can_be_spawned_and_awaited_inside_a_tokio_task_on_our_tokio_threads() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let answer = runtime.block_on(async {
        let own = Task::spawn(async {}).pid();
        #[expect(clippy::disallowed_methods, reason = "the behavior under test")]
        let beside = tokio::spawn(async {
            let task = Task::spawn(async { 7 });
            let pid = task.pid();
            (task.await, pid)
        });
        let (answer, pid) = beside.await.unwrap();
        // A pid is displayed as `<runtime.slot.generation>`.
        let runtime_of = |pid: cordial::Pid| pid.to_string().split('.').next().unwrap().to_owned();
        assert_eq!(
            runtime_of(pid),
            runtime_of(own),
            "on tokio threads of a `Runtime`, `Task::spawn` uses that runtime"
        );
        answer
    });
    assert_eq!(answer, Ok(Ok(7)));
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
