//! Where a process comes from and what it is called: callers, labels, spawn places, `process::info`, snapshots.

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

/// The lines of each generation, the eldest first: spawns `generations` processes, each in the one before.
fn descend(generations: usize, mut line: Vec<Pid>) -> BoxFuture<'static, Vec<(Vec<Pid>, Vec<Pid>)>> {
    Box::pin(async move {
        let seen = (line.clone(), process::callers());
        line.insert(0, own());
        if generations == 0 {
            return vec![seen];
        }
        let mut all = Task::spawn(descend(generations - 1, line)).await.unwrap();
        all.insert(0, seen);
        all
    })
}

#[test]
fn callers_are_the_nearest_32_nearest_first() {
    testing::run(async {
        let generations = Task::start_in_nobodys_name(descend(70, Vec::new())).await;
        assert_eq!(generations.len(), 71);
        for (expected, seen) in generations {
            assert_eq!(seen, expected.iter().copied().take(32).collect::<Vec<_>>());
        }
    });
}

trait InNobodysName {
    async fn start_in_nobodys_name<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T;
}

impl InNobodysName for Task<()> {
    /// A process without callers: its spawner is a task of tokio's.
    #[expect(clippy::disallowed_methods, reason = "a task of tokio's is no process, which is what this needs")]
    async fn start_in_nobodys_name<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
        tokio::spawn(async { Task::spawn(future).await.unwrap() }).await.unwrap()
    }
}

#[test]
fn every_way_to_spawn_tells_who_called() {
    testing::run(async {
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let see = move || {
            let tell = tell.clone();
            async move { tell.send(process::callers()).unwrap() }
        };
        Task::spawn(see()).await.unwrap();
        Task::spawn_link(see()).await.unwrap();
        process::monitor(Task::start(see())).await;
        process::monitor(Task::start_link(see())).await;
        let mut items = Task::async_stream(0..4, |_| see());
        while items.next().await.is_some() {}
        let own = own();
        for n in 1..=8 {
            assert_eq!(told.recv().await.unwrap(), [own], "spawn number {n}");
        }
    });
}

/// An item of a stream is spawned by whoever consumes it, and what the item spawns is one generation further.
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
        let (tell, told) = oneshot::channel();
        let (go, gone) = oneshot::channel::<()>();
        let parent = Task::start(async move {
            Task::start(async move {
                let _ = gone.await;
                let _ = tell.send(process::callers());
            });
        });
        process::monitor(parent).await;
        go.send(()).unwrap();
        assert_eq!(told.await, Ok(vec![parent, own()]));
    });
}

#[test]
fn outside_a_process_there_are_no_callers_no_label_and_no_pid() {
    assert_eq!(process::callers(), []);
    assert_eq!(process::current(), None);
    process::set_label("nobody");
    let task = Task::spawn(async { (process::callers(), own_info().label) });
    assert_eq!(task.wait(), Ok((vec![], None)));
}

