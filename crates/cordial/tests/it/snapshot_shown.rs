//! A snapshot as a text.

use std::future::pending;

use cordial::{ChildSpec, Restart, Strategy, Supervisor, TaskSupervisor, process, testing};

use crate::orders::SECOND;
use crate::tree::{crash, pid};

/// The numbers of pids and of runtimes are left out, and so are places.
fn lines(shown: &str) -> Vec<String> {
    let without_pids = |line: &str| {
        let mut line = line.to_owned();
        while let (Some(from), Some(to)) = (line.find(" <"), line.find('>')) {
            line.replace_range(from..=to, "");
        }
        let place = line.find("crates/").into_iter().chain(line.find("tests/")).min();
        let Some(from) = place else { return line };
        let to = line[from..].find([',', ' ']).map_or(line.len(), |at| from + at);
        line.replace_range(from..to, "PLACE");
        line
    };
    shown.lines().map(without_pids).collect()
}

#[test]
fn a_snapshot_as_text_shows_children_below_their_supervisors() {
    testing::run(async {
        process::set_label("main");
        let connections = TaskSupervisor::builder().label("connections").max_children(1000).start();
        let nested = || Supervisor::builder(Strategy::OneForAll).child(ChildSpec::task("leaf", pending::<()>));
        let tree = Supervisor::builder(Strategy::RestForOne)
            .label("app")
            .child(connections.child_spec())
            .child(ChildSpec::supervisor("nested", nested))
            .child(ChildSpec::task("listener", pending::<()>).restart(Restart::Permanent))
            .child(ChildSpec::task("done", || async {}).restart(Restart::Transient))
            .start()
            .await
            .unwrap();
        for _ in 0..22 {
            connections.start_child(pending::<()>()).unwrap();
        }
        tokio::time::sleep(2 * SECOND).await;
        crash(&tree, "listener").await;
        let listener = pid(&tree, "listener").await;
        tokio::time::sleep(SECOND).await;
        let shown = process::snapshot().to_string();
        assert!(shown.contains(&format!("listener {listener}, incarnation 2")), "{shown}");
        let connection = "      PLACE, 3.0s old";
        let expected = [
            "28 processes, 1 crash",
            "main, 3.0s old",
            "  app: rest_for_one, 3 running, 1 restart, 3.0s old",
            "    done: has ended",
            "    connections: tasks, 22 of at most 1000 running, 3.0s old",
        ];
        let expected = expected.into_iter().chain(std::iter::repeat_n(connection, 20)).chain([
            "      and 2 more",
            "    nested: one_for_all, 1 running, 3.0s old",
            "      leaf, 3.0s old",
            "    listener, incarnation 2, 1.0s old",
            "crashed after 2.0s: listener: was killed",
        ]);
        assert_eq!(lines(&shown), expected.collect::<Vec<_>>(), "{shown}");
    });
}

#[test]
fn ages_are_told_in_a_unit_that_a_person_reads() {
    testing::run(async {
        for (age, told) in
            [(5, "5ms"), (90_000, "90.0s"), (150_000, "2.5min"), (9_000_000, "2.5h"), (864_000_000, "10.0d")]
        {
            let sleeper = cordial::Task::spawn(pending::<()>());
            tokio::time::sleep(std::time::Duration::from_millis(age)).await;
            let shown = process::snapshot().to_string();
            let line = shown.lines().find(|line| line.contains(&sleeper.pid().to_string())).unwrap();
            assert!(line.ends_with(&format!(", {told} old")), "{line}");
        }
    });
}
