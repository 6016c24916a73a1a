//! The API as a program: every name in the way that a user writes it. It has to compile; it is not a test of behavior.
#![allow(dead_code, clippy::print_stdout, reason = "compiled, not run")]

use std::process::ExitCode;
use std::time::Duration;

use cordial::{
    Backoff, Exit, Failure, OnTimeout, Pid, Progress, Retry, Runtime, Shutdown, Statistics, StopReport, StreamTimeout,
    Task, Timeout, process, testing,
};
use futures::StreamExt;

const SECOND: Duration = Duration::from_secs(1);

async fn fetch(url: &'static str) -> Result<usize, std::io::Error> {
    Ok(url.len())
}

async fn tasks() -> Result<(), Exit> {
    let report = Task::spawn(async { 6 * 7 });
    let answer: i32 = report.await?;
    let patient: i32 = Task::spawn(async move { answer }).timeout(30 * SECOND).await?;
    Task::spawn_link(async {}).timeout(Timeout::Infinity).await?;
    let page: Result<usize, std::io::Error> = Task::spawn(fetch("a")).await?;
    let flat: usize = Task::spawn(fetch("a")).or_exit().await?;
    drop((patient, page, flat));

    let mut polled = Task::spawn(async { 1 });
    let first: Result<i32, Exit> =
        tokio::select! { done = &mut polled => done, () = cordial::shutdown_requested() => return Ok(()) };
    let both: Vec<Result<i32, Exit>> = futures::future::join_all([Task::completed(1), Task::spawn(async { 2 })]).await;
    drop((first, both));

    let mut slow = Task::spawn(async { "done" });
    let outcome: Option<Result<&str, Exit>> = match slow.yield_for(5 * SECOND).await {
        None => slow.shutdown(Shutdown::default()).await,
        answered => answered,
    };
    drop(outcome);

    let all: Vec<i32> = Task::await_many([Task::completed(1), Task::spawn(async { 2 })]).timeout(SECOND).await?;
    let mut some: Vec<Task<i32>> = all.into_iter().map(Task::completed).collect();
    let _: Vec<Option<Result<i32, Exit>>> =
        Task::yield_many(&mut some).timeout(SECOND).limit(1).on_timeout(OnTimeout::KillTask).await;
    let (_pid, _finished): (Pid, bool) = (some[0].pid(), some[0].is_finished());
    let _: Option<Result<i32, Exit>> = some.remove(0).ignore();
    let _: Option<Result<i32, Exit>> = some.remove(0).shutdown(Shutdown::BrutalKill).await;
    let _: Pid = Task::start(async { fetch("a").await.map(drop) });
    let _: Pid = Task::start(async {
        loop {
            tokio::time::sleep(SECOND).await;
        }
    });
    let _: Pid = Task::start_link(std::future::pending::<()>());
    Ok(())
}

async fn streams() {
    let mut pages = Task::async_stream(["a", "b"], fetch).max_concurrency(50).timeout(30 * SECOND);
    while let Some(page) = pages.next().await {
        let _: Result<Result<usize, std::io::Error>, Exit> = page;
    }
    let (_ok, failed): (Vec<u64>, Vec<Failure<u64>>) = Task::async_stream(0..10u64, |n| async move { n / (n % 2) })
        .unordered()
        .max_ahead(64)
        .on_timeout(StreamTimeout::KillTask)
        .retry(
            Retry::times(3)
                .backoff(Backoff::exponential(SECOND / 10, SECOND))
                .when(|exit| !matches!(exit, Exit::Timeout(_))),
        )
        .zip_input_on_exit()
        .partition()
        .await;
    for Failure { index, input, exit, .. } in failed {
        let _: (usize, u64, Exit) = (index, input, exit);
    }
    let sizes = Task::async_stream(["a", "b"], fetch).or_exit();
    let progress: Progress = sizes.progress();
    let (_sizes, _exits): (Vec<usize>, Vec<Exit>) = sizes.partition().await;
    drop(progress);
    let source = futures::stream::iter(0..3);
    let _: Vec<Result<i32, Exit>> = Task::async_stream_from(source, |n| async move { n }).collect().await;
    let _: usize =
        Task::async_stream(0..9, |n| async move { n }).take(4).filter_map(|r| async move { r.ok() }).count().await;
}

async fn processes() {
    let me: Option<Pid> = process::current();
    let _: Vec<Pid> = process::callers();
    process::set_label(format!("worker of {me:?}"));
    let mut exits = process::trap_exits();
    let other = Task::start_link(async { panic!("boom") });
    let watch = process::monitor(other);
    let _: Option<(Pid, Exit)> = exits.next().await;
    process::link(other);
    process::unlink(other);
    let ended: Exit = watch.await;
    if let Exit::Panic(report) = &ended {
        println!(
            "{} at {}, spawned at {}, {:?}, {:?}",
            report.message(),
            report.location(),
            report.spawned_at(),
            report.label(),
            report.callers()
        );
    }
    process::exit(other, Exit::Killed);
    let _: bool = process::info(other).is_none() && ended.is_abnormal();
    cordial::checkpoint();
    let _: bool = cordial::is_shutdown_requested();
    cordial::shutdown_requested().await;
    if me.is_none() {
        cordial::exit(Exit::Shutdown(None)).await
    }
}

fn main_of_a_program() -> Result<(), Exit> {
    let from_a_plain_thread: i32 = Task::spawn(async { 1 }).wait()?;
    let runtime = Runtime::builder()
        .workers(2)
        .max_threads(64)
        .stall_after(Duration::from_millis(5))
        .build()
        .expect("threads can be started");
    let _: i32 = runtime.block_on(async move { from_a_plain_thread })?;
    let _snapshot = runtime.snapshot();
    let _: [Statistics; 2] = [runtime.statistics(), process::statistics()];
    runtime.run(async {})?;
    let _: StopReport = runtime.shutdown(SECOND);
    let three: i32 = testing::run(async { 3 });
    let _: i32 = testing::run_seeded(7, async move { three });
    cordial::run(async { tasks().await })?
}

fn main_with_a_status() -> ExitCode {
    cordial::main(async { tasks().await })
}

#[test]
fn the_contract_compiles() {
    let _ = (main_of_a_program, main_with_a_status, tasks, streams, processes);
}
