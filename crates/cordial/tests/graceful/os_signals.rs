//! SIGINT and SIGTERM during a run, between runs, and beside other handlers.
#![cfg(unix)]

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cordial::{Exit, Runtime, Task, process};
use rustix::process::Signal;

use crate::harness::subprocess::{self, Subprocess};

const SIGNALS: [Signal; 2] = [Signal::TERM, Signal::INT];

/// A run that reports `ready`, and waits for the signal. It does not opt in.
fn run_until_asked() {
    let result = cordial::run(async {
        subprocess::report("ready");
        std::future::pending::<()>().await
    });
    assert_eq!(result, Err(Exit::Shutdown(None)));
    subprocess::report("has ended");
}

/// Reports `waits`, and waits for the signal that ends the program.
fn wait_outside_of_a_run() {
    subprocess::report("waits");
    std::thread::sleep(subprocess::LIMIT);
    panic!("no signal has ended the program");
}

/// Starts the program of a test in which a signal may end it. If a shell has started this test in the background, SIGINT is ignored, also in the
/// programs that this one starts. `env` makes it take effect again.
#[cfg(target_os = "linux")]
fn start_with_default_of_sigint(test: &str) -> Subprocess {
    let mut command = Command::new("env");
    command.arg("--default-signal=INT").arg(std::env::current_exe().unwrap());
    subprocess::start_by(command, test, "")
}

/// After a run, the handlers are given back: the next run takes them again, and without one the signal ends the program.
#[cfg(target_os = "linux")]
#[test]
fn between_runs_a_signal_ends_the_program() {
    if subprocess::case().is_some() {
        assert_eq!(cordial::run(async { 1 }), Ok(1));
        for _ in 0..3 {
            run_until_asked();
        }
        let runtime = Runtime::builder().workers(1).build().unwrap();
        assert_eq!(runtime.run(async { 2 }), Ok(2));
        drop(runtime);
        wait_outside_of_a_run();
    }
    for signal in SIGNALS {
        let mut subprocess = start_with_default_of_sigint(test_name!());
        for _ in 0..3 {
            subprocess.wait_for("ready");
            subprocess.send(signal);
            subprocess.wait_for("has ended");
        }
        subprocess.wait_for("waits");
        subprocess.send(signal);
        let ran = subprocess.finish();
        assert_eq!((ran.status.signal(), ran.reports.len()), (Some(signal.as_raw()), 0), "{}", ran.stderr);
    }
}

/// Two runs at once are both asked. The handlers are given back when the last one has ended.
#[test]
fn handlers_are_given_back_after_the_last_of_several_runs() {
    if subprocess::case().is_some() {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let result = Runtime::builder().workers(1).build().unwrap().run(async {
                    let requested = cordial::shutdown_requested();
                    subprocess::report("the first is ready");
                    requested.await;
                    cordial::run(async { subprocess::report("the first is asked") }).unwrap();
                });
                assert_eq!(result, Ok(()));
            });
            let result = cordial::run(async {
                let requested = cordial::shutdown_requested();
                subprocess::report("the second is ready");
                requested.await;
            });
            assert_eq!(result, Ok(()));
        });
        wait_outside_of_a_run();
    }
    let mut subprocess = subprocess::start(test_name!(), "");
    let mut reports = [subprocess.next_report(), subprocess.next_report()];
    reports.sort();
    assert_eq!(reports.map(Option::unwrap), ["the first is ready", "the second is ready"]);
    subprocess.send(Signal::TERM);
    subprocess.wait_for("the first is asked");
    subprocess.wait_for("waits");
    subprocess.send(Signal::TERM);
    assert_eq!(subprocess.finish().status.signal(), Some(Signal::TERM.as_raw()));
}

/// No process is left that could be asked, so the signal ends the program when `run` would return. `main` returns the status of its root instead.
#[test]
fn a_signal_that_comes_when_the_root_has_ended_is_not_lost() {
    let raise = |signal: Signal| signal_hook::low_level::raise(signal.as_raw()).unwrap();
    // The case, the signal that ends the program, and its reports before that.
    let cases: [(&str, Option<Signal>, &[&str]); 4] = [
        ("in the last poll of the root", Some(Signal::TERM), &[]),
        ("in the last poll of a root that fails", Some(Signal::TERM), &[]),
        ("while the descendants are stopped", Some(Signal::TERM), &["the child has ended"]),
        ("while the descendants of a program are stopped", None, &["the child has ended", "main has returned"]),
    ];
    let Some(case) = subprocess::case() else {
        for (case, signal, reports) in cases {
            let ran = subprocess::run(test_name!(), case);
            assert_eq!(ran.status.signal(), signal.map(Signal::as_raw), "{case}: {:?} {}", ran.status, ran.stderr);
            assert_eq!(ran.reports, reports, "{case}");
        }
        return;
    };
    let start_child = async move || {
        let (is_ready, ready) = tokio::sync::oneshot::channel();
        Task::start(async move {
            let requested = cordial::shutdown_requested();
            is_ready.send(()).unwrap();
            requested.await;
            raise(Signal::TERM);
            subprocess::report("the child has ended");
        });
        ready.await.unwrap();
    };
    match &*case {
        "in the last poll of the root" => drop(cordial::run(async move { raise(Signal::TERM) })),
        "in the last poll of a root that fails" => drop(cordial::run(async move {
            raise(Signal::TERM);
            panic!("no luck")
        })),
        "while the descendants are stopped" => drop(cordial::run(async move { start_child().await })),
        "while the descendants of a program are stopped" => {
            assert_eq!(cordial::main(async move { start_child().await }), std::process::ExitCode::SUCCESS);
            subprocess::report("main has returned");
            return;
        }
        other => panic!("there is no case {other:?}"),
    }
    subprocess::report("the signal was lost");
}

