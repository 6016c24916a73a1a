//! The observer answers while every worker of the program is stuck.

use std::sync::{Arc, Mutex, mpsc};

use cordial::{Runtime, Task, process};
use cordial_observer::Observer;

use crate::harness::{Client, LIMIT, Program, wait_for, wait_until};

/// Starts the thread of a client.
#[expect(clippy::disallowed_methods, reason = "clients in real time")]
fn spawn<T: Send + 'static>(client: impl FnOnce() -> T + Send + 'static) -> std::thread::JoinHandle<T> {
    std::thread::spawn(client)
}

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
    // The thread that measures polls may get no processor for a while. Then it measures them anew, and none is long for a moment.
    let poll = wait_for("two long polls", || {
        let polls = client.json("/api/long_polls");
        (polls["total"] == 2).then(|| polls["rows"][0].clone())
    });
    assert_eq!(poll["label"], "spins");
    assert!(poll["place"].as_str().unwrap().contains("stuck.rs:"), "{poll}");
    assert!(poll["for_ms"].as_u64() >= Some(100) && poll["worker"].is_u64(), "{poll}");
    wait_until("a warning", || {
        let warnings = client.json("/api/warnings");
        warnings["rows"].as_array().unwrap().iter().any(|warning| warning["kind"] == "stuck_poll")
    });
    let overview = || client.json("/api/overview?history=none");
    wait_until("busy workers", || overview()["now"]["utilization"].as_f64() > Some(0.5));
    wait_until("the long poll in a dump", || observer.dump().contains("long poll: spins"));
    drop(releases);
    wait_until("the end of the polls", || client.json("/api/long_polls")["total"] == 0);
}

#[test]
fn a_task_that_waits_for_a_worker_shows_for_how_long() {
    let program = Program::of(Runtime::builder().workers(1).max_threads(1).build().unwrap(), |builder| builder);
    let (wake, woken) = tokio::sync::oneshot::channel::<()>();
    program.start("woken", async move {
        let _ = woken.await;
    });
    let (release, released) = mpsc::channel::<()>();
    program.start("blocks", async move {
        // It is never polled meanwhile.
        Task::start(std::future::pending::<()>());
        let _ = released.recv();
    });
    wait_until("the long poll", || program.client.json("/api/long_polls")["total"] == 1);
    wake.send(()).unwrap();
    let queued = || program.client.json("/api/tasks?state=queued&sort=in_queue");
    wait_until("tasks that wait for a second", || {
        let rows = queued()["rows"].as_array().unwrap().clone();
        rows.len() == 2 && rows.iter().all(|row| row["in_queue_ms"].as_u64() >= Some(1000))
    });
    release.send(()).unwrap();
    wait_until("an empty queue", || queued()["matched"] == 0);
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
            spawn(move || client.get(&path).body)
        })
        .into();
    assert_eq!(program.client.get("/api/overview").status, 200, "meanwhile");
    let answers: Vec<String> = asking.into_iter().map(|asking| asking.join().unwrap()).collect();
    for answer in answers.into_iter().chain([program.observer.dump()]) {
        assert!(answer.contains("has not returned") && answer.contains("pool"), "{answer}");
    }
    // There is one call of the closure at a time, so a further page does not wait for it again.
    let begun = std::time::Instant::now();
    for _ in 0..50 {
        assert!(program.client.get(&page_of_pool).body.contains("has not returned"));
    }
    assert!(begun.elapsed() < std::time::Duration::from_secs(90), "{:?}", begun.elapsed());
    let other = program.start("says", async {
        process::set_details(|| vec!["all is well".to_owned()]);
        std::future::pending().await
    });
    let other = page(other);
    wait_until("the details of another process", || program.client.json(&other)["details"][0] == "all is well");
    drop(release);
    wait_until("the end", || program.runtime.inspector().info_without_details(pid).is_none());
}

/// Starts a process with this closure of `set_details`, and returns the path of its page.
fn start_with(
    program: &Program,
    label: &'static str,
    lines: impl Fn() -> Vec<String> + Send + Sync + 'static,
) -> String {
    let (sender, receiver) = mpsc::channel();
    let pid = program.start(label, async move {
        process::set_details(lines);
        sender.send(()).unwrap();
        std::future::pending().await
    });
    receiver.recv_timeout(LIMIT).unwrap();
    format!("/api/tasks/{}", pid.to_string().trim_matches(['<', '>']))
}

