//! Each rule, on readings that a simulation gives.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use cordial::server::{Context, Handle, Server, ServerRef};
use cordial::{ChildSpec, Restart, Strategy, Supervisor, Task, process};

use super::leak::Leaks;
use super::mailbox::Mailboxes;
use super::wake_storm::WakeStorms;
use super::{Warner, balance, crash_loop, long_poll, restarts};
use crate::clock::Clock;
use crate::collector::crash_log::CrashLog;
use crate::collector::history::Rings;
use crate::source::Scan;
use crate::view::{Point, Severity, Warning, WarningKind};

/// Reads all processes at this second.
fn scan(second: u64, before: Option<&Scan>) -> Scan {
    Scan::new(&process::inspector(), second * 1000, before.map(Scan::before))
}

async fn yields(n: usize) {
    for _ in 0..n {
        tokio::task::yield_now().await;
    }
}

fn sentences(warnings: &[Warning]) -> Vec<&str> {
    warnings.iter().map(|warning| &*warning.sentence).collect()
}

/// Wakes its task, and is ready in the next poll.
async fn wakes_itself() {
    let mut was_polled = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut was_polled, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[test]
fn a_process_that_wakes_itself_all_the_time_is_a_wake_storm() {
    cordial::testing::run(async {
        let storm = Task::<()>::spawn(async {
            loop {
                for _ in 0..6000 {
                    wakes_itself().await;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let second = || tokio::time::sleep(Duration::from_millis(1001));
        second().await;
        let (mut storms, mut before) = (WakeStorms::default(), scan(0, None));
        for n in 1..=3 {
            second().await;
            let now = scan(n, Some(&before));
            let found = storms.find(&now);
            assert_eq!(found.len(), usize::from(n == 3), "in reading {n}: {found:?}");
            if let Some(warning) = found.first() {
                assert_eq!((warning.kind, warning.severity), (WarningKind::WakeStorm, Severity::Notice));
                assert_eq!(warning.pid, Some(storm.pid().to_string()));
                assert!(warning.sentence.contains("wakes itself all the time: 600"), "{warning:?}");
            }
            before = now;
        }
        assert!(storms.find(&scan(4, Some(&before))).is_empty(), "it was quiet");
    });
}

#[test]
fn a_place_whose_processes_only_become_more_is_a_leak() {
    cordial::testing::run(async {
        let mut leaks = Leaks::default();
        let (mut leaking, mut steady) = (Vec::new(), Vec::new());
        steady.extend((0..300).map(|_| Task::<()>::spawn(std::future::pending())));
        for step in 0..12 {
            leaking.extend((0..if step == 0 { 100 } else { 20 }).map(|_| Task::<()>::spawn(std::future::pending())));
            let found = leaks.find(&scan(10 + step * 10, None));
            if step < 11 {
                assert!(found.is_empty(), "{step}: {found:?}");
                continue;
            }
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].sentence.starts_with("320 live processes were spawned at"), "{found:?}");
            assert!(found[0].place.as_ref().unwrap().contains("warnings/tests.rs"), "{found:?}");
        }
    });
}

#[test]
fn leaks_are_counted_by_scans_that_come_some_milliseconds_early() {
    cordial::testing::run(async {
        let (mut leaks, mut leaking) = (Leaks::default(), Vec::new());
        let mut found = Vec::new();
        for step in 0..12 {
            leaking.extend((0..if step == 0 { 100 } else { 20 }).map(|_| Task::<()>::spawn(std::future::pending())));
            found = leaks.find(&Scan::new(&process::inspector(), 10_000 + step * 9990, None));
        }
        assert_eq!(found.len(), 1, "{found:?}");
    });
}

#[test]
fn leaks_have_the_same_order_in_each_scan() {
    cordial::testing::run(async {
        let mut leaks = Leaks::default();
        let mut leaking = Vec::new();
        let pending = || std::future::pending::<()>();
        let mut found = Vec::new();
        for step in 0..12 {
            for _ in 0..if step == 0 { 100 } else { 20 } {
                leaking.extend([Task::spawn(pending()), Task::spawn(pending()), Task::spawn(pending())]);
                leaking.extend([Task::spawn(pending()), Task::spawn(pending()), Task::spawn(pending())]);
            }
            found = leaks.find(&scan(10 + step * 10, None));
        }
        let places: Vec<_> = found.iter().map(|warning| warning.place.as_deref().unwrap()).collect();
        assert!(places.len() == 6 && places.is_sorted(), "{places:?}");
    });
}

#[test]
fn supervisors_near_their_limits_have_the_same_order_in_each_scan() {
    cordial::testing::run(async {
        let mut trees = Vec::new();
        for _ in 0..10 {
            let was_started = AtomicBool::new(false);
            let child = ChildSpec::task("flaky", move || {
                let is_first = !was_started.swap(true, Ordering::Relaxed);
                async move {
                    assert!(!is_first, "no luck");
                    std::future::pending::<()>().await;
                }
            });
            let tree = Supervisor::builder(Strategy::OneForOne).max_restarts(1, Duration::from_secs(60));
            trees.push(tree.child(child.restart(Restart::Permanent)).start().await.unwrap());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        let near = restarts::near_limit(&scan(200, None));
        let pids: Vec<cordial::Pid> =
            near.iter().map(|warning| warning.pid.as_deref().unwrap().parse().unwrap()).collect();
        assert!(pids.len() == 10 && pids.is_sorted(), "{pids:?}");
    });
}

struct Sleeper;

struct Message;

impl Server for Sleeper {}

impl Handle<Message> for Sleeper {
    type Reply = ();

    async fn handle(&mut self, _: Message, _: &mut Context<Self>) {
        std::future::pending().await
    }
}

#[test]
fn a_mailbox_is_nearly_full_and_then_full() {
    cordial::testing::run(async {
        let server = ServerRef::builder(|| Sleeper).mailbox(10).start();
        let mut mailboxes = Mailboxes::default();
        let mut find = |second| mailboxes.find(&scan(second, None));
        // The first message is in the hand of the server.
        for _ in 0..8 {
            server.cast(Message).await.unwrap();
            yields(3).await;
        }
        assert!(find(1).is_empty(), "7 of 10");
        server.cast(Message).await.unwrap();
        assert!(find(2)[0].sentence.ends_with("is nearly full: 8 of 10 messages."));
        for _ in 0..2 {
            server.cast(Message).await.unwrap();
        }
        assert!(find(3)[0].sentence.ends_with("is full: 10 of 10 messages."), "not nearly full");
        let senders: Vec<_> = (0..2)
            .map(|_| {
                let server = server.clone();
                Task::spawn(async move { drop(server.cast(Message).await) })
            })
            .collect();
        yields(5).await;
        let found = find(4);
        assert_eq!(found[0].severity, Severity::Warning);
        assert!(found[0].sentence.ends_with("is full: 2 messages wait for room."), "{found:?}");
        drop(senders);
    });
}

#[test]
fn a_mailbox_that_only_grows_is_a_problem_before_it_is_full() {
    cordial::testing::run(async {
        let server = ServerRef::builder(|| Sleeper).mailbox(10_000).start();
        let mut mailboxes = Mailboxes::default();
        for second in 0..7 {
            for _ in 0..20 {
                server.cast(Message).await.unwrap();
            }
            let found = mailboxes.find(&scan(second, None));
            if second < 6 {
                assert!(found.is_empty(), "{second}: {found:?}");
            } else {
                assert!(
                    found[0].sentence.contains("grows: 139 of 10000")
                        || found[0].sentence.contains("grows: 140 of 10000"),
                    "{found:?}"
                );
            }
        }
        assert!(mailboxes.find(&scan(8, None)).is_empty(), "it has stopped growing");
    });
}

#[test]
fn a_supervisor_near_its_restart_limit_is_shown() {
    cordial::testing::run(async {
        let child = ChildSpec::task("flaky", || async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            panic!("no luck");
        });
        let builder = Supervisor::builder(Strategy::OneForOne).label("app").max_restarts(3, Duration::from_secs(60));
        let tree = builder.child(child.restart(Restart::Permanent)).start().await.unwrap();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(restarts::near_limit(&scan(1, None)).len(), 0, "1 of 3");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let found = restarts::near_limit(&scan(2, None));
        let sentence = format!("app {} has made 2 of the 3 restarts that it may make within 60 s.", tree.pid());
        assert_eq!(sentences(&found), [sentence]);
        assert_eq!((found[0].kind, found[0].severity), (WarningKind::RestartIntensity, Severity::Warning));
    });
}

#[test]
fn a_place_that_crashes_again_and_again_is_a_crash_loop() {
    cordial::testing::run(async {
        let (mut log, clock) = (CrashLog::default(), Clock::new());
        for n in 1..=5 {
            Task::spawn(async { panic!("no luck") }).await.map(|never: ()| never).unwrap_err();
            log.extend(process::inspector().crashes(log.total()), &clock);
            let found = crash_loop::find(&log, clock.now_ms());
            assert_eq!(found.len(), usize::from(n == 5), "after {n} crashes: {found:?}");
        }
        let found = crash_loop::find(&log, clock.now_ms());
        assert!(found[0].sentence.starts_with("5 processes crashed at"), "{found:?}");
        assert_eq!(log.n_recent(clock.now_ms()), 5);
        assert_eq!(log.n_recent(clock.now_ms() + 61_000), 0, "a minute later");
        assert!(crash_loop::find(&log, clock.now_ms() + 61_000).is_empty(), "a minute later");
    });
}

#[test]
fn crashes_that_were_dropped_before_the_first_reading_are_not_of_the_last_minute() {
    cordial::testing::run(async {
        let (mut log, clock) = (CrashLog::default(), Clock::new());
        Task::spawn(async { panic!("no luck") }).await.map(|never: ()| never).unwrap_err();
        let mut crash = process::inspector().crashes(0).remove(0);
        crash.number = 5000;
        log.extend(vec![crash.clone()], &clock);
        assert_eq!(log.n_recent(clock.now_ms()), 1);
        crash.number += 3;
        log.extend(vec![crash.clone()], &clock);
        assert_eq!(log.n_recent(clock.now_ms()), 4, "two were dropped since the last reading");

        let mut log = CrashLog::default();
        log.extend(Vec::new(), &clock);
        log.extend(vec![crash], &clock);
        assert_eq!(log.n_recent(clock.now_ms()), 5003, "there was none before");
    });
}

/// The history of a few seconds, each with a point that `change` has made.
fn history(seconds: u64, change: impl Fn(&mut Point)) -> Rings {
    let mut rings = Rings::new();
    for second in 1..=seconds {
        let mut point = Point {
            at_ms: second * 1000,
            threads: 2,
            workers: vec![1.0, 1.0],
            utilization: 1.0,
            queued: 300,
            ..Point::default()
        };
        change(&mut point);
        rings.push(&point);
    }
    rings
}

#[test]
fn tasks_that_wait_for_busy_workers_are_starving() {
    let kind = |history: &Rings| balance::find(history).map(|warning| warning.kind);
    assert_eq!(kind(&history(5, |_| ())), Some(WarningKind::Starvation));
    assert_eq!(kind(&history(4, |_| ())), None, "for too short a time");
    assert_eq!(kind(&history(5, |point| point.queued = 200)), None, "few tasks");
    assert_eq!(kind(&history(5, |point| point.utilization = 0.9)), None, "workers have time");
    assert_eq!(kind(&Rings::new()), None);
}

#[test]
fn tasks_that_wait_beside_an_idle_worker_are_an_imbalance() {
    let kind = |history: &Rings| balance::find(history).map(|warning| warning.kind);
    let unbalanced = |point: &mut Point| {
        (point.queued, point.workers, point.utilization) = (1, vec![1.0, 0.05], 0.5);
    };
    assert_eq!(kind(&history(5, unbalanced)), Some(WarningKind::Imbalance));
    let none_waits = |point: &mut Point| {
        unbalanced(point);
        point.queued = 0;
    };
    assert_eq!(kind(&history(5, none_waits)), None);
    let stand_in_sleeps = |point: &mut Point| (point.queued, point.workers) = (1, vec![1.0, 0.8, 0.0]);
    assert_eq!(kind(&history(5, stand_in_sleeps)), None, "the third thread is no worker");
}

#[test]
fn a_simulation_has_no_stuck_polls() {
    cordial::testing::run(async {
        assert_eq!(long_poll::stuck(&process::inspector().long_polls()).count(), 0);
        assert!(long_poll::abandoned(&scan(0, None)).is_empty());
    });
}

#[test]
fn a_warning_keeps_the_time_since_when_it_holds() {
    cordial::testing::run(async {
        let (mut warner, log) = (Warner::default(), CrashLog::default());
        let (starving, calm) = (history(5, |_| ()), Rings::new());
        let scan = scan(0, None);
        let mut since = |history: &Rings, now_ms: u64| {
            warner.update(&scan, &[], history, &log, now_ms);
            warner.current().first().map(|warning| warning.since_at_ms)
        };
        assert_eq!(since(&starving, 5000), Some(5000));
        assert_eq!(since(&starving, 6000), Some(5000));
        assert_eq!(since(&calm, 7000), None);
        assert_eq!(since(&starving, 8000), Some(8000), "it is a new one");
    });
}
