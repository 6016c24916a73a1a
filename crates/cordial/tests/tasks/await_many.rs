//! Awaiting many tasks with one deadline.
//!
//! Restates "await_many/2" of Elixir's `task_test.exs`. In Elixir, after a failure the remaining tasks continue to run and can no longer
//! be awaited. Here they are asked to shut down (T-079).

use std::error::Error;
use std::future::{pending, poll_fn};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cordial::{Exit, Task, Timeout, process};
use futures::{FutureExt, StreamExt};
use tokio::time::{Instant, sleep};

use crate::harness::exit_kind::{ExitKind, error};
use crate::harness::probe::Probe;
use crate::harness::seeds::{SECOND, for_each_seed};

async fn value_after<T>(seconds: u32, value: T) -> T {
    sleep(seconds * SECOND).await;
    value
}

// T-065, T-066
#[test]
fn values_are_returned_in_input_order() {
    for_each_seed(|| async {
        for takes in [[0, 0, 0], [1, 2, 3], [3, 2, 1], [2, 3, 1]] {
            let tasks = takes.into_iter().zip([1, 3, 9]).map(|(takes, value)| Task::spawn(value_after(takes, value)));
            assert_eq!(Task::await_many(tasks).await, Ok(vec![1, 3, 9]), "{takes:?}");
        }
    });
}

// T-067
#[test]
fn awaiting_no_tasks_is_ready_at_once() {
    for_each_seed(|| async {
        for limit in [Timeout::After(Duration::ZERO), Timeout::Infinity] {
            assert_eq!(Task::await_many(Vec::<Task<u8>>::new()).timeout(limit).now_or_never(), Some(Ok(vec![])));
        }
    });
}

// T-070
#[test]
fn a_timeout_names_the_first_pending_task_and_the_number_of_others() {
    for_each_seed(|| async {
        let tasks = [Task::completed(()), Task::spawn(pending()), Task::spawn(pending()), Task::spawn(pending())];
        let first = tasks[1].pid();
        let Err(Exit::Timeout(timed_out)) = Task::await_many(tasks).timeout(Duration::ZERO).await else {
            panic!("expected a timeout")
        };
        assert_eq!((timed_out.limit(), timed_out.pid()), (Duration::ZERO, first));
        assert_eq!(timed_out.spawned_at().unwrap().file(), file!());
        assert!(timed_out.to_string().contains(", and 2 more)"), "{timed_out}");
    });
}

async fn check_first_failure(kind: ExitKind) {
    let probe = Probe::default();
    let waiting = Task::spawn_link(probe.of(pending::<()>()));
    let others_end = process::monitor(waiting.pid());
    let how = kind.clone();
    let failing = Task::spawn(async {
        sleep(SECOND).await;
        how.perform().await;
        pending().await
    });
    let begun = Instant::now();
    let exit = Task::await_many([waiting, Task::completed(()), failing]).await.unwrap_err();
    assert!(kind.matches(&exit), "{kind:?} was reported as {exit}");
    assert_eq!(
        (begun.elapsed(), probe.drops()),
        (SECOND, 0),
        "returns at once, without waiting for the remaining tasks"
    );
    assert_eq!(others_end.await, Exit::Shutdown(None));
    assert_eq!((begun.elapsed(), probe.drops()), (SECOND, 1));
}

// T-071, T-072, T-073, T-074, T-075, T-079
#[test]
fn the_first_failure_is_returned_at_once_and_the_other_tasks_are_asked_to_shut_down() {
    for_each_seed(|| async {
        let mut exits = process::trap_exits();
        for kind in ExitKind::all().into_iter().filter(|kind| !matches!(kind, ExitKind::Returns)) {
            check_first_failure(kind).await;
        }
        assert_eq!(exits.next().now_or_never(), None, "the tasks that were asked to shut down send no exit");
    });
}

// T-079
#[test]
fn a_timeout_asks_all_pending_tasks_to_shut_down() {
    for_each_seed(|| async {
        let tasks = [1, 2, 3, 4].map(|takes| Task::spawn(value_after(takes, ())));
        let ends = tasks.each_ref().map(|task| process::monitor(task.pid()));
        let answer = Task::await_many(tasks).timeout(2 * SECOND + SECOND / 2).await;
        assert!(matches!(answer, Err(Exit::Timeout(_))));
        let [a, b, c, d] = ends;
        assert_eq!((a.await, b.await), (Exit::Normal, Exit::Normal));
        assert_eq!((c.await, d.await), (Exit::Shutdown(None), Exit::Shutdown(None)));
    });
}

// T-080
#[test]
fn all_tasks_share_one_deadline() {
    for_each_seed(|| async {
        for (limit, expected) in [(None, 5 * SECOND), (Some(2 * SECOND), 2 * SECOND)] {
            // The timeout of each handle is ignored.
            let tasks = [6, 7, 8].map(|takes| Task::spawn(value_after(takes, ())).timeout(SECOND));
            let begun = Instant::now();
            let all = Task::await_many(tasks);
            let answer = match limit {
                Some(limit) => all.timeout(limit).await,
                None => all.await,
            };
            assert!(matches!(answer, Err(Exit::Timeout(_))));
            assert_eq!(begun.elapsed(), expected);
        }
        let slow = [6, 7, 8].map(|takes| Task::spawn(value_after(takes, takes)));
        assert_eq!(Task::await_many(slow).timeout(Duration::MAX).await, Ok(vec![6, 7, 8]));
    });
}

