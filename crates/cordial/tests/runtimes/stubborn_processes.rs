//! Shutdowns of processes that ignore requests to shut down. Only those that are stuck in a poll are abandoned.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::Duration;

use cordial::{Exit, Pid, Runtime, Task, process};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Starts a process that ignores requests to shut down.
async fn ignoring() -> Pid {
    let (is_ready, ready) = oneshot::channel();
    let pid = Task::start(async {
        let _exits = process::trap_exits();
        let _ = is_ready.send(());
        std::future::pending::<()>().await
    });
    ready.await.unwrap();
    pid
}

/// The only thread is in a poll that does not return, so that no other process can end before the shutdown returns.
#[test]
fn only_a_process_in_a_poll_is_abandoned_and_processes_that_wait_for_a_thread_are_killed() {
    let runtime = Runtime::builder().workers(1).max_threads(1).build().unwrap();
    let (is_stuck, stuck) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (waiting, stuck_pid, monitors) = runtime
        .block_on(async move {
            let mut waiting = Vec::new();
            for _ in 0..3 {
                waiting.push(ignoring().await);
            }
            let stuck_pid = Task::start(async move {
                is_stuck.send(()).unwrap();
                let _ = released.recv();
            });
            let monitors: Vec<_> = waiting.iter().map(|pid| process::monitor(*pid)).collect();
            (waiting, stuck_pid, monitors)
        })
        .unwrap();
    stuck.recv().unwrap();
    let report = runtime.shutdown(Duration::ZERO);
    let pids = |stopped: &[process::Stopped]| stopped.iter().map(|stopped| stopped.pid).collect::<BTreeSet<_>>();
    assert_eq!(pids(&report.abandoned), BTreeSet::from([stuck_pid]), "{report}");
    assert_eq!(pids(&report.killed), waiting.into_iter().collect(), "{report}");
    release.send(()).unwrap();
    for monitor in monitors {
        assert_eq!(futures::executor::block_on(monitor), Exit::Killed);
    }
}

/// Shuts a runtime down in which `n` processes ignore requests, and returns how long it takes until all of them have ended.
fn shut_down(n: usize) -> Duration {
    const WORKERS: usize = 2;
    let runtime = Runtime::builder().workers(WORKERS).max_threads(WORKERS).build().unwrap();
    let monitors: Vec<process::Monitor> = runtime
        .block_on(async move {
            let mut monitors = Vec::new();
            for _ in 0..n {
                monitors.push(process::monitor(ignoring().await));
            }
            monitors
        })
        .unwrap();
    let began = Instant::now();
    let report = runtime.shutdown(Duration::ZERO);
    assert_eq!(report.killed.len() + report.abandoned.len(), n);
    // On a busy machine, a thread may get no processor for 100 ms while it is in the last poll of a process.
    assert!(report.abandoned.len() <= WORKERS, "{report}");
    for monitor in monitors {
        assert_eq!(futures::executor::block_on(monitor), Exit::Killed);
    }
    began.elapsed()
}

/// There are more processes than the threads can end within 100 ms in a debug build.
#[test]
fn a_shutdown_of_many_processes_that_ignore_it_abandons_none_that_waits_and_takes_linear_time() {
    const FEW: usize = 3000;
    const FACTOR: u32 = 16;
    let mut few = (0..5).map(|_| shut_down(FEW)).min().unwrap();
    let mut many = Duration::MAX;
    // A busy machine delays some of the runs.
    for _ in 0..10 {
        few = few.min(shut_down(FEW));
        many = many.min(shut_down(FEW * FACTOR as usize));
        // It would be the square of the factor, if each process cost a search of all others.
        if many < few * FACTOR * FACTOR / 3 {
            return;
        }
    }
    panic!("{FEW} processes: {few:?}, {FACTOR} times as many: {many:?}");
}
