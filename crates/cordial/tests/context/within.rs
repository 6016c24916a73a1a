//! Deadlines for a future and for what it waits for.

use std::future::pending;
use std::time::Duration;

use cordial::server::{Context, Handle, Server, ServerRef};
use cordial::{Exit, OnTimeout, Task, TaskSupervisor, Timeout, process, testing, within};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

fn stuck() -> Task<()> {
    Task::spawn(pending()).timeout(Timeout::Infinity)
}

#[test]
fn a_future_that_is_ready_before_the_deadline_gives_its_output() {
    testing::run(async {
        assert_eq!(within(2 * SECOND, async { 7 }).await, Ok(7));
        assert_eq!(within(2 * SECOND, sleep(SECOND)).await, Ok(()));
        assert_eq!(within(Timeout::Infinity, sleep(100 * SECOND)).await, Ok(()));
        assert_eq!(within(Duration::MAX, sleep(SECOND)).await, Ok(()));
    });
}

#[test]
fn when_the_deadline_passes_the_future_is_dropped_with_what_it_owns() {
    testing::run(async {
        let begun = Instant::now();
        let (sender, pid) = tokio::sync::oneshot::channel();
        let exit = within(2 * SECOND, async move {
            let task = stuck();
            sender.send(task.pid()).unwrap();
            pending::<()>().await;
            drop(task);
        });
        let Err(Exit::Timeout(timed_out)) = exit.await else { panic!("no timeout") };
        assert_eq!(begun.elapsed(), 2 * SECOND);
        let own = process::current().unwrap();
        let text = format!(
            "took longer than its limit of 2s (in process {own}); call `within` with another limit, or with `Timeout::Infinity` for none"
        );
        assert_eq!(timed_out.to_string(), text);
        sleep(SECOND).await;
        assert!(process::info(pid.await.unwrap()).is_none());
    });
}

#[test]
fn the_error_names_no_process_outside_of_any() {
    let exit = futures::executor::block_on(within(SECOND / 100, pending::<()>())).unwrap_err();
    let text =
        "took longer than its limit of 10ms; call `within` with another limit, or with `Timeout::Infinity` for none";
    assert_eq!(exit.to_string(), text);
}

#[test]
fn the_deadline_caps_awaits_in_the_future_and_in_what_it_spawns() {
    testing::run(async {
        let begun = Instant::now();
        let (sender, mut ends) = tokio::sync::mpsc::unbounded_channel();
        let result = within(2 * SECOND, async move {
            sleep(SECOND).await;
            let outer = Task::spawn(async move {
                // The task is not dropped at the deadline: its await ends, and it goes on.
                let _guard = process::defer_shutdown();
                let exit = stuck().await.unwrap_err();
                sender.send((exit, Instant::now())).unwrap();
            });
            outer.timeout(60 * SECOND).await
        });
        assert!(result.await.unwrap_err().is_timeout());
        assert_eq!(begun.elapsed(), 2 * SECOND);
        let (exit, at) = ends.recv().await.unwrap();
        assert!(exit.is_timeout());
        assert_eq!(at - begun, 2 * SECOND);
    });
}

#[test]
fn a_shorter_limit_of_an_await_stays() {
    testing::run(async {
        let begun = Instant::now();
        let exit = within(60 * SECOND, async { Task::spawn(pending::<()>()).timeout(SECOND).await });
        assert!(exit.await.unwrap().unwrap_err().is_timeout());
        assert_eq!(begun.elapsed(), SECOND);
    });
}

