//! Starts that take too long: their events, their errors, and what becomes of the child.

use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use cordial::{
    Backoff, ChildSpec, ChildState, Exit, Pid, Restart, StartError, Task, TaskSupervisor, Timeout, process, testing,
};
use tokio::time::{Instant, sleep};

use crate::harness::children::{Log, crash, has_given_up, info, one_for_one, settle, state};
use crate::harness::limited;
use crate::harness::seeds::{SECOND, for_each_seed};
use crate::harness::{events, subprocess};

/// A child whose `init` hangs at its first `n` starts, after the first `n_good` ones.
fn hangs(id: &'static str, n_good: u32, n: u32) -> ChildSpec {
    let n_starts = Arc::new(AtomicU32::new(0));
    ChildSpec::init(id, move || {
        let start = n_starts.fetch_add(1, Ordering::SeqCst);
        async move {
            if (n_good..n_good + n).contains(&start) {
                pending::<()>().await;
            }
            Ok::<_, io::Error>(pending::<()>())
        }
    })
}

fn timed_out(id: &str, timeout: Duration) -> StartError {
    StartError::TimedOut { id: id.into(), timeout }
}

// V-112
#[test]
fn an_init_that_hangs_fails_after_its_timeout_with_an_error_that_names_it() {
    for_each_seed(|| async {
        for (timeout, expected) in
            [(None, 30 * SECOND), (Some(2 * SECOND), 2 * SECOND), (Some(3600 * SECOND), 3600 * SECOND)]
        {
            let spec = || match timeout {
                Some(timeout) => hangs("redis", 0, 1).start_timeout(timeout),
                None => hangs("redis", 0, 1),
            };
            let (log, begun) = (Log::default(), Instant::now());
            let started = one_for_one().child(log.child("a")).child(spec()).child(log.child("b")).start().await;
            let error = started.unwrap_err();
            assert_eq!((&error, begun.elapsed()), (&timed_out("redis", expected), expected));
            assert_eq!(
                error.to_string(),
                format!(
                    "the child \"redis\" had not finished starting after {expected:?}; set another limit with `start_timeout`"
                )
            );
            assert_eq!(log.take(), "+a -a");

            let tree = one_for_one().start().await.unwrap();
            let begun = Instant::now();
            assert_eq!((tree.start_child(spec()).await, begun.elapsed()), (Err(error.clone()), expected));
            assert_eq!(state(&tree, "redis").await, None);
            tree.stop().await;

            let (tasks, begun) = (TaskSupervisor::start(), Instant::now());
            let child = tasks.start_child_with(spec()).unwrap();
            assert_eq!((process::monitor(child).await, begun.elapsed()), (Exit::from(error), expected));
            settle().await;
            assert_eq!((tasks.count_children().await.specs, tasks.waiting_children()), (0, vec![]));
            tasks.stop().await;
        }
    });
}

// V-112
#[test]
fn an_init_without_a_limit_and_a_nested_supervisor_may_take_any_time() {
    for_each_seed(|| async {
        let slow = || {
            ChildSpec::init("slow", || async {
                sleep(7200 * SECOND).await;
                Ok::<_, io::Error>(pending::<()>())
            })
            .start_timeout(Timeout::Infinity)
        };
        let tasks = TaskSupervisor::start();
        tasks.start_child_with(slow()).unwrap();
        let tree = one_for_one().child(ChildSpec::supervisor("nested", move || one_for_one().child(slow())));
        assert_eq!(tree.start().await.unwrap().count_children().await.active, 1);
        assert_eq!(tasks.count_children().await.active, 1);
    });
}

// V-113
#[test]
fn a_restart_that_hangs_is_tried_again_and_other_children_are_restarted_after_it() {
    for (has_backoff, n) in [(false, 2), (true, 20)] {
        for_each_seed(move || async move {
            let backoff = Backoff::exponential(SECOND, 2 * SECOND);
            let spec = || {
                let spec = hangs("redis", 1, n).start_timeout(SECOND);
                if has_backoff { spec.backoff(backoff) } else { spec }
            };
            let tree = one_for_one().max_restarts(9, SECOND).child(Log::default().child("other")).child(spec());
            let tree = tree.start().await.unwrap();
            let tasks = TaskSupervisor::start();
            let first = tasks.start_child_with(spec()).unwrap();
            settle().await;
            process::exit(first, Exit::Killed);
            crash(&tree, "redis").await;
            crash(&tree, "other").await;
            sleep(3 * n * SECOND).await;
            assert_eq!(tree.count_children().await.active, 2);
            assert_eq!(info(&tree, "redis").await.unwrap().incarnation, n + 2);
            assert_eq!(tasks.children().len(), 1);
            tree.stop().await;
            tasks.stop().await;
        });
    }
}

// V-113
#[test]
fn starts_that_time_out_without_a_backoff_are_counted() {
    for_each_seed(|| async {
        let spec = || hangs("redis", 1, 100).start_timeout(SECOND);
        let tree = one_for_one().child(spec()).unlinked().start().await.unwrap();
        let tasks = TaskSupervisor::builder().unlinked().start();
        let first = tasks.start_child_with(spec()).unwrap();
        settle().await;
        process::exit(first, Exit::Killed);
        crash(&tree, "redis").await;
        for exit in [tree.ended().await, tasks.ended().await] {
            assert!(has_given_up(&exit) && exit.to_string().contains("had not finished starting after 1s"), "{exit}");
        }
    });
}

