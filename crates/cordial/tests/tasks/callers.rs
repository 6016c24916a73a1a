//! The identity of a process: callers, label, spawn location, `process::info`, snapshots.

use std::sync::mpsc;
use std::time::Duration;

use cordial::process::{self, ProcessInfo, ProcessState};
use cordial::{Exit, Location, Pid, Runtime, Task, testing};
use futures::future::BoxFuture;
use tokio::sync::oneshot;

fn own() -> Pid {
    process::current().unwrap()
}

fn own_info() -> ProcessInfo {
    process::info(own()).unwrap()
}

/// Spawns a chain of `generations` processes, each inside the previous one. Returns for each process, oldest first, the expected
/// callers and those that `process::callers` returned.
fn descend(generations: usize, mut ancestors: Vec<Pid>) -> BoxFuture<'static, Vec<(Vec<Pid>, Vec<Pid>)>> {
    Box::pin(async move {
        let seen = (ancestors.clone(), process::callers());
        ancestors.insert(0, own());
        if generations == 0 {
            return vec![seen];
        }
        let mut all = Task::spawn(descend(generations - 1, ancestors)).await.unwrap();
        all.insert(0, seen);
        all
    })
}

// T-024
#[test]
fn callers_are_the_nearest_32_spawners_nearest_first() {
    testing::run(async {
        assert!(process::callers().is_empty());
        let generations = without_callers(descend(70, Vec::new())).await;
        assert_eq!(generations.len(), 71);
        for (expected, seen) in generations {
            assert_eq!(seen, expected.iter().copied().take(32).collect::<Vec<_>>());
        }
    });
}

/// Runs a process without callers: a tokio task spawns it.
#[expect(clippy::disallowed_methods, reason = "a tokio task is not a process, so it is not a caller")]
async fn without_callers<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    tokio::spawn(async { Task::spawn(future).await.unwrap() }).await.unwrap()
}

#[test]
fn every_way_to_spawn_records_the_caller() {
    testing::run(async {
        let (tx, mut rx) = tokio::sync::mpsc::unbounded_channel();
        let send_callers = move || {
            let tx = tx.clone();
            async move { tx.send(process::callers()).unwrap() }
        };
        Task::spawn(send_callers()).await.unwrap();
        Task::spawn_link(send_callers()).await.unwrap();
        process::monitor(Task::start(send_callers())).await;
        process::monitor(Task::start_link(send_callers())).await;
        let mut items = Task::async_stream(0..4, |_| send_callers());
        while items.next().await.is_some() {}
        let own = own();
        for n in 1..=8 {
            assert_eq!(rx.recv().await.unwrap(), [own], "spawn number {n}");
        }
    });
}

/// The consumer of a stream is the caller of the items. The item is the caller of the tasks that it spawns.
#[test]
fn callers_reach_through_streams_and_tasks() {
    testing::run(async {
        let root = own();
        let (consumer, lines) = Task::spawn(async {
            let item = |_| async {
                let inner = Task::spawn(async { process::callers() }).await.unwrap();
                (own(), inner)
            };
            (own(), Task::async_stream(0..10, item).collect().await)
        })
        .await
        .unwrap();
        assert_eq!(lines.len(), 10);
        for line in lines {
            let (item, callers) = line.unwrap();
            assert_eq!(callers, [item, consumer, root]);
        }
    });
}

#[test]
fn callers_stay_when_the_callers_have_ended() {
    testing::run(async {
        let (tx, rx) = oneshot::channel();
        let (go, gate) = oneshot::channel::<()>();
        let parent = Task::start(async move {
            Task::start(async move {
                let _ = gate.await;
                let _ = tx.send(process::callers());
            });
        });
        process::monitor(parent).await;
        go.send(()).unwrap();
        assert_eq!(rx.await, Ok(vec![parent, own()]));
    });
}

