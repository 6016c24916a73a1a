//! Actions: who may do what, and what really happened.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use cordial::process::{Activity, ProcessInfo};
use cordial::{ChildSpec, Restart, Strategy, Supervisor, Task, TaskSupervisor};
use cordial_observer::ActionKind;

use crate::harness::{Program, try_often, wait_for, wait_until};

fn with_actions() -> Program {
    Program::with(|builder| builder.allow_actions(ActionKind::ALL))
}

#[test]
fn by_default_the_observer_only_looks() {
    let program = Program::new();
    let pid = program.start("target", std::future::pending());
    for kind in ["shut_down", "kill", "shut_down_subtree", "kill_subtree", "restart"] {
        let response = program.client.act(kind, pid);
        assert_eq!(response.status, 403, "{kind}");
        assert!(response.error().contains("the program does not allow"), "{response:?}");
    }
    let audit = program.client.json("/api/audit");
    assert_eq!(audit["total"], 5);
    assert_eq!(audit["rows"][0]["action"], "restart");
    assert_eq!(audit["rows"][0]["allowed"], false);
    assert!(program.runtime.inspector().info(pid).is_some(), "it is alive");
}

#[test]
fn a_right_is_for_one_kind() {
    let program = Program::with(|builder| builder.allow_actions([ActionKind::ShutDown]));
    let pid = program.start("target", std::future::pending());
    assert_eq!(program.client.act("kill", pid).status, 403);
    let answer = program.client.act("shut_down", pid);
    assert_eq!((answer.status, answer.json()["outcome"].as_str()), (200, Some("ended")), "{answer:?}");
    assert_eq!(answer.json()["ended"], true);
    assert!(program.runtime.inspector().info(pid).is_none());
}

#[test]
fn a_process_that_has_ended_is_gone() {
    let program = with_actions();
    let pid = program.start("target", async {});
    wait_until("the end", || program.runtime.inspector().info(pid).is_none());
    let answer = program.client.act("kill", pid);
    assert_eq!((answer.status, answer.json()["outcome"].as_str()), (200, Some("gone")), "{answer:?}");
    assert!(answer.json()["result"].as_str().unwrap().contains("no such process any more"));
    for text in ["", "<script>", "1.2", "<1.2.3.4>", "99999999999999999999.1.1"] {
        let response = program.client.act("kill", text);
        assert_eq!(response.status, 400, "{text:?} {response:?}");
        assert!(response.error().contains("a pid is written <1.2.3>"));
    }
}

#[test]
fn a_process_in_a_poll_cannot_be_killed_and_the_answer_says_so() {
    let program = with_actions();
    let (release, released) = mpsc::channel::<()>();
    let pid = program.start("stuck", async move {
        let _ = released.recv();
    });
    wait_until("the long poll", || program.runtime.inspector().long_polls().iter().any(|poll| poll.pid == pid));
    let answer = program.client.act("kill", pid).json();
    assert_eq!(answer["outcome"], "in_poll", "{answer}");
    assert_eq!((answer["ended"].as_bool(), answer["left"].as_u64()), (Some(false), Some(1)));
    let sentence = answer["result"].as_str().unwrap();
    // Without the time of the poll if the thread that measures polls has got no processor for a while, and measures them anew.
    assert!(
        ["has been in a poll for ", "is in a poll"].iter().any(|words| sentence.contains(words))
            && sentence.contains("it will end when that poll returns"),
        "{sentence}"
    );
    assert!(sentence.contains("program.rs:"), "it names the place: {sentence}");
    let audit = program.client.json("/api/audit");
    assert_eq!(audit["rows"][0]["result"], answer["result"], "the log has the same sentence");
    assert_eq!(audit["rows"][0]["label"], "stuck");
    let abandoned = || {
        let warnings = program.client.json("/api/warnings");
        warnings["rows"].as_array().unwrap().iter().find(|warning| warning["kind"] == "abandoned").cloned()
    };
    wait_until("the warning", || abandoned().is_some());
    let warning = abandoned().unwrap();
    assert_eq!(warning["sentence"], format!("stuck {pid} was killed, but its poll does not return."));
    assert_eq!((&warning["severity"], &warning["pid"]), (&"critical".into(), &pid.to_string().into()));
    release.send(()).unwrap();
    wait_until("the end", || program.runtime.inspector().info(pid).is_none());
    wait_until("the end of the warning", || abandoned().is_none());
}

