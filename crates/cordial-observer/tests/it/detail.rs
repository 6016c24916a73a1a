//! Everything about one process.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use cordial::{ChildSpec, Strategy, Supervisor, Task, process};
use cordial_observer::{ActionKind, LogLines};
use serde_json::Value;
use tracing_subscriber::layer::SubscriberExt;

use crate::harness::{Program, wait_for, wait_until};

/// The path of the detail of a process.
fn path(pid: impl std::fmt::Display) -> String {
    format!("/api/tasks/{}", pid.to_string().trim_matches(['<', '>']))
}

#[test]
fn the_detail_shows_relatives_and_the_past() {
    let program = Program::with(|builder| {
        builder.describe(|info| {
            info.label.as_deref().filter(|label| *label == "child").map(|_| "order 17, card ****".to_owned())
        })
    });
    let app = program.keep(async {
        let child = ChildSpec::task("child", || async {
            process::set_label("child");
            std::future::pending::<()>().await
        });
        let tree = Supervisor::builder(Strategy::OneForOne).label("app").child(child).start().await.unwrap();
        let pid = tree.pid();
        (tree, pid)
    });
    wait_until("the label", || program.client.json("/api/tasks?text=%5Echild%24")["matched"] == 1);
    let row = program.client.json("/api/tasks?text=%5Echild%24")["rows"][0].clone();
    let child = row["pid"].as_str().unwrap();
    // The thread that calls the function of `describe` may get no processor for 2 s.
    wait_until("the note", || program.client.json(&path(child))["note"] == "order 17, card ****");
    let detail = program.client.json(&path(child));
    assert_eq!(detail["task"]["supervisor"], app.to_string());
    assert_eq!(detail["task"]["supervisor_label"], "app");
    let ancestors: Vec<&str> =
        detail["ancestors"].as_array().unwrap().iter().map(|one| one["label"].as_str().unwrap()).collect();
    assert_eq!(ancestors, ["app", "keeper"]);
    assert_eq!(detail["lifeline"][0]["what"], "spawned");
    assert_eq!(detail["can"]["kill"], false);
    wait_until("the past", || program.client.json(&path(child))["history"]["busy"].as_array().unwrap().len() >= 2);
    let percent = format!("/api/tasks/%3C{}%3E", child.trim_matches(['<', '>']));
    assert_eq!(program.client.get(&percent).status, 200);
    let app_detail = program.client.json(&path(app));
    assert_eq!(app_detail["children"]["total"], 1);
    assert_eq!(app_detail["supervision"]["strategy"], "one_for_one");
}

#[test]
fn a_process_that_ended_while_it_was_watched_has_a_life() {
    let program = Program::new();
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    let pid = program.start("watched", async {
        let _ = receiver.await;
    });
    wait_until("the reading", || program.client.get(&path(pid)).status == 200);
    drop(sender);
    wait_until("the end", || program.runtime.inspector().info(pid).is_none());
    let gone = program.client.get(&path(pid));
    assert_eq!(gone.status, 410, "{gone:?}");
    assert!(gone.error().contains("has ended: it did not crash"), "{gone:?}");
    let ended = &gone.json()["ended"];
    assert_eq!(ended["crash"], Value::Null);
    let life: Vec<&str> =
        ended["lifeline"].as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap()).collect();
    assert_eq!((life.first(), life.last()), (Some(&"spawned"), Some(&"ended")), "{life:?}");
}

#[test]
fn a_process_that_has_crashed_a_moment_ago_has_its_crash() {
    let program = Program::new();
    for is_watched in [true, false] {
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        let pid = program.start("fails", async {
            let _ = receiver.await;
            panic!("out of paper");
        });
        wait_until("the reading", || !is_watched || program.client.get(&path(pid)).status == 200);
        let n_before = program.runtime.inspector().crashes(0).len();
        drop(sender);
        wait_until("the crash", || program.runtime.inspector().crashes(0).len() > n_before);
        let gone = program.client.get(&path(pid));
        assert_eq!(gone.status, 410, "{gone:?}");
        assert!(gone.error().contains("out of paper"), "{gone:?}");
        assert_eq!(gone.json()["ended"]["crash"], n_before + 1, "{gone:?}");
    }
}

#[test]
fn a_process_whose_crash_was_pushed_out_of_the_log_is_not_said_to_have_ended_well() {
    let program = Program::new();
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    let pid = program.start("fails", async {
        let _ = receiver.await;
        panic!("out of paper");
    });
    wait_until("the reading", || program.client.get(&path(pid)).status == 200);
    drop(sender);
    wait_until("the crash", || program.client.json("/api/crashes")["total"] == 1);
    program.run(async {
        for _ in 0..1000 {
            Task::builder().start(async { Err::<(), _>("one more") });
        }
    });
    wait_until("the crashes", || program.client.json("/api/crashes")["total"] == 1001);
    let gone = program.client.get(&path(pid));
    assert_eq!(gone.status, 410, "{gone:?}");
    assert!(gone.error().contains("if it crashed, its crash is not in the log any more"), "{gone:?}");
}