#[test]
fn the_latest_label_is_told_everywhere() {
    testing::run(async {
        process::set_label("first");
        process::set_label(String::from("importer"));
        assert_eq!(own_info().label.as_deref(), Some("importer"));

        let crash = Task::spawn(async {
            assert_eq!(own_info().label, None, "a label is not inherited");
            process::set_label("parser");
            panic!("no luck")
        });
        let Err(Exit::Panic(report)) = crash.await.map(|never: ()| never) else { panic!("it has to crash") };
        assert_eq!((report.label(), report.callers()), (Some("parser"), &[own()][..]));
        let shown = report.to_string();
        assert!(shown.contains(r#""parser", spawned at "#) && shown.contains(&report.pid().to_string()), "{shown}");

        let slow = Task::spawn(async {
            process::set_label("turtle");
            std::future::pending::<()>().await
        });
        let Err(Exit::Timeout(timed_out)) = slow.await else { panic!("it has to time out") };
        assert_eq!(timed_out.label(), Some("turtle"));
        assert!(timed_out.to_string().contains(r#""turtle""#), "{timed_out}");
    });
}

fn is_at((place, line): (Location, u32)) {
    let file = place.file().replace('\\', "/");
    assert!(file.ends_with("tests/it/callers.rs"), "{place} is not in this file");
    assert_eq!(place.line(), line, "{place}");
    assert!(place.column() > 1, "{place}");
    assert_eq!(place.to_string(), format!("{}:{line}:{}", place.file(), place.column()));
}

#[test]
fn the_spawn_place_is_where_the_user_wrote_it() {
    async fn spawned_at() -> Location {
        own_info().spawned_at
    }
    testing::run(async {
        is_at((Task::spawn(spawned_at()).await.unwrap(), line!()));
        is_at((Task::spawn_link(spawned_at()).await.unwrap(), line!()));
        is_at((process::info(Task::start(std::future::pending::<()>())).unwrap().spawned_at, line!()));
        is_at((process::info(Task::start_link(std::future::pending::<()>())).unwrap().spawned_at, line!()));
        let (stream, line) = (Task::async_stream(0..1, |_| spawned_at()), line!());
        is_at((stream.collect().await.remove(0).unwrap(), line));
        let (stream, line) = (Task::async_stream_from(futures::stream::iter(0..1), |_| spawned_at()), line!());
        is_at((stream.collect().await.remove(0).unwrap(), line));
        let (crash, line): (Task<()>, u32) = (Task::spawn(async { panic!("no luck") }), line!());
        let Err(Exit::Panic(report)) = crash.await else { panic!("it has to crash") };
        is_at((report.spawned_at().clone(), line));
        is_at((report.location().clone(), line));
    });
    is_at((testing::run(spawned_at()), line!()));
    is_at((cordial::run(spawned_at()).unwrap(), line!()));
    let runtime = Runtime::builder().workers(1).build().unwrap();
    is_at((runtime.block_on(spawned_at()).unwrap(), line!()));
    is_at((runtime.run(spawned_at()).unwrap(), line!()));
}

#[test]
fn info_tells_what_a_process_is_doing() {
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
        let _watches = [(); 2].map(|()| process::monitor(pid));
        let info = process::info(pid).unwrap();
        assert_eq!((info.pid, info.state, info.n_monitors), (pid, ProcessState::Alive, 2));
        assert_eq!((info.links, info.traps_exits, info.callers), (vec![child], true, vec![own()]));
        assert_eq!(info.age, Duration::from_secs(90), "on the virtual clock");

        drop(task);
        assert_eq!(process::info(pid).unwrap().state, ProcessState::Asked);
        process::exit(pid, Exit::Killed);
        assert_eq!(process::info(pid).unwrap().state, ProcessState::Ending);
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

/// Alive, asked, in a poll that does not return, and given up: all four states at once.
#[test]
fn a_snapshot_shows_everybody_and_how_far_they_are() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let snapshot = runtime.snapshot();
    assert!(snapshot.processes.is_empty());
    assert_eq!(snapshot.workers, Some(2));

    let (release, released) = mpsc::channel::<()>();
    let (is_stuck, stuck) = oneshot::channel();
    let ends = runtime
        .block_on(async move {
            let alive = Task::start(async {
                process::set_label("alive");
                std::future::pending::<()>().await
            });
            let (tell, told) = oneshot::channel();
            let asked = Task::spawn(async move {
                process::set_label("asked");
                let _exits = process::trap_exits();
                let _ = tell.send(());
                std::future::pending::<()>().await
            });
            told.await.unwrap();
            let asked_pid = asked.pid();
            drop(asked);
            let sticks = Task::spawn(async move {
                process::set_label("stuck");
                let _ = is_stuck.send(());
                let _ = released.recv();
            });
            stuck.await.unwrap();
            let stuck_pid = sticks.pid();
            process::exit(stuck_pid, Exit::from(std::io::Error::other("told to end")));
            assert_eq!(process::info(stuck_pid).unwrap().state, ProcessState::Ending);
            assert_eq!(sticks.shutdown(cordial::Shutdown::BrutalKill).await, Some(Err(Exit::Killed)));
            [alive, asked_pid, stuck_pid].map(|pid| (pid, process::monitor(pid)))
        })
        .unwrap();

    let mut seen: Vec<_> = runtime
        .snapshot()
        .processes
        .into_iter()
        .map(|process| (process.pid, process.label.as_deref().map(str::to_owned), process.state, process.n_monitors))
        .collect();
    seen.sort_by_key(|(pid, ..)| ends.iter().position(|(end, _)| end == pid));
    let states = [("alive", ProcessState::Alive), ("asked", ProcessState::Asked), ("stuck", ProcessState::Abandoned)];
    let expected: Vec<_> =
        ends.iter().zip(states).map(|((pid, _), (label, state))| (*pid, Some(label.to_owned()), state, 1)).collect();
    assert_eq!(seen, expected);

    release.send(()).unwrap();
    let [.., (stuck_pid, end)] = ends;
    let exit = futures::executor::block_on(end);
    assert_eq!(exit.to_string(), "told to end", "an abandoned process ends when its poll returns");
    assert!(runtime.snapshot().processes.iter().all(|process| process.pid != stuck_pid));
}