#[test]
fn an_init_that_traps_exits_or_is_graceful_is_killed_at_its_timeout() {
    for_each_seed(|| async {
        for traps in [false, true] {
            let spec = ChildSpec::init("stubborn", move || async move {
                let _exits = traps.then(process::trap_exits);
                cordial::shutdown_requested().await;
                pending::<()>().await;
                Ok::<_, io::Error>(pending::<()>())
            });
            let tasks = TaskSupervisor::start();
            let child = tasks.start_child_with(spec.start_timeout(SECOND)).unwrap();
            let exit = process::monitor(child).await;
            let expected = if traps { Exit::Killed } else { Exit::from(timed_out("stubborn", SECOND)) };
            assert_eq!(exit, expected);
            settle().await;
            assert_eq!(tasks.count_children().await.specs, 0);
        }
    });
}

// V-112
#[test]
fn a_start_that_takes_long_emits_events() {
    if !subprocess::is_isolated(test_name!()) {
        return;
    }
    let of_tree = events::capture(|| {
        testing::run(async {
            one_for_one().label("tree").child(hangs("redis", 0, 1)).start().await.unwrap_err();
        });
    });
    let of_tasks = events::capture(|| {
        testing::run(async {
            let tasks = TaskSupervisor::builder().label("tree").start();
            process::monitor(tasks.start_child_with(hangs("redis", 0, 1)).unwrap()).await;
        });
    });
    for emitted in [of_tree, of_tasks] {
        let slow = events::named(&emitted, "slow_start");
        let lasted: Vec<_> = slow.iter().map(|event| (event.field("lasted_ms"), event.field("timeout_ms"))).collect();
        assert_eq!(lasted, [("5000", "30000"), ("10000", "30000"), ("20000", "30000")]);
        assert!(slow.iter().all(|event| (event.field("child"), event.field("label")) == ("redis", "tree")));
        let [failed] = events::named(&emitted, "start_failed")[..] else { panic!("{emitted:?}") };
        assert!(failed.field("reason").contains("\"redis\" had not finished starting after 30s"));
        assert_eq!(failed.level, tracing::Level::ERROR);
        let errors: Vec<_> = emitted.iter().filter(|event| event.level == tracing::Level::ERROR).collect();
        assert_eq!(errors.len(), 1, "one error for one failure: {errors:?}");
        let [ended] = events::named(&emitted, "crash")[..] else { panic!("{emitted:?}") };
        assert!(ended.field("exit").contains("\"redis\" had not finished starting after 30s"));
    }
}

/// A start timeout on the real clock. On a busy machine, it may elapse before the first poll of the start.
const TIMEOUT: Duration = Duration::from_secs(1);

/// A child whose first `init` blocks in a poll until the sender is dropped. Each start sends its pid.
fn blocks(id: &'static str) -> (ChildSpec, mpsc::Sender<()>, tokio::sync::mpsc::UnboundedReceiver<Pid>) {
    let (release, blocked) = mpsc::channel::<()>();
    let (starts, started) = tokio::sync::mpsc::unbounded_channel();
    let mut blocked = Some(blocked);
    let spec = ChildSpec::init(id, move || {
        starts.send(process::current().unwrap()).unwrap();
        let blocked = blocked.take();
        async move {
            if let Some(blocked) = blocked {
                let _ = blocked.recv();
                pending::<()>().await;
            }
            Ok::<_, io::Error>(pending::<()>())
        }
    });
    (spec.restart(Restart::Permanent).start_timeout(TIMEOUT), release, started)
}

// V-114
#[test]
fn an_init_that_is_stuck_in_a_poll_is_abandoned_and_its_restart_waits_for_it() {
    let runtime = limited::runtime(2);
    runtime
        .block_on(async {
            // The start of a tree fails, even if the child cannot be ended. Again if the child was not polled.
            let (release, stuck) = loop {
                let (spec, release, mut started) = blocks("stuck");
                let failed = one_for_one().child(spec).start().await;
                assert_eq!(failed.unwrap_err(), timed_out("stuck", TIMEOUT));
                if let Some(stuck) = started.recv().await {
                    break (release, stuck);
                }
            };
            assert!(process::info(stuck).is_some(), "an abandoned process stays until its poll returns");
            let end = process::monitor(stuck);
            drop(release);
            assert_eq!(end.await, Exit::from(timed_out("stuck", TIMEOUT)));

            // With a backoff, the next attempt comes once the poll has returned.
            let short = Backoff::exponential(SECOND / 1000, SECOND / 100);
            let (spec, release, mut started) = blocks("stuck");
            let tree = Task::spawn(one_for_one().child(spec.backoff(short)).unlinked().start());
            let tasks = TaskSupervisor::start();
            let (spec, release_task, mut task_started) = blocks("stuck");
            tasks.start_child_with(spec.backoff(short)).unwrap();
            let [first, first_task] = [started.recv().await, task_started.recv().await].map(Option::unwrap);
            for stuck in [first, first_task] {
                while !runtime_shows_abandoned(stuck) {
                    sleep(Duration::from_millis(1)).await;
                }
            }
            assert!(started.try_recv().is_err() && task_started.try_recv().is_err(), "no second start yet");
            drop((release, release_task));
            let mut second = started.recv().await.unwrap();
            let second_task = task_started.recv().await.unwrap();
            assert!(second != first && second_task != first_task);
            let tree = tree.await.unwrap().unwrap();
            // On a busy machine, the second attempt may time out as well.
            while let Ok(later) = started.try_recv() {
                second = later;
            }
            assert_eq!(
                info(&tree, "stuck").await.map(|child| (child.state, child.pid)),
                Some((ChildState::Running, Some(second)))
            );
            tree.stop().await;
            tasks.stop().await;
        })
        .unwrap();
}

fn runtime_shows_abandoned(pid: Pid) -> bool {
    process::info(pid).is_some_and(|info| info.state == process::ProcessState::Abandoned)
}
