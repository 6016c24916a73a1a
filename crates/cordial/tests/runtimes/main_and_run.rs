//! `cordial::run` and `cordial::main`: the exit status of a program, and what the first and the second signal do.
#![cfg(unix)]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cordial::{ChildSpec, Exit, Runtime, Shutdown, Strategy, Supervisor, Task, TaskSupervisor, Timeout, process};
use rustix::process::Signal;
use tokio::sync::oneshot;

use crate::harness::attempts;
use crate::harness::subprocess::{self, exit_with};

/// Reports when it is dropped.
struct ReportsDrop(&'static str);

impl Drop for ReportsDrop {
    fn drop(&mut self) {
        subprocess::report(format_args!("{} dropped", self.0));
    }
}

/// Opts in to graceful shutdown: the returned future was polled once.
async fn opt_in() -> std::pin::Pin<Box<impl Future<Output = ()>>> {
    let mut request = Box::pin(cordial::shutdown_requested());
    assert!(futures::poll!(&mut request).is_pending());
    request
}

/// Starts a child that calls `then` on a shutdown request. When this returns, the child has opted in to graceful shutdown.
async fn start_graceful<F: Future<Output = ()> + Send>(then: impl FnOnce() -> F + Send + 'static) {
    let (is_ready, ready) = oneshot::channel();
    Task::start(async move {
        let request = opt_in().await;
        let _ = is_ready.send(());
        request.await;
        then().await;
    });
    ready.await.unwrap();
}

#[test]
fn the_status_of_a_program_depends_on_the_exit_of_its_root() {
    // The case, the status, and a part of the last line on standard error.
    let cases = [
        ("value", 0, ""),
        ("normal exit", 0, ""),
        ("orderly exit", 0, ""),
        ("orderly exit as an error", 0, ""),
        ("error", 1, "Error: no luck"),
        ("exit as an error", 1, "Error: there is no such process"),
        ("exit with an error", 1, "Error: no disk"),
        ("panic", 1, "no luck (process <"),
        ("kill", 1, "Error: was killed"),
        ("shutdown of a task, in another error", 1, "Error: was shut down"),
        ("timeout", 1, "Error: took longer than its limit of 1ms"),
        ("status", 3, ""),
        ("status or error", 4, ""),
        ("error instead of a status", 1, "Error: no luck"),
    ];
    let Some(case) = subprocess::case() else {
        for (case, status, complaint) in cases {
            let ran = subprocess::run(test_name!(), case);
            assert_eq!(ran.status.code(), Some(status), "{case}: {}", ran.stderr);
            let last = ran.stderr.lines().last().unwrap_or_default();
            assert!(last.contains(complaint), "{case}: {}", ran.stderr);
            let n_errors = ran.stderr.matches("Error: ").count();
            assert_eq!(n_errors, usize::from(status == 1), "{case}: {}", ran.stderr);
            assert_eq!(last.is_empty(), status != 1, "{case}: {}", ran.stderr);
        }
        return;
    };
    exit_with(match &*case {
        "value" => cordial::main(async {}),
        "normal exit" => cordial::main(async { cordial::exit(Exit::Normal).await }),
        "orderly exit" => cordial::main(async { cordial::exit(Exit::Shutdown(Some("enough".into()))).await }),
        "orderly exit as an error" => cordial::main(async { Err::<(), _>(Exit::Shutdown(None)) }),
        "error" => cordial::main(async { Err::<(), _>("no luck") }),
        "exit as an error" => cordial::main(async { Err::<(), _>(Exit::NoProcess) }),
        "exit with an error" => {
            cordial::main(async { cordial::exit(Exit::from(std::io::Error::other("no disk"))).await })
        }
        "shutdown of a task, in another error" => cordial::main(shut_down_a_task()),
        "panic" => cordial::main(async { panic!("no luck") }),
        "kill" => cordial::main(async {
            process::exit(process::current().unwrap(), Exit::Killed);
            std::future::pending::<()>().await
        }),
        "timeout" => {
            cordial::main(async { Task::spawn(std::future::pending::<()>()).timeout(Duration::from_millis(1)).await })
        }
        "status" => cordial::main(async { ExitCode::from(3) }),
        "status or error" => cordial::main(async { Ok::<_, Exit>(ExitCode::from(4)) }),
        "error instead of a status" => cordial::main(async { Err::<ExitCode, _>("no luck") }),
        other => panic!("there is no case {other:?}"),
    })
}

#[test]
fn run_returns_the_value_or_the_exit_and_the_runtime_stays_usable() {
    let (tx, rx) = std::sync::mpsc::channel();
    assert_eq!(cordial::run(async { 6 * 7 }), Ok(42));
    assert_eq!(cordial::run(async { Err::<(), _>("a value") }), Ok(Err("a value")));
    assert!(matches!(cordial::run(async { panic!("no luck") }), Err::<(), _>(Exit::Panic(_))));
    assert_eq!(
        cordial::run(async move {
            tx.send(Task::start(std::future::pending::<()>())).unwrap();
            process::exit(process::current().unwrap(), Exit::Killed);
            std::future::pending::<()>().await
        }),
        Err(Exit::Killed)
    );
    assert!(process::info(rx.recv().unwrap()).is_none(), "the child of the root has exited");
    assert_eq!(Task::spawn(async { 1 }).wait(), Ok(1));
    let runtime = Runtime::builder().workers(1).build().unwrap();
    assert_eq!(runtime.run(async { 2 }), Ok(2));
    assert_eq!(runtime.run(async { Task::spawn(async { 3 }).await }), Ok(Ok(3)));
    assert!(runtime.snapshot().processes.is_empty());
}

/// Children and grandchildren of the root are shut down, with their grace time. Other processes are not affected.
#[test]
fn descendants_of_the_root_are_shut_down_when_the_root_has_exited() {
    let elsewhere = Task::spawn(std::future::pending::<()>());
    let (has_finished, root_is_gone) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let finished = has_finished.clone();
    struct SetOnDrop(Arc<AtomicBool>);
    impl Drop for SetOnDrop {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let descendants = cordial::run(async move {
        let root_guard = SetOnDrop(root_is_gone.clone());
        let (tx, grandchild) = oneshot::channel();
        let child = Task::start(async move {
            let _ = tx.send(Task::start(std::future::pending::<()>()));
        });
        let grandchild = grandchild.await.unwrap();
        process::monitor(child).await;
        start_graceful(move || async move {
            assert!(root_is_gone.load(Ordering::SeqCst), "the root has not ended first");
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            finished.store(true, Ordering::SeqCst);
        })
        .await;
        drop(root_guard);
        vec![grandchild, Task::start(std::future::pending::<()>())]
    })
    .unwrap();
    assert!(has_finished.load(Ordering::SeqCst), "`run` returned before the graceful child had finished");
    assert!(descendants.into_iter().all(|pid| process::info(pid).is_none()));
    assert!(process::info(elsewhere.pid()).is_some());
}

/// An unlinked supervisor belongs to the runtime, even if the root has started it. Its children, and the tasks that they spawn, belong to
/// the runtime too.
#[test]
fn a_run_leaves_the_tasks_of_a_child_of_an_unlinked_supervisor_alone() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let (go, gone) = oneshot::channel::<()>();
    let (sender, results) = std::sync::mpsc::channel();
    let root = async move {
        let (is_ready, ready) = oneshot::channel();
        let child = async move {
            let task = Task::spawn(async move { gone.await.is_ok() }).timeout(Timeout::Infinity);
            is_ready.send(()).unwrap();
            sender.send(task.await).unwrap();
        };
        let tasks = TaskSupervisor::builder().unlinked().start();
        tasks.start_child(child).unwrap();
        ready.await.unwrap();
    };
    assert_eq!(runtime.run(root), Ok(()));
    let _ = go.send(());
    assert_eq!(results.recv().unwrap(), Ok(true));
}

/// Cleans up in a run of its own, whose root has to be polled more than once.
fn clean_up() {
    let cleaned = cordial::run(async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        subprocess::report("cleaned up");
    });
    assert_eq!(cleaned, Ok(()));
}

