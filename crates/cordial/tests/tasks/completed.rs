//! `Task::completed`: a handle that holds its value and has no process.
//!
//! Restates "completed/1" of Elixir's `task_test.exs`, and covers every other call on such a handle.

use std::time::Duration;

use cordial::{OnTimeout, Shutdown, Task, process};
use futures::FutureExt;

use crate::harness::probe::Probe;
use crate::harness::seeds::{SECOND, for_each_seed};

// T-031
#[test]
fn a_completed_handle_is_ready_at_once_and_starts_no_process() {
    for_each_seed(|| async {
        let own = process::current().unwrap();
        let task = Task::completed(7).timeout(Duration::ZERO);
        assert!(process::info(task.pid()).is_none());
        assert_ne!(task.pid(), own);
        assert_eq!(task.pid(), Task::completed("another").pid(), "all completed handles share one pid");
        assert!(task.is_finished());
        assert_eq!(process::monitor(task.pid()).now_or_never(), Some(cordial::Exit::NoProcess));
        assert_eq!(task.now_or_never(), Some(Ok(7)));
    });
}

// T-031
#[test]
fn a_completed_handle_works_without_a_runtime() {
    assert_eq!(Task::completed(7).now_or_never(), Some(Ok(7)));
    assert_eq!(Task::completed(7).wait(), Ok(7));
    assert_eq!(Task::await_many([Task::completed(7)]).now_or_never(), Some(Ok(vec![7])));
}

// T-034, T-035, T-121
#[test]
fn every_call_returns_the_value() {
    for_each_seed(|| async {
        assert_eq!(Task::completed(7).ignore(), Some(Ok(7)));
        for how in [Shutdown::default(), Shutdown::After(Duration::ZERO), Shutdown::BrutalKill, Shutdown::Infinity] {
            assert_eq!(Task::completed(7).shutdown(how).now_or_never(), Some(Some(Ok(7))));
        }
        assert_eq!(Task::completed(7).yield_for(Duration::ZERO).now_or_never(), Some(Some(Ok(7))));
        let all = Task::await_many([1, 2].map(Task::completed)).timeout(Duration::ZERO);
        assert_eq!(all.now_or_never(), Some(Ok(vec![1, 2])));
        for on_timeout in [OnTimeout::Nothing, OnTimeout::Ignore, OnTimeout::KillTask] {
            let mut tasks = [1, 2].map(Task::completed);
            let some = Task::yield_many(&mut tasks).timeout(Duration::ZERO).limit(1).on_timeout(on_timeout);
            assert_eq!(some.await, [Some(Ok(1)), None]);
            assert_eq!(tasks[1].yield_for(SECOND).await, Some(Ok(2)), "the next call can still take it");
        }
    });
}

#[test]
fn a_value_that_is_not_taken_is_dropped_with_its_handle() {
    let probe = Probe::default();
    drop(Task::completed(probe.guard()));
    assert_eq!(probe.drops(), 1);
}
