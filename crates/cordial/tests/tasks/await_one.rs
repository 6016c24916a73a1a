//! Awaiting one task, and the timeout of the await.
//!
//! Restates "await/2" of Elixir's `task_test.exs` and its documentation. Where the owner exits in Elixir, the await returns `Err`
//! here. An await that times out drops the handle, so the task is asked to shut down (T-045). A task of `spawn_nolink` runs on
//! instead (T-047): see `task_supervisor.rs`.

use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use cordial::{Exit, Runtime, Task, Timeout, process};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::harness::exit_kind::{ExitKind, error};
use crate::harness::probe::Probe;
use crate::harness::seeds::{SECOND, for_each_seed};

const DAY: Duration = Duration::from_secs(24 * 3600);

// T-042
#[test]
fn an_await_returns_the_value() {
    for_each_seed(|| async {
        assert_eq!(Task::spawn(async { 6 * 7 }).await, Ok(42));
        assert_eq!(Task::spawn_link(async { 6 * 7 }).await, Ok(42));
        assert_eq!(Task::spawn(async { Err::<(), _>("a value") }).await, Ok(Err("a value")));
    });
}

async fn check_failure(kind: ExitKind) {
    let how = kind.clone();
    let task = Task::spawn(async {
        how.perform().await;
        pending::<()>().await
    });
    let exit = task.await.unwrap_err();
    assert!(kind.matches(&exit), "{kind:?} was reported as {exit}");
}

// T-049, T-050, T-054
#[test]
fn an_await_of_a_task_that_ended_without_a_value_returns_its_exit() {
    for_each_seed(|| async {
        for kind in ExitKind::all().into_iter().filter(|kind| !matches!(kind, ExitKind::Returns)) {
            check_failure(kind).await;
        }
    });
}

// T-050: a panic payload corresponds to a thrown term in Elixir.
#[test]
fn a_panic_payload_that_is_not_text_is_reported_as_such() {
    for_each_seed(|| async {
        for (payload, message) in [
            (Box::new("no luck") as Box<dyn std::any::Any + Send>, "no luck"),
            (Box::new(String::from("no luck")), "no luck"),
            (Box::new(7_u8), "a panic whose payload is not a string"),
        ] {
            let task: Task<()> = Task::spawn(async { std::panic::resume_unwind(payload) });
            let Err(Exit::Panic(report)) = task.await else { panic!("expected a panic") };
            assert_eq!(report.message(), message);
        }
        let task: Task<()> = Task::spawn(async { std::panic::panic_any(7_u8) });
        let Err(Exit::Panic(report)) = task.await else { panic!("expected a panic") };
        assert_eq!(report.location().file(), file!());
    });
}

// T-043, T-045, T-046
#[test]
fn an_await_that_times_out_names_the_task_and_asks_it_to_shut_down() {
    for_each_seed(|| async {
        for (limit, linked) in [(Duration::ZERO, false), (SECOND, false), (Duration::ZERO, true), (SECOND, true)] {
            let probe = Probe::default();
            let future = probe.of(pending::<()>());
            let task = if linked { Task::spawn_link(future) } else { Task::spawn(future) };
            let pid = task.pid();
            let end = process::monitor(pid);
            let begun = Instant::now();
            let Err(Exit::Timeout(timed_out)) = task.timeout(limit).await else { panic!("expected a timeout") };
            assert_eq!((timed_out.limit(), timed_out.pid()), (limit, pid));
            assert_eq!(timed_out.spawned_at().unwrap().file(), file!());
            assert_eq!(
                (begun.elapsed(), probe.drops()),
                (limit, 0),
                "returns at once, without waiting for the exit of the task"
            );
            assert_eq!(end.await, Exit::Shutdown(None));
            assert_eq!((begun.elapsed(), probe.drops()), (limit, 1));
        }
    });
}

// T-044
#[test]
fn after_an_await_timed_out_the_owner_receives_nothing_from_the_task() {
    for_each_seed(|| async {
        let mut exits = process::trap_exits();
        let (value, work) = (Probe::default(), Probe::default());
        let late = value.guard();
        let polled = work.clone();
        let mut task = Task::spawn_link(async move {
            cordial::shutdown_requested().await;
            sleep(SECOND).await;
            polled.of(async {}).await;
            late
        });
        let end = process::monitor(task.pid());
        let answer = task.yield_for(SECOND).await;
        assert!(answer.is_none());
        let mut task = task.timeout(SECOND);
        assert!(matches!((&mut task).await, Err(Exit::Timeout(_))));
        assert!(matches!((&mut task).await, Err(Exit::NoProcess)), "the handle has no result any more");
        assert_eq!(end.await, Exit::Normal);
        assert_eq!((work.polls(), value.drops()), (1, 1), "the task finished, and its value was dropped");
        assert_eq!(exits.next().now_or_never(), None, "the link was removed");
    });
}