/// Awaits a task that was asked to shut down, and returns its exit in another error.
async fn shut_down_a_task() -> std::io::Result<()> {
    let task = Task::spawn(std::future::pending::<()>());
    process::exit(task.pid(), Exit::Shutdown(None));
    task.await.map_err(std::io::Error::other)
}

/// Calls `display` when its text is made, and `drop` when it is dropped.
#[derive(Debug)]
struct FaultyError {
    display: fn(),
    drop: fn(),
}

impl std::fmt::Display for FaultyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (self.display)();
        f.write_str("no luck")
    }
}

impl std::error::Error for FaultyError {}

impl Drop for FaultyError {
    fn drop(&mut self) {
        (self.drop)();
    }
}

#[test]
fn an_error_that_panics_or_raises_a_signal_does_not_change_the_status() {
    let cases = [
        ("its text panics", "Error: an error whose `Display` panicked\n"),
        ("its destructor panics", "Error: no luck\n"),
        ("its text raises a signal", "Error: no luck\n"),
    ];
    let Some(case) = subprocess::case() else {
        for (case, complaint) in cases {
            let ran = subprocess::run(test_name!(), case);
            assert_eq!(ran.status.code(), Some(1), "{case}: {:?}, {}", ran.status, ran.stderr);
            assert!(ran.stderr.contains(complaint), "{case}: {}", ran.stderr);
        }
        return;
    };
    let error = match &*case {
        "its text panics" => FaultyError { display: || panic!("planned panic of an error text"), drop: || () },
        "its destructor panics" => FaultyError { display: || (), drop: || panic!("planned panic of a destructor") },
        _ => FaultyError { display: || signal_hook::low_level::raise(Signal::TERM.as_raw()).unwrap(), drop: || () },
    };
    exit_with(cordial::main(async { Err::<(), _>(error) }))
}

