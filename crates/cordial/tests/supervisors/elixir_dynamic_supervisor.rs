//! Restates what Elixir's `dynamic_supervisor_test.exs` checks for children with a factory, as far as no other file does.

use std::error::Error;
use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use cordial::{
    Backoff, ChildCounts, ChildSpec, Exit, Ignore, Refusal, Restart, Shutdown, StartError, TaskSupervisor, process,
};
use tokio::time::sleep;

use crate::harness::children::{end, has_given_up, settle};
use crate::harness::seeds::{SECOND, for_each_seed};

type BoxError = Box<dyn Error + Send + Sync>;

/// How one start of a child ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Succeeds,
    /// `init` says that the child is not needed.
    Ignored,
    /// `init` returns an error.
    Errs,
    /// `init` panics.
    Panics,
    /// The factory panics.
    FactoryPanics,
}

const FAILURES: [Start; 3] = [Start::Errs, Start::Panics, Start::FactoryPanics];

/// A child whose starts end as listed. Further starts end like the last one.
fn child(restart: Restart, starts: &'static [Start]) -> ChildSpec {
    let n_starts = AtomicU32::new(0);
    let factory = move || {
        let n = n_starts.fetch_add(1, Ordering::SeqCst) as usize;
        let start = *starts.get(n).unwrap_or(&starts[starts.len() - 1]);
        assert!(start != Start::FactoryPanics, "no luck");
        async move {
            match start {
                Start::Succeeds => Ok(pending::<()>()),
                Start::Ignored => Err(BoxError::from(Ignore)),
                Start::Errs => Err(BoxError::from(io::Error::other("no luck"))),
                Start::Panics | Start::FactoryPanics => panic!("no luck"),
            }
        }
    };
    ChildSpec::init("child", factory).restart(restart)
}

fn numbers(counts: ChildCounts) -> (usize, usize) {
    assert_eq!((counts.specs, counts.supervisors), (counts.workers, 0));
    (counts.workers, counts.active)
}

// V-059, V-060, V-106
#[test]
fn a_child_that_fails_to_start_at_first_is_not_kept_and_its_supervisor_runs_on() {
    const CASES: [&[Start]; 4] = [&[Start::Ignored], &[Start::Errs], &[Start::Panics], &[Start::FactoryPanics]];
    for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
        for_each_seed(move || async move {
            let tasks = TaskSupervisor::builder().max_restarts(0, SECOND).start();
            for starts in CASES {
                let exit = process::monitor(tasks.start_child_with(child(restart, starts)).unwrap()).await;
                match exit {
                    Exit::Normal => assert_eq!(starts[0], Start::Ignored),
                    Exit::Error(error) => assert!(starts[0] == Start::Errs && error.to_string() == "no luck"),
                    Exit::Panic(report) => assert!(starts[0] != Start::Errs && report.message() == "no luck"),
                    other => panic!("{other:?}"),
                }
                assert_eq!(numbers(tasks.count_children().await), (0, 0));
            }
            let last = tasks.start_child_with(child(restart, &[Start::Succeeds])).unwrap();
            settle().await;
            assert_eq!((tasks.children(), numbers(tasks.count_children().await)), (vec![last], (1, 1)));
        });
    }
}

