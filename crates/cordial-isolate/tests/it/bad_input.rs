//! Programs that do not begin as a worker has to, and executables that are gone.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};
use std::sync::Once;
use std::time::Duration;

use cordial::{Exit, LostCause, Shutdown, Task};
use cordial_isolate::{Function, Pool, PoolError};

use crate::functions::{ALLOCATE, LONG_ERROR, OS_PID, SQUARE, TENANT, TENANT_SEEN, WAIT, functions, until_running};
use crate::roles::skip;
use crate::waits::{LONG, limit_time_of_process, run};

/// The variable that is set in the process of a test that runs alone.
pub(crate) const ALONE: &str = "CORDIAL_ISOLATE_TEST_ALONE";

/// Returns whether this process runs one test alone, and if so, limits its time.
fn is_alone() -> bool {
    static LIMITED: Once = Once::new();
    let is_alone = std::env::var_os(ALONE).is_some();
    // Its workers end with it.
    if is_alone && std::env::var_os("CORDIAL_ISOLATE_WORKER").is_none() {
        LIMITED.call_once(limit_time_of_process);
    }
    is_alone
}

/// Runs the calling test in a process of its own, with this program. `None` in that process.
pub(crate) fn alone(program: Option<&std::path::Path>) -> Option<Output> {
    if is_alone() {
        return None;
    }
    let test = std::thread::current().name().expect("a test has a name").to_owned();
    let own = std::env::current_exe().expect("the path of the program is known");
    let mut command = Command::new(program.unwrap_or(&own));
    // In a group of its own: in a PID namespace, the group of the caller may have no number.
    command.args([&test, "--exact", "--nocapture"]).env(ALONE, "1").process_group(0);
    Some(command.output().expect("the program starts"))
}

/// Runs the calling test in a process of its own after these commands of a shell, whose limits, ignored signals and control groups
/// the process inherits. `None` in that process.
pub(crate) fn alone_after(commands: &str) -> Option<Output> {
    if is_alone() {
        return None;
    }
    let test = std::thread::current().name().expect("a test has a name").to_owned();
    let own = std::env::current_exe().expect("the path of the program is known");
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{commands}; exec \"$@\""), "sh"]).arg(own).args([&test, "--exact", "--nocapture"]);
    Some(command.env(ALONE, "1").output().expect("the program starts"))
}

#[test]
fn without_init_a_pool_does_not_start_and_no_second_main_runs() {
    if let Some(output) = alone(None) {
        return assert!(output.status.success(), "{output:?}");
    }
    let error = Pool::builder().workers(1).start().unwrap_err();
    assert_eq!(error, PoolError::NotInitialized);
    assert!(error.to_string().contains("begin `main` with `cordial_isolate::main(functions(), ..)`"), "{error}");
}

#[test]
fn workers_start_even_if_the_loader_has_started_the_program() {
    cordial_isolate::test_main(functions());
    if std::env::var_os(ALONE).is_none() {
        let loaders = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"].map(std::path::Path::new);
        let Some(loader) = loaders.into_iter().find(|loader| loader.exists()) else {
            return skip("this test knows no dynamic loader of this system");
        };
        let test = std::thread::current().name().unwrap().to_owned();
        let mut command = Command::new(loader);
        command.args(["--inhibit-cache".as_ref(), std::env::current_exe().unwrap().as_os_str()]);
        let output = command.args([&test, "--exact", "--nocapture"]).env(ALONE, "1").output().unwrap();
        return assert!(output.status.success(), "{output:?}");
    }
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
    })
    .unwrap();
}

