//! A process that was forked has none of the threads of a runtime: it gets errors, and never waits.

use std::time::Duration;

use cordial::{Exit, Refusal, Runtime, Task};

use crate::harness::subprocess;

/// Ends a forked process that hangs: it has none of the threads that end the process of a test.
fn limit_time_of_forked_process() {
    #[expect(clippy::disallowed_methods, reason = "the limit must hold even if the library hangs")]
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_secs(30));
        std::process::exit(99);
    });
}

fn is_refused(exit: &Exit) -> bool {
    matches!(exit, Exit::Refused(Refusal::Forked)) && exit.to_string().contains("forked")
}

#[test]
fn a_forked_process_gets_errors_of_the_runtimes_of_its_parent_and_can_build_its_own() {
    if subprocess::case().is_none() {
        let reports = subprocess::run(test_name!(), "").reports();
        assert_eq!(reports, ["spawn", "wait", "run", "block_on", "shutdown", "own runtime", "parent goes on"]);
        return;
    }
    let runtime = Runtime::builder().workers(1).build().unwrap();
    assert_eq!(Task::spawn(async { 1 }).wait(), Ok(1));
    let earlier = Task::spawn(std::future::pending::<()>());
    let child = match fork::fork().unwrap() {
        fork::Fork::Parent(child) => child,
        fork::Fork::Child => {
            limit_time_of_forked_process();
            assert!(is_refused(&Task::spawn(async { 1 }).wait().unwrap_err()));
            subprocess::report("spawn");
            assert!(is_refused(&earlier.wait().unwrap_err()));
            subprocess::report("wait");
            assert!(is_refused(&cordial::run(async { 1 }).unwrap_err()));
            subprocess::report("run");
            assert!(is_refused(&runtime.block_on(async { 1 }).unwrap_err()));
            subprocess::report("block_on");
            assert!(runtime.shutdown(Duration::from_secs(60)).is_clean());
            subprocess::report("shutdown");
            let own = Runtime::builder().workers(1).build().unwrap();
            assert_eq!(own.block_on(async { Task::spawn(async { 1 }).await }), Ok(Ok(1)));
            subprocess::report("own runtime");
            std::process::exit(0);
        }
    };
    let status = fork::waitpid(child).unwrap();
    assert!(fork::WIFEXITED(status), "{status}");
    assert_eq!(runtime.block_on(async { Task::spawn(async { 1 }).await }), Ok(Ok(1)));
    subprocess::report("parent goes on");
}

/// The thread of the task goes on in the forked process, as the only one of its runtime.
#[test]
fn a_task_that_forks_gets_errors_in_the_forked_process() {
    if subprocess::case().is_none() {
        let reports = subprocess::run(test_name!(), "").reports();
        assert_eq!(reports, ["spawn", "start", "await", "wait", "own runtime", "parent goes on"]);
        return;
    }
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let forks = || async {
        let [awaited, waited] = [(); 2].map(|()| Task::spawn(std::future::pending::<()>()));
        match fork::fork().unwrap() {
            fork::Fork::Parent(child) => child,
            fork::Fork::Child => {
                limit_time_of_forked_process();
                assert!(is_refused(&Task::spawn(async { 1 }).await.unwrap_err()));
                subprocess::report("spawn");
                assert!(cordial::process::info(Task::start(async {})).is_none());
                subprocess::report("start");
                assert!(is_refused(&awaited.await.unwrap_err()));
                subprocess::report("await");
                assert!(is_refused(&waited.wait().unwrap_err()));
                subprocess::report("wait");
                let own = Runtime::builder().workers(1).build().unwrap();
                assert_eq!(own.block_on(async { Task::spawn(async { 1 }).await }), Ok(Ok(1)));
                subprocess::report("own runtime");
                std::process::exit(0);
            }
        }
    };
    let child = runtime.block_on(async move { Task::spawn(forks()).await }).unwrap().unwrap();
    let status = fork::waitpid(child).unwrap();
    assert!(fork::WIFEXITED(status), "{status}");
    assert_eq!(runtime.block_on(async { Task::spawn(async { 1 }).await }), Ok(Ok(1)));
    subprocess::report("parent goes on");
}
