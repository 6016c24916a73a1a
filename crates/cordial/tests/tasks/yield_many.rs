//! `Task::yield_many`: the results of those tasks that end within a timeout.
//!
//! Restates "yield_many/2" of Elixir's `task_test.exs` and `task.ex`.

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use cordial::process::ProcessState;
use cordial::{Exit, OnTimeout, Runtime, Task, Timeout, process};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::harness::attempts;
use crate::harness::exit_kind::{ExitKind, error};
use crate::harness::probe::Probe;
use crate::harness::seeds::{SECOND, for_each_seed};

fn never() -> Task<u8> {
    Task::spawn(pending())
}

fn exits_normally() -> Task<u8> {
    Task::spawn(async { cordial::exit(Exit::Normal).await })
}

fn is_alive(task: &Task<u8>) -> bool {
    process::info(task.pid()).is_some()
}

// T-095
#[test]
fn a_value_takes_precedence_over_an_exit_of_the_same_poll() {
    for_each_seed(|| async {
        let mut tasks = [Task::spawn(async {
            process::exit(process::current().unwrap(), error("no disk"));
            7
        })];
        assert_eq!(process::monitor(tasks[0].pid()).await, error("no disk"));
        assert_eq!(Task::yield_many(&mut tasks).timeout(Duration::ZERO).await, [Some(Ok(7))]);
        assert_eq!(Task::yield_many(&mut tasks).timeout(Duration::ZERO).await, [None], "the result was taken");
    });
}

// T-097, T-106
#[test]
fn kill_task_on_timeout_kills_pending_tasks_before_it_returns() {
    for_each_seed(|| async {
        for limit in [Duration::ZERO, SECOND] {
            let probe = Probe::default();
            let mut tasks = [Task::spawn(probe.of(pending())), Task::completed(7), Task::spawn(probe.of(pending()))];
            let pids = tasks.each_ref().map(Task::pid);
            let begun = Instant::now();
            let results = Task::yield_many(&mut tasks).timeout(limit).on_timeout(OnTimeout::KillTask).await;
            assert_eq!(results, [None, Some(Ok(7)), None]);
            assert!(pids.iter().all(|&pid| process::info(pid).is_none()));
            assert_eq!((probe.drops(), begun.elapsed()), (2, limit));
            let [first, ..] = tasks;
            assert_eq!(first.await, Err(Exit::NoProcess));
        }
    });
}

// T-098
#[test]
fn ignore_on_timeout_lets_pending_tasks_run_on_without_handles() {
    for_each_seed(|| async {
        let mut exits = process::trap_exits();
        let mut tasks = [Task::spawn_link(async {
            sleep(60 * SECOND).await;
            7
        })];
        let pid = tasks[0].pid();
        let results = Task::yield_many(&mut tasks).timeout(Duration::ZERO).on_timeout(OnTimeout::Ignore).await;
        assert_eq!(results, [None]);
        assert!(process::info(pid).unwrap().links.is_empty());
        assert_eq!(process::monitor(pid).await, Exit::Normal);
        assert_eq!(exits.next().now_or_never(), None);
        let [task] = tasks;
        assert_eq!(task.await, Err(Exit::NoProcess));
    });
}

// T-099, T-102, T-107
#[test]
fn results_are_in_input_order_and_pending_tasks_have_none() {
    for_each_seed(|| async {
        let mut tasks = [Task::spawn(async { 1 }), never(), exits_normally()];
        sleep(SECOND).await;
        let results = Task::yield_many(&mut tasks).timeout(Duration::ZERO).await;
        assert_eq!(results, [Some(Ok(1)), None, Some(Err(Exit::Normal))]);
        assert!(is_alive(&tasks[1]), "a pending task continues after the timeout");

        let mut tasks = [3_u8, 1, 2].map(|value| {
            Task::spawn(async move {
                sleep(u32::from(value) * SECOND).await;
                value
            })
        });
        let begun = Instant::now();
        let results = Task::yield_many(&mut tasks).timeout(Timeout::Infinity).await;
        assert_eq!((results, begun.elapsed()), (vec![Some(Ok(3)), Some(Ok(1)), Some(Ok(2))], 3 * SECOND));
    });
}

