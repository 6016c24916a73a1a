//! First starts that take long because a child of a nested supervisor is tried again: what the parent does meanwhile, and how such
//! a start ends.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cordial::{AutoShutdown, Backoff, ChildSpec, ChildState, Exit, Restart, StartError, Strategy, Supervisor, Task};
use futures::future::BoxFuture;
use tokio::time::{Instant, sleep};

use crate::harness::children::{Log, LogGuard, crash, info, one_for_one, pid, settle, state};
use crate::harness::seeds::{SECOND, for_each_seed};

const AWAY: Duration = Duration::from_secs(600);
const CAP: Duration = Duration::from_secs(10);

fn backoff() -> Backoff {
    Backoff::exponential(SECOND / 10, CAP)
}

/// A child that fails to start until `back`, unless this is one of the first `n_good` starts.
fn client(log: &Log, back: Instant, n_good: usize) -> impl FnMut() -> ChildSpec + Send + 'static {
    let (log, n_starts) = (log.clone(), Arc::new(std::sync::atomic::AtomicUsize::new(0)));
    move || {
        let (log, n_starts) = (log.clone(), n_starts.clone());
        ChildSpec::init("client", move || {
            let is_good = n_starts.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < n_good;
            let connected = is_good || Instant::now() >= back;
            let guard = connected.then(|| LogGuard::new(&log, "client"));
            async move {
                let guard = guard.ok_or_else(|| io::Error::other("connection refused"))?;
                let serve: BoxFuture<'static, ()> = Box::pin(async move {
                    let _guard = guard;
                    std::future::pending().await
                });
                Ok::<_, io::Error>(serve)
            }
        })
    }
}

/// A nested supervisor with this child, whose first start is paced. So the start of the nested supervisor is delayed.
fn nested(log: &Log, back: Instant, n_good: usize) -> ChildSpec {
    let mut client = client(log, back, n_good);
    ChildSpec::supervisor("nested", move || one_for_one().child(client().backoff(backoff())))
}

// V-115
#[test]
fn a_nested_supervisor_whose_child_is_tried_again_does_not_hold_up_the_work_of_its_parent() {
    for_each_seed(|| async {
        let (log, back) = (Log::default(), Instant::now() + AWAY);
        let tree = one_for_one().child(nested(&log, back, 1)).child(log.child("other")).start().await.unwrap();
        crash(&tree, "nested").await;
        assert_eq!(log.take(), "+client +other -client");
        let begun = Instant::now();
        crash(&tree, "other").await;
        tree.start_child(log.child("new")).await.unwrap();
        tree.terminate_child("new").await.unwrap();
        tree.delete_child("new").await.unwrap();
        assert_eq!(log.take(), "-other +other +new -new");
        assert_eq!(state(&tree, "nested").await, Some(ChildState::Restarting));
        assert_eq!(tree.restart_child("nested").await, Err(StartError::Restarting("nested".into())));
        assert!(begun.elapsed() < SECOND);
        sleep(AWAY + CAP).await;
        assert_eq!((&*log.take(), state(&tree, "nested").await), ("+client", Some(ChildState::Running)));
        assert_eq!(info(&tree, "nested").await.unwrap().incarnation, 2);
        tree.stop().await;
    });
}

// V-115
#[test]
fn while_a_supervisor_starts_its_children_are_restarted_and_the_next_child_waits() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        for_each_seed(move || async move {
            let (log, back) = (Log::default(), Instant::now() + AWAY);
            let crashes_once = log.child_that("a", {
                let mut n_starts = 0;
                move || {
                    n_starts += 1;
                    sleep(if n_starts == 1 { 60 * SECOND } else { Duration::MAX })
                }
            });
            // The start is delayed two levels below.
            let of_middle = log.clone();
            let middle = move || one_for_one().child(nested(&of_middle, back, 0));
            let middle = ChildSpec::supervisor("middle", middle);
            let tree = Supervisor::builder(strategy).child(crashes_once).child(middle).child(log.child("b"));
            let tree = tree.start().await.unwrap();
            assert!(Instant::now() >= back && back + CAP >= Instant::now());
            assert_eq!(log.take(), "+a -a +a +client +b");
            assert_eq!(tree.count_children().await.active, 3);
            tree.stop().await;
        });
    }
}

