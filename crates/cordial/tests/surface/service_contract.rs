//! The names that a service needs from its first day on: labels before the start, sources that fail, retries by the type of an error,
//! paced restarts, limits, and what an exit and a snapshot tell. They have to compile against the library.
#![allow(dead_code, reason = "compiled, not run")]

use std::io;
use std::time::Duration;

use cordial::process::Panics;
use cordial::{Backoff, ChildSpec, Exit, Failure, Pid, Refusal, Retry, RetryErr, Runtime, StartError, Task, TaskSupervisor, Timeout, process};
use futures::stream;

const SECOND: Duration = Duration::from_secs(1);

async fn read(id: u64) -> Result<u64, io::Error> {
    Ok(id)
}

async fn tasks(tasks: TaskSupervisor) -> Result<(), Exit> {
    let span = tracing::info_span!("import");
    let _: u64 = Task::builder().label("import").span(span).spawn(read(1)).or_exit().await?;
    let _: u64 = Task::builder().label(format!("import {}", 2)).spawn_link(async { 2 }).await?;
    let _: [Pid; 2] = [Task::builder().label("import").start(async {}), Task::builder().start_link(async { read(3).await.map(drop) })];

    let rows = || stream::iter([Ok(1), Err(io::Error::other("no disk"))]);
    let is_transient = |error: &io::Error| error.kind() == io::ErrorKind::TimedOut;
    let retry: RetryErr<io::Error> = Retry::times(3).backoff(Backoff::exponential(SECOND, 8 * SECOND)).when_err(is_transient);
    let read_all = Task::try_async_stream_from(rows(), read).label(|id| format!("row {id:?}")).or_exit().zip_input_on_exit();
    let (values, failed): (Vec<u64>, Vec<Failure<Option<u64>>>) = read_all.retry(retry.when(Exit::is_timeout)).partition().await;
    let _: Vec<Result<u64, Exit>> = tasks.try_async_stream_from(rows(), read).or_exit().collect().await;
    drop((values, failed));
    Ok(())
}

fn children() -> ChildSpec {
    let backoff = Backoff::exponential(SECOND / 10, 30 * SECOND).give_up_after(20);
    let redis = ChildSpec::init("redis", || async { Ok::<_, io::Error>(std::future::pending::<()>()) });
    redis.backoff(backoff).start_timeout(10 * SECOND).start_timeout(Timeout::Infinity)
}

fn exits(exit: &Exit, error: &StartError) -> bool {
    let _: Option<&io::Error> = exit.downcast_ref::<io::Error>();
    let _: (String, String) = (format!("{exit}"), format!("{exit:#}"));
    let _: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(exit);
    let has_timed_out = matches!(error, StartError::TimedOut { id, timeout } if &**id == "redis" && *timeout == SECOND);
    exit.is_panic() || exit.is_timeout() || has_timed_out || matches!(exit, Exit::Refused(Refusal::PausedClock))
}

fn runtimes() -> Duration {
    let _ = Runtime::builder().await_limit(60 * SECOND).await_limit(Timeout::Infinity).panics(Panics::EventOnly).install();
    #[cfg(unix)]
    let _ = process::snapshot_on_sigusr1();
    process::snapshot().crashes[0].ago
}
