//! Panics in destructors are caught by the process, wherever they happen.
#![expect(clippy::async_yields_async, reason = "handles and monitors are passed around, not awaited")]

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use cordial::{Exit, Runtime, Shutdown, StreamTimeout, Task, TaskSet, process, testing};
use futures::FutureExt;
use tokio::sync::oneshot;
use tracing::Level;

use crate::harness::events::{self, Emitted};
use crate::harness::seeds::{SECOND, for_each_seed};
use crate::harness::subprocess;

/// Panics when it is dropped.
#[derive(Clone, Debug)]
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

fn is_panic(exit: &Exit, message: &str) -> bool {
    matches!(exit, Exit::Panic(report) if report.message() == message && report.location().file() == file!())
}

#[test]
fn a_panic_in_a_destructor_during_a_shutdown_is_the_exit_of_the_task() {
    for_each_seed(|| async {
        for how in [Shutdown::default(), Shutdown::After(Duration::ZERO), Shutdown::BrutalKill, Shutdown::Infinity] {
            let task: Task<()> = Task::spawn_link(async {
                let _bomb = Bomb("boom");
                pending().await
            });
            let end = process::monitor(task.pid());
            tokio::time::sleep(SECOND).await;
            let answer = task.shutdown(how).await;
            assert!(matches!(&answer, Some(Err(exit)) if is_panic(exit, "boom")), "{how:?}: {answer:?}");
            assert!(is_panic(&end.await, "boom"));
        }
    });
}

#[test]
fn a_panic_in_a_destructor_reaches_links_like_any_crash() {
    for_each_seed(|| async {
        let owner: Task<()> = Task::spawn(async {
            let pid = Task::start_link(async {
                let _bomb = Bomb("boom");
                pending::<()>().await
            });
            tokio::time::sleep(SECOND).await;
            process::exit(pid, Exit::Killed);
            pending().await
        });
        assert!(is_panic(&owner.await.unwrap_err(), "boom"));
    });
}

#[test]
fn a_panic_in_a_destructor_after_the_value_was_returned_does_not_lose_the_value() {
    /// Ready at once, and panics when it is dropped.
    struct Ready(#[expect(dead_code, reason = "only its destructor matters")] Bomb);
    impl Future for Ready {
        type Output = u8;
        fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<u8> {
            std::task::Poll::Ready(7)
        }
    }
    for_each_seed(|| async {
        let task = Task::spawn(Ready(Bomb("boom")));
        let end = process::monitor(task.pid());
        assert_eq!(task.await, Ok(7));
        assert!(is_panic(&end.await, "boom"), "the process crashed nevertheless");
    });
}

#[test]
fn of_two_panics_the_first_is_the_exit_and_the_second_is_emitted() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    /// Panics when it is polled, and again when it is dropped.
    struct Twice(#[expect(dead_code, reason = "only its destructor matters")] Bomb);
    impl Future for Twice {
        type Output = ();
        fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<()> {
            panic!("first")
        }
    }
    let emitted = events::capture(|| {
        testing::run(async {
            let exit = Task::spawn(Twice(Bomb("second"))).await.unwrap_err();
            assert!(is_panic(&exit, "first"), "{exit}");
        });
    });
    let [crash] = events::named(&emitted, "crash")[..] else { panic!("one crash: {emitted:?}") };
    assert!(crash.field("exit").contains(": first"), "{crash:?}");
    assert_lost(&emitted, &["second"]);
}

fn assert_lost(emitted: &[Emitted], messages: &[&str]) {
    let lost = events::named(emitted, "lost_panic");
    assert_eq!(lost.len(), messages.len(), "{emitted:?}");
    for (event, message) in lost.into_iter().zip(messages) {
        let exit = event.field("exit");
        assert!(exit.contains(file!()) && exit.ends_with(message), "{exit}");
        assert_eq!(event.level, Level::ERROR);
    }
}

#[test]
fn a_panic_in_the_destructor_of_an_unused_value_is_emitted_and_affects_no_process() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let emitted = events::capture(|| {
        testing::run(async {
            let done = || async {
                let task = Task::spawn(async { Bomb("boom") });
                process::monitor(task.pid()).await;
                task
            };
            drop(done().await);
            drop(Task::await_many([done().await]));
            assert!(Task::yield_many(&mut [done().await]).limit(0).await[0].is_none());

            let late = || {
                Task::spawn(async {
                    assert!(cordial::shutdown_requested().now_or_never().is_none());
                    tokio::time::sleep(2 * SECOND).await;
                    Bomb("boom")
                })
            };
            assert!(matches!(late().timeout(SECOND).await, Err(Exit::Timeout(_))));
            let ignored = late();
            tokio::time::sleep(SECOND).await;
            assert!(ignored.ignore().is_none());
            tokio::time::sleep(60 * SECOND).await;
        });
    });
    assert_lost(&emitted, &["boom"; 5]);
    assert!(events::named(&emitted, "crash").is_empty(), "no process crashed: {emitted:?}");
}

