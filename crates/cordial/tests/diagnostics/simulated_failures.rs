//! A simulation that fails panics once, with a message that names the failure, its line and the seed.

use std::time::Duration;

use cordial::{Shutdown, Task, TaskSupervisor, process, testing};

use crate::harness::subprocess::{self, Ran};

/// Runs a test in a subprocess, where it has to fail.
fn run_failing(test: &str) -> Ran {
    let ran = subprocess::run(test, "");
    assert!(!ran.status.success());
    ran
}

#[track_caller]
fn assert_once(ran: &Ran, text: &str) {
    assert_eq!(ran.stderr.matches(text).count(), 1, "{text:?} in {}", ran.stderr);
}

#[test]
fn an_assertion_in_a_simulated_task_is_printed_once_with_its_line_and_the_seed() {
    if subprocess::case().is_some() {
        return testing::run_seeded(7, async {
            Task::spawn(async { assert_eq!(6 * 7, 41, "no luck") }).await.unwrap();
        });
    }
    let ran = run_failing(test_name!());
    assert_once(&ran, "no luck");
    assert_once(&ran, "thread '");
    assert_once(&ran, "(seed 7)");
    assert_once(&ran, &format!("{}:{}:", file!(), line!() - 8));
}

#[test]
fn an_assertion_in_the_root_process_is_printed_once() {
    if subprocess::case().is_some() {
        return testing::run(async { assert_eq!(6 * 7, 41, "no luck") });
    }
    let ran = run_failing(test_name!());
    assert_once(&ran, "no luck");
    assert_once(&ran, "thread '");
}

#[test]
fn a_failed_simulation_shows_the_crash_that_its_exit_does_not_show() {
    if subprocess::case().is_some() {
        return testing::run(async {
            Task::start(async {
                process::set_label("importer");
                panic!("no luck")
            });
            tokio::time::sleep(Duration::from_secs(1)).await;
            panic!("nothing was imported")
        });
    }
    let ran = run_failing(test_name!());
    for text in ["no luck", "nothing was imported", "\"importer\" crashed: panicked at ", "thread '"] {
        assert_once(&ran, text);
    }
}

/// The bug was that a crash was left out if its text occurred anywhere in the message, such as in the seed.
#[test]
fn a_failed_simulation_shows_a_crash_whose_text_occurs_in_its_message() {
    if subprocess::case().is_some() {
        return testing::run(async {
            Task::start(async {
                process::set_label("importer");
                Err::<(), _>("0")
            });
            tokio::time::sleep(Duration::from_secs(1)).await;
            panic!("nothing was imported")
        });
    }
    let ran = run_failing(test_name!());
    assert_once(&ran, "\"importer\" crashed: ");
    assert_once(&ran, "nothing was imported");
}

/// The panic is that of another process, which the root passes on.
#[test]
fn a_panic_that_the_exit_of_the_root_shows_is_printed_once() {
    if subprocess::case().is_some() {
        return testing::run(async {
            Task::start_link(async { panic!("no luck") });
            std::future::pending().await
        });
    }
    let ran = run_failing(test_name!());
    assert_once(&ran, "no luck");
}

#[test]
fn a_stalled_simulation_shows_the_crash_that_may_be_the_cause() {
    if subprocess::case().is_some() {
        return testing::run(async {
            let (tx, rx) = tokio::sync::oneshot::channel::<()>();
            Task::start(async {
                let _tx = tx;
                panic!("no luck")
            });
            let _ = rx.await;
            std::future::pending().await
        });
    }
    let ran = run_failing(test_name!());
    assert_once(&ran, "nothing can run any more");
    assert_once(&ran, "no luck");
}

#[test]
fn a_simulation_that_succeeds_prints_no_panic() {
    if subprocess::case().is_some() {
        return testing::run(async {
            let crashed: Result<(), _> = Task::spawn(async { panic!("no luck") }).await;
            assert!(crashed.unwrap_err().is_panic());
        });
    }
    let ran = subprocess::run(test_name!(), "");
    assert!(ran.status.success());
    assert!(!ran.stderr.contains("no luck"), "{}", ran.stderr);
}

/// A value whose destructor panics.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("boom")
    }
}

#[test]
fn a_simulation_that_does_not_end_says_so_although_the_destructor_of_its_value_panics() {
    if subprocess::case().is_some() {
        drop(testing::run(async {
            let tasks = TaskSupervisor::builder().shutdown(Shutdown::Infinity).start();
            let child = tasks.start_child(async {
                let _guard = process::defer_shutdown();
                std::future::pending::<()>().await
            });
            child.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            Bomb
        }));
        return;
    }
    let ran = run_failing(test_name!());
    assert_once(&ran, "the root process ended normally, and other processes do not end");
    assert!(ran.status.code().is_some(), "it was not aborted: {}", ran.stderr);
}