// T-046
#[test]
fn an_owner_that_exits_with_the_timeout_ends_the_task_too() {
    for_each_seed(|| async {
        let (tx, rx) = oneshot::channel();
        let owner: Task<()> = Task::spawn(async move {
            let task: Task<()> = Task::spawn_link(pending()).timeout(SECOND);
            let _ = tx.send(process::monitor(task.pid()));
            match task.await {
                Ok(()) => unreachable!("the task never finishes"),
                Err(exit) => cordial::exit(exit).await,
            }
        });
        let end = rx.await.unwrap();
        let pid = end.pid();
        let Err(Exit::Timeout(timed_out)) = owner.await else { panic!("expected a timeout") };
        assert_eq!(timed_out.pid(), pid);
        assert_eq!(end.await, Exit::Shutdown(None));
    });
}

async fn check_limit(what: &str, task: Task<()>, takes: Duration, times_out: bool) {
    let begun = Instant::now();
    let answer = task.await;
    assert_eq!(matches!(answer, Err(Exit::Timeout(_))), times_out, "{what}: {answer:?}");
    assert_eq!(begun.elapsed(), takes, "{what}");
}

// T-059, T-060
#[test]
fn the_default_timeout_of_an_await_is_five_seconds() {
    for_each_seed(|| async {
        let after = |time| Task::spawn(sleep(time));
        check_limit("default", after(6 * SECOND), 5 * SECOND, true).await;
        check_limit("default", after(4 * SECOND), 4 * SECOND, false).await;
        check_limit("a minute", after(DAY).timeout(60 * SECOND), 60 * SECOND, true).await;
        check_limit("infinity", after(90 * DAY).timeout(Timeout::Infinity), 90 * DAY, false).await;
        check_limit("huge", after(90 * DAY).timeout(Duration::MAX), 90 * DAY, false).await;
        check_limit("the last one counts", after(DAY).timeout(DAY).timeout(SECOND), SECOND, true).await;
    });
}

#[test]
fn the_timeout_starts_at_the_first_poll() {
    for_each_seed(|| async {
        let task = Task::spawn(sleep(14 * SECOND));
        sleep(10 * SECOND).await;
        check_limit("never polled before", task, 4 * SECOND, false).await;

        let mut task = Task::spawn(pending::<()>());
        assert_eq!((&mut task).now_or_never(), None);
        sleep(3 * SECOND).await;
        check_limit("polled 3 s ago", task, 2 * SECOND, true).await;
    });
}

#[test]
fn the_timeout_holds_in_a_select_loop() {
    for_each_seed(|| async {
        let mut task = Task::spawn(pending::<()>());
        let end = process::monitor(task.pid());
        let begun = Instant::now();
        let mut ticks = 0;
        let answer = loop {
            tokio::select! {
                answer = &mut task => break answer,
                () = sleep(SECOND * 3 / 2) => ticks += 1,
            }
        };
        assert!(matches!(answer, Err(Exit::Timeout(_))));
        assert_eq!((begun.elapsed(), ticks), (5 * SECOND, 3));
        assert_eq!(end.await, Exit::Shutdown(None));
    });
}

#[test]
fn time_in_yield_for_does_not_count_for_the_timeout() {
    for_each_seed(|| async {
        let mut task = Task::spawn(sleep(14 * SECOND));
        assert_eq!(task.yield_for(10 * SECOND).await, None);
        check_limit("yielded for 10 s", task, 4 * SECOND, false).await;
    });
}

// T-061: the task is killed during the poll that returns its value.
#[test]
fn a_value_takes_precedence_over_an_exit_of_the_same_poll() {
    for_each_seed(|| async {
        let task = Task::spawn(async {
            process::exit(process::current().unwrap(), Exit::Killed);
            7
        });
        let end = process::monitor(task.pid());
        assert_eq!(end.await, Exit::Killed, "monitors receive the exit of the process");
        assert_eq!(task.await, Ok(7));
    });
}

// T-062
#[test]
fn an_available_result_never_times_out() {
    for_each_seed(|| async {
        for kind in ExitKind::all() {
            let task = Task::spawn(kind.clone().perform()).timeout(Duration::ZERO);
            process::monitor(task.pid()).await;
            sleep(DAY).await;
            let exit = task.await.err().unwrap_or(Exit::Normal);
            assert!(kind.matches(&exit), "{kind:?} was reported as {exit}");
        }
    });
}

/// A waker whose `wake` blocks the calling thread until the test sends to `released`.
struct BlockingWaker {
    entered: mpsc::Sender<()>,
    released: Mutex<mpsc::Receiver<()>>,
}

impl Wake for BlockingWaker {
    fn wake(self: Arc<BlockingWaker>) {
        let _ = self.entered.send(());
        let _ = self.released.lock().unwrap().recv();
    }
}

type PendingCall = BoxFuture<'static, Option<Result<u8, Exit>>>;

