//! Tests on the paused clock of tokio, which processes do not follow.

use std::sync::mpsc;
use std::time::Duration;

use cordial::{ChildSpec, Exit, Refusal, Retry, StartError, Task, TaskSupervisor, Timeout, testing, within};

const HOUR: Duration = Duration::from_secs(3600);

fn is_refused<T>(result: &Result<T, Exit>) -> bool {
    matches!(result, Err(exit @ Exit::Refused(Refusal::PausedClock)) if exit.to_string().contains("testing::run"))
}

#[tokio::test(start_paused = true)]
async fn a_process_is_refused_where_the_clock_of_tokio_is_paused() {
    assert!(is_refused(&Task::spawn(async {}).await));
    // Also after the clock has jumped ahead.
    tokio::time::sleep(HOUR).await;
    assert!(is_refused(&Task::spawn(async {}).await));
    assert!(is_refused(&Task::async_stream([1], |n| async move { n }).collect().await.remove(0)));
    assert!(TaskSupervisor::start().start_child(async {}).is_err());
}

#[tokio::test]
async fn a_process_is_refused_only_while_the_clock_of_tokio_is_paused() {
    for _ in 0..1000 {
        assert_eq!(Task::spawn(async { 1 }).await, Ok(1));
    }
    tokio::time::pause();
    assert!(is_refused(&Task::spawn(async {}).await));
    tokio::time::advance(HOUR).await;
    assert!(is_refused(&Task::spawn(async {}).await));
    // The clock is not that of the system any more, but it runs.
    tokio::time::resume();
    assert_eq!(Task::spawn(async { 1 }).await, Ok(1));
}

/// A regression test: the deadline was one of the clock of the system, so that an hour on the clock of tokio was over before it.
#[tokio::test(start_paused = true)]
async fn a_deadline_is_refused_where_the_clock_of_tokio_is_paused() {
    let slept = within(Duration::from_secs(1), tokio::time::sleep(HOUR)).await;
    assert!(is_refused(&slept), "{slept:?}");
    assert_eq!(within(Timeout::Infinity, async { 1 }).await, Ok(1), "no clock is needed");
    tokio::time::resume();
    assert_eq!(within(HOUR, async { 1 }).await, Ok(1));
}

#[tokio::test]
async fn a_child_that_is_refused_occupies_no_room_when_its_filter_runs() {
    let tasks = TaskSupervisor::builder().max_children(1).start();
    tokio::time::pause();
    let (sender, receiver) = mpsc::channel();
    let in_filter = tasks.clone();
    let retry = Retry::times(1).when(move |_| {
        let _ = sender.send(in_filter.start_child(async {}));
        false
    });
    let results = tasks.async_stream([1], |n| async move { n }).retry(retry).collect().await;
    assert!(is_refused(&results[0]));
    let started = receiver.try_recv().unwrap();
    assert!(matches!(started, Err(StartError::Refused(Refusal::PausedClock))), "{started:?}");
}

/// A regression test: the refused child was removed twice, by its index. By the second time, the other child had that index.
#[tokio::test]
async fn a_child_that_is_refused_leaves_the_child_that_its_destructor_starts() {
    struct StartsAnother(TaskSupervisor);
    impl Drop for StartsAnother {
        fn drop(&mut self) {
            tokio::time::resume();
            self.0.start_child_with(ChildSpec::task("other", std::future::pending::<()>)).unwrap();
        }
    }
    let tasks = TaskSupervisor::builder().max_children(1).start();
    let starts_another = StartsAnother(tasks.clone());
    tokio::time::pause();
    let refused = tasks.start_child_with(ChildSpec::task("refused", move || {
        let _captured = &starts_another;
        std::future::pending::<()>()
    }));
    assert!(matches!(refused, Err(StartError::Refused(Refusal::PausedClock))), "{refused:?}");
    assert_eq!(tasks.children().len(), 1, "the other child is running");
    assert!(tasks.stop().await.is_clean());
}

/// A regression test: the error said that the server has another parent.
#[tokio::test(start_paused = true)]
async fn a_server_is_refused_as_its_supervisor_was() {
    struct Counter;
    impl cordial::server::Server for Counter {}
    let (_counter, spec) = ChildSpec::server("counter", || Counter);
    let started = TaskSupervisor::start().start_child_with(spec);
    assert!(matches!(started, Err(StartError::Refused(Refusal::PausedClock))), "{started:?}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a task of tokio is a case of this test")]
fn a_simulation_has_a_virtual_clock_of_its_own() {
    let woken = testing::run(async {
        tokio::spawn(async { Task::spawn(tokio::time::sleep(HOUR)).timeout(2 * HOUR).await }).await
    });
    assert_eq!(woken.unwrap(), Ok(()));
    let in_time = testing::run(async { tokio::spawn(within(2 * HOUR, tokio::time::sleep(HOUR))).await });
    assert_eq!(in_time.unwrap(), Ok(()));
}

/// `max_children` may bound what the futures hold, so a slot is free for another child only after the drop of its future.
#[tokio::test]
async fn a_refused_child_has_its_slot_until_its_future_is_dropped() {
    struct StartsAnother(TaskSupervisor, mpsc::Sender<bool>);
    impl Drop for StartsAnother {
        fn drop(&mut self) {
            tokio::time::resume();
            let started = self.0.start_child(async {});
            let is_full = matches!(started, Err(StartError::Refused(Refusal::SupervisorFull)));
            self.1.send(is_full).unwrap();
        }
    }
    let tasks = TaskSupervisor::builder().max_children(1).start();
    let (sender, is_full) = mpsc::channel();
    let held = StartsAnother(tasks.clone(), sender);
    tokio::time::pause();
    let refused = tasks.start_child(async move {
        let _held = held;
        std::future::pending::<()>().await
    });
    assert!(matches!(refused, Err(StartError::Refused(Refusal::PausedClock))), "{refused:?}");
    assert_eq!(is_full.recv(), Ok(true));
    assert!(tasks.start_child(async {}).is_ok());
}