// T-103
#[test]
fn each_call_takes_at_most_limit_results() {
    for_each_seed(|| async {
        let mut tasks = [Task::spawn(async { 1 }), never(), exits_normally()];
        sleep(SECOND).await;
        let first = Task::yield_many(&mut tasks).timeout(Timeout::Infinity).limit(1).await;
        assert_eq!(first, [Some(Ok(1)), None, None]);
        let second = Task::yield_many(&mut tasks).timeout(Timeout::Infinity).limit(1).await;
        assert_eq!(second, [None, None, Some(Err(Exit::Normal))]);
        let third = Task::yield_many(&mut tasks).timeout(SECOND).limit(1).await;
        assert_eq!(third, [None, None, None]);
        assert!(is_alive(&tasks[1]));
    });
}

// T-104
#[test]
fn the_limit_is_clamped_to_the_number_of_handles_with_a_result() {
    for_each_seed(|| async {
        let mut tasks = [Task::spawn(async { 1 })];
        let results = Task::yield_many(&mut tasks).timeout(Timeout::Infinity).limit(2).await;
        assert_eq!(results, [Some(Ok(1))]);

        let mut tasks = [Task::spawn(async { 1 }), Task::completed(2), Task::spawn(async { 3 })];
        assert_eq!((&mut tasks[0]).await, Ok(1));
        let results = Task::yield_many(&mut tasks).timeout(Timeout::Infinity).limit(3).await;
        assert_eq!(results, [None, Some(Ok(2)), Some(Ok(3))], "a handle whose result was taken does not count");

        let again = Task::yield_many(&mut tasks).timeout(Timeout::Infinity).into_future().now_or_never();
        assert_eq!(again, Some(vec![None, None, None]), "no handle has a result to wait for");
    });
}

#[test]
fn a_limit_of_zero_and_an_empty_list_are_ready_at_once() {
    for_each_seed(|| async {
        let mut tasks = [Task::completed(1), never()];
        let none = Task::yield_many(&mut tasks).timeout(Timeout::Infinity).limit(0).on_timeout(OnTimeout::KillTask);
        assert_eq!(none.into_future().now_or_never(), Some(vec![None, None]));
        assert!(is_alive(&tasks[1]));
        assert_eq!(tasks[0].yield_for(SECOND).await, Some(Ok(1)), "the result was not taken");

        let none = Task::<u8>::yield_many(&mut []).timeout(Timeout::Infinity);
        assert_eq!(none.into_future().now_or_never(), Some(vec![]));
    });
}

// T-105, T-106
#[test]
fn reaching_the_limit_is_not_a_timeout() {
    for_each_seed(|| async {
        for on_timeout in [OnTimeout::KillTask, OnTimeout::Ignore] {
            let mut tasks = [never(), Task::spawn(async { 2 })];
            let waited = Task::yield_many(&mut tasks).timeout(Timeout::Infinity).limit(1).on_timeout(on_timeout);
            assert_eq!(waited.await, [None, Some(Ok(2))]);
            assert!(is_alive(&tasks[0]));

            let waited = Task::yield_many(&mut tasks).timeout(Duration::ZERO).on_timeout(OnTimeout::KillTask);
            assert_eq!(waited.await, [None, None]);
            assert!(!is_alive(&tasks[0]));
        }
    });
}

// T-108
#[test]
fn values_and_failures_both_count() {
    for_each_seed(|| async {
        for kind in ExitKind::all() {
            let mut tasks = [
                never(),
                Task::spawn(async {
                    kind.perform().await;
                    1
                }),
                Task::spawn(async { 2 }),
            ];
            let results = Task::yield_many(&mut tasks).timeout(Timeout::Infinity).limit(2).await;
            assert_eq!(results.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, true]);
        }
    });
}