#[test]
fn the_deadline_starts_at_the_first_poll() {
    for_each_seed(|| async {
        let all = Task::await_many([Task::spawn(value_after(14, 1))]);
        sleep(10 * SECOND).await;
        assert_eq!(all.await, Ok(vec![1]));

        let mut all = Task::await_many([Task::spawn(pending::<()>())]);
        assert!((&mut all).now_or_never().is_none());
        sleep(3 * SECOND).await;
        let begun = Instant::now();
        assert!(matches!(all.await, Err(Exit::Timeout(_))));
        assert_eq!(begun.elapsed(), 2 * SECOND);
    });
}

// T-062
#[test]
fn available_results_never_time_out() {
    for_each_seed(|| async {
        let tasks = [1, 2, 3].map(|value| Task::spawn(async move { value }));
        sleep(SECOND).await;
        assert_eq!(Task::await_many(tasks).timeout(Duration::ZERO).await, Ok(vec![1, 2, 3]));
    });
}

#[test]
fn a_handle_whose_result_was_taken_fails_the_whole_await() {
    for_each_seed(|| async {
        let mut taken = Task::spawn(async {});
        assert_eq!((&mut taken).await, Ok(()));
        assert_eq!(Task::await_many([Task::spawn(pending()), taken]).await, Err(Exit::NoProcess));
    });
}

#[test]
fn dropping_await_many_asks_all_tasks_to_shut_down() {
    for_each_seed(|| async {
        let tasks = [(); 3].map(|()| Task::spawn(pending::<()>()));
        let ends = tasks.each_ref().map(|task| process::monitor(task.pid()));
        let mut all = Task::await_many(tasks);
        assert!((&mut all).now_or_never().is_none());
        drop(all);
        assert_eq!(futures::future::join_all(ends).await, vec![Exit::Shutdown(None); 3]);
    });
}

#[test]
fn await_many_is_polled_at_most_once_per_result() {
    for_each_seed(|| async {
        let probe = Probe::default();
        let tasks = (1..=100).map(|takes| Task::spawn(value_after(takes, takes)));
        let values = probe.of(Task::await_many(tasks).timeout(Timeout::Infinity)).await;
        assert_eq!(values, Ok((1..=100).collect()));
        // One poll for each result, one at the start, and one after it has yielded once because it polled many handles.
        assert!(probe.polls() <= 102, "{} polls", probe.polls());
    });
}

#[test]
fn an_inner_err_is_a_value_unless_or_exit_makes_it_a_failure() {
    for_each_seed(|| async {
        let tasks = || [Task::completed(Ok(1)), Task::spawn(async { Err(std::io::Error::other("no disk")) })];
        assert!(Task::await_many(tasks()).await.unwrap()[1].is_err());
        assert_eq!(Task::await_many(tasks().map(Task::or_exit)).await, Err(error("no disk")));
    });
}

/// An error whose conversion kills the process that awaits it.
struct KillsCaller;

impl From<KillsCaller> for Box<dyn Error + Send + Sync> {
    fn from(_: KillsCaller) -> Box<dyn Error + Send + Sync> {
        process::exit(process::current().unwrap(), Exit::Killed);
        "no luck".into()
    }
}

/// Polls a future in a process that ends at this await, and then with another waker, as a `block_on` in a destructor does.
fn poll_twice<F: Future + Unpin>(future: &mut F, cx: &mut Context<'_>) -> Poll<F::Output> {
    assert!(future.poll_unpin(cx).is_pending(), "the process ends here");
    future.poll_unpin(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn the_results_are_kept_if_the_process_ends_at_the_await() {
    #[expect(clippy::async_yields_async, reason = "the test awaits several of these tasks together")]
    let failed = async || {
        let task = Task::spawn(async { Err::<(), _>(KillsCaller) }).or_exit();
        process::monitor(task.pid()).await;
        tokio::task::yield_now().await;
        task
    };
    for_each_seed(move || async move {
        let (sent, mut polled) = tokio::sync::mpsc::unbounded_channel();
        let (of_many, of_yield) = (sent.clone(), sent);
        Task::start(async move {
            let mut many = Task::await_many([failed().await]);
            poll_fn(|cx| {
                let polled = poll_twice(&mut many, cx);
                of_many.send(polled.map(|result| vec![Some(result.map(|_| ()))])).unwrap();
                Poll::<()>::Pending
            })
            .await;
        });
        Task::start(async move {
            let mut tasks = [failed().await];
            poll_fn(|cx| {
                of_yield.send(poll_twice(&mut Task::yield_many(&mut tasks), cx)).unwrap();
                Poll::<()>::Pending
            })
            .await;
        });
        for _ in 0..2 {
            assert_eq!(polled.recv().await, Some(Poll::Ready(vec![Some(Err(error("no luck")))])));
        }
    });
}
