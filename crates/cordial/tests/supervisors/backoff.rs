//! Backoff between restarts: its duration, the calls that are possible meanwhile, and what ends it.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cordial::{
    AutoShutdown, Backoff, ChildSpec, ChildState, DeleteError, Exit, Restart, StartError, Strategy, Supervisor, Task,
    TaskSupervisor, process, testing,
};
use futures::future::BoxFuture;
use tokio::time::{Instant, sleep};

use crate::harness::children::{Log, crash, has_given_up, info, one_for_one, settle, state};
use crate::harness::seeds::{SECOND, for_each_seed};

// V-039
#[test]
fn a_restart_waits_for_its_backoff_without_blocking_other_calls() {
    for_each_seed(|| async {
        let log = Log::default();
        let backoff = Backoff::exponential(10 * SECOND, 60 * SECOND);
        let tree = Supervisor::builder(Strategy::OneForOne)
            .child(log.child("patient").backoff(backoff))
            .child(log.child("other"))
            .start()
            .await
            .unwrap();
        log.take();
        crash(&tree, "patient").await;
        assert_eq!(log.take(), "-patient");
        assert_eq!(state(&tree, "patient").await, Some(ChildState::Restarting));
        assert_eq!(tree.delete_child("patient").await, Err(DeleteError::Restarting));
        assert_eq!(tree.restart_child("patient").await, Err(StartError::Restarting("patient".into())));
        assert_eq!(tree.start_child(log.child("patient")).await, Err(StartError::Restarting("patient".into())));
        assert_eq!(tree.count_children().await.active, 1);
        // Other children can be started, restarted and terminated meanwhile.
        let begun = Instant::now();
        crash(&tree, "other").await;
        tree.start_child(log.child("new")).await.unwrap();
        tree.terminate_child("new").await.unwrap();
        assert!(begun.elapsed() < SECOND);
        assert_eq!(log.take(), "-other +other +new -new");
        sleep(9 * SECOND - begun.elapsed()).await;
        assert_eq!(log.take(), "", "the backoff is at least 10 s");
        sleep(11 * SECOND).await;
        assert_eq!(log.take(), "+patient", "the backoff is at most 20 s");
        assert_eq!(info(&tree, "patient").await.unwrap().incarnation, 2);
        tree.stop().await;
    });
}

#[test]
fn the_backoff_grows_while_a_child_keeps_failing_and_is_reset_when_it_has_run() {
    for_each_seed(|| async {
        let backoff = Backoff::exponential(SECOND, 60 * SECOND);
        let tree = Supervisor::builder(Strategy::OneForOne).child(Log::default().child("a").backoff(backoff));
        let tree = tree.start().await.unwrap();
        let wait = async || {
            let begun = Instant::now();
            crash(&tree, "a").await;
            while state(&tree, "a").await != Some(ChildState::Running) {
                sleep(SECOND / 100).await;
            }
            begun.elapsed()
        };
        for least in [1, 2, 4] {
            let waited = wait().await;
            let least = least * SECOND;
            assert!((least..2 * least + SECOND / 10).contains(&waited), "{waited:?} after {least:?}");
        }
        sleep(59 * SECOND).await;
        assert!(wait().await >= 8 * SECOND, "it has not run for longer than the longest delay");
        sleep(61 * SECOND).await;
        assert!(wait().await < 2 * SECOND + SECOND / 10);
        tree.stop().await;
    });
}

#[test]
fn one_for_all_stops_all_siblings_at_once_and_starts_them_after_the_backoff() {
    for_each_seed(|| async {
        let log = Log::default();
        let backoff = Backoff::exponential(10 * SECOND, 10 * SECOND);
        let tree =
            Supervisor::builder(Strategy::OneForAll).child(log.child("a")).child(log.child("b").backoff(backoff));
        let tree = tree.start().await.unwrap();
        log.take();
        crash(&tree, "b").await;
        assert_eq!(log.take(), "-b -a");
        assert_eq!(state(&tree, "a").await, Some(ChildState::Restarting));
        sleep(11 * SECOND).await;
        assert_eq!(log.take(), "+a +b");
        tree.stop().await;
    });
}

