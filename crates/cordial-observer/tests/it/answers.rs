//! The answers of the endpoints.

use std::collections::BTreeSet;
use std::time::UNIX_EPOCH;

use cordial::server::{Context, Handle, Server, ServerRef};
use cordial::{ChildSpec, Strategy, Supervisor, Task, TaskSet};
use serde_json::Value;

use crate::harness::{Program, wait_until};

#[test]
fn the_overview_shows_the_program() {
    let program = Program::with(|builder| builder.name("shop"));
    program.start("waits", std::future::pending());
    let has_waiting = || program.client.json("/api/overview")["counts"]["waiting"].as_u64() >= Some(1);
    wait_until("the reading", has_waiting);
    wait_until("three points", || {
        let overview = program.client.json("/api/overview");
        overview["history"]["seconds"]["live"].as_array().unwrap().len() >= 3
    });
    let overview = program.client.json("/api/overview");
    assert_eq!(overview["program"]["name"], "shop");
    assert_eq!(overview["program"]["os_pid"], std::process::id());
    assert_eq!(overview["program"]["closed"], false);
    assert!(overview["now"]["live"].as_u64() >= Some(1), "{overview}");
    assert_eq!(overview["now"]["threads"], 2);
    assert!(overview["workers"].as_array().unwrap().len() >= 2, "{overview}");
    let seconds = &overview["history"]["seconds"];
    let lengths = ["live", "queued", "spawned", "polls", "rss_bytes", "cpu", "utilization"]
        .map(|column| seconds[column].as_array().unwrap().len());
    assert!(lengths.iter().all(|length| *length == lengths[0]), "{lengths:?}");
    assert!(seconds["workers"][0].as_array().unwrap().len() == lengths[0]);
    assert!(
        program.client.json("/api/overview?history=none")["history"]["seconds"]["live"].as_array().unwrap().is_empty()
    );
}