#[test]
fn a_subtree_of_which_a_process_is_in_a_poll_has_not_ended() {
    let program = with_actions();
    try_often(|| {
        let (release, released) = mpsc::channel::<()>();
        let top = program.start("top", async move {
            let stuck = Task::spawn(async move {
                let _ = released.recv();
            });
            let _ = stuck.await;
        });
        let below = || program.runtime.inspector().long_polls().iter().map(|poll| poll.pid).find(|pid| *pid != top);
        let stuck = wait_for("the long poll", below);
        let answer = program.client.act("kill_subtree", top).json();
        let is_top_gone = program.runtime.inspector().info(top).is_none();
        assert_eq!(answer["ended"], false, "{answer}");
        release.send(()).unwrap();
        wait_until("the end", || program.runtime.inspector().info(stuck).is_none());
        if is_top_gone && answer["outcome"] == "in_poll" && answer["left"] == 1 {
            Ok(())
        } else {
            Err(answer.to_string())
        }
    });
}

#[test]
fn a_shutdown_gives_time_and_then_kills() {
    let program = with_actions();
    let polite = program.start("polite", async {
        cordial::shutdown_requested().await;
    });
    let is_waiting = |info: ProcessInfo| info.polls > 0 && info.activity == Activity::Waiting;
    let is_opted_in = |pid| program.runtime.inspector().info(pid).is_some_and(is_waiting);
    wait_until("the opt-in", || is_opted_in(polite));
    let answer = program.client.act("shut_down", polite).json();
    assert_eq!(answer["outcome"], "ended", "{answer}");
    assert!(!answer["result"].as_str().unwrap().contains("kill"), "{answer}");
    try_often(|| {
        let stubborn = program.start("stubborn", async {
            let _requests = cordial::shutdown_requested();
            std::future::pending().await
        });
        wait_until("the opt-in", || is_opted_in(stubborn));
        let answer = program.client.act_within(Duration::from_millis(100), "shut_down", stubborn).json();
        let was_killed = answer["result"].as_str().unwrap().contains("was killed, and has ended");
        if answer["outcome"] == "ended" && was_killed { Ok(()) } else { Err(answer.to_string()) }
    });
}

/// An error whose `Display` panics or, on the threads of the observer, waits for a lock. (The thread of the program records the crash.)
#[derive(Debug)]
struct BadError(Option<Arc<Mutex<()>>>);

impl std::error::Error for BadError {}

impl std::fmt::Display for BadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lock = self.0.as_ref().expect("a bug in Display");
        if std::thread::current().name().is_some_and(|name| name.starts_with("cordial-observer")) {
            drop(lock.lock().unwrap());
        }
        f.write_str("the disk is full")
    }
}

#[test]
fn an_error_whose_text_does_not_come_stops_neither_the_observer_nor_the_audit_log() {
    let program = with_actions();
    let lock = Arc::new(Mutex::new(()));
    let attempt = |error: Option<Arc<Mutex<()>>>, label: &'static str, reason: &str| {
        let pid = program.run(async move {
            let fails = async move {
                cordial::shutdown_requested().await;
                Err::<(), BadError>(BadError(error))
            };
            Task::builder().label(label).start(fails)
        });
        let is_waiting = |info: ProcessInfo| info.polls > 0 && info.activity == Activity::Waiting;
        wait_until("the opt-in", || program.runtime.inspector().info(pid).is_some_and(is_waiting));
        let held = lock.lock().unwrap();
        let response = program.client.act("shut_down", pid);
        assert_eq!(response.status, 200, "{response:?}");
        let sentence = response.json()["result"].as_str().unwrap().to_owned();
        assert!(sentence.contains("it failed: (the `Display` of its error"), "{sentence}");
        let row = program.client.json("/api/audit")["rows"][0].clone();
        assert_eq!((row["result"].as_str(), row["label"].as_str()), (Some(&*sentence), Some(label)));
        drop(held);
        if sentence.contains(reason) { Ok(()) } else { Err(sentence) }
    };
    // A busy machine may take more than the 2 s that an answer waits to print a panic with its backtrace.
    try_often(|| attempt(None, "panics", "has panicked"));
    try_often(|| attempt(Some(lock.clone()), "blocks", "has not returned"));
}

#[test]
fn the_result_of_an_action_is_bounded() {
    let program = with_actions();
    let label: &'static str = Box::leak("x".repeat(100_000).into_boxed_str());
    let pid = program.start(label, std::future::pending());
    let answer = program.client.act("kill", pid);
    let sentence = answer.json()["result"].as_str().unwrap().to_owned();
    assert!(sentence.len() < 1000 && sentence.contains("killed"), "{} bytes", sentence.len());
    let top = program.start("top", async {
        let stubborn = || {
            Task::builder().label("y".repeat(300)).spawn(async {
                let _requests = cordial::shutdown_requested();
                std::future::pending::<()>().await
            })
        };
        let _tasks: Vec<Task<()>> = (0..30).map(|_| stubborn()).collect();
        std::future::pending().await
    });
    let matched = || program.client.json("/api/tasks?text=yyy&state=waiting")["matched"] == 30;
    wait_until("the tasks", matched);
    let answer = program.client.act_within(Duration::from_millis(50), "shut_down_subtree", top);
    let sentence = answer.json()["result"].as_str().unwrap().to_owned();
    assert!(sentence.len() < 2100, "{} bytes", sentence.len());
    assert!(program.client.get("/api/audit").body.len() < 10_000);
}