#[test]
fn a_child_that_waits_for_its_restart_can_be_terminated() {
    for_each_seed(|| async {
        let log = Log::default();
        let backoff = Backoff::exponential(10 * SECOND, 10 * SECOND);
        let tree =
            Supervisor::builder(Strategy::OneForOne).child(log.child("a").backoff(backoff)).start().await.unwrap();
        crash(&tree, "a").await;
        tree.terminate_child("a").await.unwrap();
        assert_eq!(state(&tree, "a").await, Some(ChildState::Stopped));
        sleep(60 * SECOND).await;
        assert_eq!(log.take(), "+a -a");
        tree.restart_child("a").await.unwrap();
        tree.stop().await;
    });
}

#[test]
fn a_supervisor_that_waits_for_a_restart_stops_at_once() {
    for_each_seed(|| async {
        let log = Log::default();
        let backoff = Backoff::exponential(3600 * SECOND, 3600 * SECOND);
        let tree =
            Supervisor::builder(Strategy::OneForAll).child(log.child("a")).child(log.child("b").backoff(backoff));
        let tree = tree.start().await.unwrap();
        crash(&tree, "b").await;
        let begun = Instant::now();
        assert!(tree.stop().await.is_clean());
        assert_eq!((begun.elapsed(), &*log.take()), (Duration::ZERO, "+a +b -b -a"));
    });
}

#[test]
fn the_backoff_grows_while_slow_starts_keep_failing() {
    for_each_seed(|| async {
        let attempts = Arc::new(Mutex::new(Vec::new()));
        let (of_child, begun) = (attempts.clone(), Instant::now());
        let connects = ChildSpec::init("connects", move || {
            let attempts = of_child.clone();
            async move {
                attempts.lock().unwrap().push(begun.elapsed());
                if attempts.lock().unwrap().len() > 1 {
                    // Longer than the restart window of 5 s.
                    sleep(10 * SECOND).await;
                    return Err(io::Error::other("connection refused"));
                }
                Ok(async { sleep(SECOND).await })
            }
        });
        let tree = Supervisor::builder(Strategy::OneForOne);
        let tree = tree.child(connects.backoff(Backoff::exponential(SECOND, 1000 * SECOND))).start().await.unwrap();
        sleep(2000 * SECOND).await;
        let attempts = attempts.lock().unwrap().len();
        assert!((5..20).contains(&attempts), "{attempts}");
        tree.stop().await;
    });
}

/// A server that is unavailable until a time. A child that uses it connects in its `init`.
#[derive(Clone)]
struct Server {
    is_back_at: Instant,
    attempts: Arc<Mutex<Vec<Instant>>>,
}

impl Server {
    fn away_for(time: Duration) -> Server {
        Server { is_back_at: Instant::now() + time, attempts: Arc::default() }
    }

    /// A permanent child that connects, and then runs.
    fn client(&self, id: &'static str) -> ChildSpec {
        let server = self.clone();
        ChildSpec::init(id, move || server.clone().connect())
    }

