//! Runtimes: two never meet, a bad one is not built, and one that is dropped or shut down leaves nothing behind.
#![expect(clippy::async_yields_async, reason = "handles leave the runtime that they were made in")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use cordial::process::{self, ProcessState};
use cordial::{BuildError, Exit, Pid, Refusal, Runtime, Shutdown, Task};
use tokio::sync::oneshot;

use crate::program;
#[cfg(target_os = "linux")]
use crate::records::Records;
#[cfg(target_os = "linux")]
use crate::threads;

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
struct TellsItsDrop(mpsc::Sender<&'static str>, &'static str);

impl Drop for TellsItsDrop {
    fn drop(&mut self) {
        let _ = self.0.send(self.1);
    }
}

#[test]
fn a_pid_of_one_runtime_is_unknown_in_another() {
    let (here, there) = (with_workers(1), with_workers(1));
    let stranger = there.block_on(async { waiting() }).unwrap();
    here.block_on(async move {
        let own = process::current().unwrap();
        assert_ne!(stranger.to_string().split('.').next(), own.to_string().split('.').next(), "the numbers differ");
        assert!(process::info(stranger).is_none());
        assert_eq!(process::monitor(stranger).await, Exit::NoProcess);
        process::exit(stranger, Exit::Killed);
        process::unlink(stranger);
        let linked = Task::spawn(async move {
            process::link(stranger);
            std::future::pending::<()>().await
        });
        assert_eq!(linked.await, Err(Exit::NoProcess));
    })
    .unwrap();
    let still_there = there.snapshot().processes;
    assert_eq!(still_there.len(), 1);
    assert_eq!((still_there[0].pid, still_there[0].state), (stranger, ProcessState::Alive));
    assert_eq!((still_there[0].n_monitors, still_there[0].links.len()), (0, 0));
    assert!(here.snapshot().processes.is_empty());
}

/// The handle is the tie, wherever it is held: it acts in the runtime of its task.
#[test]
fn a_handle_works_inside_another_runtime() {
    let (here, there) = (with_workers(1), with_workers(1));
    let (tell, told) = mpsc::channel();
    let (answered, given_up) = there
        .block_on(async move {
            let given_up = Task::spawn(async move {
                let _tells = TellsItsDrop(tell, "given up");
                std::future::pending::<()>().await
            });
            (Task::spawn(async { 6 * 7 }), given_up)
        })
        .unwrap();
    let pid = given_up.pid();
    here.block_on(async move {
        assert_eq!(answered.await, Ok(42));
        assert!(process::info(given_up.pid()).is_none());
        drop(given_up);
    })
    .unwrap();
    assert_eq!(told.recv(), Ok("given up"));
    // Its destructors have run; whether it is out of the table by now is a race.
    let exit = there.block_on(async move { process::monitor(pid).await }).unwrap();
    assert!(matches!(exit, Exit::Shutdown(_) | Exit::NoProcess), "{exit:?}");
}