#[test]
fn an_action_on_what_is_no_pid_is_an_entry_of_the_audit_log() {
    let program = with_actions();
    assert_eq!(program.client.act("kill", "all").status, 400);
    let audit = program.client.json("/api/audit");
    assert_eq!((audit["total"].as_u64(), audit["rows"][0]["action"].as_str()), (Some(1), Some("kill")), "{audit}");
    assert_eq!(audit["rows"][0]["pid"], serde_json::Value::Null);
}

#[test]
fn a_subtree_ends_from_its_leaves() {
    let program = with_actions();
    let (sender, ends) = mpsc::channel();
    let child = move |sender: mpsc::Sender<&'static str>, name: &'static str| {
        ChildSpec::task(name, move || {
            let sender = sender.clone();
            async move {
                cordial::shutdown_requested().await;
                let _ = sender.send(name);
            }
        })
    };
    let top = program.keep(async move {
        let outer = Supervisor::builder(Strategy::OneForOne).label("outer").child(child(sender.clone(), "first"));
        let inner =
            move || Supervisor::builder(Strategy::OneForOne).label("inner").child(child(sender.clone(), "leaf"));
        let tree = outer.child(ChildSpec::supervisor("inner", inner)).start().await.unwrap();
        let pid = tree.pid();
        (tree, pid)
    });
    // Returns whether both leaves wait, so that they have opted in to graceful shutdown.
    let has_waiting_leaves = || {
        let tasks = program.client.json("/api/tasks?text=leaf|first");
        tasks["rows"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|row| row["polls"].as_u64() > Some(0) && row["state"] == "waiting")
            .count()
            == 2
    };
    wait_until("the leaves", has_waiting_leaves);
    let answer = program.client.act("shut_down_subtree", top).json();
    assert_eq!(answer["outcome"], "ended", "{answer}");
    assert!(answer["result"].as_str().unwrap().contains("3 processes below it ended too"), "{answer}");
    assert_eq!(ends.try_iter().collect::<Vec<_>>(), ["leaf", "first"], "in the reverse order of their starts");
}

#[test]
fn a_restart_gives_the_child_a_new_process() {
    let program = with_actions();
    let supervisor = program.keep(async {
        let child = ChildSpec::task("worker", std::future::pending::<()>).restart(Restart::Permanent);
        let tree = Supervisor::builder(Strategy::OneForOne).label("app").child(child).start().await.unwrap();
        let pid = tree.pid();
        (tree, pid)
    });
    let path = format!("/api/tree?parent={}", supervisor.to_string().trim_matches(['<', '>']));
    let child = || program.client.json(&path)["rows"][0]["pid"].as_str().unwrap_or_default().to_owned();
    wait_until("the supervisor", || program.client.get(&path).status == 200);
    wait_until("its child", || !child().is_empty());
    let before = child();
    let answer = program.client.act("restart", &before).json();
    assert_eq!(answer["outcome"], "ended", "{answer}");
    wait_until("the new process", || !child().is_empty() && child() != before);
    let lone = program.start("lone", std::future::pending());
    let answer = program.client.act("restart", lone).json();
    assert_eq!((answer["outcome"].as_str(), answer["ended"].as_bool()), (Some("impossible"), Some(false)), "{answer}");
}

#[test]
fn all_children_of_a_task_supervisor_end_with_its_subtree() {
    let program = with_actions();
    try_often(|| {
        let pid = program.keep(async {
            let tasks = TaskSupervisor::builder().label("workers").start();
            for _ in 0..50 {
                tasks.start_child(std::future::pending::<()>()).unwrap();
            }
            let pid = tasks.pid();
            (tasks, pid)
        });
        let answer = program.client.act("kill_subtree", pid).json();
        let have_ended = answer["result"].as_str().unwrap().contains("50 processes below it ended too");
        if answer["outcome"] != "ended" || !have_ended {
            return Err(answer.to_string());
        }
        let left = program.runtime.snapshot().processes;
        assert!(left.iter().all(|process| process.supervisor != Some(pid)), "{left:?}");
        Ok(())
    });
}
