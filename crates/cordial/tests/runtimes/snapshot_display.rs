//! The text of a snapshot.

use std::future::pending;

use cordial::{ChildSpec, Restart, Strategy, Supervisor, TaskSupervisor, process, testing};

use crate::harness::children::{crash, pid};
use crate::harness::seeds::SECOND;

/// Returns the lines of a snapshot without pids and with `PLACE` for each location.
fn lines(text: &str) -> Vec<String> {
    let without_pids = |line: &str| {
        let mut line = line.to_owned();
        while let (Some(from), Some(to)) = (line.find(" <"), line.find('>')) {
            line.replace_range(from..=to, "");
        }
        let location = line.find("crates/").into_iter().chain(line.find("tests/")).min();
        let Some(from) = location else { return line };
        let to = line[from..].find([',', ' ']).map_or(line.len(), |at| from + at);
        line.replace_range(from..to, "PLACE");
        line
    };
    text.lines().map(without_pids).collect()
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
        let text = process::snapshot().to_string();
        assert!(text.contains(&format!("listener {listener}, incarnation 2")), "{text}");
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
            "crashed 1.0s ago, 2.0s old: listener: was killed",
        ]);
        assert_eq!(lines(&text), expected.collect::<Vec<_>>(), "{text}");
    });
}

#[test]
fn ages_are_displayed_in_a_readable_unit() {
    testing::run(async {
        for (age, expected) in
            [(5, "5ms"), (90_000, "90.0s"), (150_000, "2.5min"), (9_000_000, "2.5h"), (864_000_000, "10.0d")]
        {
            let sleeper = cordial::Task::spawn(pending::<()>());
            tokio::time::sleep(std::time::Duration::from_millis(age)).await;
            let text = process::snapshot().to_string();
            let line = text.lines().find(|line| line.contains(&sleeper.pid().to_string())).unwrap();
            assert!(line.ends_with(&format!(", {expected} old")), "{line}");
        }
    });
}