// V-065, V-066, V-067, V-107
#[test]
fn children_whose_restarts_end_differently_are_counted() {
    for failure in FAILURES {
        for_each_seed(move || async move {
            let tasks = TaskSupervisor::builder().max_restarts(1000, SECOND).max_children(3).start();
            let start = |spec| {
                let tasks = tasks.clone();
                async move {
                    let pid = tasks.start_child_with(spec).unwrap();
                    settle().await;
                    end(pid, Exit::Shutdown(None)).await;
                    numbers(tasks.count_children().await)
                }
            };
            let fails: &'static [Start] = match failure {
                Start::Errs => &[Start::Succeeds, Start::Errs],
                Start::Panics => &[Start::Succeeds, Start::Panics],
                _ => &[Start::Succeeds, Start::FactoryPanics],
            };
            let succeeds: &'static [Start] = &[Start::Succeeds];
            let ignored: &'static [Start] = &[Start::Succeeds, Start::Ignored];
            assert_eq!(start(child(Restart::Permanent, succeeds)).await, (1, 1));
            assert_eq!(start(child(Restart::Permanent, ignored)).await, (1, 1));
            let backoff = Backoff::exponential(SECOND, SECOND);
            assert_eq!(start(child(Restart::Permanent, fails).backoff(backoff)).await, (2, 1));
            assert_eq!(start(child(Restart::Permanent, fails)).await, (3, 1));
            assert_eq!((tasks.children().len(), tasks.waiting_children().len()), (1, 2));
            let full = StartError::Refused(Refusal::SupervisorFull);
            assert_eq!(tasks.start_child_with(child(Restart::Temporary, succeeds)), Err(full));
            for waiting in tasks.waiting_children() {
                assert_eq!(tasks.terminate_child(waiting.last_pid).await, Ok(()));
            }
            assert_eq!(numbers(tasks.count_children().await), (1, 1));
            assert!(tasks.start_child_with(child(Restart::Temporary, succeeds)).is_ok());
            tasks.stop().await;
        });
    }
}

// V-068, V-069, V-070
#[test]
fn failed_restarts_are_tried_again_until_there_are_too_many() {
    const SUCCEEDS_AT_LAST: &[Start] =
        &[Start::Succeeds, Start::Errs, Start::Panics, Start::FactoryPanics, Start::Succeeds];
    for (max_restarts, is_enough) in [(1, false), (3, false), (4, true), (10, true)] {
        for_each_seed(move || async move {
            let tasks = TaskSupervisor::builder().unlinked().max_restarts(max_restarts, 5 * SECOND).start();
            let first = tasks.start_child_with(child(Restart::Transient, SUCCEEDS_AT_LAST)).unwrap();
            settle().await;
            end(first, Exit::Killed).await;
            sleep(SECOND).await;
            if is_enough {
                assert_eq!(numbers(tasks.count_children().await), (1, 1));
                tasks.stop().await;
            } else {
                assert!(has_given_up(&tasks.ended().await));
                assert_eq!(numbers(tasks.count_children().await), (0, 0));
            }
        });
    }
}

// V-079, V-081
#[test]
fn a_terminated_child_has_exited_as_its_shutdown_option_says() {
    for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
        for_each_seed(move || async move {
            let tasks = TaskSupervisor::start();
            for (shutdown, exit) in [
                (Shutdown::BrutalKill, Exit::Killed),
                (Shutdown::After(SECOND), Exit::Shutdown(None)),
                (Shutdown::Infinity, Exit::Shutdown(None)),
            ] {
                let spec = child(restart, &[Start::Succeeds]).shutdown(shutdown);
                let pid = tasks.start_child_with(spec).unwrap();
                settle().await;
                let monitor = process::monitor(pid);
                assert_eq!(tasks.terminate_child(pid).await, Ok(()));
                assert_eq!(monitor.await, exit);
                assert!(tasks.terminate_child(pid).await.is_err());
                assert_eq!(numbers(tasks.count_children().await), (0, 0));
            }
        });
    }
}

// V-059, V-060
#[test]
fn a_child_that_is_ended_before_its_first_poll_is_restarted_by_its_policy() {
    for (restart, exit, n) in [
        (Restart::Permanent, Exit::Shutdown(None), 1),
        (Restart::Permanent, Exit::from("no luck"), 1),
        (Restart::Transient, Exit::from("no luck"), 1),
        (Restart::Transient, Exit::Shutdown(None), 0),
        (Restart::Temporary, Exit::Killed, 0),
    ] {
        for_each_seed(move || {
            let exit = exit.clone();
            async move {
                let tasks = TaskSupervisor::start();
                let pid = tasks.start_child_with(child(restart, &[Start::Succeeds])).unwrap();
                end(pid, exit).await;
                assert_eq!(numbers(tasks.count_children().await), (n, n));
            }
        });
    }
}
