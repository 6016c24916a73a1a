//! Runtimes are isolated from each other. Invalid options are rejected. A runtime that is dropped or shut down leaves nothing behind.
#![expect(clippy::async_yields_async, reason = "handles leave the runtime that they were created in")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::time::Duration;

use cordial::process::{self, ProcessState};
use cordial::{BuildError, Exit, Pid, Refusal, Runtime, Shutdown, Task};
use tokio::sync::oneshot;

#[cfg(target_os = "linux")]
use crate::harness::records::Records;
#[cfg(target_os = "linux")]
use crate::harness::threads;
use crate::harness::{attempts, subprocess};

fn with_workers(n: usize) -> Runtime {
    Runtime::builder().workers(n).build().unwrap()
}

fn waiting() -> Pid {
    Task::start(std::future::pending::<()>())
}

fn refused() -> Exit {
    Exit::Refused(Refusal::RuntimeStopped)
}

/// Sends when it is dropped, so that a test can wait for a destructor.
struct SendsOnDrop(mpsc::Sender<&'static str>, &'static str);

impl Drop for SendsOnDrop {
    fn drop(&mut self) {
        let _ = self.0.send(self.1);
    }
}

#[test]
fn a_pid_of_one_runtime_is_unknown_in_another() {
    let (here, there) = (with_workers(1), with_workers(1));
    let foreign = there.block_on(async { waiting() }).unwrap();
    here.block_on(async move {
        let own = process::current().unwrap();
        assert_ne!(
            foreign.to_string().split('.').next(),
            own.to_string().split('.').next(),
            "the runtime numbers must differ"
        );
        assert!(process::info(foreign).is_none());
        assert_eq!(process::monitor(foreign).await, Exit::NoProcess);
        process::exit(foreign, Exit::Killed);
        process::unlink(foreign);
        let linked = Task::spawn(async move {
            process::link(foreign);
            std::future::pending::<()>().await
        });
        assert_eq!(linked.await, Err(Exit::NoProcess));
    })
    .unwrap();
    let still_there = there.snapshot().processes;
    assert_eq!(still_there.len(), 1);
    assert_eq!((still_there[0].pid, still_there[0].state), (foreign, ProcessState::Running));
    assert_eq!((still_there[0].n_monitors, still_there[0].links.len()), (0, 0));
    assert!(here.snapshot().processes.is_empty());
}

/// A handle acts on its task in the task's own runtime, wherever the handle is.
#[test]
fn a_handle_works_inside_another_runtime() {
    let (here, there) = (with_workers(1), with_workers(1));
    let (tx, rx) = mpsc::channel();
    let (awaited, dropped) = there
        .block_on(async move {
            let guard = SendsOnDrop(tx, "shut down");
            let dropped = Task::spawn(async move {
                let _guard = guard;
                std::future::pending::<()>().await
            });
            (Task::spawn(async { 6 * 7 }), dropped)
        })
        .unwrap();
    let pid = dropped.pid();
    here.block_on(async move {
        assert_eq!(awaited.await, Ok(42));
        assert!(process::info(dropped.pid()).is_none());
        drop(dropped);
    })
    .unwrap();
    assert_eq!(rx.recv(), Ok("shut down"));
    // The destructors of the task have run. It may still be in the table.
    let exit = there.block_on(async move { process::monitor(pid).await }).unwrap();
    assert!(matches!(exit, Exit::Shutdown(_) | Exit::NoProcess), "{exit:?}");
}