#[test]
fn the_table_is_filtered_and_sorted_by_the_server() {
    let program = Program::new();
    for label in ["alpha", "beta", "gamma", "a<b>&\"c\""] {
        program.start(label, std::future::pending());
    }
    // The others were started before it.
    wait_until("the last task", || program.client.json("/api/tasks?text=%26")["matched"] == 1);
    let labels = |query: &str| -> Vec<String> {
        let tasks = program.client.json(&format!("/api/tasks?{query}"));
        tasks["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["label"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(labels("text=%5E(alpha|beta|gamma)%24&sort=label"), ["alpha", "beta", "gamma"]);
    assert_eq!(labels("text=%5E(alpha|beta|gamma)%24&sort=label&descending=true"), ["gamma", "beta", "alpha"]);
    assert_eq!(labels("text=BETA"), ["beta"], "case is ignored");
    assert_eq!(labels("text=%5E(alpha|beta|gamma)%24&sort=label&offset=1&limit=1"), ["beta"]);
    assert_eq!(labels("text=%26"), ["a<b>&\"c\""], "the JSON has the text of the program");
    assert_eq!(labels("text=alpha&state=abandoned"), [""; 0]);
    assert_eq!(labels("text=alpha&kind=task"), ["alpha"]);
    assert_eq!(labels("place=no/such/file.rs"), [""; 0]);
    let alpha = &program.client.json("/api/tasks?text=alpha")["rows"][0];
    let (pid, place) = (alpha["pid"].as_str().unwrap(), alpha["place"].as_str().unwrap());
    assert!(place.contains("harness/program.rs:"), "{place}");
    assert_eq!(labels(&format!("text={}", pid.trim_matches(['<', '>']).replace('.', "%5C."))), ["alpha"]);
}

#[test]
fn a_wrong_parameter_gets_a_sentence() {
    let program = Program::new();
    for (path, sentence, field) in [
        ("/api/tasks?text=%5B", "`[` is not a valid pattern: unclosed character class", Some("text")),
        ("/api/tasks?text=(", "is not a valid pattern", Some("text")),
        ("/api/tasks?text=%5Cw%7B1000%7D%7B1000%7D", "needs more than 256 KiB of memory", Some("text")),
        ("/api/crashes?text=*", "is not a valid pattern", Some("text")),
        ("/api/tasks?supervisor=nobody", "is not a pid: a pid is written <1.2.3>", Some("supervisor")),
        ("/api/tree?parent=1.999.1", "has ended, or there never was one", Some("parent")),
        ("/api/tasks?sort=beauty", "the parameters of the address are not valid", None),
        ("/api/tasks?limit=-1", "the parameters of the address are not valid", None),
        ("/api/tasks/%ff", "the path of the address is not valid", None),
        ("/api/crashes/%ff", "the path of the address is not valid", None),
        ("/%ff", "the path of the address is not valid", None),
    ] {
        let response = program.client.get(path);
        assert_eq!(response.status, 400, "{path}: {response:?}");
        assert!(response.error().contains(sentence), "{path}: {response:?}");
        assert_eq!(response.json()["field"].as_str(), field, "{path}");
    }
    let long = "x".repeat(501);
    assert!(program.client.get(&format!("/api/tasks?text={long}")).error().contains("at most 500"));
}

#[test]
fn the_tree_is_lazy() {
    let program = Program::new();
    let app = program.keep(async {
        let child = |id: &'static str| ChildSpec::task(id, std::future::pending::<()>);
        let builder = Supervisor::builder(Strategy::RestForOne).label("app");
        let tree = builder.child(child("one")).child(child("two")).child(child("three")).start().await.unwrap();
        let pid = tree.pid();
        (tree, pid)
    });
    let keeper = || {
        let roots = program.client.json("/api/tree");
        roots["rows"].as_array().unwrap().iter().find(|row| row["label"] == "keeper").cloned().unwrap_or_default()
    };
    wait_until("the tree", || keeper()["below"] == 4);
    let keeper = keeper();
    assert_eq!(keeper["children"], 1, "{keeper}");
    let below =
        program.client.json(&format!("/api/tree?parent={}", keeper["pid"].as_str().unwrap().trim_matches(['<', '>'])));
    let node = &below["rows"][0];
    assert_eq!(node["pid"], app.to_string());
    assert_eq!(node["supervision"]["strategy"], "rest_for_one");
    assert_eq!(node["supervision"]["running"], 3);
    let path = format!("/api/tree?parent={}", app.to_string().trim_matches(['<', '>']));
    let children = program.client.json(&format!("{path}&offset=1&limit=1"));
    assert_eq!((children["total"].as_u64(), children["offset"].as_u64()), (Some(3), Some(1)));
    assert_eq!(children["rows"][0]["child_id"], "two");
    assert_eq!(children["rows"].as_array().unwrap().len(), 1);
}

#[test]
fn crashes_are_grouped_by_place() {
    let program = Program::new();
    for n in 0..3 {
        program.run(async move {
            let crash = Task::builder().label("flaky").spawn(async move {
                if n < 9 {
                    panic!("<b>no luck</b>")
                }
            });
            assert!(crash.await.is_err());
        });
    }
    let gone = program.run(async {
        let full = || cordial::Exit::from(std::io::Error::other("disk full"));
        let task: Task<()> = Task::builder().label("failing").spawn(async move {
            cordial::exit(full()).await;
        });
        let pid = task.pid();
        assert!(task.await.is_err());
        pid
    });
    wait_until("four crashes", || program.client.json("/api/crashes")["matched"] == 4);
    let crashes = program.client.json("/api/crashes");
    assert_eq!((crashes["total"].as_u64(), crashes["dropped"].as_u64()), (Some(4), Some(0)));
    let groups = crashes["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 2, "{groups:?}");
    assert_eq!((groups[0]["exit_kind"].as_str(), groups[0]["count"].as_u64()), (Some("error"), Some(1)));
    assert_eq!((groups[1]["message"].as_str(), groups[1]["count"].as_u64()), (Some("<b>no luck</b>"), Some(3)));
    assert!(groups[1]["place"].as_str().unwrap().contains("answers.rs:"), "{groups:?}");
    assert_eq!(groups[1]["labels"], Value::from(vec!["flaky"]));
    let detail = program.client.json(&format!("/api/crashes/{}", groups[1]["n"]));
    assert_eq!((detail["same_place"].as_u64(), detail["others"].as_array().unwrap().len()), (Some(3), 2));
    assert_eq!(detail["chain"][0], "<b>no luck</b>");
    assert_eq!(program.client.json("/api/crashes?text=disk")["matched"], 1);
    assert_eq!(program.client.get("/api/crashes/99").status, 404);
    let ended = program.client.get(&format!("/api/tasks/{}", gone.to_string().trim_matches(['<', '>'])));
    assert_eq!((ended.status, ended.json()["ended"]["crash"].as_u64()), (410, groups[0]["n"].as_u64()), "{ended:?}");
    assert!(ended.error().contains("has ended: disk full"), "{ended:?}");
    let never = program.client.get("/api/tasks/1.999.1");
    assert!(never.status == 404 && never.error().contains("has ended, or there never was one"), "{never:?}");
}

struct Sleeper;

struct Sleep;

impl Server for Sleeper {}

impl Handle<Sleep> for Sleeper {
    type Reply = ();

    async fn handle(&mut self, _: Sleep, _: &mut Context<Self>) {
        std::future::pending().await
    }
}

#[test]
fn a_server_shows_its_mailbox() {
    let program = Program::new();
    let pid = program.keep(async {
        let server = ServerRef::start(|| Sleeper);
        for _ in 0..5 {
            server.cast(Sleep).await.unwrap();
        }
        let pid = server.pid();
        (server, pid)
    });
    wait_until("the mailbox", || program.client.json("/api/servers")["rows"][0]["mailbox"]["length"] == 4);
    let server = program.client.json("/api/servers")["rows"][0].clone();
    assert_eq!((server["pid"].as_str(), server["kind"].as_str()), (Some(&*pid.to_string()), Some("server")));
    assert!(server["mailbox"]["in_hand"].as_str().unwrap().ends_with("Sleep"), "{server}");
    assert_eq!(program.client.json("/api/overview?history=none")["totals"]["servers"], 1);
    assert!(program.client.get("/metrics").body.contains("cordial_mailbox_messages{server="));
}

#[test]
fn streams_and_sets_show_their_progress() {
    let program = Program::new();
    program.start("consumer", async {
        let mut stream = Task::async_stream(0..10, |n| async move {
            if n >= 3 {
                std::future::pending::<()>().await;
            }
        });
        stream = stream.max_concurrency(2).timeout(cordial::Timeout::Infinity);
        while stream.next().await.is_some() {}
    });
    let row = || program.client.json("/api/streams")["rows"][0].clone();
    // After the third result, the next item may not have started yet.
    wait_until("three results", || row()["completed"] == 3 && row()["in_flight"] == 2);
    let stream = row();
    assert_eq!((stream["max"].as_u64(), stream["in_flight"].as_u64()), (Some(2), Some(2)), "{stream}");
    assert_eq!((stream["total"].as_u64(), stream["failed"].as_u64()), (Some(10), Some(0)), "{stream}");
    assert!(stream["place"].as_str().unwrap().contains("answers.rs:"), "{stream}");
    wait_until("the items in flight", || program.client.json("/api/tasks?kind=stream_item")["matched"] == 2);
}

/// Many streams and sets may run, and a page shows the first ones.
#[test]
fn streams_and_sets_with_failures_come_before_older_ones() {
    let program = Program::new();
    for is_late in [false, true] {
        program.start(if is_late { "fails" } else { "works" }, async move {
            let items = Task::async_stream(0..2, move |n| async move {
                if n > 0 || !is_late {
                    std::future::pending::<()>().await;
                }
                panic!("no luck");
            });
            let mut items = items.timeout(cordial::Timeout::Infinity);
            let mut set = TaskSet::new();
            set.spawn(async move {
                if !is_late {
                    std::future::pending::<()>().await;
                }
                panic!("no luck");
            });
            let _ = items.next().await;
            std::future::pending::<()>().await;
        });
        for path in ["/api/streams", "/api/task_sets"] {
            let n = 1 + usize::from(is_late);
            wait_until("the rows", || program.client.json(path)["matched"] == n);
        }
    }
    for path in ["/api/streams", "/api/task_sets"] {
        wait_until("the failure", || program.client.json(path)["rows"][0]["failed"] == 1);
        let rows = program.client.json(path);
        assert_eq!(
            (rows["rows"][0]["label"].as_str(), rows["rows"][1]["label"].as_str()),
            (Some("fails"), Some("works")),
            "{rows}"
        );
    }
}

/// The system counts in steps of 10 ms.
#[cfg(target_os = "linux")]
#[test]
fn a_program_is_as_old_as_its_process_and_not_as_its_observer() {
    std::thread::sleep(std::time::Duration::from_millis(50));
    let before = UNIX_EPOCH.elapsed().unwrap().as_millis();
    let program = Program::new();
    let started = program.client.json("/api/overview")["program"]["started_at_ms"].as_u64().unwrap();
    assert!(u128::from(started) < before, "{started} {before}");
}

#[test]
fn the_metrics_are_readable_for_prometheus() {
    let program = Program::new();
    program.start("a \"label\" with\na line", std::future::pending());
    let response = program.client.get("/metrics");
    assert!(response.header("content-type").starts_with("application/openmetrics-text"), "{response:?}");
    let lines = response.body.lines().map(|line| Ok(line.to_owned()));
    let scrape = prometheus_parse::Scrape::parse(lines).unwrap();
    let value = |name: &str| {
        let sample = scrape.samples.iter().find(|sample| sample.metric == name);
        match sample.unwrap_or_else(|| panic!("no {name} in {}", response.body)).value {
            prometheus_parse::Value::Counter(value)
            | prometheus_parse::Value::Gauge(value)
            | prometheus_parse::Value::Untyped(value) => value,
            ref other => panic!("{other:?}"),
        }
    };
    assert!(value("cordial_processes") >= 1.0);
    assert!(value("cordial_starts_total") >= 2.0);
    assert_eq!(value("cordial_workers"), 2.0);
    assert!(response.body.ends_with("# EOF\n"));
}

/// A name has either all of the metrics of servers or none, even if there were other names before.
#[test]
fn the_names_of_servers_are_the_same_in_all_metrics() {
    let program = Program::new();
    let names = |part: &str| -> BTreeSet<String> {
        let text = program.client.get("/metrics").body;
        let lines = text.lines().filter_map(|line| line.strip_prefix(part)?.strip_prefix("{server=\""));
        lines.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
    };
    let start = |names: std::ops::Range<usize>| {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        program.start("keeper", async move {
            let start = |n| ServerRef::builder(|| Sleeper).label(format!("server {n}")).start();
            let _servers: Vec<_> = names.map(start).collect();
            let _ = stopped.await;
        });
        stop
    };
    let stop = start(0..150);
    wait_until("the first servers", || names("cordial_messages_handled_total").len() == 150);
    drop(stop);
    let _stop = start(150..300);
    wait_until("the next servers", || {
        let gauges = names("cordial_mailbox_messages");
        !gauges.contains("server 0") && gauges.len() >= 51
    });
    let counters = names("cordial_messages_handled_total");
    let gauges = names("cordial_mailbox_messages");
    assert!(gauges.contains("other") && gauges.is_subset(&counters), "{:?}", gauges.difference(&counters));
}

#[test]
fn a_runtime_that_was_shut_down_is_still_shown() {
    let Program { runtime, observer, client } = Program::new();
    runtime.block_on(async { Task::start(std::future::pending::<()>()) }).unwrap();
    drop(runtime);
    wait_until("a reading", || client.json("/api/overview")["now"]["live"] == 0);
    for path in [
        "tree",
        "tasks",
        "streams",
        "servers",
        "task_sets",
        "connections",
        "crashes",
        "long_polls",
        "warnings",
        "audit",
        "overview",
    ] {
        client.json(&format!("/api/{path}"));
    }
    assert_eq!(client.get("/metrics").status, 200);
    assert_eq!(client.json("/api/overview")["program"]["closed"], true);
    assert!(observer.dump().contains("the runtime was shut down"), "{}", observer.dump());
}

#[test]
fn the_dump_is_text() {
    let program = Program::new();
    program.start("first line\nsecond line", std::future::pending());
    program.start("over\u{202e}thrown", std::future::pending());
    program.start("not\u{ad}seen\u{e0041}", std::future::pending());
    let text = program.client.get("/dump").body;
    assert!(text.contains("first line\\nsecond line <"), "a label cannot imitate a line: {text}");
    assert!(text.contains("over\\u{202e}thrown <"), "nor turn one around: {text}");
    assert!(text.contains("not\\u{ad}seen\\u{e0041} <"), "nor look like another one: {text}");
    let own = program.observer.dump();
    assert!(own.lines().any(|line| line.contains("processes")), "{own}");
}