#[test]
fn workers_start_even_if_the_executable_was_deleted_or_replaced() {
    cordial_isolate::test_main(functions());
    let folder = std::env::temp_dir().join(format!("cordial-isolate-{}", std::process::id()));
    let copy = folder.join("program");
    if std::env::var_os(ALONE).is_none() {
        fs::create_dir_all(&folder).unwrap();
        // Not by `fs::copy`: a child that another test forks has the copy open for writing until it calls `exec`, and the system does not run a
        // program that is open for writing.
        assert!(Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&copy).status().unwrap().success());
        let output = alone(Some(&copy)).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        return assert!(output.status.success(), "{output:?}");
    }
    let own = std::env::current_exe().unwrap();
    run(async move {
        let pool = Pool::builder().workers(1).recycle_after(1).start().unwrap();
        let first = pool.call(OS_PID, ()).timeout(LONG).await.unwrap();
        fs::remove_file(&own).unwrap();
        let second = pool.call(OS_PID, ()).timeout(LONG).await.unwrap();
        fs::write(&own, "#!/bin/sh\nexit 1\n").unwrap();
        let third = pool.call(OS_PID, ()).timeout(LONG).await.unwrap();
        assert!(first != second && second != third);
        assert_eq!(pool.statistics().failed_starts, 0);
    })
    .unwrap();
}

#[test]
fn a_memory_limit_that_leaves_no_room_is_the_reason_of_the_loss() {
    cordial_isolate::test_main(functions());
    run(async {
        let limit = 1 << 20;
        let pool = Pool::builder().workers(1).memory(limit).start().unwrap();
        match pool.call(ALLOCATE, 16 << 20).timeout(LONG).await {
            Err(Exit::Lost(lost)) => assert_eq!(*lost.cause(), LostCause::MemoryLimit { limit }),
            other => panic!("expected a loss, not {other:?}"),
        }
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
    })
    .unwrap();
}

#[test]
fn errors_and_values_that_are_too_large_to_travel_are_errors_that_say_so() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).max_payload(1024).start().unwrap();
        let exit = pool.call(LONG_ERROR, 1 << 20).timeout(LONG).await.unwrap_err();
        assert!(exit.to_string().contains("the error of the call has 10"), "{exit}");
        let called = pool.clone();
        let call = TENANT.scope("x".repeat(1 << 20), async move { called.call(TENANT_SEEN, ()).timeout(LONG).await });
        let exit = call.await.unwrap_err();
        assert!(exit.to_string().contains("smaller, or pass them in the argument"), "{exit}");
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
        assert_eq!(pool.statistics().started, 1, "no worker was lost");
    })
    .unwrap();
}

#[test]
fn a_function_that_a_large_table_does_not_have_is_an_error_that_says_so() {
    let name =
        |number: u32| &*Box::leak(format!("a function with a rather long name, number {number}").into_boxed_str());
    let many =
        (0..3000).fold(functions(), |table, number| table.add(Function::<(), ()>::new(name(number)), |()| async {}));
    cordial_isolate::test_main(many);
    if let Some(output) = alone(None) {
        return assert!(output.status.success(), "{output:?}");
    }
    run(async {
        let pool = Pool::builder().workers(1).max_payload(64).start().unwrap();
        let exit = pool.call(Function::<(), ()>::new("missing"), ()).timeout(LONG).await.unwrap_err();
        assert!(exit.to_string().contains("the worker has no function \"missing\"; add it"), "{exit}");
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
        assert_eq!(pool.statistics().started, 1, "no worker was lost");
    })
    .unwrap();
}

#[test]
fn the_longest_times_are_allowed() {
    cordial_isolate::test_main(functions());
    run(async {
        let longest = Duration::MAX;
        let pool = Pool::builder().workers(1).grace(longest).start_timeout(longest).idle_timeout(longest);
        let pool = pool.cpu_time(longest).memory(u64::MAX).start().unwrap();
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
        let wait = pool.call(WAIT, 3_600_000);
        until_running(&pool).await;
        assert_eq!(wait.shutdown(Shutdown::Infinity).await, None);
        pool.stop().await;
    })
    .unwrap();
}

#[test]
fn a_call_that_is_given_up_while_its_large_argument_is_sent_is_not_lost() {
    cordial_isolate::test_main(functions());
    run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        for round in 0..20u64 {
            let call = pool.call(crate::functions::ECHO, vec![7; 16 << 20]);
            tokio::time::sleep(Duration::from_micros(round * 300)).await;
            let given_up = Task::spawn(async move { call.shutdown(LONG).await.map(|result| result.map(drop)) });
            let result = given_up.timeout(2 * LONG).await.unwrap();
            assert!(!matches!(result, Some(Err(Exit::Lost(_)))), "{result:?}");
        }
    })
    .unwrap();
}