const SIGNALS: [Signal; 2] = [Signal::TERM, Signal::INT];

/// The first signal is a shutdown request to the root. The root decides what it does then, and with which status it ends.
#[test]
fn the_first_signal_asks_the_root_to_shut_down() {
    let cases: [(&str, i32, &[&str]); 11] = [
        ("opted in", 0, &["requested", "finished"]),
        ("opted in, and a child fails to start with the shutdown of a task", 0, &["requested"]),
        ("opted in and returns the shutdown of a task in another error", 0, &["requested"]),
        ("a run within the root", 0, &["root dropped"]),
        ("a run within the root that begins after the signal", 0, &["Err(was shut down)"]),
        ("opted in and fails", 1, &["requested"]),
        ("not opted in", 0, &["root dropped"]),
        ("opted in and cleans up in another run", 0, &["requested", "cleaned up"]),
        ("not opted in, and cleans up in a run of a destructor", 0, &["cleaned up"]),
        ("not opted in, with descendants", 0, &["root dropped", "child finished"]),
        ("not opted in, in a runtime of its own", 0, &["root dropped", "Err(was shut down)"]),
    ];
    let Some(case) = subprocess::case() else {
        for signal in SIGNALS {
            for (case, status, reports) in cases {
                let mut subprocess = subprocess::start(test_name!(), case);
                subprocess.wait_for("ready");
                subprocess.send(signal);
                let ran = subprocess.finish();
                assert_eq!(ran.status.code(), Some(status), "{case}: {}", ran.stderr);
                assert_eq!(ran.reports, reports, "{case}: {}", ran.stderr);
            }
        }
        return;
    };
    let not_opted_in = async {
        let _guard = ReportsDrop("root");
        subprocess::report("ready");
        std::future::pending::<()>().await
    };
    exit_with(match &*case {
        "opted in" => cordial::main(async {
            let request = opt_in().await;
            subprocess::report("ready");
            request.await;
            subprocess::report("requested");
            // The root may take any time, and can still spawn and await.
            Task::spawn(tokio::time::sleep(Duration::from_millis(1))).await.unwrap();
            subprocess::report("finished");
        }),
        "opted in and fails" => cordial::main(async {
            let request = opt_in().await;
            subprocess::report("ready");
            request.await;
            subprocess::report("requested");
            Err::<(), _>("no luck")
        }),
        "opted in and returns the shutdown of a task in another error" => cordial::main(async {
            let request = opt_in().await;
            subprocess::report("ready");
            request.await;
            subprocess::report("requested");
            shut_down_a_task().await
        }),
        "a run within the root" => cordial::main(async {
            cordial::run(not_opted_in)?;
            Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        }),
        "a run within the root that begins after the signal" => cordial::main(async {
            subprocess::report("ready");
            while !cordial::is_shutdown_requested() {
                std::thread::yield_now();
            }
            let result = cordial::run(std::future::pending::<()>());
            subprocess::report(format_args!("{result:?}"));
        }),
        "opted in, and a child fails to start with the shutdown of a task" => cordial::main(async {
            let request = opt_in().await;
            subprocess::report("ready");
            request.await;
            subprocess::report("requested");
            let child = ChildSpec::init("child", || async {
                shut_down_a_task().await?;
                Ok::<_, std::io::Error>(std::future::pending::<()>())
            });
            Supervisor::builder(Strategy::OneForOne).child(child).start().await.map(drop)
        }),
        "not opted in" => cordial::main(not_opted_in),
        "opted in and cleans up in another run" => cordial::main(async {
            let request = opt_in().await;
            subprocess::report("ready");
            request.await;
            subprocess::report("requested");
            clean_up();
        }),
        "not opted in, and cleans up in a run of a destructor" => cordial::main(async {
            struct CleansUp;
            impl Drop for CleansUp {
                fn drop(&mut self) {
                    clean_up();
                }
            }
            let _guard = CleansUp;
            subprocess::report("ready");
            std::future::pending::<()>().await
        }),
        "not opted in, with descendants" => cordial::main(async {
            start_graceful(async || {
                tokio::time::sleep(Duration::from_millis(1)).await;
                subprocess::report("child finished");
            })
            .await;
            not_opted_in.await
        }),
        "not opted in, in a runtime of its own" => {
            let result = Runtime::builder().workers(1).build().unwrap().run(not_opted_in);
            subprocess::report(format_args!("{result:?}"));
            ExitCode::SUCCESS
        }
        other => panic!("there is no case {other:?}"),
    })
}

