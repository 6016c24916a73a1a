//! The crashes that a runtime keeps: numbered, counted by how they ended, at most 1000.

use std::time::Duration;

use cordial::process::{self, ProcessKind};
use cordial::{ChildSpec, Restart, Shutdown, Strategy, Supervisor, Task, TaskSet, testing};

#[test]
fn a_crash_has_its_number_kind_callers_child_and_incarnation() {
    testing::run(async {
        let own = process::current().unwrap();
        let _exits = process::trap_exits();
        let inspector = process::inspector();
        let mut set = TaskSet::new();
        let first = set.spawn(async { panic!("no luck") });
        set.next().await.unwrap().map(|never: ()| never).unwrap_err();
        let fails = ChildSpec::task("fails", || async {
            tokio::time::sleep(Duration::from_millis(7)).await;
            Err::<(), _>("no disk")
        });
        let tree = Supervisor::builder(Strategy::OneForOne)
            .child(fails.restart(Restart::Transient))
            .max_restarts(1, Duration::from_secs(60))
            .start()
            .await
            .unwrap();
        let supervisor = tree.pid();
        process::monitor(supervisor).await;
        let crashes = inspector.crashes(0);
        let numbers: Vec<u64> = crashes.iter().map(|crash| crash.number).collect();
        assert_eq!(numbers, [1, 2, 3]);
        assert_eq!(
            (crashes[0].pid, crashes[0].kind, &crashes[0].callers[..]),
            (first, ProcessKind::SetTask, &[own][..])
        );
        let children = crashes[1..].iter().map(|crash| {
            (crash.kind, crash.child_id.as_deref(), crash.incarnation, crash.supervisor, crash.age.as_millis())
        });
        let child = |incarnation| (ProcessKind::Child, Some("fails"), incarnation, Some(supervisor), 7);
        assert_eq!(children.collect::<Vec<_>>(), [child(1), child(2)]);
        assert_eq!(inspector.crashes(2)[0].number, 3, "only newer ones");
        assert!(inspector.crashes(3).is_empty() && inspector.crashes(u64::MAX).is_empty());
    });
}

#[test]
fn crashes_are_counted_by_how_they_ended() {
    testing::run(async {
        let inspector = process::inspector();
        let before = inspector.totals();
        Task::spawn(async { panic!("no luck") }).await.map(|never: ()| never).unwrap_err();
        Task::spawn(async { Err::<(), _>("no disk") }).or_exit().await.unwrap_err();
        let fails = Task::start(async { Err::<(), _>("no disk") });
        let killed = Task::start(std::future::pending::<()>());
        process::exit(killed, cordial::Exit::Killed);
        process::monitor(fails).await;
        process::monitor(killed).await;
        let asked = Task::spawn(std::future::pending::<()>());
        asked.shutdown(Shutdown::After(Duration::from_secs(1))).await;
        let after = inspector.totals();
        let crashed = after.crashed;
        assert_eq!((crashed.panics, crashed.errors, crashed.kills, crashed.timeouts), (1, 1, 1, 0), "{crashed:?}");
        assert_eq!(crashed.total(), 3);
        assert_eq!((after.spawned - before.spawned, after.ended - before.ended), (5, 5));
        assert_eq!(after.alive, before.alive);
    });
}

#[test]
fn a_thousand_crashes_are_kept_and_the_numbers_show_how_many_were_dropped() {
    testing::run(async {
        let inspector = process::inspector();
        for n in 1..=1100 {
            Task::spawn(async move { panic!("number {n}") }).await.map(|never: ()| never).unwrap_err();
        }
        let crashes = inspector.crashes(0);
        assert_eq!((crashes.len(), crashes[0].number, crashes[999].number), (1000, 101, 1100));
        assert!(crashes[0].exit.to_string().contains("number 101"), "{}", crashes[0].exit);
        let newer = inspector.crashes(1090);
        assert_eq!((newer.len(), newer[0].number), (10, 1091));
        assert_eq!(inspector.totals().crashed.panics, 1100);
        let snapshot = process::snapshot();
        assert_eq!(snapshot.crashes.len(), 100, "a snapshot has the latest");
        let text = snapshot.to_string();
        assert!(text.lines().next().unwrap().ends_with(", 1100 crashes"), "{text}");
    });
}