#[test]
fn a_process_that_was_killed_in_a_poll_is_not_quiet() {
    let program = Program::with(|builder| builder.allow_actions([ActionKind::Kill]));
    let (release, released) = mpsc::channel::<()>();
    let pid = program.start("stuck", async move {
        let _ = released.recv();
    });
    wait_until("the long poll", || program.runtime.inspector().long_polls().iter().any(|poll| poll.pid == pid));
    assert_eq!(program.client.get(&path(pid)).status, 200);
    assert_eq!(program.client.act("kill", pid).json()["outcome"], "in_poll");
    wait_until("two points", || program.client.json(&path(pid))["history"]["busy"].as_array().unwrap().len() >= 3);
    let detail = program.client.json(&path(pid));
    assert_eq!((detail["task"]["state"].as_str(), &detail["quiet_ms"]), (Some("abandoned"), &Value::Null));
    release.send(()).unwrap();
}

#[test]
fn a_supervisor_without_a_restart_limit_shows_none() {
    let program = Program::new();
    let pid = program.keep(async {
        let builder = Supervisor::builder(Strategy::OneForOne).max_restarts(usize::MAX, Duration::from_secs(5));
        let tree = builder.start().await.unwrap();
        let pid = tree.pid();
        (tree, pid)
    });
    wait_until("the reading", || program.client.get(&path(pid)).status == 200);
    let supervision = program.client.json(&path(pid))["supervision"].clone();
    assert_eq!((supervision["strategy"].as_str(), &supervision["intensity"]), (Some("one_for_one"), &Value::Null));
}

#[test]
fn a_process_shows_what_it_says_about_itself() {
    let program = Program::new();
    let pid = program.start("pool", async {
        process::set_details(|| (0..200).map(|n| format!("connection {n} {}", "x".repeat(5000))).collect());
        std::future::pending().await
    });
    let lines = wait_for("the lines", || {
        let details = program.client.json(&path(pid))["details"].clone();
        (details.as_array().unwrap().len() == 100).then_some(details)
    });
    let line = lines[7].as_str().unwrap();
    assert!(line.starts_with("connection 7 xxx") && line.len() < 1100, "lines are bounded: {}", line.len());
}

#[test]
fn the_detail_shows_how_long_the_polls_of_the_place_were() {
    let program = Program::new();
    let pid = program.start("busy", async {
        loop {
            std::thread::sleep(Duration::from_millis(40));
            tokio::task::yield_now().await;
        }
    });
    let long = || {
        let buckets = program.client.json(&path(pid))["poll_durations"].as_array().unwrap().clone();
        buckets
            .iter()
            .filter(|bucket| bucket["at_least_ms"].as_u64() >= Some(32))
            .map(|bucket| bucket["polls"].as_u64().unwrap())
            .sum::<u64>()
    };
    wait_until("three polls of at least 32 ms", || long() >= 3);
    assert_eq!(program.client.act("kill", pid).status, 403);
}

#[test]
fn the_last_log_lines_are_shown_if_the_program_keeps_them() {
    let lines = LogLines::new();
    let program = Program::with(|builder| builder.log_lines(lines.clone()));
    let subscriber = Arc::new(tracing_subscriber::registry().with(lines));
    let pid = program.start("talks", async move {
        tracing::subscriber::with_default(subscriber, || tracing::warn!(order = 17, "the paper is <b>out</b>"));
        std::future::pending().await
    });
    wait_until("the line", || program.client.json(&path(pid))["log"].as_array().is_some_and(|lines| lines.len() == 1));
    let line = &program.client.json(&path(pid))["log"][0];
    assert_eq!(
        (line["level"].as_str(), line["text"].as_str()),
        (Some("warn"), Some("the paper is <b>out</b> order=17"))
    );
    let without = Program::new();
    let pid = without.start("talks", std::future::pending());
    wait_until("the reading", || without.client.get(&path(pid)).status == 200);
    assert_eq!(without.client.json(&path(pid))["log"], Value::Null, "none are kept");
}

#[test]
fn a_connection_shows_its_client_and_its_requests() {
    let program = Program::new();
    let requests = Arc::new(AtomicU64::new(3));
    let pid = program.start("connection", async {
        process::set_connection("192.0.2.7:40312", requests);
        std::future::pending().await
    });
    wait_until("the connection", || program.client.json("/api/connections")["matched"] == 1);
    let row = program.client.json("/api/connections")["rows"][0].clone();
    assert_eq!((row["peer"].as_str(), row["requests"].as_u64()), (Some("192.0.2.7:40312"), Some(3)), "{row}");
    let detail = program.client.json(&path(pid));
    assert_eq!(detail["connection"]["requests"], 3);
    assert_eq!(detail["task"]["kind"], "connection");
}

#[test]
fn texts_of_the_program_are_bounded_in_every_answer() {
    let program = Program::new();
    let label: &'static str = "l".repeat(100_000).leak();
    let pid = program.start(label, std::future::pending());
    program.run(async {
        let crash = Task::spawn(async {
            process::set_label("c".repeat(100_000));
            panic!("{}", "m".repeat(1_000_000))
        });
        assert!(crash.await.map(|never: ()| never).is_err());
    });
    wait_until("the crash", || program.client.json("/api/crashes")["matched"] == 1);
    wait_until("the task", || program.client.get(&path(pid)).status == 200);
    for (path, most) in [
        ("/api/tasks", 10_000),
        ("/api/tree", 10_000),
        ("/api/crashes", 10_000),
        ("/api/crashes/1", 60_000),
        ("/api/overview?history=none", 20_000),
        (&*path(pid), 10_000),
        ("/metrics", 60_000),
    ] {
        let length = program.client.get(path).body.len();
        assert!(length < most, "{path} has {length} bytes");
    }
    let message = program.client.json("/api/crashes/1")["chain"][0].as_str().unwrap().to_owned();
    assert!(message.ends_with("mmm... (1000000 bytes in all)"), "it says what was left out");
}
