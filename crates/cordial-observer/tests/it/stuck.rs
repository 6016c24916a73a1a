//! The observer answers while every worker of the program is stuck.

use std::sync::mpsc;

use cordial::{Runtime, Task};
use cordial_observer::Observer;

use crate::harness::{Client, wait_until};

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