// V-115
#[test]
fn only_the_call_that_starts_a_child_waits_for_its_delayed_start() {
    for_each_seed(|| async {
        let (log, back) = (Log::default(), Instant::now() + AWAY);
        let tree = one_for_one().child(log.child("other")).start().await.unwrap();
        let start = |log: &Log| {
            let (tree, nested) = (tree.clone(), nested(log, back, 0));
            Task::spawn(async move { tree.start_child(nested).await }).timeout(cordial::Timeout::Infinity)
        };
        let started = start(&log);
        settle().await;
        crash(&tree, "other").await;
        assert_eq!(log.take(), "+other -other +other");
        assert_eq!(state(&tree, "nested").await, Some(ChildState::Starting));
        let started = started.await.unwrap();
        assert!(Instant::now() >= back && back + CAP >= Instant::now());
        assert_eq!(started, Ok(pid(&tree, "nested").await));

        tree.terminate_child("nested").await.unwrap();
        tree.delete_child("nested").await.unwrap();
        let back = Instant::now() + AWAY;
        let nested = nested(&log, back, 0);
        log.take();
        let call = Task::spawn({
            let tree = tree.clone();
            async move { tree.start_child(nested).await }
        });
        settle().await;
        let begun = Instant::now();
        tree.terminate_child("nested").await.unwrap();
        let error = StartError::Child { id: "nested".into(), exit: Exit::Shutdown(None) };
        assert_eq!((call.await, begun.elapsed()), (Ok(Err(error)), Duration::ZERO));
        assert_eq!((state(&tree, "nested").await, &*log.take()), (None, ""));
        tree.stop().await;
    });
}

#[test]
fn the_children_after_a_child_wait_for_its_delayed_start() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        for_each_seed(move || async move {
            let (log, back) = (Log::default(), Instant::now() + AWAY);
            let tree = Supervisor::builder(strategy).child(log.child("a")).child(nested(&log, back, 1));
            let tree = tree.child(log.child("b")).start().await.unwrap();
            log.take();
            crash(&tree, "nested").await;
            let expected = if strategy == Strategy::OneForAll { "-client -b -a +a" } else { "-client -b" };
            assert_eq!(log.take(), expected);
            // A crash of an earlier child stops the start, and begins a new one.
            crash(&tree, "a").await;
            assert_eq!(log.take(), "-a +a");
            assert_eq!(state(&tree, "b").await, Some(ChildState::Restarting));
            sleep(AWAY + CAP).await;
            assert_eq!((&*log.take(), tree.count_children().await.active), ("+client +b", 3));
            tree.stop().await;
        });
    }
}

#[test]
fn a_delayed_start_can_fail_late_take_too_long_or_be_stopped() {
    for_each_seed(|| async {
        let (log, never) = (Log::default(), Instant::now() + 1000 * AWAY);
        let fails_late = |log: &Log| {
            let mut client = client(log, never, 0);
            ChildSpec::supervisor("nested", move || one_for_one().child(client().backoff(backoff().give_up_after(9))))
        };
        let text = "the child \"client\" failed to start: connection refused";
        let failed = StartError::Child { id: "nested".into(), exit: Exit::Shutdown(Some(text.into())) };
        let timeout = 60 * SECOND;
        let timed_out = StartError::TimedOut { id: "nested".into(), timeout };

        let tree = one_for_one().child(log.child("a")).child(fails_late(&log)).child(log.child("b"));
        assert_eq!((tree.start().await.unwrap_err(), &*log.take()), (failed.clone(), "+a -a"));
        let begun = Instant::now();
        let tree = one_for_one().child(log.child("a")).child(nested(&log, never, 0).start_timeout(timeout));
        assert_eq!((tree.start().await.unwrap_err(), begun.elapsed()), (timed_out.clone(), timeout));
        assert_eq!(log.take(), "+a -a");

        let tree = one_for_one().child(log.child("a")).start().await.unwrap();
        let begun = Instant::now();
        assert_eq!(tree.start_child(nested(&log, never, 0).start_timeout(timeout)).await, Err(timed_out));
        assert_eq!((state(&tree, "nested").await, begun.elapsed()), (None, timeout));
        assert_eq!(tree.start_child(fails_late(&log)).await, Err(failed.clone()));
        assert_eq!(state(&tree, "nested").await, None);
        let begun = Instant::now();
        let call = Task::spawn({
            let (tree, nested) = (tree.clone(), nested(&log, never, 0));
            async move { tree.start_child(nested).await }
        });
        sleep(SECOND).await;
        assert!(tree.stop().await.is_clean());
        assert_eq!((call.await.unwrap().is_err(), begun.elapsed()), (true, SECOND));

        // A restart that fails late is tried again, like any other.
        let mut client = client(&log, Instant::now() + AWAY, 1);
        let nested = move || one_for_one().child(client().backoff(backoff().give_up_after(9)));
        let nested = ChildSpec::supervisor("nested", nested).backoff(backoff());
        let tree = one_for_one().child(nested).start().await.unwrap();
        log.take();
        crash(&tree, "nested").await;
        sleep(AWAY + 2 * CAP).await;
        assert_eq!((&*log.take(), state(&tree, "nested").await), ("-client +client", Some(ChildState::Running)));
        assert!(info(&tree, "nested").await.unwrap().incarnation > 3);
        tree.stop().await;
    });
}

