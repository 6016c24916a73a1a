//! Awaiting one task, and the limit of that.
//!
//! Restates "await/2" of Elixir's `task_test.exs` and its documentation. Where the owner exits there, the await answers `Err`
//! here; and where the limit passes, the handle is given up, so that the task is asked to shut down (T-045). T-047 (it runs
//! on) is the answer of `spawn_nolink`, and comes with the supervisors.

use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use cordial::{Exit, Runtime, Task, Timeout, process};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::ends::{End, error};
use crate::orders::{SECOND, in_every_order};
use crate::probe::Probe;

const DAY: Duration = Duration::from_secs(24 * 3600);

// T-042
#[test]
fn an_await_gives_the_value() {
    in_every_order(|| async {
        assert_eq!(Task::spawn(async { 6 * 7 }).await, Ok(42));
        assert_eq!(Task::spawn_link(async { 6 * 7 }).await, Ok(42));
        assert_eq!(Task::spawn(async { Err::<(), _>("a value") }).await, Ok(Err("a value")));
    });
}

async fn check_failure(end: End) {
    let how = end.clone();
    let task = Task::spawn(async {
        how.meet().await;
        pending::<()>().await
    });
    let exit = task.await.unwrap_err();
    assert!(end.is(&exit), "{end:?} was told as {exit}");
}

// T-049, T-050, T-054
#[test]
fn an_await_of_a_task_that_ended_without_a_value_gives_its_exit() {
    in_every_order(|| async {
        for end in End::each().into_iter().filter(|end| !matches!(end, End::Returns)) {
            check_failure(end).await;
        }
    });
}

// T-050: the payload of a panic is what a throw is there.
#[test]
fn a_payload_that_is_no_text_is_told_as_such() {
    in_every_order(|| async {
        for (payload, told) in [
            (Box::new("no luck") as Box<dyn std::any::Any + Send>, "no luck"),
            (Box::new(String::from("no luck")), "no luck"),
            (Box::new(7_u8), "a panic whose payload is not a text"),
        ] {
            let task: Task<()> = Task::spawn(async { std::panic::resume_unwind(payload) });
            let Err(Exit::Panic(report)) = task.await else { panic!("expected a panic") };
            assert_eq!(report.message(), told);
        }
        let task: Task<()> = Task::spawn(async { std::panic::panic_any(7_u8) });
        let Err(Exit::Panic(report)) = task.await else { panic!("expected a panic") };
        assert_eq!(report.location().file(), file!());
    });
}

// T-043, T-045, T-046
#[test]
fn an_await_that_times_out_names_the_task_and_asks_it_to_shut_down() {
    in_every_order(|| async {
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
            assert_eq!((begun.elapsed(), probe.drops()), (limit, 0), "at once, and without waiting for its end");
            assert_eq!(end.await, Exit::Shutdown(None));
            assert_eq!((begun.elapsed(), probe.drops()), (limit, 1));
        }
    });
}

// T-044
#[test]
fn what_a_task_does_after_an_await_timed_out_reaches_nobody() {
    in_every_order(|| async {
        let mut exits = process::trap_exits();
        let (value, told) = (Probe::default(), Probe::default());
        let late = value.guard();
        let polled = told.clone();
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
        assert!(matches!((&mut task).await, Err(Exit::NoProcess)), "there is nothing to be had any more");
        assert_eq!(end.await, Exit::Normal);
        assert_eq!((told.polls(), value.drops()), (1, 1), "it finished, and its value was dropped");
        assert_eq!(exits.next().now_or_never(), None, "the link was removed");
    });
}