    /// A permanent child whose first connection succeeds and is lost at once, and which then connects again.
    fn client_that_was_connected(&self) -> ChildSpec {
        let (server, mut n_starts) = (self.clone(), 0);
        ChildSpec::init("client", move || {
            n_starts += 1;
            let (is_first, connects) = (n_starts == 1, server.clone().connect());
            async move {
                if is_first { Ok(Box::pin(std::future::ready(())) as BoxFuture<'static, ()>) } else { connects.await }
            }
        })
    }

    async fn connect(self) -> io::Result<BoxFuture<'static, ()>> {
        self.attempts.lock().unwrap().push(Instant::now());
        if Instant::now() < self.is_back_at {
            return Err(io::Error::other("connection refused"));
        }
        Ok(Box::pin(std::future::pending()))
    }

    /// Returns how many attempts were made.
    fn n_attempts(&self) -> usize {
        self.attempts.lock().unwrap().len()
    }

    /// Returns how long the server was back before a client was there.
    fn healed_after(&self) -> Duration {
        *self.attempts.lock().unwrap().last().unwrap() - self.is_back_at
    }
}

const CAP: Duration = Duration::from_secs(10);

fn paced() -> Backoff {
    Backoff::exponential(SECOND / 10, CAP)
}

// V-108
#[test]
fn a_child_with_a_backoff_is_tried_again_for_as_long_as_its_supervisor_lives() {
    for away in [SECOND, 30 * SECOND, 900 * SECOND] {
        for_each_seed(move || async move {
            // Each restart would be too many if it were counted.
            let tree = one_for_one().max_restarts(0, 3600 * SECOND).start().await.unwrap();
            let tasks = TaskSupervisor::builder().max_restarts(0, 3600 * SECOND).start();
            let (of_tree, of_tasks) = (Server::away_for(away), Server::away_for(away));
            tree.start_child(of_tree.client_that_was_connected().backoff(paced())).await.unwrap();
            tasks.start_child_with(of_tasks.client_that_was_connected().backoff(paced())).unwrap();
            sleep(away + CAP).await;
            assert_eq!((tree.count_children().await.active, tasks.count_children().await.active), (1, 1));
            for server in [of_tree, of_tasks] {
                assert!(server.healed_after() <= CAP, "{:?}", server.healed_after());
                let at_least = away.as_secs() / CAP.as_secs();
                assert!(server.n_attempts() as u64 > at_least, "{} attempts", server.n_attempts());
            }
            tree.stop().await;
            tasks.stop().await;
        });
    }
}

// V-108
#[test]
fn without_a_backoff_the_same_children_are_counted() {
    for_each_seed(|| async {
        let backoffs = [None, Some(Backoff::exponential(Duration::ZERO, CAP)), Some(paced())];
        for (backoff, gives_up) in backoffs.into_iter().zip([true, true, false]) {
            let fails = || {
                let spec = ChildSpec::task("fails", || async { Err::<(), _>("no luck") }).restart(Restart::Permanent);
                if let Some(backoff) = backoff { spec.backoff(backoff) } else { spec }
            };
            let tree = one_for_one().child(fails()).unlinked().start().await.unwrap();
            let tasks = TaskSupervisor::builder().unlinked().start();
            tasks.start_child_with(fails()).unwrap();
            let both = Task::spawn({
                let (tree, tasks) = (tree.clone(), tasks.clone());
                async move { (tree.ended().await, tasks.ended().await) }
            });
            match both.timeout(600 * SECOND).await {
                Ok((of_tree, of_tasks)) => {
                    assert!(gives_up && has_given_up(&of_tree) && has_given_up(&of_tasks), "{backoff:?}");
                }
                Err(_) => assert!(!gives_up, "{backoff:?}"),
            }
            tree.stop().await;
            tasks.stop().await;
        }
    });
}

// V-109
#[test]
fn give_up_after_counts_failures_in_a_row() {
    for_each_seed(|| async {
        for n in [1, 2, 5] {
            let backoff = paced().give_up_after(n);
            let n_starts = || Arc::new(Mutex::new(0));
            let fails = |n_starts: &Arc<Mutex<u32>>| {
                let n_starts = n_starts.clone();
                let spec = ChildSpec::task("fails", move || {
                    *n_starts.lock().unwrap() += 1;
                    // Run `n` is long enough to count as a success, so the failures before it are forgotten.
                    let is_long = *n_starts.lock().unwrap() == n;
                    async move {
                        sleep(if is_long { CAP + SECOND } else { CAP }).await;
                        Err::<(), _>("no luck")
                    }
                });
                spec.restart(Restart::Permanent).backoff(backoff)
            };
            let (of_tree, of_tasks) = (n_starts(), n_starts());
            let tree = one_for_one().label("tree").child(fails(&of_tree)).unlinked().start().await.unwrap();
            let tasks = TaskSupervisor::builder().label("tasks").unlinked().start();
            tasks.start_child_with(fails(&of_tasks)).unwrap();
            for (name, exit) in [("tree", tree.ended().await), ("tasks", tasks.ended().await)] {
                let failures = if n == 1 { "failure" } else { "failures" };
                let text =
                    format!("supervisor \"{name}\" gave up on child \"fails\", after {n} {failures} in a row: no luck");
                assert_eq!(exit, Exit::Shutdown(Some(text.into())));
            }
            // The failure that ends the long run is the first one that counts again.
            let expected = if n == 1 { 1 } else { 2 * n - 1 };
            assert_eq!((*of_tree.lock().unwrap(), *of_tasks.lock().unwrap()), (expected, expected));
        }
    });
}

// V-110
#[test]
fn a_first_start_that_fails_is_tried_again_before_the_next_child_starts() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        for_each_seed(move || async move {
            let (log, server) = (Log::default(), Server::away_for(600 * SECOND));
            let tree = Supervisor::builder(strategy).max_restarts(1, SECOND);
            let crashes_once = log.child_that("a", {
                let mut n_starts = 0;
                move || {
                    n_starts += 1;
                    sleep(if n_starts == 1 { 60 * SECOND } else { Duration::MAX })
                }
            });
            let tree = tree.child(crashes_once).child(server.client("client").backoff(paced())).child(log.child("b"));
            let tree = tree.start().await.unwrap();
            assert!(server.healed_after() <= CAP);
            assert_eq!(log.take(), "+a -a +a +b", "a child that has started is restarted while another one is tried");
            assert_eq!(tree.count_children().await.active, 3);
            tree.stop().await;
        });
    }
}

