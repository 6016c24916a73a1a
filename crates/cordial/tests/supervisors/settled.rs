//! A query that follows the exit of a child is answered after the restart, as in OTP, unless the restart takes long.

use std::fmt;
use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cordial::{
    Backoff, ChildInfo, ChildSpec, ChildState, Exit, Pid, Restart, StartError, Strategy, Supervisor, TaskSupervisor,
};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use crate::harness::children::{end, info, numbers, pid, state};
use crate::harness::limited;
use crate::harness::seeds::{SECOND, for_each_seed};

const MS: Duration = Duration::from_millis(1);

fn permanent(id: &'static str) -> ChildSpec {
    ChildSpec::task(id, pending::<()>).restart(Restart::Permanent)
}

/// A permanent child whose `init` takes `time` and then succeeds or fails, in each incarnation but the first.
fn later(time: Duration, is_success: bool) -> ChildSpec {
    let n_starts = AtomicU32::new(0);
    ChildSpec::init("later", move || {
        let is_first = n_starts.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if !is_first {
                sleep(time).await;
            }
            if is_first || is_success { Ok(pending::<()>()) } else { Err(io::Error::other("no luck")) }
        }
    })
}

/// How long a query waits for restarts that are made at once.
const WAIT: Duration = Duration::from_millis(10);

/// Repeats a query that follows an exit at `exited`, until it has the expected answer. Another answer fails the test if it comes less
/// than `WAIT` after the exit. It may come later, because a restart may take longer on a busy machine. In a simulation, a restart takes no time.
async fn answer<T, F>(exited: Instant, query: impl Fn() -> F, is_expected: impl Fn(&T) -> bool) -> T
where
    T: fmt::Debug,
    F: Future<Output = T>,
{
    loop {
        let answer = query().await;
        if is_expected(&answer) {
            return answer;
        }
        assert!(exited.elapsed() >= WAIT, "{answer:?}");
        yield_now().await;
    }
}

fn are_running(children: &[ChildInfo]) -> bool {
    children.iter().all(|child| child.state == ChildState::Running)
}

fn pids(children: &[ChildInfo]) -> Vec<Pid> {
    children.iter().filter_map(|child| child.pid).collect()
}

// V-025, V-026, V-083
#[test]
fn after_an_exit_that_was_seen_the_children_are_shown_as_restarted() {
    async fn check() {
        for (strategy, n_kept) in [(Strategy::OneForOne, 2), (Strategy::RestForOne, 1), (Strategy::OneForAll, 0)] {
            let tree = Supervisor::builder(strategy).max_restarts(100, SECOND);
            let tree = tree.child(permanent("a")).child(permanent("b")).child(permanent("c")).start().await.unwrap();
            for exit in [Exit::Killed, Exit::Shutdown(None), Exit::from("no luck")] {
                let before = pids(&tree.which_children().await);
                let exited = Instant::now();
                end(before[1], exit).await;
                let children = answer(exited, || tree.which_children(), |children| are_running(children)).await;
                let kept = pids(&children).into_iter().filter(|pid| before.contains(pid)).count();
                assert_eq!(kept, n_kept, "{strategy:?}");
                assert_eq!(numbers(tree.count_children().await), [3, 3, 0, 3]);
                let exited = Instant::now();
                end(pids(&children)[1], Exit::Killed).await;
                answer(exited, || tree.count_children(), |counts| numbers(*counts) == [3, 3, 0, 3]).await;
            }
            tree.stop().await;
        }
    }
    for_each_seed(check);
    limited::runtime(2).block_on(check()).unwrap();
}

// V-063, V-064
#[test]
fn after_an_exit_that_was_seen_the_restarted_children_of_a_task_supervisor_are_counted() {
    async fn check() {
        let tasks = TaskSupervisor::builder().max_restarts(100, SECOND).start();
        let other = tasks.start_child(pending::<()>()).unwrap();
        let spec = |restart| ChildSpec::task("child", pending::<()>).restart(restart);
        for (restart, exit, n) in [
            (Restart::Temporary, Exit::Killed, 0),
            (Restart::Transient, Exit::Shutdown(None), 0),
            (Restart::Transient, Exit::Killed, 1),
            (Restart::Permanent, Exit::Shutdown(None), 2),
            (Restart::Permanent, Exit::Killed, 3),
        ] {
            let child = tasks.start_child_with(spec(restart)).unwrap();
            let exited = Instant::now();
            end(child, exit).await;
            answer(exited, || tasks.count_children(), |counts| numbers(*counts) == [n + 1, n + 1, 0, n + 1]).await;
            let children = tasks.children();
            assert!(children.len() == n + 1 && children.contains(&other) && !children.contains(&child));
        }
        tasks.stop().await;
        assert_eq!(numbers(tasks.count_children().await), [0; 4]);
    }
    for_each_seed(check);
    limited::runtime(2).block_on(check()).unwrap();
}