/// Delays the calling thread, which is about to run a program, so that it notices a signal late: the thread shares a processor with a
/// busy thread of a higher priority.
#[cfg(target_os = "linux")]
fn run_late() {
    use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_setaffinity};
    // The threads of the runtime start here, so they may use every processor.
    Task::spawn(async {}).wait().unwrap();
    let allowed = sched_getaffinity(None).unwrap();
    let mut first = CpuSet::new();
    first.set((0..CpuSet::MAX_CPU).find(|&cpu| allowed.is_set(cpu)).unwrap());
    sched_setaffinity(None, &first).unwrap();
    #[expect(clippy::disallowed_methods, reason = "the thread has to compete with the thread of the run")]
    std::thread::spawn(|| {
        loop {
            std::hint::spin_loop();
        }
    });
    rustix::process::setpriority_process(Some(gettid()), 19).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_that_a_run_within_the_root_has_handled_does_not_end_the_program() {
    if subprocess::case().is_none() {
        for signal in SIGNALS.into_iter().cycle().take(8) {
            let mut subprocess = subprocess::start(test_name!(), "");
            subprocess.wait_for("ready");
            subprocess.send(signal);
            let ran = subprocess.finish();
            assert_eq!((ran.status.code(), ran.stderr.as_str()), (Some(0), ""), "{:?}", ran.status);
        }
        return;
    }
    run_late();
    exit_with(cordial::main(async {
        cordial::run(async {
            subprocess::report("ready");
            std::future::pending::<()>().await
        })?;
        Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    }))
}

/// The second signal arrives just before the root ends. It ends the shutdown of the descendants, which would otherwise last forever.
#[cfg(target_os = "linux")]
#[test]
fn a_second_signal_at_the_end_of_the_root_is_not_lost() {
    if subprocess::case().is_none() {
        for _ in 0..5 {
            let mut subprocess = subprocess::start(test_name!(), "");
            subprocess.wait_for("ready");
            subprocess.send(Signal::INT);
            assert_eq!(subprocess.finish().status.code(), Some(143));
        }
        return;
    }
    run_late();
    exit_with(cordial::main(async {
        let ignores_requests = || async {
            let _guard = process::defer_shutdown();
            std::future::pending::<()>().await
        };
        let endless = ChildSpec::task("endless", ignores_requests).shutdown(Shutdown::Infinity);
        Supervisor::builder(Strategy::OneForOne).child(endless).start().await?;
        let request = opt_in().await;
        subprocess::report("ready");
        request.await;
        signal_hook::low_level::raise(Signal::TERM.as_raw()).unwrap();
        Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    }))
}

/// Sends two signals to a program. Fails if the program ends later than 4 s after the second one, which must cut the grace time of 5 s short.
fn check_second_signal(test: &str, case: &str, [first, second]: [Signal; 2], status: i32) {
    let mut subprocess = subprocess::start(test, case);
    subprocess.wait_for("ready");
    subprocess.send(first);
    subprocess.wait_for("requested");
    subprocess.send(second);
    #[expect(clippy::disallowed_methods, reason = "the second signal saves real time")]
    let signaled = std::time::Instant::now();
    let ran = subprocess.finish();
    assert!(signaled.elapsed() < Duration::from_secs(4), "{case}: the second signal waited for the grace time");
    assert_eq!(ran.status.code(), Some(status), "{case}");
    let (n_lines, n_stuck) = (ran.stderr.lines().count(), ran.stderr.matches("is stuck in a poll").count());
    let expected = if case.ends_with("is in a poll") { (1, 1) } else { (0, 0) };
    assert_eq!((n_lines, n_stuck), expected, "{case}: {}", ran.stderr);
}

