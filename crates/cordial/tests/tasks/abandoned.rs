//! Tasks whose poll does not return: how long a shutdown waits for them, and which state they are in afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cordial::process::{self, ProcessState};
use cordial::{Exit, OnTimeout, Runtime, Shutdown, Task};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::harness::probe::{Guard, Probe};

/// How long a shutdown waits after the kill.
const AFTER_KILL: Duration = Duration::from_millis(100);

/// Blocks tasks inside a poll until `release` is called.
#[derive(Clone, Default)]
struct Stuck(Arc<AtomicBool>);

impl Stuck {
    /// Spawns a task that is inside a poll when this returns. After `release` the task returns `value`.
    async fn task(&self, value: Guard) -> Task<Guard> {
        let released = self.0.clone();
        let (started, has_started) = oneshot::channel();
        let task = Task::spawn(async move {
            let _ = started.send(());
            while !released.load(Ordering::SeqCst) {
                std::hint::spin_loop();
            }
            value
        });
        let _ = has_started.await;
        task
    }

    fn release(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn on_two_workers<T: Send + 'static>(test: impl Future<Output = T> + Send + 'static) -> T {
    Runtime::builder().workers(2).build().unwrap().block_on(test).unwrap()
}

async fn check(how: Shutdown, grace: Duration, exit: Exit) {
    let (stuck, value) = (Stuck::default(), Probe::default());
    let task = stuck.task(value.guard()).await;
    let pid = task.pid();
    let mut end = process::monitor(pid);
    let begun = Instant::now();
    let answer = task.shutdown(how).await.map(|answer| answer.map(drop));
    let took = begun.elapsed();
    assert_eq!(answer, Some(Err(Exit::Killed)), "{how:?}");
    assert!(took >= grace + AFTER_KILL && took < grace + 100 * AFTER_KILL, "{how:?} took {took:?}");

    assert_eq!(process::info(pid).unwrap().state, ProcessState::Abandoned);
    assert!(futures::FutureExt::now_or_never(&mut end).is_none(), "the monitor resolves only when the poll returns");
    assert_eq!(value.drops(), 0);

    stuck.release();
    assert_eq!(end.await, exit, "{how:?}");
    assert!(process::info(pid).is_none());
    while value.drops() == 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_shutdown_returns_100_ms_after_the_kill_and_monitors_are_notified_when_the_poll_returns() {
    on_two_workers(async {
        check(Shutdown::BrutalKill, Duration::ZERO, Exit::Killed).await;
        check(Shutdown::After(Duration::ZERO), Duration::ZERO, Exit::Shutdown(None)).await;
        let short = Duration::from_millis(50);
        check(Shutdown::After(short), short, Exit::Shutdown(None)).await;
    });
}

#[test]
fn yield_many_with_kill_abandons_a_stuck_task() {
    on_two_workers(async {
        let (stuck, value) = (Stuck::default(), Probe::default());
        let mut tasks = [stuck.task(value.guard()).await];
        let end = process::monitor(tasks[0].pid());
        let results = Task::yield_many(&mut tasks).timeout(Duration::ZERO).on_timeout(OnTimeout::KillTask).await;
        assert!(matches!(results[..], [Some(Err(Exit::Killed))]));
        assert_eq!(process::info(end.pid()).unwrap().state, ProcessState::Abandoned);
        let [task] = tasks;
        assert!(matches!(task.await, Err(Exit::NoProcess)));
        stuck.release();
        assert_eq!(end.await, Exit::Killed);
    });
}

#[test]
fn a_shutdown_without_a_timeout_never_abandons_a_stuck_task() {
    on_two_workers(async {
        let (stuck, value) = (Stuck::default(), Probe::default());
        let task = stuck.task(value.guard()).await;
        let pid = task.pid();
        let mut stopping = Task::spawn(task.shutdown(Shutdown::Infinity));
        while process::info(pid).unwrap().state != ProcessState::Exiting {
            assert!(stopping.yield_for(Duration::ZERO).await.is_none());
            tokio::task::yield_now().await;
        }
        assert!(stopping.yield_for(3 * AFTER_KILL).await.is_none());
        assert_eq!(process::info(pid).unwrap().state, ProcessState::Exiting);
        stuck.release();
        assert!(matches!(stopping.await, Ok(Some(Ok(_)))), "a value takes precedence over the exit");
    });
}

#[test]
fn a_stuck_task_that_returns_within_the_grace_time_delivers_its_value() {
    on_two_workers(async {
        let (stuck, value) = (Stuck::default(), Probe::default());
        let task = stuck.task(value.guard()).await;
        let pid = task.pid();
        let mut stopping = Task::spawn(task.shutdown(Shutdown::After(Duration::from_secs(60))));
        while process::info(pid).is_some_and(|info| info.state != ProcessState::Exiting) {
            assert!(stopping.yield_for(Duration::ZERO).await.is_none());
            tokio::task::yield_now().await;
        }
        stuck.release();
        assert!(matches!(stopping.await, Ok(Some(Ok(_)))));
        assert_eq!(value.drops(), 1, "delivered, and dropped by this test");
    });
}

#[test]
fn an_await_that_times_out_does_not_wait_for_a_stuck_task() {
    on_two_workers(async {
        let (stuck, value) = (Stuck::default(), Probe::default());
        let task = stuck.task(value.guard()).await.timeout(Duration::from_millis(1));
        let end = process::monitor(task.pid());
        assert!(matches!(task.await, Err(Exit::Timeout(_))));
        assert_eq!(value.drops(), 0);
        stuck.release();
        assert_eq!(end.await, Exit::Shutdown(None));
    });
}

/// The reported times are measured. A count of the sysmon thread's samples would be too low whenever a sample is late.
#[test]
fn the_reported_poll_time_is_the_duration_of_the_poll() {
    // A gap between two samples, in which the sysmon thread gets no processor, does not count. It would take fifty times as long until the
    // times are that of the poll again, so after such a gap another poll is measured.
    on_two_workers(async {
        for _ in 0..12 {
            if is_poll_time_measured(50 * AFTER_KILL).await {
                return;
            }
        }
        panic!("neither time was that of a poll");
    });
}

/// Returns whether the reported times of a poll become the duration of that poll within this time.
async fn is_poll_time_measured(limit: Duration) -> bool {
    let (stuck, value) = (Stuck::default(), Probe::default());
    let (before, task) = (Instant::now(), stuck.task(value.guard()).await);
    let within = Instant::now();
    // The first samples are late, so this may take several rounds.
    let is_measured = loop {
        let lasts_at_least = within.elapsed();
        let info = process::info(task.pid()).unwrap();
        let [in_poll, busy] = [info.in_poll.unwrap_or_default(), info.busy];
        let lasts_at_most = before.elapsed() + Duration::from_millis(2);
        assert!(in_poll <= lasts_at_most && busy <= lasts_at_most, "{in_poll:?} and {busy:?} in {lasts_at_most:?}");
        if [in_poll, busy].iter().all(|time| *time > AFTER_KILL && *time * 50 > lasts_at_least * 49) {
            break true;
        }
        if lasts_at_least >= limit {
            break false;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    stuck.release();
    assert!(task.await.is_ok());
    is_measured
}

#[test]
fn a_process_that_is_pending_after_a_long_poll_reports_no_poll() {
    on_two_workers(async {
        let stuck = Stuck::default();
        let released = stuck.0.clone();
        let task = Task::spawn(async move {
            while !released.load(Ordering::SeqCst) {
                std::hint::spin_loop();
            }
            std::future::pending::<()>().await;
        });
        let info = || process::info(task.pid()).unwrap();
        while info().in_poll.is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        stuck.release();
        while info().in_poll.is_some() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(info().polls, 1, "no second poll has begun");
    });
}
