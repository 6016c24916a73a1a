//! The threads of a runtime, as another thread sees them while they compute.

use std::sync::mpsc;
use std::time::Duration;

use cordial::process::{Activity, Inspector, ThreadInfo, WorkerState};
use cordial::{Runtime, Task, process};

use crate::harness::limited;

/// No poll of a test counts as long, so that no stand-in is activated.
const NEVER: Duration = Duration::from_secs(3600);

fn until(inspector: &Inspector, holds: impl Fn(&[ThreadInfo]) -> bool) -> Vec<ThreadInfo> {
    let mut threads = Vec::new();
    limited::wait_until("the threads of the runtime are as expected", || {
        threads = inspector.threads();
        holds(&threads)
    });
    threads
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
    let runtime = limited::start(Runtime::builder().workers(1).max_threads(1).stall_after(NEVER));
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
    let runtime = limited::start(Runtime::builder().workers(1).stall_after(Duration::from_millis(1)));
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
    let runtime = limited::start(Runtime::builder().workers(2).stall_after(NEVER));
    let inspector = runtime.inspector();
    let (_, release) = block_a_worker(&runtime, "busy");
    // On a busy machine the poll that has started the process may last too, on the other worker.
    until(&inspector, |threads| threads.iter().filter(|thread| thread.pid.is_some()).count() == 1);
    let n_busy = |begun: &[ThreadInfo], threads: &[ThreadInfo]| {
        let added = |(thread, begun): (&ThreadInfo, &ThreadInfo)| thread.busy.saturating_sub(begun.busy);
        threads.iter().zip(begun).map(added).filter(|added| *added >= Duration::from_millis(30)).count()
    };
    // The time of a poll may be added late, if the monitor thread of the scheduler is held up. Then it is measured once more.
    let is_one_busy = || {
        let begun = inspector.threads();
        let threads = until(&inspector, |threads| n_busy(&begun, threads) > 0);
        n_busy(&begun, &threads) == 1
    };
    assert!((0..20).any(|_| is_one_busy()), "the other one slept: {:?}", inspector.threads());
    drop(release);
    until(&inspector, |threads| threads.iter().all(|thread| thread.pid.is_none()));
    let is_none_busy = || {
        let begun = inspector.threads();
        std::thread::sleep(Duration::from_millis(100));
        n_busy(&begun, &inspector.threads()) == 0
    };
    assert!((0..20).any(|_| is_none_busy()), "a thread that sleeps is not busy: {:?}", inspector.threads());
}

#[test]
fn several_runtimes_are_inspected_apart() {
    let runtimes = [1, 2].map(limited::runtime);
    let inspectors = runtimes.each_ref().map(|runtime| runtime.inspector());
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