// T-046
#[test]
fn an_owner_that_passes_the_timeout_on_ends_by_it_and_so_does_the_task() {
    in_every_order(|| async {
        let (tx, rx) = oneshot::channel();
        let owner: Task<()> = Task::spawn(async move {
            let task: Task<()> = Task::spawn_link(pending()).timeout(SECOND);
            let _ = tx.send(process::monitor(task.pid()));
            match task.await {
                Ok(()) => unreachable!("it never ends by itself"),
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
fn the_limit_is_five_seconds_unless_it_is_said_otherwise() {
    in_every_order(|| async {
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
fn the_limit_counts_from_the_first_poll() {
    in_every_order(|| async {
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
fn the_limit_holds_in_a_select_loop() {
    in_every_order(|| async {
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
fn yielding_before_does_not_count_for_the_limit() {
    in_every_order(|| async {
        let mut task = Task::spawn(sleep(14 * SECOND));
        assert_eq!(task.yield_for(10 * SECOND).await, None);
        check_limit("yielded for 10 s", task, 4 * SECOND, false).await;
    });
}

// T-061: it was killed while its last poll made the value.
#[test]
fn a_value_wins_over_the_end_that_came_with_it() {
    in_every_order(|| async {
        let task = Task::spawn(async {
            process::exit(process::current().unwrap(), Exit::Killed);
            7
        });
        let end = process::monitor(task.pid());
        assert_eq!(end.await, Exit::Killed, "the others are told how the process ended");
        assert_eq!(task.await, Ok(7));
    });
}

// T-062
#[test]
fn a_result_that_is_there_never_times_out() {
    in_every_order(|| async {
        for end in End::each() {
            let task = Task::spawn(end.clone().meet()).timeout(Duration::ZERO);
            process::monitor(task.pid()).await;
            sleep(DAY).await;
            let exit = task.await.err().unwrap_or(Exit::Normal);
            assert!(end.is(&exit), "{end:?} was told as {exit}");
        }
    });
}

/// Holds the thread that wakes it until it is released.
struct Held {
    tells: mpsc::Sender<()>,
    is_released: Mutex<mpsc::Receiver<()>>,
}

impl Wake for Held {
    fn wake(self: Arc<Held>) {
        let _ = self.tells.send(());
        let _ = self.is_released.lock().unwrap().recv();
    }
}

type Answering = BoxFuture<'static, Option<Result<u8, Exit>>>;

/// One call of which the time is up while the process has ended and the thread that ended it is held by a monitor, before it
/// could put down the answer.
fn check_on_its_way(call: fn(Task<u8>) -> Answering) {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let (go, gate) = oneshot::channel::<()>();
    let (task, mut monitor) = runtime
        .block_on(async {
            let task = Task::spawn(gate.map(|_| 7));
            let monitor = process::monitor(task.pid());
            (task, monitor)
        })
        .unwrap();
    let ((tells, is_told), (release, is_released)) = (mpsc::channel(), mpsc::channel());
    let waker = Waker::from(Arc::new(Held { tells, is_released: Mutex::new(is_released) }));
    assert!(Pin::new(&mut monitor).poll(&mut Context::from_waker(&waker)).is_pending());
    go.send(()).unwrap();
    is_told.recv().unwrap();

    assert!(task.is_finished());
    let mut answer = call(task);
    assert_eq!((&mut answer).now_or_never(), None, "it is not there, and the time is not up");
    release.send(()).unwrap();
    assert_eq!(futures::executor::block_on(answer), Some(Ok(7)));
}

// T-062, between the end of the process and its answer.
#[test]
fn an_answer_that_is_on_its_way_does_not_time_out() {
    check_on_its_way(|task| task.timeout(Duration::ZERO).map(Some).boxed());
    check_on_its_way(|mut task| async move { task.yield_for(Duration::ZERO).await }.boxed());
    check_on_its_way(|task| {
        let all = Task::await_many([task]).timeout(Duration::ZERO);
        all.map(|values| Some(values.map(|values| values[0]))).boxed()
    });
    check_on_its_way(|task| {
        async move { Task::yield_many(&mut [task]).timeout(Duration::ZERO).await.swap_remove(0) }.boxed()
    });
}

#[test]
fn an_await_polls_once_and_once_more_when_the_answer_is_there() {
    in_every_order(|| async {
        for (takes, limit) in [(SECOND, 5 * SECOND), (5 * SECOND, SECOND)] {
            let probe = Probe::default();
            let _ = probe.of(Task::spawn(sleep(takes)).timeout(limit)).await;
            assert_eq!(probe.polls(), 2);
        }
    });
}

#[test]
fn a_task_that_waits_for_its_task_is_ended_with_it() {
    in_every_order(|| async {
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
    in_every_order(|| async {
        let task: Task<()> = Task::spawn(async { cordial::exit(error("no disk")).await });
        let Err(Exit::Error(error)) = task.await else { panic!("expected an error") };
        assert_eq!(error.downcast_ref::<std::io::Error>().map(std::io::Error::kind), Some(std::io::ErrorKind::Other));
    });
}