#[test]
fn a_significant_child_that_waits_for_its_first_start_counts_as_alive() {
    for_each_seed(|| async {
        let (log, server) = (Log::default(), Server::away_for(600 * SECOND));
        let short = log.child_that("short", || sleep(SECOND)).restart(Restart::Transient).significant();
        let tree = Supervisor::builder(Strategy::OneForOne)
            .auto_shutdown(AutoShutdown::AllSignificant)
            .child(short)
            .child(server.client("client").backoff(paced()))
            .child(log.child("late").restart(Restart::Transient).significant());
        let tree = tree.start().await.unwrap();
        assert_eq!(log.take(), "+short -short +late");
        tree.stop().await;
    });
}

// V-110
#[test]
fn a_first_start_ends_with_the_last_error_if_its_backoff_gives_up_and_is_undone_if_it_is_dropped() {
    for_each_seed(|| async {
        let (log, server) = (Log::default(), Server::away_for(1_000_000 * SECOND));
        let client = server.client("client").backoff(paced().give_up_after(7));
        let failed = one_for_one().child(log.child("a")).child(client).child(log.child("b")).start().await;
        let exit = Exit::from(io::Error::other("connection refused"));
        assert_eq!(failed.unwrap_err(), StartError::Child { id: "client".into(), exit });
        assert_eq!((server.n_attempts(), &*log.take()), (7, "+a -a"));

        let client = server.client("client").backoff(paced());
        let start = one_for_one().child(log.child("a")).child(client).child(log.child("b")).start();
        assert!(tokio::time::timeout(600 * SECOND, start).await.is_err());
        settle().await;
        assert_eq!(log.take(), "+a -a");

        let nested = || one_for_one().child(ChildSpec::task("twin", || async {})).child(log.child("twin"));
        let nested = ChildSpec::supervisor("nested", {
            let nested = nested();
            let mut nested = Some(nested);
            move || nested.take().unwrap()
        });
        let failed = one_for_one().child(nested.backoff(paced())).start().await;
        assert_eq!(failed.unwrap_err(), StartError::DuplicateId("twin".into()), "time does not mend a mistake");
    });
}