#[test]
fn a_runtime_that_cannot_work_is_not_built() {
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
    for (builder, is_expected, sentence) in cases {
        for error in [builder.clone().build().unwrap_err(), builder.install().unwrap_err()] {
            // Another test may have started the default runtime before.
            let is_late = matches!(error, BuildError::AlreadyInUse);
            assert!(is_late || is_expected(&error), "{error:?}");
            assert!(is_late || error.to_string().contains(sentence), "{error}");
        }
    }
    let fits = Runtime::builder().workers(2).max_threads(2).stall_after(Duration::ZERO).lower_stuck(false).build();
    assert_eq!(fits.unwrap().snapshot().workers, Some(2));
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
fn an_installed_runtime_is_the_default_one() {
    const NAME: &str = "runtimes::an_installed_runtime_is_the_default_one";
    if program::part().is_none() {
        assert_eq!(program::run(NAME, "").told(), ["3 workers"]);
        return;
    }
    assert!(matches!(Runtime::builder().workers(0).install(), Err(BuildError::NoWorkers)));
    Runtime::builder().workers(3).install().unwrap();
    assert!(matches!(Runtime::builder().install(), Err(BuildError::AlreadyInUse)));
    Task::spawn(async {}).wait().unwrap();
    // A thread gives itself its name when it starts.
    let n_workers = || threads::names().iter().filter(|name| name.starts_with("cordial-worker")).count();
    while n_workers() < 3 {
        std::thread::yield_now();
    }
    program::tell(format_args!("{} workers", n_workers()));
}

#[cfg(target_os = "linux")]
#[test]
fn no_thread_is_left_after_a_shutdown_or_a_drop() {
    const NAME: &str = "runtimes::no_thread_is_left_after_a_shutdown_or_a_drop";
    let Some(part) = program::part() else {
        for part in [
            "shutdown",
            "shutdown while a poll is stuck",
            "drop",
            "drop on its own worker",
            "drop while a poll is stuck",
        ] {
            assert_eq!(program::run(NAME, part).told(), ["there are threads", "none left"], "{part}");
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
    program::tell("there are threads");
    match &*part {
        "shutdown" => assert!(runtime.shutdown(Duration::ZERO).is_clean()),
        "drop" => drop(runtime),
        "drop on its own worker" => drop_on_its_own_worker(runtime),
        "drop while a poll is stuck" => {
            let release = stick(&runtime);
            drop(runtime);
            drop(release);
        }
        "shutdown while a poll is stuck" => {
            let records = Records::install("cordial::process=warn".parse().unwrap());
            let release = stick(&runtime);
            let report = runtime.shutdown(Duration::ZERO);
            assert_eq!(report.abandoned.len(), 1, "{report}");
            let pid = report.abandoned[0].pid.to_string();
            let told = records.of("abandoned");
            assert_eq!(told.iter().map(|told| told.field("pid")).collect::<Vec<_>>(), [Some(&*pid)]);
            // Everybody else has left, tokio's threads and the watch included.
            while threads::n_ours() > 1 {
                std::thread::yield_now();
            }
            assert!(threads::names().iter().any(|name| name.starts_with("cordial-worker")), "{:?}", threads::names());
            drop(release);
        }
        other => panic!("there is no part {other:?}"),
    }
    // If they never end, this program is ended as one that hangs.
    while threads::names().len() > n_before {
        std::thread::yield_now();
    }
    assert_eq!(threads::n_ours(), 0);
    program::tell("none left");
}

/// Keeps a worker in a poll until the sender is dropped.
#[cfg(target_os = "linux")]
fn stick(runtime: &Runtime) -> mpsc::Sender<()> {
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

/// Comes back when the drop has.
fn drop_on_its_own_worker(runtime: Runtime) {
    let (hand_over, handed_over) = oneshot::channel::<Runtime>();
    let (is_dropped, dropped) = mpsc::channel();
    runtime
        .block_on(async move {
            Task::start(async move {
                drop(handed_over.await.unwrap());
                is_dropped.send(process::current().is_some()).unwrap();
                std::future::pending::<()>().await
            })
        })
        .unwrap();
    hand_over.send(runtime).unwrap();
    assert_eq!(dropped.recv(), Ok(true));
}

/// Whoever drops it, wherever: every process ends with its destructors, and the thread goes on.
#[test]
fn dropping_a_runtime_ends_its_processes_and_never_blocks() {
    fn in_a_tokio_runtime(mut builder: tokio::runtime::Builder) -> impl FnOnce(Runtime) {
        let tokio = builder.enable_all().build().unwrap();
        // Inside the main future, and inside a task of tokio's.
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
        let (tell, told) = mpsc::channel();
        let watches = runtime
            .block_on(async move {
                let mut watches = Vec::new();
                for _ in 0..10 {
                    let tell = tell.clone();
                    let (is_ready, ready) = oneshot::channel();
                    let pid = Task::start(async move {
                        let _tells = TellsItsDrop(tell, "its destructor has run");
                        // Not even one that asked to be told is asked: nobody waits for it.
                        let mut request = std::pin::pin!(cordial::shutdown_requested());
                        assert!(futures::poll!(&mut request).is_pending());
                        let _ = is_ready.send(());
                        std::future::pending::<()>().await
                    });
                    ready.await.unwrap();
                    watches.push(process::monitor(pid));
                }
                watches
            })
            .unwrap();
        drops(runtime);
        for _ in 0..10 {
            assert_eq!(told.recv(), Ok("its destructor has run"), "{place}");
        }
        assert!(told.recv().is_err(), "{place}: eleven destructors for ten processes");
        for watch in watches {
            assert_eq!(futures::executor::block_on(watch), Exit::Killed, "{place}");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the library has to work inside such a task")]
async fn spawn_on_tokio(future: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(future).await.unwrap();
}

/// A poll that does not return cannot be ended, and does not hold up who drops the runtime.
#[test]
fn a_drop_does_not_wait_for_a_poll() {
    let runtime = with_workers(1);
    let (is_stuck, stuck) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let task = runtime
        .block_on(async move {
            Task::spawn(async move {
                let _tells = TellsItsDrop(tell, "dropped");
                is_stuck.send(()).unwrap();
                let _ = released.recv();
                std::future::pending::<()>().await
            })
        })
        .unwrap();
    stuck.recv().unwrap();
    drop(runtime);
    assert_eq!(told.try_recv(), Err(mpsc::TryRecvError::Empty), "it is in its poll");
    release.send(()).unwrap();
    assert_eq!(told.recv(), Ok("dropped"));
    assert_eq!(task.wait(), Err(Exit::Killed));
}

#[test]
fn a_spawn_after_the_shutdown_answers_refused() {
    let runtime = with_workers(2);
    assert!(runtime.shutdown(Shutdown::default()).is_clean());
    assert_eq!(runtime.block_on(async {}), Err(refused()));
    assert_eq!(runtime.run(async {}), Err(refused()));
    assert!(runtime.shutdown(Shutdown::default()).is_clean(), "a second time there is nothing to do");
    assert!(runtime.snapshot().processes.is_empty());
}

/// A destructor is the only thing that still runs then, and it may spawn.
#[test]
fn a_spawn_inside_a_destructor_of_a_dropped_runtime_answers_refused() {
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
    let (tell, told) = mpsc::channel();
    let task = runtime
        .block_on(async move {
            Task::spawn(async move {
                let _spawns = Spawns(tell);
                std::future::pending::<()>().await
            })
        })
        .unwrap();
    runtime.block_on(tokio::task::yield_now()).unwrap();
    drop(runtime);
    let Ok((answer, pid, is_finished)) = told.recv() else { panic!("its destructor has not run") };
    assert_eq!((answer, is_finished), (Err(refused()), true));
    assert_eq!(pid, Task::completed(()).pid(), "it is the pid of nobody");
    assert_eq!(task.wait(), Err(Exit::Killed));
}

#[test]
fn a_shutdown_reports_who_did_not_end_when_asked() {
    let runtime = with_workers(2);
    let (is_stuck, stuck) = oneshot::channel();
    let (release, released) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let (deaf, sticks, spawned_at) = runtime
        .block_on(async move {
            waiting();
            let polite = Task::spawn(async {
                cordial::shutdown_requested().await;
                "closed the books"
            });
            drop(polite.ignore());
            let (is_ready, ready) = oneshot::channel();
            let deaf = Task::start(async {
                process::set_label("deaf");
                let _exits = process::trap_exits();
                let _ = is_ready.send(());
                std::future::pending::<()>().await
            });
            ready.await.unwrap();
            let sticks = Task::start(async move {
                let _tells = TellsItsDrop(tell, "released");
                // It asked to be told, so that it is the kill that it does not notice.
                let mut request = std::pin::pin!(cordial::shutdown_requested());
                assert!(futures::poll!(&mut request).is_pending());
                let _ = is_stuck.send(());
                let _ = released.recv();
                std::future::pending::<()>().await
            });
            stuck.await.unwrap();
            (deaf, sticks, process::info(sticks).unwrap().spawned_at)
        })
        .unwrap();
    let watch = runtime.block_on(async move { process::monitor(sticks) }).unwrap();

    let report = runtime.shutdown(Duration::from_millis(1));
    assert!(!report.is_clean());
    let named = |stopped: &[process::Stopped]| {
        stopped.iter().map(|s| (s.pid, s.label.as_deref().map(str::to_owned))).collect::<Vec<_>>()
    };
    assert_eq!(named(&report.killed), [(deaf, Some("deaf".to_owned()))]);
    assert_eq!(named(&report.abandoned), [(sticks, None)]);
    assert_eq!(report.abandoned[0].spawned_at, spawned_at);
    let shown = report.to_string();
    assert!(shown.contains(r#""deaf" (spawned at "#) && shown.contains(") was killed; "), "{shown}");
    assert!(shown.ends_with("is stuck in a poll and was abandoned"), "{shown}");
    let left: Vec<_> = runtime.snapshot().processes.iter().map(|process| (process.pid, process.state)).collect();
    assert_eq!(left, [(sticks, ProcessState::Abandoned)], "the table keeps it until it is really gone");

    release.send(()).unwrap();
    assert_eq!(told.recv(), Ok("released"));
    assert_eq!(futures::executor::block_on(watch), Exit::Killed);
    assert!(runtime.snapshot().processes.is_empty());
}

#[test]
fn a_shutdown_that_kills_at_once_asks_nobody() {
    let runtime = with_workers(2);
    let (tell, told) = mpsc::channel();
    let polite = runtime
        .block_on(async move {
            let (is_ready, ready) = oneshot::channel();
            let polite = Task::start(async move {
                let mut request = std::pin::pin!(cordial::shutdown_requested());
                assert!(futures::poll!(&mut request).is_pending());
                let _ = is_ready.send(());
                request.await;
                tell.send("was asked").unwrap();
            });
            ready.await.unwrap();
            polite
        })
        .unwrap();
    let report = runtime.shutdown(Shutdown::BrutalKill);
    assert_eq!(report.killed.iter().map(|stopped| stopped.pid).collect::<Vec<_>>(), [polite]);
    assert!(told.recv().is_err());
}

/// It cannot wait for the process that it runs in; that one ends when its poll returns.
#[test]
fn a_shutdown_inside_its_own_process_does_not_wait_for_it() {
    let runtime = Arc::new(with_workers(2));
    let inside = runtime.clone();
    let has_run_on = Arc::new(AtomicBool::new(false));
    let report: Arc<Mutex<Option<bool>>> = Arc::default();
    let (note, told) = (has_run_on.clone(), report.clone());
    let exit = runtime
        .block_on(async move {
            waiting();
            let is_clean = inside.shutdown(Shutdown::default()).is_clean();
            *told.lock().unwrap() = Some(is_clean);
            tokio::task::yield_now().await;
            note.store(true, Ordering::SeqCst);
        })
        .unwrap_err();
    assert_eq!((exit, *report.lock().unwrap()), (Exit::Killed, Some(true)));
    assert!(!has_run_on.load(Ordering::SeqCst));
}
