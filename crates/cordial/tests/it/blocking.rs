//! `wait`: the await of a thread that may block, and where that is refused.

use std::future::pending;
use std::time::Duration;

use cordial::{Exit, Runtime, Task, process, testing};

use crate::ends::{End, error};

/// A panic of a simulated task, as text.
fn refusal_in_simulation(call: impl FnOnce() + Send + 'static) -> String {
    testing::run(async {
        let Err(Exit::Panic(report)) = Task::spawn(async { call() }).await else { panic!("expected a panic") };
        assert_eq!(report.location().file(), file!(), "it names the line of the caller");
        report.message().to_owned()
    })
}

#[test]
fn in_a_simulation_it_panics_with_a_sentence() {
    let told = refusal_in_simulation(|| {
        let _ = Task::completed(7).wait();
    });
    assert!(told.starts_with("`Task::wait` ") && told.contains("simulation") && told.contains("`.await`"), "{told}");
}

fn tokio_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn message(error: tokio::task::JoinError) -> String {
    *error.into_panic().downcast::<String>().unwrap()
}

#[test]
fn on_a_worker_of_tokio_it_panics_with_a_sentence() {
    let tokio = tokio_runtime();
    let on_worker = tokio.spawn(async { Task::spawn(async { 7 }).wait() });
    let told = message(tokio.block_on(on_worker).unwrap_err());
    assert!(told.starts_with("`Task::wait` ") && told.contains("`spawn_blocking`"), "{told}");
}

#[test]
fn in_spawn_blocking_it_waits() {
    let tokio = tokio_runtime();
    let answer = tokio.block_on(async {
        #[expect(clippy::disallowed_methods, reason = "that is what is tested")]
        tokio::task::spawn_blocking(|| Task::spawn(async { 7 }).wait()).await
    });
    assert_eq!(answer.unwrap(), Ok(7));
}

#[test]
fn inside_tokio_tasks_can_be_spawned_and_awaited() {
    let tokio = tokio_runtime();
    let answers = tokio.block_on(async {
        let here = Task::spawn(async { 1 }).await;
        #[expect(clippy::disallowed_methods, reason = "that is what is tested")]
        let on_worker = tokio::spawn(async { Task::spawn(async { process::callers() }).await });
        let late = Task::spawn(pending::<()>()).timeout(Duration::from_millis(1)).await;
        (here, on_worker.await.unwrap(), late)
    });
    assert!(matches!(answers, (Ok(1), Ok(callers), Err(Exit::Timeout(_))) if callers.is_empty()));
}

#[test]
fn inside_a_task_of_tokio_on_our_own_threads_tasks_can_be_spawned_and_awaited() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let answer = runtime.block_on(async {
        let own = Task::spawn(async {}).pid();
        #[expect(clippy::disallowed_methods, reason = "that is what is tested")]
        let beside = tokio::spawn(async {
            let task = Task::spawn(async { 7 });
            let pid = task.pid();
            (task.await, pid)
        });
        let (answer, pid) = beside.await.unwrap();
        // `<runtime.slot.generation>`
        let runtime_of = |pid: cordial::Pid| pid.to_string().split('.').next().unwrap().to_owned();
        assert_eq!(runtime_of(pid), runtime_of(own), "the threads of tokio know our runtime");
        answer
    });
    assert_eq!(answer, Ok(Ok(7)));
}

#[test]
fn on_a_plain_thread_it_waits() {
    assert_eq!(Task::spawn(async { 7 }).wait(), Ok(7));
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| Task::spawn(async { 7 }).wait());
        assert_eq!(waits.join().unwrap(), Ok(7));
    });
}

#[test]
fn inside_a_process_it_waits() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let answer = runtime.block_on(async { Task::spawn(async { 7 }).wait() });
    assert_eq!(answer, Ok(Ok(7)));
}

#[test]
fn it_answers_as_the_await_does() {
    for end in End::each() {
        let exit = Task::spawn(end.clone().meet()).wait().err().unwrap_or(Exit::Normal);
        assert!(end.is(&exit), "{end:?} was told as {exit}");
    }
    let failed = Task::spawn(async { Err::<(), _>("no disk") }).or_exit().wait();
    assert_eq!(failed, Err(error("no disk")));
}

#[test]
fn its_limit_is_that_of_the_await() {
    let task: Task<()> = Task::spawn(pending());
    let end = process::monitor(task.pid());
    let Err(Exit::Timeout(timed_out)) = task.timeout(Duration::from_millis(20)).wait() else {
        panic!("expected a timeout")
    };
    assert_eq!(timed_out.limit(), Duration::from_millis(20));
    let asked = Task::spawn(end).wait();
    assert_eq!(asked, Ok(Exit::Shutdown(None)));
}