/// The deadline may be far from the wait that it ends: the error says which limit has to be changed.
#[test]
fn the_error_of_a_wait_names_the_limit_of_the_deadline_and_who_has_set_it() {
    struct Stuck;
    impl Server for Stuck {}
    impl Handle<()> for Stuck {
        type Reply = ();
        async fn handle(&mut self, (): (), _: &mut Context<Stuck>) {
            pending().await
        }
    }
    testing::run(async {
        let (sender, ended) = tokio::sync::oneshot::channel();
        // When the waits begin, one second is left. Their own limits are longer.
        let result = within(61 * SECOND, async {
            sleep(60 * SECOND).await;
            // The task is not dropped at the deadline: its waits end, and it goes on.
            let task = Task::spawn(async {
                let _guard = process::defer_shutdown();
                let server = ServerRef::start(|| Stuck);
                let many = Task::await_many([stuck()]).timeout(Timeout::Infinity);
                let items = Task::async_stream([()], |()| pending::<()>()).timeout(60 * SECOND).collect();
                let (one, call, many, items) = tokio::join!(stuck(), server.call(()), many, items);
                let items = items.into_iter().map(Result::unwrap_err);
                let waits = [one.unwrap_err(), call.unwrap_err(), many.unwrap_err()];
                let _ = sender.send(waits.into_iter().chain(items).collect::<Vec<Exit>>());
            });
            task.timeout(Timeout::Infinity).await
        });
        assert!(result.await.unwrap_err().is_timeout());
        let exits = ended.await.unwrap();
        assert_eq!(exits.len(), 4);
        for exit in exits {
            let text = exit.to_string();
            assert!(text.starts_with("took longer than its limit of 61s (process <"), "{text}");
            let advice = "; this is the limit of `within` around this wait: call `within` with another limit, or with \
                 `Timeout::Infinity` for none";
            assert!(text.ends_with(advice), "{text}");
        }
    });
}

#[test]
fn of_two_deadlines_the_earlier_one_counts() {
    testing::run(async {
        let begun = Instant::now();
        assert!(within(2 * SECOND, within(60 * SECOND, pending::<()>())).await.is_err());
        assert_eq!(begun.elapsed(), 2 * SECOND);
        let inner = within(60 * SECOND, async { within(SECOND, pending::<()>()).await });
        assert!(inner.await.unwrap().unwrap_err().is_timeout());
        assert_eq!(begun.elapsed(), 3 * SECOND);
    });
}

#[test]
fn a_limit_of_zero_polls_once() {
    testing::run(async {
        assert_eq!(within(Duration::ZERO, async { 1 }).await, Ok(1));
        assert!(within(Duration::ZERO, tokio::task::yield_now()).await.unwrap_err().is_timeout());
    });
}

/// A server that never answers.
struct Mute;
struct Ask;
impl Server for Mute {}
impl Handle<Ask> for Mute {
    type Reply = ();
    async fn handle(&mut self, _: Ask, _: &mut Context<Self>) {
        pending().await
    }
}

#[test]
fn calls_and_items_of_streams_are_capped() {
    testing::run(async {
        let server = ServerRef::start(|| Mute);
        // Two tasks await the call and the stream. They defer the shutdown at the deadline, so they can report the exits.
        let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let begun = Instant::now();
        let calls = within(SECOND, async move {
            let of_call = sender.clone();
            let call = Task::spawn(async move {
                let _guard = process::defer_shutdown();
                of_call.send((server.call(Ask).timeout(Timeout::Infinity).await, Instant::now())).unwrap();
            });
            let stream = Task::spawn(async move {
                let _guard = process::defer_shutdown();
                let stream = Task::async_stream([()], |()| pending::<()>()).timeout(Timeout::Infinity);
                let results: Vec<_> = stream.collect().await;
                sender.send((results[0].clone(), Instant::now())).unwrap();
            });
            let _: (Result<(), Exit>, Result<(), Exit>) = tokio::join!(call, stream);
        });
        assert!(calls.await.is_err());
        for _ in 0..2 {
            let (result, at) = seen.recv().await.unwrap();
            assert!(result.unwrap_err().is_timeout());
            assert_eq!(at - begun, SECOND);
        }
    });
}

#[test]
fn processes_without_an_owner_have_no_part_in_the_deadline() {
    testing::run(async {
        let tasks = TaskSupervisor::start();
        let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let started = within(SECOND, async {
            let wait = move |sender: tokio::sync::mpsc::UnboundedSender<Duration>| async move {
                let begun = Instant::now();
                assert!(Task::spawn(pending::<()>()).timeout(3 * SECOND).await.is_err());
                sender.send(begun.elapsed()).unwrap();
            };
            Task::start(wait(sender.clone()));
            tasks.start_child(wait(sender)).unwrap();
        });
        started.await.unwrap();
        assert_eq!((seen.recv().await, seen.recv().await), (Some(3 * SECOND), Some(3 * SECOND)));
    });
}

