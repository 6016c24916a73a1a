//! The actions of an observer on a process, and their answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use cordial::process::{self, Ending, RestartError};
use cordial::{
    ChildSpec, Exit, Pid, Restart, Runtime, Shutdown, Strategy, Supervisor, Task, TaskSupervisor, shutdown_requested,
    testing,
};

use crate::harness::limited;

const SECOND: Duration = Duration::from_secs(1);

fn is_alive(pid: Pid) -> bool {
    process::info(pid).is_some()
}

#[test]
fn a_process_ends_as_it_is_asked_to_or_is_killed_when_its_grace_time_is_over() {
    testing::run(async {
        let inspector = process::inspector();
        let asked = Task::start(std::future::pending::<()>());
        let answer = inspector.stop(asked, SECOND).await;
        assert!(matches!(answer.ending, Ending::Ended(Exit::Shutdown(None))), "{answer:?}");
        assert!(answer.to_string().ends_with("has ended after 0ms: it was shut down"), "{answer}");
        let graceful = Task::start(async {
            shutdown_requested().await;
            tokio::time::sleep(SECOND).await;
        });
        tokio::task::yield_now().await;
        let answer = inspector.stop(graceful, 2 * SECOND).await;
        assert!(matches!(answer.ending, Ending::Ended(Exit::Normal)), "{answer:?}");
        assert_eq!((answer.took, answer.pid()), (SECOND, Some(graceful)));
        let failing = Task::start(async {
            shutdown_requested().await;
            cordial::exit(Exit::from("no luck")).await
        });
        tokio::task::yield_now().await;
        let answer = inspector.stop(failing, SECOND).await;
        assert!(answer.to_string().ends_with("has ended after 0ms: it failed: no luck"), "{answer}");
        let ignoring = Task::start(async {
            let _requested = shutdown_requested();
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
        let answer = inspector.stop(ignoring, SECOND).await;
        assert!(matches!(answer.ending, Ending::Killed), "{answer:?}");
        assert!(
            answer.to_string().ends_with("did not end when it was asked to, was killed, and has ended"),
            "{answer}"
        );
        let killed = Task::start(std::future::pending::<()>());
        let answer = inspector.stop(killed, Shutdown::BrutalKill).await;
        assert!(matches!(answer.ending, Ending::Ended(Exit::Killed)), "{answer:?}");
        for gone in [asked, killed] {
            let answer = inspector.stop(gone, SECOND).await;
            assert!(matches!(answer.ending, Ending::NoProcess) && answer.has_ended(), "{answer:?}");
            assert_eq!(answer.to_string(), "there is no such process any more");
            assert_eq!(inspector.stop_subtree(gone, SECOND).await.to_string(), answer.to_string());
        }
    });
}

#[test]
fn a_process_in_a_poll_is_not_reported_as_ended() {
    let runtime = limited::runtime(2);
    let inspector = runtime.inspector();
    let (release, released) = mpsc::channel::<()>();
    let (began, has_begun) = mpsc::channel();
    runtime
        .block_on(async move {
            Task::builder().label("stuck").start(async move {
                began.send(process::current().unwrap()).unwrap();
                let _ = released.recv();
            });
        })
        .unwrap();
    let stuck = has_begun.recv().unwrap();
    // The answers describe a poll that was seen to be long.
    limited::wait_until("the poll is seen", || inspector.long_polls().iter().any(|poll| poll.pid == stuck));
    let observer = limited::runtime(1);
    let own = inspector.clone();
    let [one, all] = observer
        .block_on(async move {
            [own.stop(stuck, Shutdown::BrutalKill).await, own.stop_subtree(stuck, Shutdown::BrutalKill).await]
        })
        .unwrap();
    for answer in [one, all] {
        assert!(!answer.has_ended(), "{answer:?}");
        let Ending::InPoll(Some(poll)) = &answer.ending else { panic!("{answer:?}") };
        assert_eq!((poll.pid, poll.label.as_deref()), (stuck, Some("stuck")));
        let text = answer.to_string();
        assert!(text.contains("actions.rs:") && text.contains(" was killed, and has been in a poll for "), "{text}");
        assert!(text.ends_with("; it will end when that poll returns"), "{text}");
    }
    drop(release);
    runtime.block_on(async move { process::monitor(stuck).await }).unwrap();
}

#[test]
fn a_stop_returns_even_if_the_killed_process_gets_no_thread() {
    let runtime = limited::start(Runtime::builder().workers(1).max_threads(1));
    let (release, released) = mpsc::channel::<()>();
    let (began, has_begun) = mpsc::channel();
    runtime
        .block_on(async move {
            let waits = Task::start(std::future::pending::<()>());
            Task::start(async move {
                began.send(waits).unwrap();
                let _ = released.recv();
            });
        })
        .unwrap();
    let waits = has_begun.recv().unwrap();
    let inspector = runtime.inspector();
    let observer = limited::runtime(1);
    let answer = observer.block_on(async move { inspector.stop(waits, Shutdown::BrutalKill).await }).unwrap();
    assert!(matches!(answer.ending, Ending::Waits), "{answer:?}");
    assert!(answer.to_string().contains("waits for a free thread"), "{answer}");
    drop(release);
    runtime.block_on(async move { process::monitor(waits).await }).unwrap();
}

#[test]
fn the_children_of_a_supervisor_are_stopped_before_it_in_reverse_order() {
    testing::run(async {
        let log: Arc<Mutex<Vec<&str>>> = Arc::default();
        let child = |id: &'static str| {
            let log = log.clone();
            ChildSpec::task(id, move || {
                let log = log.clone();
                async move {
                    shutdown_requested().await;
                    log.lock().unwrap().push(id);
                }
            })
        };
        let unrelated = Task::spawn(async { shutdown_requested().await });
        let builder = Supervisor::builder(Strategy::OneForOne).child(child("first")).child(child("second"));
        let tree = builder.child(child("third")).start().await.unwrap();
        let _exits = process::trap_exits();
        let answer = process::inspector().stop_subtree(tree.pid(), 5 * SECOND).await;
        assert!(answer.has_ended() && answer.report.is_clean() && answer.n_below == 3, "{answer:?}");
        assert_eq!(*log.lock().unwrap(), ["third", "second", "first"]);
        assert!(answer.to_string().ends_with("; 3 processes below it ended too"), "{answer}");
        assert!(is_alive(unrelated.pid()));
    });
}

#[test]
fn a_subtree_ends_with_all_that_it_has_spawned_and_with_nothing_else() {
    for shutdown in [Shutdown::BrutalKill, Shutdown::After(SECOND)] {
        testing::run(async move {
            let (tx, mut pids) = tokio::sync::mpsc::unbounded_channel();
            let requests = TaskSupervisor::builder().label("requests").start();
            let elsewhere = requests.clone();
            let top = Task::start(async move {
                let owned = TaskSupervisor::builder().label("owned").start();
                let below = Task::start(std::future::pending::<()>());
                let deep = Task::start(async {
                    Task::start(async {
                        let _requested = shutdown_requested();
                        std::future::pending::<()>().await;
                    });
                    std::future::pending::<()>().await;
                });
                let child = owned.start_child(std::future::pending::<()>()).unwrap();
                let of_others = elsewhere.start_child(std::future::pending::<()>()).unwrap();
                tx.send([owned.pid(), below, deep, child, of_others]).unwrap();
                std::future::pending::<()>().await;
            });
            let [owned, below, deep, child, of_others] = pids.recv().await.unwrap();
            tokio::time::sleep(SECOND).await;
            let n_before = process::inspector().totals().alive;
            let answer = process::inspector().stop_subtree(top, shutdown).await;
            assert_eq!((answer.has_ended(), answer.n_below), (true, 5), "{answer:?}");
            assert_eq!([top, owned, below, deep, child].map(is_alive), [false; 5]);
            assert_eq!((is_alive(of_others), is_alive(requests.pid())), (true, true));
            assert_eq!(n_before - process::inspector().totals().alive, 6);
            // One of them has opted in and does not end when it is asked to.
            assert_eq!(answer.report.is_clean(), shutdown == Shutdown::BrutalKill, "{answer}");
        });
    }
}

/// Starts a chain of this many processes, each of which has started the next one.
fn start_chain(length: u32) -> Pid {
    Task::start(async move {
        if length > 1 {
            start_chain(length - 1);
        }
        std::future::pending::<()>().await;
    })
}

/// Stops a chain of this many processes. Returns how long that takes in real time.
fn stop_chain(length: u32) -> Duration {
    testing::run(async move {
        let first = start_chain(length);
        tokio::time::sleep(SECOND).await;
        #[expect(clippy::disallowed_methods, reason = "the search takes real time")]
        let started = std::time::Instant::now();
        let answer = process::inspector().stop_subtree(first, Shutdown::BrutalKill).await;
        let lasted = started.elapsed();
        assert_eq!((answer.n_below, process::inspector().totals().alive), (length as usize - 1, 1));
        lasted
    })
}

/// With one search of all processes for each process of the chain, a chain that is four times as long would take sixteen times as long.
#[test]
fn a_long_chain_of_processes_is_found_in_one_search() {
    let mut lasted = Vec::new();
    // Again if it was too long, because the machine may have been busy with something else.
    while lasted.len() < 10 && lasted.last().is_none_or(|(short, long)| *long > 8 * *short) {
        lasted.push((stop_chain(2500), stop_chain(10_000)));
    }
    assert!(lasted.last().is_some_and(|(short, long)| *long <= 8 * *short), "{lasted:?}");
}

#[test]
fn a_subtree_ends_in_time_even_if_a_supervisor_in_it_allows_more_time() {
    for shutdown in [Shutdown::BrutalKill, Shutdown::After(SECOND)] {
        testing::run(async move {
            let (tx, mut pids) = tokio::sync::mpsc::unbounded_channel();
            let top = Task::start(async move {
                let ignoring = ChildSpec::task("ignoring", || async {
                    let _requested = shutdown_requested();
                    std::future::pending::<()>().await;
                });
                let builder = Supervisor::builder(Strategy::OneForOne).child(ignoring.shutdown(60 * SECOND));
                let tree = builder.start().await.unwrap();
                tx.send([tree.pid(), tree.which_children().await[0].pid.unwrap()]).unwrap();
                std::future::pending::<()>().await;
            });
            let below = pids.recv().await.unwrap();
            tokio::task::yield_now().await;
            let answer = process::inspector().stop_subtree(top, shutdown).await;
            assert_eq!(below.map(is_alive), [false; 2], "{answer}");
            assert!(answer.took <= 2 * SECOND, "{answer:?}");
            assert_eq!(answer.report.is_clean(), shutdown == Shutdown::BrutalKill, "{answer}");
        });
    }
}

#[test]
fn an_answer_says_whether_a_supervisor_starts_the_process_again() {
    testing::run(async {
        let child = |id: &'static str, restart| ChildSpec::task(id, std::future::pending::<()>).restart(restart);
        let builder = Supervisor::builder(Strategy::OneForOne).child(child("kept", Restart::Permanent));
        let builder = builder.child(child("after_crashes", Restart::Transient));
        let tree = builder.child(child("once", Restart::Temporary)).start().await.unwrap();
        let inspector = process::inspector();
        for (id, restarts) in [("kept", true), ("after_crashes", true), ("once", false)] {
            let children = tree.which_children().await;
            let pid = children.iter().find(|child| &*child.id == id).unwrap().pid.unwrap();
            let answer = inspector.stop(pid, Shutdown::BrutalKill).await;
            assert_eq!(answer.restarts, restarts, "{answer}");
            assert_eq!(answer.to_string().ends_with("; its supervisor starts it again"), restarts, "{answer}");
        }
    });
}

#[test]
fn a_child_is_restarted_and_the_restart_is_not_counted() {
    testing::run(async {
        let child = |id: &'static str, restart| ChildSpec::task(id, std::future::pending::<()>).restart(restart);
        let builder = Supervisor::builder(Strategy::OneForAll).child(child("kept", Restart::Permanent));
        let tree = builder.child(child("once", Restart::Temporary)).start().await.unwrap();
        let pids =
            |children: Vec<cordial::ChildInfo>| children.iter().map(|child| child.pid.unwrap()).collect::<Vec<_>>();
        let [kept, once] = pids(tree.which_children().await)[..] else { panic!() };
        let inspector = process::inspector();
        let mut last = kept;
        for _ in 0..10 {
            last = inspector.restart(last).await.unwrap();
        }
        assert_eq!(pids(tree.which_children().await), [last, once], "the sibling was not restarted");
        let info = process::info(last).unwrap();
        assert_eq!((info.child_id.as_deref(), info.incarnation), (Some("kept"), 11));
        assert_eq!(process::info(tree.pid()).unwrap().supervises.unwrap().restarts, 0);
        let error = inspector.restart(once).await.unwrap_err();
        assert!(matches!(&error, RestartError::Temporary(id) if &**id == "once"), "{error}");
        assert!(is_alive(once));
        assert!(matches!(inspector.restart(kept).await, Err(RestartError::NoProcess)));
        let own = process::current().unwrap();
        assert!(matches!(inspector.restart(own).await, Err(RestartError::NoSupervisor)));
        let tasks = TaskSupervisor::builder().start();
        let task = tasks.start_child(std::future::pending::<()>()).unwrap();
        assert!(matches!(inspector.restart(task).await, Err(RestartError::OfTaskSupervisor)));
    });
}

/// When the supervisor handles the request, it may have restarted the child already.
#[test]
fn the_restart_of_a_process_that_crashes_does_not_stop_the_next_process_of_the_child() {
    let test = async || {
        let child = ChildSpec::task("child", std::future::pending::<()>).restart(Restart::Permanent);
        let tree = Supervisor::builder(Strategy::OneForOne).child(child).start().await.unwrap();
        let first = tree.which_children().await[0].pid.unwrap();
        process::exit(first, Exit::from("no luck"));
        let restarted = process::inspector().restart(first).await;
        tokio::time::sleep(SECOND).await;
        let second = tree.which_children().await[0].pid.unwrap();
        assert_eq!(process::info(second).unwrap().incarnation, 2);
        assert!(matches!(restarted, Ok(pid) if pid == second) || matches!(restarted, Err(RestartError::NoProcess)));
    };
    (0..20).for_each(|seed| testing::run_seeded(seed, test()));
}

/// The search for the processes below takes some time, in which the process may end.
#[test]
fn a_process_that_ends_while_it_is_looked_up_has_not_failed() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let inspector = runtime.inspector();
    let ended = runtime.block_on(async move {
        let _others: Vec<_> = (0..2000).map(|_| Task::spawn(std::future::pending::<()>())).collect();
        for n_spins in 0..300 {
            let (starts, has_started) = tokio::sync::oneshot::channel();
            let ends = Arc::new(AtomicBool::new(false));
            let is_over = ends.clone();
            let process = Task::start(async move {
                starts.send(()).unwrap();
                while !is_over.load(Ordering::SeqCst) {
                    std::hint::spin_loop();
                }
                (0..100 * n_spins).for_each(|_| std::hint::spin_loop());
            });
            has_started.await.unwrap();
            ends.store(true, Ordering::SeqCst);
            let answer = inspector.stop_subtree(process, SECOND).await;
            match answer.ending {
                Ending::Ended(Exit::NoProcess) => panic!("{answer}"),
                // It has ended before it was monitored.
                Ending::NoProcess if answer.process.is_some() => return,
                _ => {}
            }
        }
    });
    ended.unwrap();
}
