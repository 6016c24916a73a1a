//! Stop reports: each child that had to be killed or abandoned is listed once, at any depth.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::mpsc;
use std::time::Duration;

use cordial::process::Activity;
use cordial::{ChildSpec, Pid, Restart, Shutdown, StopReport, TaskSupervisor, process, shutdown_requested};

use crate::harness::children::{exits_late, one_for_one, settle};
use crate::harness::limited;
use crate::harness::seeds::{SECOND, for_each_seed};

fn labels(stopped: &[process::Stopped]) -> Vec<&str> {
    let mut labels: Vec<_> = stopped.iter().map(|stopped| stopped.label.as_deref().unwrap_or("?")).collect();
    labels.sort_unstable();
    labels
}

/// Fails if a process is listed twice.
fn assert_each_listed_once(report: &StopReport) {
    let pids: Vec<Pid> = report.killed.iter().chain(&report.abandoned).map(|stopped| stopped.pid).collect();
    assert_eq!(pids.iter().collect::<BTreeSet<_>>().len(), pids.len(), "{report}");
}

#[test]
fn processes_killed_below_a_supervisor_that_took_too_long_are_reported() {
    for_each_seed(|| async {
        let leaf = |id| ChildSpec::task(id, || exits_late(60 * SECOND)).shutdown(30 * SECOND);
        let nested = move || one_for_one().child(leaf("not yet requested")).child(leaf("slow"));
        let tree = one_for_one().child(ChildSpec::supervisor("nested", nested).shutdown(SECOND)).start().await.unwrap();
        let tasks = TaskSupervisor::builder().label("tasks").shutdown(30 * SECOND).start();
        tasks
            .start_child(async {
                process::set_label("slow task");
                exits_late(60 * SECOND).await;
            })
            .unwrap();
        tree.start_child(tasks.child_spec().shutdown(SECOND)).await.unwrap();
        settle().await;
        let report = tree.stop().await;
        assert_each_listed_once(&report);
        assert_eq!(labels(&report.killed), ["nested", "not yet requested", "slow", "slow task", "tasks"]);
        assert!(report.abandoned.is_empty());
    });
}

#[test]
fn processes_below_a_supervisor_that_is_to_be_killed_are_not_reported() {
    for_each_seed(|| async {
        let nested = || one_for_one().child(ChildSpec::task("leaf", || exits_late(60 * SECOND)));
        let nested = ChildSpec::supervisor("nested", nested).shutdown(Shutdown::BrutalKill);
        let tree = one_for_one().child(nested).start().await.unwrap();
        settle().await;
        let report = tree.stop().await;
        assert!(report.is_clean(), "a kill that was asked for is not reported: {report}");
    });
}

/// A child that blocks in one poll until the sender is dropped.
fn stuck(id: &'static str, entered: mpsc::Sender<()>, released: mpsc::Receiver<()>) -> ChildSpec {
    let mut once = Some((entered, released));
    ChildSpec::task(id, move || {
        let once = once.take();
        async move {
            let (entered, released) = once.expect("the child is started once");
            let _ = entered.send(());
            let _ = released.recv();
            pending::<()>().await
        }
    })
}

/// Shuts down a runtime in which the child of a nested supervisor is stuck.
fn shutdown_with_stuck_leaf() -> StopReport {
    let runtime = limited::runtime(2);
    let (entered, is_entered) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let leaf = std::sync::Mutex::new(Some(stuck("leaf", entered, released)));
    let started = runtime.block_on(async move {
        let nested = move || one_for_one().child(leaf.lock().unwrap().take().unwrap());
        let nested = one_for_one().label("top").child(ChildSpec::supervisor("nested", nested)).unlinked();
        nested.start().await.map(drop)
    });
    started.unwrap().unwrap();
    is_entered.recv().unwrap();
    let report = runtime.shutdown(Duration::from_millis(1));
    drop(release);
    report
}

#[test]
fn the_shutdown_of_a_runtime_reports_a_stuck_leaf_as_abandoned_and_its_supervisors_as_killed() {
    let mut report = shutdown_with_stuck_leaf();
    for _ in 0..10 {
        assert_each_listed_once(&report);
        // Again if the machine has held up a supervisor in a poll for so long that it seemed stuck, too.
        if report.abandoned.len() == 1 {
            break;
        }
        report = shutdown_with_stuck_leaf();
    }
    assert_eq!(labels(&report.abandoned), ["leaf"], "{report}");
    assert_eq!(labels(&report.killed), ["nested", "top"], "{report}");
}

/// An abandoned child stays in the table of the supervisor until it exits. The stop lasted until the grace time of the other child was over.
#[test]
fn a_stop_ends_with_its_last_child_although_another_one_was_abandoned() {
    let runtime = limited::runtime(2);
    let (entered, is_entered) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let report = runtime.block_on(async move {
        let tasks = TaskSupervisor::builder().unlinked().start();
        let polite = ChildSpec::task("polite", || async {
            shutdown_requested().await;
            tokio::time::sleep(SECOND).await;
        });
        tasks.start_child_with(polite.restart(Restart::Temporary).shutdown(600 * SECOND)).unwrap();
        let stuck = stuck("stuck", entered, released).restart(Restart::Temporary);
        tasks.start_child_with(stuck.shutdown(Shutdown::BrutalKill)).unwrap();
        is_entered.recv().unwrap();
        tokio::time::timeout(60 * SECOND, tasks.stop()).await
    });
    drop(release);
    let report = report.unwrap().expect("the stop does not wait for the grace time");
    assert_eq!((report.killed.len(), labels(&report.abandoned)), (0, vec!["stuck"]), "{report}");
}

/// Shuts down a runtime with two supervisors. Each has a child that it kills after a millisecond; the first also has a child that it
/// waits for until `limit` has passed.
fn shutdown_with_killed_children(limit: Duration) -> StopReport {
    let runtime = limited::runtime(2);
    let started = runtime.block_on(async {
        let slow = |id| ChildSpec::task(id, || exits_late(600 * SECOND)).shutdown(600 * SECOND);
        let quick = |id| ChildSpec::task(id, || exits_late(600 * SECOND)).shutdown(Duration::from_millis(1));
        one_for_one().label("first").child(slow("slow")).child(quick("in the middle")).unlinked().start().await?;
        one_for_one().label("second").child(quick("before")).unlinked().start().await?;
        // All but the root have been polled, so the children have opted in to graceful shutdown.
        let waits = |process: &&process::ProcessInfo| process.polls > 0 && process.activity == Activity::Waiting;
        while process::snapshot().processes.iter().filter(waits).count() < 5 {
            tokio::task::yield_now().await;
        }
        Ok::<_, cordial::StartError>(())
    });
    started.unwrap().unwrap();
    runtime.shutdown(limit)
}

#[test]
fn the_shutdown_of_a_runtime_reports_processes_that_supervisors_killed_before_its_timeout() {
    let mut report = StopReport::default();
    // Again with more time if the machine was too busy for the second supervisor to end, or if a process seemed stuck.
    for seconds in [1, 4, 16, 64] {
        report = shutdown_with_killed_children(seconds * SECOND);
        assert_each_listed_once(&report);
        if report.abandoned.is_empty() && !labels(&report.killed).contains(&"second") {
            break;
        }
    }
    assert_eq!(labels(&report.killed), ["before", "first", "in the middle", "slow"], "{report}");
    assert!(report.abandoned.is_empty(), "{report}");
}