/// A task that has deferred its shutdown continues after the deadline. Its own waits end at once, but tasks that it stops get their grace time.
#[test]
fn after_the_deadline_a_stopped_task_has_its_grace_time() {
    testing::run(async {
        let (sender, ended) = tokio::sync::oneshot::channel();
        let result = within(SECOND, async {
            let task = Task::spawn(async {
                let guard = process::defer_shutdown();
                let graceful = Task::spawn(async {
                    cordial::shutdown_requested().await;
                    sleep(SECOND).await;
                    "tidy"
                });
                guard.requested().await;
                let mut killed = [stuck()];
                let results = Task::yield_many(&mut killed).on_timeout(OnTimeout::KillTask).await;
                let _ = sender.send((results, graceful.shutdown(60 * SECOND).await));
            });
            task.timeout(Timeout::Infinity).await
        });
        assert!(result.await.unwrap_err().is_timeout());
        assert_eq!(ended.await.unwrap(), (vec![None], Some(Ok("tidy"))));
    });
}

#[test]
fn a_task_whose_handle_is_kept_can_be_awaited_again_after_the_deadline() {
    testing::run(async {
        let begun = Instant::now();
        let mut task = Task::spawn(async {
            sleep(3 * SECOND).await;
            7
        });
        assert!(within(SECOND, &mut task).await.unwrap_err().is_timeout());
        assert_eq!(task.await, Ok(7));
        assert_eq!(begun.elapsed(), 3 * SECOND);
    });
}

#[test]
fn a_wait_for_several_tasks_can_go_on_after_the_deadline() {
    testing::run(async {
        let value = |seconds: u32| async move {
            sleep(seconds * SECOND).await;
            seconds
        };
        let begun = Instant::now();
        let mut all = Task::await_many([2, 3].map(|seconds| Task::spawn(value(seconds))));
        assert!(within(SECOND, &mut all).await.unwrap_err().is_timeout());
        assert_eq!(all.await, Ok(vec![2, 3]));
        assert_eq!(begun.elapsed(), 3 * SECOND);
        let mut tasks = [2, 3].map(|seconds| Task::spawn(value(seconds)));
        let mut some = Task::yield_many(&mut tasks);
        assert!(within(SECOND, &mut some).await.unwrap_err().is_timeout());
        assert_eq!(some.await, [Some(Ok(2)), Some(Ok(3))]);
    });
}

#[test]
fn the_limit_of_an_await_that_has_left_the_deadline_counts_anew() {
    testing::run(async {
        let begun = Instant::now();
        let mut task = Task::spawn(pending::<()>()).timeout(3 * SECOND);
        // Two deadlines cap the limit one after the other, at one second and at two. The limit itself starts again after each.
        let inner = async {
            assert!(within(SECOND, &mut task).await.unwrap_err().is_timeout());
            within(2 * SECOND, &mut task).await
        };
        assert!(within(60 * SECOND, inner).await.unwrap().unwrap_err().is_timeout());
        assert_eq!(begun.elapsed(), 3 * SECOND);
        let Err(Exit::Timeout(timed_out)) = task.await else { panic!("no timeout") };
        assert_eq!(timed_out.limit(), 3 * SECOND);
        assert_eq!(begun.elapsed(), 6 * SECOND);
    });
}

#[test]
fn the_error_of_an_item_that_starts_after_the_deadline_names_the_limit_of_the_deadline() {
    testing::run(async {
        let (sender, ended) = tokio::sync::oneshot::channel();
        let result = within(SECOND, async {
            let task = Task::spawn(async {
                let guard = process::defer_shutdown();
                guard.requested().await;
                let _ = sender.send(Task::async_stream([()], |()| pending::<()>()).collect().await);
            });
            task.timeout(Timeout::Infinity).await
        });
        assert!(result.await.unwrap_err().is_timeout());
        let text = ended.await.unwrap().remove(0).unwrap_err().to_string();
        assert!(text.starts_with("took longer than its limit of 1s (process <"), "{text}");
        assert!(text.contains("this is the limit of `within`"), "{text}");
    });
}