// V-020, V-039, V-084
#[test]
fn a_call_that_follows_an_exit_comes_after_the_restart() {
    for_each_seed(|| async {
        let tree = Supervisor::builder(Strategy::OneForOne).max_restarts(100, SECOND);
        let tree = tree.child(permanent("a")).child(later(SECOND, false)).start().await.unwrap();
        for _ in 0..3 {
            let first = pid(&tree, "a").await;
            end(first, Exit::Killed).await;
            match tree.start_child(permanent("a")).await {
                Err(StartError::AlreadyStarted { pid, .. }) => assert_ne!(pid, first),
                other => panic!("{other:?}"),
            }
        }
        let last = pid(&tree, "a").await;
        end(last, Exit::Killed).await;
        assert!(tree.delete_child("a").await.is_err());
        assert_eq!(tree.terminate_child("a").await, Ok(()), "it terminates the restarted child");
        assert_eq!(
            info(&tree, "a").await.map(|child| (child.state, child.incarnation)),
            Some((ChildState::Stopped, 5))
        );
        end(pid(&tree, "later").await, Exit::Killed).await;
        let begun = Instant::now();
        assert_eq!(tree.terminate_child("later").await, Ok(()), "even while the restart takes long");
        assert_eq!(begun.elapsed(), Duration::ZERO);
        tree.stop().await;
    });
}

// V-038, V-065, V-095
#[test]
fn a_query_does_not_wait_for_retries_nor_long_for_a_slow_start() {
    let spec = |is_slow| {
        let spec = if is_slow { later(SECOND, true) } else { later(Duration::ZERO, false) };
        spec.restart(Restart::Permanent)
    };
    for is_slow in [false, true] {
        for_each_seed(move || async move {
            let tree = Supervisor::builder(Strategy::RestForOne).max_restarts(50, SECOND);
            let tree = tree.child(spec(is_slow)).child(permanent("after")).start().await.unwrap();
            end(pid(&tree, "later").await, Exit::Killed).await;
            let begun = Instant::now();
            let children = tree.which_children().await;
            assert!(children.iter().all(|child| child.state == ChildState::Restarting), "{children:?}");
            assert_eq!(numbers(tree.count_children().await), [2, 0, 0, 2]);
            assert_eq!(begun.elapsed(), if is_slow { 10 * MS } else { Duration::ZERO });
            tree.stop().await;

            let tasks = TaskSupervisor::builder().max_restarts(50, SECOND).start();
            let child = tasks.start_child_with(spec(is_slow)).unwrap();
            sleep(MS).await;
            end(child, Exit::Killed).await;
            let begun = Instant::now();
            assert_eq!(numbers(tasks.count_children().await), [1, 0, 0, 1]);
            assert_eq!(numbers(tasks.count_children().await), [1, 0, 0, 1]);
            assert_eq!(begun.elapsed(), if is_slow { 10 * MS } else { Duration::ZERO });
            tasks.stop().await;
        });
    }
}

#[test]
fn a_query_does_not_wait_for_a_backoff() {
    for_each_seed(|| async {
        let backoff = Backoff::exponential(SECOND, SECOND);
        let tree = Supervisor::builder(Strategy::OneForOne).child(permanent("a").backoff(backoff));
        let tree = tree.start().await.unwrap();
        let tasks = TaskSupervisor::start();
        let child = tasks.start_child_with(permanent("a").backoff(backoff)).unwrap();
        sleep(MS).await;
        end(pid(&tree, "a").await, Exit::Killed).await;
        end(child, Exit::Killed).await;
        let begun = Instant::now();
        assert_eq!(state(&tree, "a").await, Some(ChildState::Restarting));
        assert_eq!(numbers(tree.count_children().await), [1, 0, 0, 1]);
        assert_eq!(numbers(tasks.count_children().await), [1, 0, 0, 1]);
        assert_eq!(begun.elapsed(), Duration::ZERO);
        tree.stop().await;
    });
}