/// Makes a call with a timeout of zero after the process has exited and before its result is delivered: the worker is
/// blocked in the waker of a monitor, which it wakes before it delivers the result.
fn check_undelivered_result(call: fn(Task<u8>) -> PendingCall) {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let (go, gate) = oneshot::channel::<()>();
    let (task, mut monitor) = runtime
        .block_on(async {
            let task = Task::spawn(gate.map(|_| 7));
            let monitor = process::monitor(task.pid());
            (task, monitor)
        })
        .unwrap();
    let ((entered, has_entered), (release, released)) = (mpsc::channel(), mpsc::channel());
    let waker = Waker::from(Arc::new(BlockingWaker { entered, released: Mutex::new(released) }));
    assert!(Pin::new(&mut monitor).poll(&mut Context::from_waker(&waker)).is_pending());
    go.send(()).unwrap();
    has_entered.recv().unwrap();

    assert!(task.is_finished());
    let mut answer = call(task);
    assert_eq!((&mut answer).now_or_never(), None, "there is no result yet, and no timeout either");
    release.send(()).unwrap();
    assert_eq!(futures::executor::block_on(answer), Some(Ok(7)));
}

// T-062, between the exit of the process and the delivery of its result.
#[test]
fn a_result_that_is_being_delivered_does_not_time_out() {
    check_undelivered_result(|task| task.timeout(Duration::ZERO).map(Some).boxed());
    check_undelivered_result(|mut task| async move { task.yield_for(Duration::ZERO).await }.boxed());
    check_undelivered_result(|task| {
        let all = Task::await_many([task]).timeout(Duration::ZERO);
        all.map(|values| Some(values.map(|values| values[0]))).boxed()
    });
    check_undelivered_result(|task| {
        async move { Task::yield_many(&mut [task]).timeout(Duration::ZERO).await.swap_remove(0) }.boxed()
    });
}

#[test]
fn an_await_is_polled_once_and_once_more_when_it_is_ready() {
    for_each_seed(|| async {
        for (takes, limit) in [(SECOND, 5 * SECOND), (5 * SECOND, SECOND)] {
            let probe = Probe::default();
            let _ = probe.of(Task::spawn(sleep(takes)).timeout(limit)).await;
            assert_eq!(probe.polls(), 2);
        }
    });
}

#[test]
fn a_nested_task_ends_with_the_task_that_awaits_it() {
    for_each_seed(|| async {
        let (tx, rx) = oneshot::channel();
        let outer = Task::spawn(async move {
            let inner = Task::spawn(pending::<()>()).timeout(Timeout::Infinity);
            let _ = tx.send(process::monitor(inner.pid()));
            inner.await
        });
        let end = rx.await.unwrap();
        drop(outer);
        assert_eq!(end.await, Exit::Shutdown(None));
    });
}

// T-054
#[test]
fn an_error_keeps_its_type() {
    for_each_seed(|| async {
        let task: Task<()> = Task::spawn(async { cordial::exit(error("no disk")).await });
        let Err(Exit::Error(error)) = task.await else { panic!("expected an error") };
        assert_eq!(error.downcast_ref::<std::io::Error>().map(std::io::Error::kind), Some(std::io::ErrorKind::Other));
    });
}

/// On the real scheduler, the long waits of a process share one wake-up. That wake-up does not reach a wait that the process has polled
/// and then moved to another process, into another future, or to a plain thread.
#[test]
fn a_long_await_times_out_wherever_it_is_polled() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let begun = Instant::now();
    let task = || Task::spawn(pending::<()>()).timeout(SECOND);
    let awaited = async move {
        let (own, mut sooner, mut moved, mut below, mut outside) =
            (task().timeout(SECOND + SECOND / 10), task(), task(), task(), task());
        for started in [&mut sooner, &mut moved, &mut below, &mut outside] {
            assert!(futures::poll!(started).is_pending());
        }
        let moved = Task::spawn(moved).timeout(Timeout::Infinity).map(|answer| answer.unwrap());
        let mut below: FuturesUnordered<_> = [below].into_iter().collect();
        let (own, sooner, moved, below) = tokio::join!(own, sooner, moved, below.next());
        ([own, sooner, moved, below.unwrap()], outside)
    };
    let (answers, outside) = runtime.block_on(awaited).unwrap();
    for answer in answers.into_iter().chain([futures::executor::block_on(outside)]) {
        assert!(matches!(answer, Err(Exit::Timeout(_))), "{answer:?}");
    }
    assert!(begun.elapsed() >= SECOND, "after {:?}", begun.elapsed());
}

/// The destructor of a waker is user code: it may run processes.
#[test]
fn a_waker_that_an_await_replaces_may_run_a_simulation_when_dropped() {
    struct Simulates(mpsc::Sender<i32>);
    impl Wake for Simulates {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Simulates {
        fn drop(&mut self) {
            let _ = self.0.send(cordial::testing::run(async { Task::spawn(async { 1 }).await.unwrap() }));
        }
    }
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let (dropped, drops) = mpsc::channel();
    let awaited = async move {
        let mut task = Task::spawn(pending::<()>()).timeout(DAY);
        {
            let waker = Waker::from(Arc::new(Simulates(dropped)));
            assert!(Pin::new(&mut task).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert!(poll_fn(|cx| Poll::Ready(Pin::new(&mut task).poll(cx).is_pending())).await);
        drops.try_recv()
    };
    assert_eq!(runtime.block_on(awaited).unwrap(), Ok(1));
}
