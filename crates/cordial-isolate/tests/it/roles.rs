//! How a process recognizes that it is a worker. If it cannot, `start` returns an error, and the worker must not run the user's program.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use cordial::Exit;
use cordial_isolate::{Pool, PoolError};

use crate::bad_input::{ALONE, alone, alone_after};
use crate::functions::{ABORT, SQUARE, WAIT, functions};
use crate::waits::{LONG, run};

/// Returns whether this system lets the tests make a namespace, and run this command in it.
pub(crate) fn has_namespaces(arguments: &[&str]) -> bool {
    let mut command = Command::new("unshare");
    command.args(arguments).output().is_ok_and(|output| output.status.success())
}

pub(crate) fn skip_without_namespaces() {
    skip("this test needs unshare, and the right to create namespaces");
}

/// Says that a test is skipped: on standard error directly, because libtest hides what a successful test prints.
pub(crate) fn skip(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

/// Makes a folder of the calling test.
fn folder() -> PathBuf {
    let test = std::thread::current().name().unwrap().replace("::", "-");
    let folder = std::env::temp_dir().join(format!("cordial-isolate-{test}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn a_program_in_a_namespace_has_workers_also_with_the_proc_of_the_outer_one() {
    cordial_isolate::test_main(functions());
    let is_outer = std::env::var_os(ALONE).is_none();
    for options in [["--pid", "--fork", "--mount-proc"].as_slice(), &["--pid", "--fork"]] {
        if is_outer && !has_namespaces(&[options, &["true"]].concat()) {
            return skip_without_namespaces();
        }
        if let Some(output) = alone_after(&format!("set -- unshare {} \"$@\"", options.join(" "))) {
            assert!(output.status.success(), "{output:?}");
        }
    }
    if is_outer {
        return;
    }
    run(async {
        let pool = Pool::builder().workers(2).memory(64 << 20).start().unwrap();
        assert!(matches!(pool.call(ABORT, ()).timeout(LONG).await, Err(Exit::Lost(_))));
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
        pool.stop().await;
    })
    .unwrap();
}

#[test]
fn without_proc_the_error_says_what_to_do() {
    cordial_isolate::test_main(functions());
    if std::env::var_os(ALONE).is_none() {
        if !has_namespaces(&["--mount", "umount", "-l", "/proc"]) {
            return skip_without_namespaces();
        }
        let output =
            alone_after("set -- unshare --mount sh -c 'while umount -l /proc; do :; done; exec \"$@\"' sh \"$@\"")
                .unwrap();
        return assert!(output.status.success(), "{output:?}");
    }
    let error = Pool::builder().workers(1).start().unwrap_err();
    assert!(error.to_string().contains("`/proc` is not mounted"), "{error}");
}

/// Starts a pool whose worker binary is a script that runs this test, and returns the error.
fn start_with(script: &str) -> PoolError {
    let folder = folder();
    let program = folder.join("program");
    let own = std::env::current_exe().unwrap();
    let test = std::thread::current().name().unwrap().to_owned();
    let script = script.replace("PROGRAM", &format!("{own:?} {test} --exact --nocapture"));
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let error = Pool::builder().workers(1).program(&program).start().unwrap_err();
    fs::remove_dir_all(&folder).unwrap();
    error
}

/// Runs the calling test again in a process of its own, in which a pool must fail to start its worker with this script.
fn assert_refused(script: &str, message: &str) {
    // In a process of its own: a child that another test forks has the script open for writing until it calls `exec`, and the system does
    // not run a script that is open for writing.
    if let Some(output) = alone(None) {
        return assert!(output.status.success(), "{output:?}");
    }
    cordial_isolate::test_main(functions());
    let error = start_with(script);
    assert!(error.to_string().contains(message), "{error}");
}

#[test]
fn a_worker_whose_standard_input_was_replaced_says_so_and_runs_no_program() {
    // The pool sees at once that the socket is closed, and has to wait for the message of a worker that takes long to load.
    assert_refused(
        "exec < /dev/null; sleep 0.3; exec PROGRAM",
        "standard input is not the socket of the pool any more",
    );
}

/// In a PID namespace, the session of a process has the number 0 if it was created outside of the namespace.
#[test]
fn a_worker_whose_standard_input_was_replaced_says_so_also_in_the_session_of_an_outer_pid_namespace() {
    if std::env::var_os(ALONE).is_none() {
        if !has_namespaces(&["--pid", "--fork", "--mount-proc", "true"]) {
            return skip_without_namespaces();
        }
        let output = alone_after("set -- unshare --pid --fork --mount-proc \"$@\"").unwrap();
        return assert!(output.status.success(), "{output:?}");
    }
    assert_refused("exec < /dev/null; exec PROGRAM", "standard input is not the socket of the pool any more");
}

#[test]
fn a_worker_that_a_script_has_started_without_exec_says_so() {
    assert_refused("PROGRAM\nexit $?", "has to begin this one by `exec`");
}

#[test]
fn a_worker_that_was_started_in_another_pid_namespace_says_so_and_runs_no_program() {
    if std::env::var_os(ALONE).is_none() && !has_namespaces(&["--pid", "--fork", "true"]) {
        return skip_without_namespaces();
    }
    assert_refused("exec unshare --pid --fork PROGRAM", "in the same PID namespace (no `unshare --fork`)");
    assert_refused("exec unshare --pid --fork --mount-proc PROGRAM", "in the same PID namespace (no `unshare --fork`)");
}

#[test]
fn a_call_of_test_main_on_a_thread_of_another_name_says_what_a_worker_looks_for() {
    if let Some(output) = alone(None) {
        return assert!(output.status.success(), "{output:?}");
    }
    let start = || {
        cordial_isolate::test_main(functions());
        Pool::builder().workers(1).start().unwrap_err()
    };
    let named = std::thread::Builder::new().name("helper".to_owned()).spawn(start).unwrap();
    let text = named.join().unwrap().to_string();
    assert!(text.contains("exited with code 0, and has found no test \"helper\" that calls `test_main`"), "{text}");
    let unnamed = std::thread::Builder::new().spawn(|| cordial_isolate::test_main(functions())).unwrap();
    let panic = unnamed.join().unwrap_err();
    let text = panic.downcast_ref::<&str>().unwrap();
    assert!(text.contains("make it the first line of the test itself"), "{text}");
}

/// In a worker, functions do not run on the runtime of tokio in which `test_main` is called.
#[tokio::test]
async fn a_worker_serves_even_if_its_main_runs_on_tokio() {
    // In a process of its own, so that its workers run this test.
    if let Some(output) = alone(None) {
        return assert!(output.status.success(), "{output:?}");
    }
    cordial_isolate::test_main(functions());
    let pool = Pool::builder().workers(1).start().unwrap();
    assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
    // `WAIT` sleeps on the clock of tokio.
    assert_eq!(pool.call(WAIT, 10).timeout(LONG).await, Ok(10));
    assert!(matches!(pool.call(ABORT, ()).timeout(LONG).await, Err(Exit::Lost(_))));
}

/// Like the test above, on a tokio runtime with several threads.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_serves_even_if_its_main_runs_on_tokio_with_several_threads() {
    // In a process of its own, so that its workers run this test.
    if let Some(output) = alone(None) {
        return assert!(output.status.success(), "{output:?}");
    }
    cordial_isolate::test_main(functions());
    let pool = Pool::builder().workers(1).start().unwrap();
    assert_eq!(pool.call(WAIT, 10).timeout(LONG).await, Ok(10));
}
