//! Very many processes.

use std::sync::mpsc;

use cordial::{Runtime, Task, TaskSupervisor};

use crate::harness::{LIMIT, Program};

const MANY: usize = 100_000;

#[test]
fn a_hundred_thousand_children_are_paged() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let (sender, receiver) = mpsc::channel();
    let start = async move {
        let tasks = TaskSupervisor::builder().label("workers").start();
        for _ in 0..MANY {
            tasks.start_child(std::future::pending::<()>()).unwrap();
        }
        sender.send(tasks.pid()).unwrap();
        std::future::pending::<()>().await;
    };
    runtime.block_on(async move { Task::start(start) }).unwrap();
    let supervisor = receiver.recv_timeout(LIMIT).unwrap();
    // The observer reads very many processes rarely: it has to see all of them the first time.
    let program = Program::of(runtime, |builder| builder);
    let client = &program.client;
    let id = supervisor.to_string().trim_matches(['<', '>']).to_owned();
    let path = format!("/api/tree?parent={id}");
    assert_eq!(client.json(&format!("{path}&limit=1"))["total"], MANY);
    let last = client.json(&format!("{path}&offset={}&limit=100", MANY - 10));
    assert_eq!(last["rows"].as_array().unwrap().len(), 10);
    let node = &client.json("/api/tasks?kind=task_supervisor")["rows"][0];
    assert_eq!(node["pid"], supervisor.to_string());

    let all = client.get(&format!("/api/tasks?supervisor={id}&sort=pid&limit=100000"));
    let answer = all.json();
    assert_eq!(
        (answer["matched"].as_u64(), answer["rows"].as_array().unwrap().len()),
        (Some(MANY as u64), 500),
        "at most 500"
    );
    let middle = client.json(&format!("/api/tasks?supervisor={id}&sort=pid&offset=50000&limit=3"));
    let pids: Vec<&str> = middle["rows"].as_array().unwrap().iter().map(|row| row["pid"].as_str().unwrap()).collect();
    let parsed: Vec<cordial::Pid> = pids.iter().map(|pid| pid.parse().unwrap()).collect();
    assert!(parsed.is_sorted(), "{pids:?}");
    assert_eq!(client.json(&format!("/api/tasks?supervisor={id}&offset=100000"))["rows"].as_array().unwrap().len(), 0);
    let detail = client.json(&format!("/api/tasks/{id}"));
    assert_eq!(
        (detail["children"]["total"].as_u64(), detail["children"]["rows"].as_array().unwrap().len()),
        (Some(MANY as u64), 10)
    );
    assert!(client.get("/dump").body.lines().count() < 200, "the dump is cut");
    assert_eq!(client.json("/api/overview?history=none")["dropped"]["tasks"], 0);
}
