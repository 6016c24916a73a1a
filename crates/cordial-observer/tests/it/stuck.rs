//! The observer answers while every worker of the program is stuck.

use std::sync::{Arc, Mutex, mpsc};

use cordial::{Runtime, Task, process};
use cordial_observer::Observer;

use crate::harness::{Client, Program, wait_until};

#[test]
fn the_observer_answers_while_every_thread_is_stuck() {
    // No stand-ins: two threads, and both block.
    let runtime = Runtime::builder().workers(2).max_threads(2).build().unwrap();
    let observer = Observer::builder().runtime(runtime.inspector()).serve("127.0.0.1:0").unwrap();
    let client = Client { address: observer.address().unwrap(), token: observer.token().unwrap().to_owned() };
    let releases: Vec<mpsc::Sender<()>> = (0..2)
        .map(|_| {
            let (release, released) = mpsc::channel::<()>();
            runtime
                .block_on(async move {
                    Task::builder().label("spins").start(async move {
                        let _ = released.recv();
                    })
                })
                .unwrap();
            release
        })
        .collect();
    wait_until("two long polls", || client.json("/api/long_polls")["total"] == 2);
    let poll = client.json("/api/long_polls")["rows"][0].clone();
    assert_eq!(poll["label"], "spins");
    assert!(poll["place"].as_str().unwrap().contains("stuck.rs:"), "{poll}");
    assert!(poll["for_ms"].as_u64() >= Some(100) && poll["worker"].is_u64(), "{poll}");
    wait_until("a warning", || {
        let warnings = client.json("/api/warnings");
        warnings["rows"].as_array().unwrap().iter().any(|warning| warning["kind"] == "stuck_poll")
    });
    let overview = client.json("/api/overview?history=none");
    assert!(overview["now"]["utilization"].as_f64() > Some(0.5), "{overview}");
    assert!(observer.dump().contains("long poll: spins"), "{}", observer.dump());
    drop(releases);
    wait_until("the end of the polls", || client.json("/api/long_polls")["total"] == 0);
}

/// What a process says about itself is shown on its page and in dumps only. It may need a lock that the process has while it is stuck.
#[test]
#[expect(clippy::disallowed_methods, reason = "clients in real time")]
fn the_observer_does_not_wait_for_the_details_of_a_stuck_process() {
    let program = Program::new();
    let (release, released) = mpsc::channel::<()>();
    let pool = Arc::new(Mutex::new(released));
    let shown = pool.clone();
    let pid = program.start("pool", async move {
        process::set_details(move || vec![format!("{:?}", shown.lock().unwrap())]);
        let _ = pool.lock().unwrap().recv();
    });
    let is_stuck = || program.client.json("/api/long_polls")["total"] == 1;
    wait_until("the long poll", is_stuck);
    for path in ["/api/overview", "/api/tasks", "/api/tree", "/metrics"] {
        assert_eq!(program.client.get(path).status, 200, "{path}");
    }
    wait_until("the warning", || program.client.json("/api/warnings")["rows"][0]["pid"] == pid.to_string());
    let page = |pid: cordial::Pid| format!("/api/tasks/{}", pid.to_string().trim_matches(['<', '>']));
    let page_of_pool = page(pid);
    let asking: Vec<_> = [&*page_of_pool, "/dump"]
        .map(|path| {
            let (client, path) = (program.client.clone(), path.to_owned());
            std::thread::spawn(move || client.get(&path).body)
        })
        .into();
    assert_eq!(program.client.get("/api/overview").status, 200, "meanwhile");
    let answers: Vec<String> = asking.into_iter().map(|asking| asking.join().unwrap()).collect();
    for answer in answers.into_iter().chain([program.observer.dump()]) {
        assert!(answer.contains("has not returned") && answer.contains("pool"), "{answer}");
    }
    // Each of these calls has a thread until the closure returns, so their number is limited, and a further page does not wait.
    for _ in 0..10 {
        assert_eq!(program.client.get(&page_of_pool).status, 200);
    }
    let begun = std::time::Instant::now();
    for _ in 0..10 {
        assert!(program.client.get(&page_of_pool).body.contains("has not returned"));
    }
    assert!(begun.elapsed() < std::time::Duration::from_secs(15), "{:?}", begun.elapsed());
    let other = program.start("says", async {
        process::set_details(|| vec!["all is well".to_owned()]);
        std::future::pending().await
    });
    let other = page(other);
    wait_until("the details of another process", || program.client.json(&other)["details"][0] == "all is well");
    drop(release);
    wait_until("the end", || program.runtime.inspector().info_without_details(pid).is_none());
}

#[test]
fn all_threads_of_a_program_with_more_than_64_workers_count() {
    const WORKERS: usize = 100;
    let runtime = Runtime::builder().workers(WORKERS).max_threads(WORKERS).build().unwrap();
    let program = Program::of(runtime, |builder| builder);
    let releases: Vec<mpsc::Sender<()>> = (0..WORKERS)
        .map(|_| {
            let (release, released) = mpsc::channel::<()>();
            program.start("blocks", async move {
                let _ = released.recv();
            });
            release
        })
        .collect();
    let now = || program.client.json("/api/overview?history=none")["now"].clone();
    wait_until("a second in which all workers were busy", || now()["utilization"].as_f64() > Some(0.9));
    assert_eq!(now()["workers"].as_array().unwrap().len(), 64);
    drop(releases);
}