// T-110
#[test]
fn a_task_that_returns_while_it_is_killed_delivers_its_value() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    // The task is abandoned if its thread gets no processor for 100 ms after the kill.
    attempts::one_succeeds(|| {
        let results = runtime.block_on(async {
            let (started, has_started) = oneshot::channel();
            let task = Task::spawn(async move {
                let _ = started.send(());
                let own = process::current().unwrap();
                // One poll that lasts until the process is killed.
                while process::info(own).unwrap().state != ProcessState::Exiting {
                    std::hint::spin_loop();
                }
                7
            });
            let _ = has_started.await;
            Task::yield_many(&mut [task]).timeout(Duration::ZERO).on_timeout(OnTimeout::KillTask).await
        });
        assert_eq!(results, Ok(vec![Some(Ok(7))]));
    });
}

#[test]
fn the_default_timeout_of_yield_many_is_five_seconds() {
    for_each_seed(|| async {
        for (limit, expected) in [(None, 5 * SECOND), (Some(60 * SECOND), 60 * SECOND)] {
            let mut tasks = [never().timeout(SECOND), Task::completed(2)];
            let begun = Instant::now();
            let waiting = Task::yield_many(&mut tasks);
            let results = match limit {
                Some(limit) => waiting.timeout(limit).await,
                None => waiting.await,
            };
            assert_eq!((results, begun.elapsed()), (vec![None, Some(Ok(2))], expected));
        }
        let mut tasks = [Task::spawn(sleep(60 * SECOND))];
        assert_eq!(Task::yield_many(&mut tasks).timeout(Duration::MAX).await, [Some(Ok(()))]);
    });
}

#[test]
fn a_wait_for_several_tasks_can_be_polled_by_hand() {
    for_each_seed(|| async {
        let mut tasks = [1, 3].map(|s| Task::spawn(sleep(Duration::from_secs(s))));
        let mut wait = std::pin::pin!(Task::yield_many(&mut tasks).timeout(Duration::from_secs(2)));
        assert!(futures::poll!(wait.as_mut()).is_pending());
        tokio::select! {
            _ = wait.as_mut() => panic!("no task has ended, and the timeout has not elapsed"),
            () = sleep(Duration::from_millis(500)) => {}
        }
        assert_eq!(wait.await, [Some(Ok(())), None]);
    });
}

/// Polls a future when it is woken. Stores whether the future was pending.
struct PollWhenWoken<T>(Arc<Mutex<BoxFuture<'static, T>>>, AtomicBool);

impl<T: 'static> Wake for PollWhenWoken<T> {
    fn wake(self: Arc<PollWhenWoken<T>>) {
        let polled = self.0.lock().unwrap().as_mut().now_or_never();
        self.1.store(polled.is_none(), Ordering::SeqCst);
    }
}

/// The timeout elapses between the end of the process and the arrival of its result.
#[test]
fn a_limit_that_a_process_reaches_by_its_end_is_no_timeout() {
    for_each_seed(|| async {
        let ends = Task::spawn(async {
            sleep(SECOND).await;
            7
        });
        let mut end = process::monitor(ends.pid());
        let waits = async {
            let mut tasks = [ends, never()];
            let options = Task::yield_many(&mut tasks).timeout(Duration::ZERO).limit(1);
            let results = options.on_timeout(OnTimeout::KillTask).await;
            (results, is_alive(&tasks[1]))
        };
        let waits = Arc::new(Mutex::new(waits.boxed()));
        let woken = Arc::new(PollWhenWoken(waits.clone(), AtomicBool::new(false)));
        let waker = Waker::from(woken.clone());
        assert!(end.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
        sleep(2 * SECOND).await;
        assert!(woken.1.load(Ordering::SeqCst), "the wait was pending when the process had ended");
        let waited = poll_fn(|cx| waits.lock().unwrap().as_mut().poll(cx)).await;
        assert_eq!(waited, (vec![Some(Ok(7)), None], true));
    });
}