#[test]
fn invalid_options_are_rejected() {
    type IsExpected = fn(&BuildError) -> bool;
    let cases: [(_, IsExpected, &str); 4] = [
        (Runtime::builder().workers(0), |e| matches!(e, BuildError::NoWorkers), "at least one worker"),
        (Runtime::builder().workers(0).max_threads(0), |e| matches!(e, BuildError::NoWorkers), "at least one worker"),
        (
            Runtime::builder().workers(4).max_threads(3),
            |e| matches!(e, BuildError::CapBelowWorkers { max_threads: 3, workers: 4, .. }),
            "max_threads(3) is below the 4 workers",
        ),
        (
            Runtime::builder().workers(1).max_threads(0),
            |e| matches!(e, BuildError::CapBelowWorkers { max_threads: 0, workers: 1, .. }),
            "raise it to at least 1",
        ),
    ];
    for (builder, is_expected, text) in cases {
        let is_right = |error: &BuildError| is_expected(error) && error.to_string().contains(text);
        let error = builder.clone().build().unwrap_err();
        assert!(is_right(&error), "{error:?}: {error}");
        let error = builder.install().unwrap_err();
        // Another test may have started the default runtime already.
        assert!(is_right(&error) || matches!(error, BuildError::AlreadyInUse), "{error:?}: {error}");
    }
    let runtime = Runtime::builder().workers(2).max_threads(2).stall_after(Duration::ZERO).lower_stuck(false).build();
    assert_eq!(runtime.unwrap().snapshot().workers, Some(2));
}