#[test]
fn outside_a_process_there_are_no_callers_no_label_and_no_pid() {
    assert_eq!(process::callers(), []);
    assert_eq!(process::current(), None);
    process::set_label("ignored");
    let task = Task::spawn(async { (process::callers(), own_info().label) });
    assert_eq!(task.wait(), Ok((vec![], None)));
}

#[test]
fn the_latest_label_is_used_everywhere() {
    testing::run(async {
        process::set_label("first");
        process::set_label(String::from("importer"));
        assert_eq!(own_info().label.as_deref(), Some("importer"));

        let crash = Task::spawn(async {
            assert_eq!(own_info().label, None, "a label is not inherited");
            process::set_label("parser");
            panic!("no luck")
        });
        let Err(Exit::Panic(report)) = crash.await.map(|never: ()| never) else { panic!("expected a panic") };
        assert_eq!((report.label(), report.callers()), (Some("parser"), &[own()][..]));
        let text = report.to_string();
        assert!(text.contains(r#""parser", spawned at "#) && text.contains(&report.pid().to_string()), "{text}");

        let slow = Task::spawn(async {
            process::set_label("turtle");
            std::future::pending::<()>().await
        });
        let Err(Exit::Timeout(timed_out)) = slow.await else { panic!("expected a timeout") };
        assert_eq!(timed_out.label(), Some("turtle"));
        assert!(timed_out.to_string().contains(r#""turtle""#), "{timed_out}");
    });
}

fn assert_at((location, line): (Location, u32)) {
    let file = location.file().replace('\\', "/");
    assert!(file.ends_with("tests/tasks/callers.rs"), "{location} is not in this file");
    assert_eq!(location.line(), line, "{location}");
    assert!(location.column() > 1, "{location}");
    assert_eq!(location.to_string(), format!("{}:{line}:{}", location.file(), location.column()));
}

#[test]
fn the_spawn_location_is_in_user_code() {
    async fn spawned_at() -> Location {
        own_info().spawned_at
    }
    testing::run(async {
        assert_at((Task::spawn(spawned_at()).await.unwrap(), line!()));
        assert_at((Task::spawn_link(spawned_at()).await.unwrap(), line!()));
        assert_at((process::info(Task::start(std::future::pending::<()>())).unwrap().spawned_at, line!()));
        assert_at((process::info(Task::start_link(std::future::pending::<()>())).unwrap().spawned_at, line!()));
        let (stream, line) = (Task::async_stream(0..1, |_| spawned_at()), line!());
        assert_at((stream.collect().await.remove(0).unwrap(), line));
        let (stream, line) = (Task::async_stream_from(futures::stream::iter(0..1), |_| spawned_at()), line!());
        assert_at((stream.collect().await.remove(0).unwrap(), line));
        let (crash, line): (Task<()>, u32) = (Task::spawn(async { panic!("no luck") }), line!());
        let Err(Exit::Panic(report)) = crash.await else { panic!("expected a panic") };
        assert_at((report.spawned_at().clone(), line));
        assert_at((report.location().clone(), line));
    });
    assert_at((testing::run(spawned_at()), line!()));
    assert_at((cordial::run(spawned_at()).unwrap(), line!()));
    let runtime = Runtime::builder().workers(1).build().unwrap();
    assert_at((runtime.block_on(spawned_at()).unwrap(), line!()));
    assert_at((runtime.run(spawned_at()).unwrap(), line!()));
}

#[test]
fn info_describes_a_process() {
    testing::run(async {
        let (is_ready, ready) = oneshot::channel();
        let task = Task::spawn(async move {
            let _exits = process::trap_exits();
            let child = Task::start_link(std::future::pending::<()>());
            let _ = is_ready.send(child);
            cordial::shutdown_requested().await;
            std::future::pending::<()>().await
        });
        let pid = task.pid();
        let child = ready.await.unwrap();
        tokio::time::sleep(Duration::from_secs(90)).await;
        let _monitors = [(); 2].map(|()| process::monitor(pid));
        let info = process::info(pid).unwrap();
        assert_eq!((info.pid, info.state, info.n_monitors), (pid, ProcessState::Running, 2));
        assert_eq!((info.links, info.traps_exits, info.callers), (vec![child], true, vec![own()]));
        assert_eq!(info.age, Duration::from_secs(90), "on the virtual clock");

        drop(task);
        assert_eq!(process::info(pid).unwrap().state, ProcessState::ShutdownRequested);
        process::exit(pid, Exit::Killed);
        assert_eq!(process::info(pid).unwrap().state, ProcessState::Exiting);
        assert_eq!(process::monitor(pid).await, Exit::Killed);
        assert!(process::info(pid).is_none());
        assert!(process::info(Task::completed(()).pid()).is_none());
    });
}

#[test]
fn a_pid_is_never_used_twice() {
    testing::run(async {
        let mut pids: Vec<Pid> = Vec::new();
        for _ in 0..1000 {
            let task = Task::spawn(async {});
            pids.push(task.pid());
            task.await.unwrap();
        }
        pids.sort();
        pids.dedup();
        assert_eq!(pids.len(), 1000);
    });
}

/// One process in each state: running, shutdown requested, and exiting until it is abandoned.
#[test]
fn a_snapshot_lists_every_process_with_its_state() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let snapshot = runtime.snapshot();
    assert!(snapshot.processes.is_empty());
    assert_eq!(snapshot.workers, Some(2));

    let (release, released) = mpsc::channel::<()>();
    let (is_stuck, stuck) = oneshot::channel();
    let ends = runtime
        .block_on(async move {
            let (labels, is_labeled) = oneshot::channel();
            let running = Task::start(async move {
                process::set_label("running");
                let _ = labels.send(());
                std::future::pending::<()>().await
            });
            is_labeled.await.unwrap();
            let (traps, is_trapping) = oneshot::channel();
            let requested = Task::spawn(async move {
                process::set_label("requested");
                let _exits = process::trap_exits();
                let _ = traps.send(());
                std::future::pending::<()>().await
            });
            is_trapping.await.unwrap();
            let requested_pid = requested.pid();
            drop(requested);
            let blocked = Task::spawn(async move {
                process::set_label("stuck");
                let _ = is_stuck.send(());
                let _ = released.recv();
            });
            stuck.await.unwrap();
            let stuck_pid = blocked.pid();
            process::exit(stuck_pid, Exit::from(std::io::Error::other("no disk")));
            assert_eq!(process::info(stuck_pid).unwrap().state, ProcessState::Exiting);
            assert_eq!(blocked.shutdown(cordial::Shutdown::BrutalKill).await, Some(Err(Exit::Killed)));
            [running, requested_pid, stuck_pid].map(|pid| (pid, process::monitor(pid)))
        })
        .unwrap();

    let mut seen: Vec<_> = runtime
        .snapshot()
        .processes
        .into_iter()
        .map(|process| (process.pid, process.label.as_deref().map(str::to_owned), process.state, process.n_monitors))
        .collect();
    seen.sort_by_key(|(pid, ..)| ends.iter().position(|(end, _)| end == pid));
    let states = [
        ("running", ProcessState::Running),
        ("requested", ProcessState::ShutdownRequested),
        ("stuck", ProcessState::Abandoned),
    ];
    let expected: Vec<_> =
        ends.iter().zip(states).map(|((pid, _), (label, state))| (*pid, Some(label.to_owned()), state, 1)).collect();
    assert_eq!(seen, expected);

    release.send(()).unwrap();
    let [.., (stuck_pid, end)] = ends;
    let exit = futures::executor::block_on(end);
    assert_eq!(exit.to_string(), "no disk", "an abandoned process exits when its poll returns");
    assert!(runtime.snapshot().processes.iter().all(|process| process.pid != stuck_pid));
}