/// Values that arrive one by one and are passed on together. A list of the standard library would abort the program.
#[test]
fn several_panics_in_destructors_of_values_that_are_held_are_all_emitted() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    async fn bomb_or_pending(n: u32) -> Bomb {
        if n == 0 { pending().await } else { Bomb("boom") }
    }
    /// Polls a future before and after the bombs have arrived, and drops it.
    async fn drop_late<F: Future>(future: F) {
        let mut future = Box::pin(future);
        for _ in 0..2 {
            assert!((&mut future).now_or_never().is_none());
            tokio::time::sleep(SECOND).await;
        }
    }
    let emitted = events::capture(|| {
        testing::run(async {
            let tasks = || (0..3).map(|n| Task::spawn(bomb_or_pending(n)));
            drop_late(Task::await_many(tasks())).await;
            let late = Task::await_many(tasks()).timeout(SECOND).await;
            assert!(matches!(late, Err(Exit::Timeout(_))));
            drop_late(Task::yield_many(&mut tasks().collect::<Vec<_>>()).timeout(60 * SECOND)).await;
            let mut set = TaskSet::new();
            for n in 0..3 {
                set.spawn(bomb_or_pending(n));
            }
            drop_late(set.all()).await;

            let stream = || Task::async_stream(0..3, bomb_or_pending).max_concurrency(3);
            let mut ordered = stream();
            drop_late(ordered.next()).await;
            drop(ordered);
            drop_late(stream().unordered().collect()).await;
            drop_late(stream().unordered().partition()).await;
            let cut = stream().timeout(SECOND).on_timeout(StreamTimeout::EndStream).collect().await;
            assert!(matches!(cut[..], [Err(Exit::Timeout(_))]));
            let kept = Task::async_stream([Bomb("boom"), Bomb("boom")], |input| {
                std::mem::forget(input);
                pending::<()>()
            });
            let mut kept = kept.max_concurrency(2).zip_input_on_exit();
            drop_late(kept.next()).await;
            drop(kept);
        });
    });
    assert_lost(&emitted, &["boom"; 18]);
    // The item that has exceeded its timeout.
    let crashes = events::named(&emitted, "crash");
    assert_eq!(crashes.iter().map(|crash| crash.field("exit")).collect::<Vec<_>>(), ["was killed"]);
}

#[test]
fn a_value_that_is_dropped_while_its_owner_unwinds_does_not_change_the_panic_report() {
    for_each_seed(|| async {
        let owner: Task<()> = Task::spawn(async {
            let task = Task::spawn(async { Bomb("boom") });
            process::monitor(task.pid()).await;
            panic!("no luck")
        });
        assert!(is_panic(&owner.await.unwrap_err(), "no luck"));
    });
}

#[test]
fn a_panic_in_the_destructor_of_a_payload_affects_no_process() {
    for_each_seed(|| async {
        let task: Task<()> = Task::spawn(async { std::panic::panic_any(Bomb("boom")) });
        let Err(Exit::Panic(report)) = task.await else { panic!("expected a panic") };
        assert_eq!(report.message(), "a panic whose payload is not a string");
        assert_eq!(report.location().file(), file!());
    });
}

/// An error whose `Display` and destructor panic.
#[derive(Debug)]
struct Nasty(#[expect(dead_code, reason = "only its destructor matters")] Bomb);

impl fmt::Display for Nasty {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("no text")
    }
}

impl std::error::Error for Nasty {}

#[test]
fn a_panic_in_the_destructor_of_an_unused_error_affects_no_process() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let emitted = events::capture(|| {
        testing::run(async {
            Task::start(async { Err::<(), _>(Nasty(Bomb("boom"))) });
            let nasty = Exit::Error(Arc::new(Nasty(Bomb("boom"))));
            let task: Task<()> = Task::spawn(async { cordial::exit(nasty).await });
            tokio::time::sleep(SECOND).await;
            drop(task);

            let nasty = Exit::Error(Arc::new(Nasty(Bomb("boom"))));
            let task = Task::spawn(async {
                process::exit(process::current().unwrap(), nasty);
                7
            });
            assert_eq!(task.await, Ok(7), "the value takes precedence over the exit");
        });
    });
    assert_lost(&emitted, &["boom"; 3]);
}

#[test]
fn panics_in_the_destructors_of_exits_that_were_not_read_affect_no_process() {
    for_each_seed(|| async {
        let exits = process::trap_exits();
        for _ in 0..2 {
            let nasty = Exit::Error(Arc::new(Nasty(Bomb("boom"))));
            Task::start_link(async { cordial::exit(nasty).await });
        }
        tokio::time::sleep(SECOND).await;
        drop(exits);
    });
}

#[test]
fn a_worker_survives_every_kind_of_panicking_destructor() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let answer = runtime.block_on(async {
        Task::start(async {
            let _bomb = Bomb("boom");
        });
        let (tx, rx) = oneshot::channel();
        let task = Task::spawn(async {
            let _ = tx.send(());
            Bomb("boom")
        });
        let _ = rx.await;
        process::monitor(task.pid()).await;
        drop(task);
        drop(Task::spawn(async { Bomb("boom") }));
        Task::spawn(async { 7 }).await
    });
    assert_eq!(answer, Ok(Ok(7)));
}

/// An error whose conversion kills the process that converts it.
struct Fatal;

impl From<Fatal> for Box<dyn std::error::Error + Send + Sync> {
    fn from(_: Fatal) -> Self {
        process::exit(process::current().unwrap(), Exit::Killed);
        "fatal".into()
    }
}

#[test]
fn several_panics_in_destructors_of_results_that_a_killed_process_does_not_see_are_all_emitted() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let emitted = events::capture(|| {
        testing::run(async {
            let owner = Task::spawn(async {
                let task = |n| Task::spawn(async move { if n == 2 { Err(Fatal) } else { Ok(Bomb("boom")) } });
                let mut tasks: Vec<Task<Bomb>> = (0..3).map(|n| task(n).or_exit()).collect();
                tokio::time::sleep(SECOND).await;
                Task::yield_many(&mut tasks).await
            });
            assert_eq!(owner.await.unwrap_err(), Exit::Killed);
        });
    });
    assert_lost(&emitted, &["boom"; 2]);
}