#[test]
fn a_default_runtime_that_is_in_use_cannot_be_installed() {
    Task::spawn(async {}).wait().unwrap();
    let error = Runtime::builder().install().unwrap_err();
    assert!(matches!(error, BuildError::AlreadyInUse));
    assert!(error.to_string().contains("before the first task is spawned"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn an_installed_runtime_is_the_default_runtime() {
    if subprocess::case().is_none() {
        assert_eq!(subprocess::run(test_name!(), "").reports(), ["3 workers"]);
        return;
    }
    assert!(matches!(Runtime::builder().workers(0).install(), Err(BuildError::NoWorkers)));
    Runtime::builder().workers(3).install().unwrap();
    assert!(matches!(Runtime::builder().install(), Err(BuildError::AlreadyInUse)));
    Task::spawn(async {}).wait().unwrap();
    // A thread sets its name itself, after it has started.
    let n_workers = || threads::names().iter().filter(|name| name.starts_with("cordial-worker")).count();
    while n_workers() < 3 {
        std::thread::yield_now();
    }
    subprocess::report(format_args!("{} workers", n_workers()));
}

#[cfg(target_os = "linux")]
#[test]
fn no_thread_is_left_after_a_shutdown_or_a_drop() {
    let Some(case) = subprocess::case() else {
        for case in [
            "shutdown",
            "shutdown while a poll is stuck",
            "drop",
            "drop on its own worker",
            "drop while a poll is stuck",
        ] {
            let test = test_name!();
            attempts::one_succeeds(|| {
                assert_eq!(subprocess::run(test, case).reports(), ["there are threads", "none left"], "{case}");
            });
        }
        return;
    };
    let n_before = threads::names().len();
    let runtime = with_workers(3);
    runtime
        .block_on(async {
            Task::start(tokio::time::sleep(Duration::MAX));
            for _ in 0..100 {
                waiting();
            }
        })
        .unwrap();
    while threads::n_ours() < 4 {
        std::thread::yield_now();
    }
    subprocess::report("there are threads");
    match &*case {
        "shutdown" => assert!(runtime.shutdown(Duration::from_secs(60)).is_clean()),
        "drop" => drop(runtime),
        "drop on its own worker" => drop_on_its_own_worker(runtime),
        "drop while a poll is stuck" => {
            let release = block_a_worker(&runtime);
            drop(runtime);
            drop(release);
        }
        "shutdown while a poll is stuck" => {
            let records = Records::install("cordial::process=warn".parse().unwrap());
            let release = block_a_worker(&runtime);
            let report = runtime.shutdown(Duration::ZERO);
            assert_eq!(report.abandoned.len(), 1, "{report}");
            let pid = report.abandoned[0].pid.to_string();
            let emitted = records.of("abandoned");
            assert_eq!(emitted.iter().map(|record| record.field("pid")).collect::<Vec<_>>(), [Some(&*pid)]);
            // All other workers exit. The tokio threads go on, because the poll may use a timer or a socket. Not one look: the list of
            // threads may lack some while others exit.
            let n_named = |name: &str| threads::names().iter().filter(|full| full.starts_with(name)).count();
            while (n_named("cordial-worker"), n_named("cordial-io")) != (1, 3) {
                std::thread::yield_now();
            }
            drop(release);
        }
        other => panic!("there is no case {other:?}"),
    }
    // The list of threads may lack some while others exit, so one look does not show that none is left. If a thread never exits, the time
    // limit of the subprocess ends it.
    while threads::names().len() > n_before || threads::n_ours() > 0 {
        std::thread::yield_now();
    }
    subprocess::report("none left");
}

/// Blocks a worker inside a poll until the sender is dropped.
#[cfg(target_os = "linux")]
fn block_a_worker(runtime: &Runtime) -> mpsc::Sender<()> {
    let (is_stuck, stuck) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let start_stuck = async move {
        Task::start(async move {
            is_stuck.send(()).unwrap();
            let _ = released.recv();
        });
    };
    runtime.block_on(start_stuck).unwrap();
    stuck.recv().unwrap();
    release
}

/// Returns when the drop has returned.
fn drop_on_its_own_worker(runtime: Runtime) {
    let (tx, rx) = oneshot::channel::<Runtime>();
    let (is_dropped, dropped) = mpsc::channel();
    runtime
        .block_on(async move {
            Task::start(async move {
                drop(rx.await.unwrap());
                is_dropped.send(process::current().is_some()).unwrap();
                std::future::pending::<()>().await
            })
        })
        .unwrap();
    tx.send(runtime).unwrap();
    assert_eq!(dropped.recv(), Ok(true));
}

/// Wherever a runtime is dropped, every process is killed, its destructors run, and the dropping thread is not blocked.
#[test]
fn dropping_a_runtime_kills_its_processes_and_never_blocks() {
    fn in_a_tokio_runtime(mut builder: tokio::runtime::Builder) -> impl FnOnce(Runtime) {
        let tokio = builder.enable_all().build().unwrap();
        // Inside the main future, and inside a tokio task.
        move |runtime| {
            let second = with_workers(1);
            tokio.block_on(async move {
                drop(runtime);
                spawn_on_tokio(async move { drop(second) }).await;
            });
        }
    }
    type Drops = Box<dyn FnOnce(Runtime)>;
    let places: [(&str, Drops); 6] = [
        ("on a plain thread", Box::new(drop)),
        ("inside async code", Box::new(|runtime| futures::executor::block_on(async move { drop(runtime) }))),
        ("inside tokio, one thread", Box::new(in_a_tokio_runtime(tokio::runtime::Builder::new_current_thread()))),
        ("inside tokio, several threads", Box::new(in_a_tokio_runtime(tokio::runtime::Builder::new_multi_thread()))),
        ("on its own worker", Box::new(drop_on_its_own_worker)),
        ("inside another runtime", Box::new(|runtime| with_workers(1).block_on(async move { drop(runtime) }).unwrap())),
    ];
    for (place, drops) in places {
        let runtime = with_workers(2);
        let (tx, rx) = mpsc::channel();
        let monitors = runtime
            .block_on(async move {
                let mut monitors = Vec::new();
                for _ in 0..10 {
                    let tx = tx.clone();
                    let (is_ready, ready) = oneshot::channel();
                    let pid = Task::start(async move {
                        let _guard = SendsOnDrop(tx, "its destructor has run");
                        // The process is killed without a request, even though it has opted in, because the drop does not wait.
                        let mut request = std::pin::pin!(cordial::shutdown_requested());
                        assert!(futures::poll!(&mut request).is_pending());
                        let _ = is_ready.send(());
                        std::future::pending::<()>().await
                    });
                    ready.await.unwrap();
                    monitors.push(process::monitor(pid));
                }
                monitors
            })
            .unwrap();
        drops(runtime);
        for _ in 0..10 {
            assert_eq!(rx.recv(), Ok("its destructor has run"), "{place}");
        }
        assert!(rx.recv().is_err(), "{place}: more destructors than processes");
        for monitor in monitors {
            assert_eq!(futures::executor::block_on(monitor), Exit::Killed, "{place}");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the library has to work inside such a task")]
async fn spawn_on_tokio(future: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(future).await.unwrap();
}

/// Blocks in its destructor until all destructors that share its barrier run. Then it sends.
struct WaitsOnDrop(Arc<Barrier>, mpsc::Sender<()>);

impl Drop for WaitsOnDrop {
    fn drop(&mut self) {
        self.0.wait();
        let _ = self.1.send(());
    }
}

#[test]
fn dropping_a_runtime_ends_processes_whose_destructors_wait_for_each_other() {
    const N: usize = 4;
    let runtime = with_workers(1);
    let (barrier, (tx, rx)) = (Arc::new(Barrier::new(N)), mpsc::channel());
    let start = async move {
        for _ in 0..N {
            let guard = WaitsOnDrop(barrier.clone(), tx.clone());
            Task::start(async move {
                let _guard = guard;
                std::future::pending::<()>().await
            });
        }
    };
    runtime.block_on(start).unwrap();
    drop(runtime);
    for _ in 0..N {
        assert_eq!(rx.recv_timeout(Duration::from_secs(120)), Ok(()), "the only worker is blocked");
    }
}

/// A poll that does not return cannot be interrupted. It does not block the thread that drops the runtime.
#[test]
fn dropping_a_runtime_does_not_wait_for_a_poll() {
    let runtime = with_workers(1);
    let (is_stuck, stuck) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (tx, rx) = mpsc::channel();
    let task = runtime
        .block_on(async move {
            Task::spawn(async move {
                let _guard = SendsOnDrop(tx, "dropped");
                is_stuck.send(()).unwrap();
                let _ = released.recv();
                std::future::pending::<()>().await
            })
        })
        .unwrap();
    stuck.recv().unwrap();
    drop(runtime);
    assert_eq!(rx.try_recv(), Err(mpsc::TryRecvError::Empty), "the process is still inside its poll");
    release.send(()).unwrap();
    assert_eq!(rx.recv(), Ok("dropped"));
    assert_eq!(task.wait(), Err(Exit::Killed));
}

#[test]
fn a_spawn_after_the_shutdown_is_refused() {
    let runtime = with_workers(2);
    assert!(runtime.shutdown(Shutdown::default()).is_clean());
    assert_eq!(runtime.block_on(async {}), Err(refused()));
    assert_eq!(runtime.run(async {}), Err(refused()));
    assert!(runtime.shutdown(Shutdown::default()).is_clean(), "a second shutdown has nothing to do");
    assert!(runtime.snapshot().processes.is_empty());
}

/// The destructors of the killed processes run after the drop, and may try to spawn.
#[test]
fn a_spawn_in_a_destructor_of_a_dropped_runtime_is_refused() {
    struct Spawns(mpsc::Sender<(Result<(), Exit>, Pid, bool)>);
    impl Drop for Spawns {
        fn drop(&mut self) {
            let task = Task::spawn(async {});
            let (pid, is_finished) = (task.pid(), task.is_finished());
            Task::start(async { unreachable!("the runtime is gone") });
            Task::start_link(async { unreachable!("the runtime is gone") });
            let _ = self.0.send((futures::executor::block_on(task), pid, is_finished));
        }
    }
    let runtime = with_workers(1);
    let (tx, rx) = mpsc::channel();
    let task = runtime
        .block_on(async move {
            let (is_running, running) = oneshot::channel();
            let task = Task::spawn(async move {
                let _spawns = Spawns(tx);
                is_running.send(()).unwrap();
                std::future::pending::<()>().await
            });
            running.await.unwrap();
            task
        })
        .unwrap();
    drop(runtime);
    let Ok((answer, pid, is_finished)) = rx.recv() else { panic!("the destructor has not run") };
    assert_eq!((answer, is_finished), (Err(refused()), true));
    assert_eq!(pid, Task::completed(()).pid(), "the pid of a task that has no process");
    assert_eq!(task.wait(), Err(Exit::Killed));
}

#[test]
fn a_shutdown_reports_the_processes_that_had_to_be_killed_or_abandoned() {
    attempts::one_succeeds(shut_down_processes_that_ignore_it);
}

fn shut_down_processes_that_ignore_it() {
    let runtime = with_workers(2);
    let (is_stuck, stuck) = oneshot::channel();
    let (release, released) = mpsc::channel::<()>();
    let (tx, rx) = mpsc::channel();
    let (ignoring, stuck_pid, spawned_at) = runtime
        .block_on(async move {
            waiting();
            let graceful = Task::spawn(async {
                cordial::shutdown_requested().await;
                "finished"
            });
            drop(graceful.ignore());
            let (is_ready, ready) = oneshot::channel();
            let ignoring = Task::start(async {
                process::set_label("ignores requests");
                let _exits = process::trap_exits();
                let _ = is_ready.send(());
                std::future::pending::<()>().await
            });
            ready.await.unwrap();
            let stuck_pid = Task::start(async move {
                let _guard = SendsOnDrop(tx, "released");
                // Opted in, so that the request alone does not end it.
                let mut request = std::pin::pin!(cordial::shutdown_requested());
                assert!(futures::poll!(&mut request).is_pending());
                let _ = is_stuck.send(());
                let _ = released.recv();
                std::future::pending::<()>().await
            });
            stuck.await.unwrap();
            (ignoring, stuck_pid, process::info(stuck_pid).unwrap().spawned_at)
        })
        .unwrap();
    let monitor = runtime.block_on(async move { process::monitor(stuck_pid) }).unwrap();

    let report = runtime.shutdown(Duration::from_secs(1));
    assert!(!report.is_clean());
    let named = |stopped: &[process::Stopped]| {
        stopped.iter().map(|s| (s.pid, s.label.as_deref().map(str::to_owned))).collect::<Vec<_>>()
    };
    assert_eq!(named(&report.killed), [(ignoring, Some("ignores requests".to_owned()))]);
    assert_eq!(named(&report.abandoned), [(stuck_pid, None)]);
    assert_eq!(report.abandoned[0].spawned_at, spawned_at);
    let text = report.to_string();
    assert!(text.contains(r#""ignores requests" (spawned at "#) && text.contains(") was killed; "), "{text}");
    assert!(text.ends_with("is stuck in a poll and was abandoned"), "{text}");
    let left: Vec<_> = runtime.snapshot().processes.iter().map(|process| (process.pid, process.state)).collect();
    assert_eq!(
        left,
        [(stuck_pid, ProcessState::Abandoned)],
        "an abandoned process stays in the table until its poll returns"
    );

    release.send(()).unwrap();
    assert_eq!(rx.recv(), Ok("released"));
    assert_eq!(futures::executor::block_on(monitor), Exit::Killed);
    assert!(runtime.snapshot().processes.is_empty());
}

#[test]
fn a_brutal_shutdown_sends_no_requests() {
    let runtime = with_workers(2);
    let (tx, rx) = mpsc::channel();
    let graceful = runtime
        .block_on(async move {
            let (is_ready, ready) = oneshot::channel();
            let graceful = Task::start(async move {
                let mut request = std::pin::pin!(cordial::shutdown_requested());
                assert!(futures::poll!(&mut request).is_pending());
                let _ = is_ready.send(());
                request.await;
                tx.send("requested").unwrap();
            });
            ready.await.unwrap();
            graceful
        })
        .unwrap();
    let report = runtime.shutdown(Shutdown::BrutalKill);
    // It is listed as abandoned if its thread gets no processor for 100 ms, in the poll in which it is dropped.
    let stopped = report.killed.iter().chain(&report.abandoned);
    assert_eq!(stopped.map(|stopped| stopped.pid).collect::<Vec<_>>(), [graceful]);
    assert!(rx.recv().is_err());
}

/// `shutdown` cannot wait for the process that calls it. That process exits when its poll returns.
#[test]
fn a_shutdown_inside_its_own_process_does_not_wait_for_it() {
    let runtime = Arc::new(with_workers(2));
    let inside = runtime.clone();
    let has_run_on = Arc::new(AtomicBool::new(false));
    let report: Arc<Mutex<Option<bool>>> = Arc::default();
    let (ran_on, result) = (has_run_on.clone(), report.clone());
    let exit = runtime
        .block_on(async move {
            waiting();
            let is_clean = inside.shutdown(Duration::from_secs(60)).is_clean();
            *result.lock().unwrap() = Some(is_clean);
            tokio::task::yield_now().await;
            ran_on.store(true, Ordering::SeqCst);
        })
        .unwrap_err();
    assert_eq!((exit, *report.lock().unwrap()), (Exit::Killed, Some(true)));
    assert!(!has_run_on.load(Ordering::SeqCst));
}