/// Starts a process whose closure of `set_details` returns when the lock is released.
fn start_held(program: &Program, held: &Arc<Mutex<()>>) -> String {
    let held = held.clone();
    start_with(program, "held", move || {
        drop(held.lock().unwrap());
        vec!["released".to_owned()]
    })
}

/// A page asks again each second while the closure is stuck. Those questions used to take up the calls that all processes share.
#[test]
fn four_closures_of_details_that_are_stuck_keep_nothing_from_the_pages_of_other_processes() {
    let program = Program::with(|builder| builder.describe(|info| info.label.as_deref().map(str::to_owned)));
    let lock = Arc::new(Mutex::new(()));
    let held = lock.lock().unwrap();
    let pages: Vec<String> = (0..4).map(|_| start_held(&program, &lock)).collect();
    let says = start_with(&program, "says", || vec!["all is well".to_owned()]);
    for page in pages.iter().chain(&pages).chain(&pages).chain(&pages).chain(&pages) {
        let details = program.client.json(page)["details"][0].as_str().unwrap().to_owned();
        let begin = "(the closure of set_details has not returned for ";
        assert!(details.starts_with(begin) && details.ends_with("the observer goes on without it)"), "{details}");
    }
    // Retried, because the thread that calls a closure may get no processor for 2 s.
    wait_until("the page of another process", || {
        let detail = program.client.json(&says);
        (&detail["details"][0], &detail["note"]) == (&"all is well".into(), &"says".into())
    });
    for path in ["/api/overview", "/api/tasks", "/api/tree", "/metrics"] {
        assert_eq!(program.client.get(path).status, 200, "{path}");
    }
    for dump in [program.client.get("/dump").body, program.observer.dump()] {
        assert!(
            dump.contains("has not returned within 2 s; a closure may be stuck") && dump.contains("says"),
            "{dump}"
        );
    }
    drop(held);
    for page in &pages {
        wait_until("the details", || program.client.json(page)["details"][0] == "released");
    }
    wait_until("the dump", || program.client.get("/dump").body.contains("all is well"));
}

/// As many processes as may be asked at once.
#[test]
fn a_process_that_is_not_asked_because_of_others_says_so() {
    let program = Program::new();
    let lock = Arc::new(Mutex::new(()));
    let held = lock.lock().unwrap();
    let pages: Vec<String> = (0..16).map(|_| start_held(&program, &lock)).collect();
    let clients: Vec<_> = pages
        .iter()
        .map(|page| {
            let (client, page) = (program.client.clone(), page.clone());
            spawn(move || client.json(&page)["details"][0].to_string())
        })
        .collect();
    for client in clients {
        let details = client.join().unwrap();
        assert!(details.contains("has not returned"), "{details}");
    }
    let other = start_held(&program, &lock);
    let details = "(the closure of set_details was not called: it has not returned for 16 other processes)";
    assert_eq!(program.client.json(&other)["details"][0], details);
    drop(held);
    wait_until("its details", || program.client.json(&other)["details"][0] == "released");
}

#[test]
fn a_text_of_the_program_that_does_not_come_is_a_sentence_on_the_page_of_its_process() {
    let lock = Arc::new(Mutex::new(()));
    let held = lock.lock().unwrap();
    let waits = lock.clone();
    let program = Program::with(|builder| {
        builder.describe(move |info| match info.label.as_deref() {
            Some("stuck") => Some(format!("{:?}", waits.lock())),
            Some("broken") => panic!("the formatter is broken"),
            _ => None,
        })
    });
    let start = |label| start_with(&program, label, || vec!["all is well".to_owned()]);
    // A busy machine may take more than the 2 s to print a panic, or to call a closure at all.
    let wait_note = |label, is_right: &dyn Fn(Option<&str>) -> bool| {
        let page = start(label);
        wait_until(&format!("the note of {label}"), || {
            let detail = program.client.json(&page);
            detail["details"][0] == "all is well" && is_right(detail["note"].as_str())
        });
    };
    let begins = |text: &'static str| move |note: Option<&str>| note.is_some_and(|note| note.starts_with(text));
    wait_note("stuck", &begins("(the function of Builder::describe has not returned for "));
    wait_note("broken", &begins("(the function of Builder::describe has panicked"));
    wait_note("other", &|note| note.is_none());
    drop(held);
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