// V-111
#[test]
fn a_first_start_under_a_task_supervisor_is_tried_again_if_it_has_a_backoff() {
    for_each_seed(|| async {
        for has_backoff in [true, false] {
            let (tasks, server) = (TaskSupervisor::start(), Server::away_for(60 * SECOND));
            let client = server.client("client");
            let client = if has_backoff { client.backoff(paced()) } else { client };
            let first = tasks.start_child_with(client).unwrap();
            assert!(process::monitor(first).await.is_abnormal());
            settle().await;
            assert_eq!(tasks.waiting_children().len(), usize::from(has_backoff));
            sleep(60 * SECOND + CAP).await;
            assert_eq!(tasks.children().len(), usize::from(has_backoff));
            assert_eq!(server.n_attempts() > 6, has_backoff);
            tasks.stop().await;
        }
    });
}

#[test]
fn start_child_and_restart_child_make_one_attempt() {
    for_each_seed(|| async {
        let (tree, server) = (one_for_one().start().await.unwrap(), Server::away_for(60 * SECOND));
        let begun = Instant::now();
        let failed = tree.start_child(server.client("client").backoff(paced())).await;
        assert!(matches!(failed, Err(StartError::Child { .. })) && begun.elapsed() < SECOND);
        assert_eq!((state(&tree, "client").await, server.n_attempts()), (None, 1));
        tree.start_child(server.client_that_was_connected().backoff(paced())).await.unwrap();
        tree.terminate_child("client").await.unwrap();
        let begun = Instant::now();
        let failed = tree.restart_child("client").await;
        assert!(matches!(failed, Err(StartError::Child { .. })) && begun.elapsed() < SECOND);
        sleep(CAP).await;
        assert_eq!((state(&tree, "client").await, server.n_attempts()), (Some(ChildState::Stopped), 2));
        tree.stop().await;
    });
}

#[test]
fn the_time_for_which_a_supervisor_is_busy_does_not_count_as_a_run_of_a_child_that_has_exited() {
    for_each_seed(|| async {
        let backoff = Backoff::exponential(SECOND, 2 * SECOND).give_up_after(4);
        let crashes = || ChildSpec::task("crashes", || async { Err::<(), _>("no luck") }).restart(Restart::Permanent);
        let tree = one_for_one().child(crashes().backoff(backoff)).unlinked().start().await.unwrap();
        // Each start takes longer than the longest delay, and the supervisor handles exits after it.
        for n in 0..10 {
            let slow = ChildSpec::init(format!("slow {n}"), || async {
                sleep(5 * SECOND).await;
                Ok::<_, io::Error>(std::future::pending::<()>())
            });
            let _ = tree.start_child(slow).await;
        }
        assert!(has_given_up(&tree.ended().await));
    });
}

/// If each step looked at all children, this test would take minutes.
#[test]
fn very_many_children_fail_wait_and_are_terminated() {
    testing::run(async {
        const N: usize = 8_000;
        let (tree, n_starts) = (one_for_one().start().await.unwrap(), Arc::new(Mutex::new(0)));
        // All delays are over at the same time, and each child fails to start twice.
        let backoff = Backoff::exponential(60 * SECOND, 60 * SECOND);
        for n in 0..N {
            let (n_starts, mut start) = (n_starts.clone(), 0);
            let child = ChildSpec::init(n.to_string(), move || {
                *n_starts.lock().unwrap() += 1;
                start += 1;
                let result = if start == 1 { Ok(async {}) } else { Err(io::Error::other("connection refused")) };
                async { result }
            });
            tree.start_child(child.backoff(backoff)).await.unwrap();
        }
        sleep(150 * SECOND).await;
        assert_eq!(*n_starts.lock().unwrap(), 3 * N);
        for n in 0..N {
            tree.terminate_child(n.to_string()).await.unwrap();
        }
        assert!(tree.which_children().await.iter().all(|child| child.state == ChildState::Stopped));
        tree.stop().await;
    });
}
