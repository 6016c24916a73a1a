//! The threads of a runtime, as another thread sees them while they compute.

use std::sync::mpsc;
use std::time::Duration;

use cordial::process::{Activity, Inspector, ThreadInfo, WorkerState};
use cordial::{Runtime, Task, process};

/// No poll of a test counts as long, so that no stand-in is activated.
const NEVER: Duration = Duration::from_secs(3600);

fn until(inspector: &Inspector, holds: impl Fn(&[ThreadInfo]) -> bool) -> Vec<ThreadInfo> {
    loop {
        let threads = inspector.threads();
        if holds(&threads) {
            return threads;
        }
        std::thread::yield_now();
    }
}

/// Blocks a worker until the sender is dropped. Returns the pid of the process in the poll.
fn block_a_worker(runtime: &Runtime, label: &'static str) -> (cordial::Pid, mpsc::Sender<()>) {
    let (release, released) = mpsc::channel::<()>();
    let (began, has_begun) = mpsc::channel();
    runtime
        .block_on(async move {
            Task::builder().label(label).start(async move {
                began.send(process::current().unwrap()).unwrap();
                let _ = released.recv();
            });
        })
        .unwrap();
    (has_begun.recv().unwrap(), release)
}

#[test]
fn another_thread_sees_what_runs_while_every_worker_is_stuck() {
    let runtime = Runtime::builder().workers(1).max_threads(1).stall_after(NEVER).build().unwrap();
    let inspector = runtime.inspector();
    let (stuck, release) = block_a_worker(&runtime, "stuck");
    let threads = until(&inspector, |threads| threads[0].in_poll.is_some());
    assert_eq!((threads.len(), threads[0].index, threads[0].pid), (1, 0, Some(stuck)));
    assert_eq!(threads[0].state, WorkerState::Active);
    assert_eq!(threads[0].kernel_id.is_some(), cfg!(target_os = "linux"));
    let long_polls = inspector.long_polls();
    assert_eq!((long_polls.len(), long_polls[0].pid, long_polls[0].thread), (1, stuck, 0));
    assert_eq!(long_polls[0].label.as_deref(), Some("stuck"));
    assert!(long_polls[0].spawned_at.to_string().contains("threads.rs"));
    let info = inspector.info(stuck).unwrap();
    assert!(matches!(info.activity, Activity::Polled { thread: 0, lasted: Some(_) }), "{:?}", info.activity);
    assert_eq!(inspector.totals().alive, 1);
    drop(release);
    until(&inspector, |threads| threads[0].pid.is_none());
    assert!(inspector.long_polls().is_empty());
}

#[test]
fn a_stand_in_is_a_thread_of_its_own_and_the_blocked_one_says_so() {
    let runtime = Runtime::builder().workers(1).stall_after(Duration::from_millis(1)).build().unwrap();
    let inspector = runtime.inspector();
    let (stuck, release) = block_a_worker(&runtime, "stuck");
    // This process needs a thread, so the worker is replaced.
    runtime.block_on(async {}).unwrap();
    // On a busy machine, short polls count as long too, and there are more stand-ins.
    let threads = until(&inspector, |threads| threads.len() >= 2);
    assert_eq!((threads[0].index, threads[1].index), (0, 1));
    let blocked = threads.iter().find(|thread| thread.pid == Some(stuck)).unwrap();
    assert!(matches!(blocked.state, WorkerState::Blocked { .. }), "{threads:?}");
    assert!(threads.iter().any(|thread| thread.state == WorkerState::Active), "{threads:?}");
    drop(release);
}

#[test]
fn the_busy_time_of_a_thread_grows_while_it_computes_and_only_then() {
    let runtime = Runtime::builder().workers(2).stall_after(NEVER).build().unwrap();
    let inspector = runtime.inspector();
    let (_, release) = block_a_worker(&runtime, "busy");
    let busy = Duration::from_millis(30);
    // On a busy machine the poll that has started the process may have been long too, on the other worker.
    let begun = inspector.threads();
    let n_busy = |threads: &[ThreadInfo]| {
        threads.iter().zip(&begun).filter(|(thread, begun)| thread.busy.saturating_sub(begun.busy) >= busy).count()
    };
    let threads = until(&inspector, |threads| n_busy(threads) > 0);
    assert_eq!(n_busy(&threads), 1, "the other one slept: {threads:?}");
    drop(release);
    let threads = until(&inspector, |threads| threads.iter().all(|thread| thread.pid.is_none()));
    std::thread::sleep(Duration::from_millis(100));
    let later = inspector.threads();
    for (before, after) in threads.iter().zip(&later) {
        let added = after.busy - before.busy;
        assert!(added < busy, "a thread that sleeps is not busy: {added:?}");
    }
}

#[test]
fn several_runtimes_are_inspected_apart() {
    let runtimes = [1, 2].map(|workers| Runtime::builder().workers(workers).build().unwrap());
    let inspectors = runtimes.each_ref().map(Runtime::inspector);
    assert_ne!(inspectors[0].runtime_number(), inspectors[1].runtime_number());
    assert_eq!(inspectors.each_ref().map(|inspector| inspector.statistics().workers), [1, 2]);
    let own = inspectors[0].clone();
    let pid = runtimes[0]
        .block_on(async move {
            let pid = process::current().unwrap();
            assert!(own.info(pid).is_some());
            pid
        })
        .unwrap();
    assert!(inspectors[1].info(pid).is_none());
    let inside = runtimes[1].block_on(async { process::inspector().runtime_number() }).unwrap();
    assert_eq!(inside, inspectors[1].runtime_number());
}