#[test]
fn the_second_signal_ends_everything_at_once() {
    // Each case reports `ready` before the first signal is sent, and `requested` before the second.
    let cases =
        ["the root ignores it", "the root is in a poll", "a descendant ignores it", "a descendant is in a poll"];
    let signals = [
        ([Signal::INT, Signal::INT], 130),
        ([Signal::TERM, Signal::TERM], 143),
        ([Signal::INT, Signal::TERM], 143),
        ([Signal::TERM, Signal::INT], 130),
    ];
    let Some(case) = subprocess::case() else {
        let test = test_name!();
        for (case, (signals, status)) in cases.into_iter().cycle().zip(signals.into_iter().flat_map(|s| [s; 4])) {
            // A process whose thread gets no processor counts as stuck in a poll.
            attempts::one_succeeds(|| check_second_signal(test, case, signals, status));
        }
        return;
    };
    /// Blocks its thread forever.
    fn spin() -> ! {
        loop {
            std::thread::yield_now();
        }
    }
    async fn ignore() {
        subprocess::report("requested");
        std::future::pending().await
    }
    exit_with(match &*case {
        "the root ignores it" => cordial::main(async {
            let request = opt_in().await;
            subprocess::report("ready");
            request.await;
            ignore().await;
        }),
        "the root is in a poll" => cordial::main(async {
            subprocess::report("ready");
            while !cordial::is_shutdown_requested() {
                std::thread::yield_now();
            }
            subprocess::report("requested");
            spin()
        }),
        "a descendant ignores it" => cordial::main(async {
            start_graceful(ignore).await;
            subprocess::report("ready");
            std::future::pending::<()>().await
        }),
        "a descendant is in a poll" => cordial::main(async {
            start_graceful(async || {
                subprocess::report("requested");
                spin()
            })
            .await;
            subprocess::report("ready");
            std::future::pending::<()>().await
        }),
        other => panic!("there is no case {other:?}"),
    })
}

#[test]
fn after_a_second_signal_run_returns_killed_and_the_runtime_stays_usable() {
    if subprocess::case().is_none() {
        let mut subprocess = subprocess::start(test_name!(), "");
        for _ in 0..2 {
            subprocess.wait_for("ready");
            subprocess.send(Signal::TERM);
            subprocess.wait_for("requested");
            subprocess.send(Signal::TERM);
            subprocess.wait_for("root dropped");
            subprocess.wait_for("Err(was killed)");
            subprocess.wait_for("Ok(1)");
        }
        assert_eq!(subprocess.finish().reports(), ["Ok(2)"]);
        return;
    }
    for _ in 0..2 {
        let (until_dropped, dropped) = std::sync::mpsc::channel::<()>();
        let result = cordial::run(async move {
            // Dropped in the opposite order.
            let _until_dropped = until_dropped;
            let _guard = ReportsDrop("root");
            let request = opt_in().await;
            subprocess::report("ready");
            request.await;
            subprocess::report("requested");
            std::future::pending::<()>().await
        });
        // If the thread of the root gets no processor, `run` returns before the root is dropped.
        assert!(dropped.recv().is_err());
        subprocess::report(format_args!("{result:?}"));
        subprocess::report(format_args!("{:?}", Task::spawn(async { 1 }).wait()));
    }
    subprocess::report(format_args!("{:?}", cordial::run(async { 2 })));
}

/// `block_on` runs one process among others, so it does not handle OS signals.
#[test]
fn block_on_does_not_handle_signals() {
    if subprocess::case().is_none() {
        use std::os::unix::process::ExitStatusExt;
        let mut subprocess = subprocess::start(test_name!(), "");
        subprocess.wait_for("ready");
        subprocess.send(Signal::TERM);
        let ran = subprocess.finish();
        assert_eq!((ran.status.signal(), ran.reports.len()), (Some(Signal::TERM.as_raw()), 0));
        return;
    }
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let _ = runtime.block_on(async {
        let request = opt_in().await;
        subprocess::report("ready");
        request.await;
        subprocess::report("requested");
    });
}