// V-116
#[test]
fn a_supervisor_that_gives_up_while_it_starts_says_why() {
    for_each_seed(|| async {
        let (log, never) = (Log::default(), Instant::now() + 1000 * AWAY);
        let crashes = || ChildSpec::task("crashes", || async { Err::<(), _>("no luck") }).restart(Restart::Permanent);
        let mut client = client(&log, never, 0);
        let tree =
            one_for_one().label("tree").max_restarts(2, SECOND).child(crashes()).child(client().backoff(backoff()));
        let error = tree.start().await.unwrap_err();
        let text = "supervisor \"tree\" gave up on child \"crashes\", after 2 restarts within 1s: no luck";
        assert_eq!(error, StartError::GaveUp(Exit::Shutdown(Some(text.into()))));
        assert_eq!(format!("{error:#}"), text);
    });
}

#[test]
fn failed_attempts_of_a_first_start_leave_nothing_behind() {
    for_each_seed(|| async {
        let (stubborn, back) = (Arc::<str>::from("stubborn"), Instant::now() + AWAY);
        // Each attempt starts a child that has to be killed, and then fails.
        let (id, log) = (stubborn.clone(), Log::default());
        let mut client = client(&log, back, 0);
        let nested = ChildSpec::supervisor("nested", move || {
            let ignores_requests = || async {
                cordial::shutdown_requested().await;
                std::future::pending::<()>().await;
            };
            let stubborn = ChildSpec::task(id.clone(), ignores_requests).shutdown(SECOND);
            one_for_one().child(stubborn).child(client())
        });
        let tree = one_for_one().child(nested.backoff(Backoff::exponential(SECOND, SECOND)));
        let start = Task::spawn(tree.unlinked().start()).timeout(cordial::Timeout::Infinity);
        // The record of a crash names the child twice: as its label, and as its id.
        let n_recorded = |stubborn: &str| {
            let crashes = cordial::process::inspector().crashes(0);
            2 * crashes.iter().filter(|crash| crash.child_id.as_deref() == Some(stubborn)).count()
        };
        sleep(AWAY * 5 / 10).await;
        let after_few = Arc::strong_count(&stubborn) - n_recorded(&stubborn);
        sleep(AWAY * 4 / 10).await;
        let after_many = Arc::strong_count(&stubborn) - n_recorded(&stubborn);
        assert!(after_many <= after_few + 10, "{after_few} references after few attempts, {after_many} after many");
        assert!(start.await.unwrap().unwrap().stop().await.killed.len() == 1);
    });
}

#[test]
fn a_call_that_waits_for_a_delayed_start_is_refused_before_the_children_are_stopped() {
    for_each_seed(|| async {
        let (log, never) = (Log::default(), Instant::now() + 1000 * AWAY);
        let tree = one_for_one().start().await.unwrap();
        // A child that starts a sibling, and ends once it has the answer.
        let (calls, nested, answers) = (tree.clone(), Arc::new(Mutex::new(Some(nested(&log, never, 0)))), log.clone());
        let starter = ChildSpec::task("starter", move || {
            let (tree, nested, log) = (calls.clone(), nested.clone(), answers.clone());
            async move {
                let nested = nested.lock().unwrap().take().expect("the child is started once");
                let (answer, ()) = futures::future::join(tree.start_child(nested), cordial::shutdown_requested()).await;
                log.push(format!("{answer:?}"));
            }
        });
        tree.start_child(starter.shutdown(5 * SECOND)).await.unwrap();
        sleep(SECOND).await;
        let begun = Instant::now();
        assert!(tree.stop().await.is_clean());
        assert_eq!((&*log.take(), begun.elapsed()), ("Err(Refused(SupervisorStopped))", Duration::ZERO));
    });
}

#[test]
fn a_child_that_exits_right_after_its_delayed_start_has_started() {
    for_each_seed(|| async {
        // The child of the nested supervisor connects late. Its end stops the nested supervisor as soon as that has started.
        let ends_at_once = |back: Instant| {
            let nested = ChildSpec::supervisor("nested", move || {
                let client = ChildSpec::init("client", move || async move {
                    if Instant::now() < back {
                        return Err(io::Error::other("connection refused"));
                    }
                    Ok(std::future::ready(()))
                });
                let client = client.restart(Restart::Transient).significant().backoff(backoff());
                one_for_one().auto_shutdown(AutoShutdown::AnySignificant).child(client)
            });
            nested.restart(Restart::Temporary)
        };
        let log = Log::default();
        let tree = one_for_one().child(ends_at_once(Instant::now() + AWAY)).child(log.child("b"));
        let tree = tree.start().await.unwrap();
        settle().await;
        assert_eq!((state(&tree, "nested").await, &*log.take()), (None, "+b"));
        let nested = ends_at_once(Instant::now() + AWAY);
        let started = Task::spawn({
            let tree = tree.clone();
            async move { tree.start_child(nested).await }
        });
        let started = started.timeout(cordial::Timeout::Infinity).await.unwrap();
        assert!(started.is_ok(), "{started:?}");
        settle().await;
        assert_eq!(state(&tree, "nested").await, None);
        tree.stop().await;
    });
}
