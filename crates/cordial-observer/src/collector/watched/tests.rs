use cordial::{Pid, Shutdown, Task, process};
use tokio::sync::mpsc;

use super::Watched;
use crate::source::Scan;

/// Reads all processes at this second.
fn scan(second: u64, before: &Scan) -> Scan {
    Scan::new(&process::inspector(), second * 1000, Some(before.before()))
}

fn whats(watched: &mut Watched, scan: &Scan, pid: Pid) -> Vec<String> {
    let past = watched.past(scan, scan.index_of(pid).unwrap());
    past.moments.iter().map(|moment| format!("{} at {}", moment.what, moment.at_ms / 1000)).collect()
}

#[test]
fn the_life_of_a_process_has_its_first_poll_its_waits_and_its_end() {
    cordial::testing::run(async {
        let (sender, mut receiver) = mpsc::channel(1);
        let task = Task::spawn(async move { while receiver.recv().await.is_some() {} });
        let pid = task.pid();
        let mut watched = Watched::default();
        let mut last = Scan::new(&process::inspector(), 0, None);
        assert_eq!(whats(&mut watched, &last, pid), ["spawned at 0"], "it was not polled yet");
        tokio::task::yield_now().await;
        for second in 1..=12 {
            last = scan(second, &last);
            watched.record(&last);
        }
        assert_eq!(whats(&mut watched, &last, pid), ["spawned at 0", "first poll at 1", "waits at 1"]);
        assert_eq!(watched.past(&last, last.index_of(pid).unwrap()).quiet_ms, Some(11_000));
        sender.send(()).await.unwrap();
        tokio::task::yield_now().await;
        last = scan(13, &last);
        watched.record(&last);
        assert_eq!(watched.past(&last, last.index_of(pid).unwrap()).quiet_ms, None);
        assert_eq!(whats(&mut watched, &last, pid).last().unwrap(), "woken at 13");
        task.shutdown(Shutdown::BrutalKill).await;
        last = scan(14, &last);
        watched.record(&last);
        let life = watched.life(pid, 20_000).unwrap();
        assert_eq!(
            (&*life.moments.last().unwrap().what, life.alive_at_ms, life.ended_at_ms),
            ("ended", 13_000, 14_000)
        );
        assert!(watched.life("<1.999.1>".parse().unwrap(), 20_000).is_none());
    });
}

#[test]
fn a_late_scan_is_a_point_for_each_second_since_the_one_before() {
    cordial::testing::run(async {
        let own = process::current().unwrap();
        let mut watched = Watched::default();
        let mut last = Scan::new(&process::inspector(), 0, None);
        watched.past(&last, last.index_of(own).unwrap());
        let mut history_after = |seconds: &[u64]| {
            for second in seconds {
                last = scan(*second, &last);
                watched.record(&last);
            }
            let history = watched.past(&last, last.index_of(own).unwrap()).history;
            (history.first_at_ms, history.polls.len())
        };
        assert_eq!(history_after(&[1, 2, 12, 12]), (1000, 12));
        assert_eq!(history_after(&[700]), (101_000, 600));
        assert_eq!(history_after(&[9000, 9001]), (8_402_000, 600));
    });
}

#[test]
fn a_process_that_was_polled_before_says_so() {
    cordial::testing::run(async {
        let own = process::current().unwrap();
        tokio::task::yield_now().await;
        let scan = Scan::new(&process::inspector(), 5000, None);
        let past = Watched::default().past(&scan, scan.index_of(own).unwrap());
        assert_eq!(past.moments.len(), 2);
        let watched = &past.moments[1];
        assert_eq!((&*watched.what, watched.at_ms), ("watched", 5000));
        assert!(watched.detail.as_ref().unwrap().starts_with("it had been polled"), "{watched:?}");
    });
}

#[test]
fn a_seventeenth_process_replaces_the_least_recently_requested_one() {
    cordial::testing::run(async {
        let tasks: Vec<Task<()>> = (0..17).map(|_| Task::spawn(std::future::pending())).collect();
        let mut watched = Watched::default();
        for (second, task) in tasks.iter().enumerate() {
            let scan = Scan::new(&process::inspector(), second as u64 * 1000, None);
            watched.past(&scan, scan.index_of(task.pid()).unwrap());
        }
        assert!(watched.life(tasks[0].pid(), 99_000).is_none());
        assert!(watched.life(tasks[1].pid(), 99_000).is_some());
    });
}