/// The destructor runs because the signal has ended the root at its await.
#[test]
fn a_signal_that_has_ended_the_root_is_handled_even_if_a_destructor_panics() {
    struct PanicsInDrop;

    impl Drop for PanicsInDrop {
        fn drop(&mut self) {
            panic!("planned panic of a destructor");
        }
    }

    if subprocess::case().is_some() {
        let result = cordial::run(async {
            let _panics = PanicsInDrop;
            subprocess::report("ready");
            std::future::pending::<()>().await
        });
        assert!(matches!(result, Err(Exit::Panic(_))), "{result:?}");
        return subprocess::report("run has returned");
    }
    let mut subprocess = subprocess::start(test_name!(), "");
    subprocess.wait_for("ready");
    subprocess.send(Signal::TERM);
    assert_eq!(subprocess.finish().reports(), ["run has returned"]);
}

/// When the signal comes, the root of the first run has ended, and that run waits for a descendant. The second run handles the signal.
#[test]
fn a_signal_that_another_run_has_handled_does_not_end_the_program() {
    if subprocess::case().is_some() {
        let (has_handled, handled) = tokio::sync::oneshot::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let result = cordial::run(async {
                    let (is_ready, ready) = tokio::sync::oneshot::channel();
                    Task::start(async move {
                        let requested = cordial::shutdown_requested();
                        is_ready.send(()).unwrap();
                        requested.await;
                        subprocess::report("the first root has ended");
                        // On a slow machine, the grace time of this task may end before the second run does.
                        let _ = handled.await;
                    });
                    ready.await.unwrap();
                });
                assert_eq!(result, Ok(()));
            });
            run_until_asked();
            let _ = has_handled.send(());
        });
        subprocess::report("both have ended");
        return;
    }
    let mut subprocess = subprocess::start(test_name!(), "");
    let mut reports = [subprocess.next_report(), subprocess.next_report()];
    reports.sort();
    assert_eq!(reports.map(Option::unwrap), ["ready", "the first root has ended"]);
    subprocess.send(Signal::TERM);
    subprocess.wait_for("has ended");
    subprocess.wait_for("both have ended");
    assert!(subprocess.finish().status.success());
}

/// A handler that was there before the first run is called during runs and between them, and then it alone decides.
#[cfg(target_os = "linux")]
#[test]
fn a_handler_that_was_there_before_is_kept() {
    if subprocess::case().is_some() {
        let was_called = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(Signal::TERM.as_raw(), was_called.clone()).unwrap();
        run_until_asked();
        assert!(was_called.swap(false, Ordering::SeqCst));
        subprocess::report("waits");
        while !was_called.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        // The handler that was there before is for SIGTERM only.
        wait_outside_of_a_run();
    }
    let mut subprocess = start_with_default_of_sigint(test_name!());
    subprocess.wait_for("ready");
    subprocess.send(Signal::TERM);
    subprocess.wait_for("has ended");
    subprocess.wait_for("waits");
    subprocess.send(Signal::TERM);
    subprocess.wait_for("waits");
    subprocess.send(Signal::INT);
    assert_eq!(subprocess.finish().status.signal(), Some(Signal::INT.as_raw()));
}

/// A shell ignores SIGINT for the programs that it starts in the background.
#[cfg(target_os = "linux")]
#[test]
fn a_signal_that_was_ignored_before_is_ignored_again() {
    if subprocess::case().is_some() {
        assert_eq!(cordial::run(async {}), Ok(()));
        // Sent to itself: if it had an effect, the program would end here.
        rustix::process::kill_process(rustix::process::getpid(), Signal::INT).unwrap();
        subprocess::report("runs on");
        return;
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"trap "" INT; exec "$0" "$@""#]).arg(std::env::current_exe().unwrap());
    assert_eq!(subprocess::run_by(shell, test_name!(), "").reports(), ["runs on"]);
}

/// Code in `tokio::spawn` that blocks every thread of tokio does not keep the program from noticing a signal.
#[test]
fn a_signal_is_noticed_while_all_threads_of_tokio_are_blocked() {
    const WORKERS: usize = 2;
    if subprocess::case().is_some() {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let runtime = Runtime::builder().workers(WORKERS).build().unwrap();
        let result = runtime.run(async move {
            let requested = cordial::shutdown_requested();
            block_tokio(WORKERS, &over).await;
            subprocess::report("ready");
            requested.await;
            over.store(true, Ordering::SeqCst);
            "asked"
        });
        assert_eq!(result, Ok("asked"));
        return;
    }
    for signal in SIGNALS {
        let mut subprocess = subprocess::start(test_name!(), "");
        subprocess.wait_for("ready");
        subprocess.send(signal);
        assert!(subprocess.finish().reports().is_empty());
    }
}

/// Blocks the threads of tokio until `over` is set. Returns when all of them are blocked.
async fn block_tokio(n_threads: usize, over: &Arc<AtomicBool>) {
    let (tx, mut blocked) = tokio::sync::mpsc::channel(n_threads);
    for _ in 0..n_threads {
        let (tx, over) = (tx.clone(), over.clone());
        #[expect(clippy::disallowed_methods, reason = "a thread of tokio has to be blocked")]
        tokio::spawn(async move {
            assert!(process::current().is_none());
            tx.try_send(()).unwrap();
            while !over.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
        });
    }
    for _ in 0..n_threads {
        blocked.recv().await.unwrap();
    }
}
