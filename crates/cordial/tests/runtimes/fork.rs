//! A process that was forked has none of the threads of a runtime: it gets errors, and never waits.

use std::time::Duration;

use cordial::server::{self, Handle, Server, ServerRef, TryCastError};
use cordial::{
    Backoff, BuildError, ChildSpec, DeleteError, Exit, NotFound, Refusal, Retry, Runtime, Shutdown, StartError,
    Strategy, Supervisor, Task, TaskSet, TaskSupervisor, process,
};
use futures::executor::block_on;
use futures::{FutureExt, stream};

use crate::harness::subprocess;
#[cfg(target_os = "linux")]
use crate::harness::threads;

const SECOND: Duration = Duration::from_secs(1);

/// Ends a forked process that hangs: it has none of the threads that end the process of a test.
fn limit_time_of_forked_process() {
    #[expect(clippy::disallowed_methods, reason = "the limit must hold even if the library hangs")]
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_secs(120));
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

/// Ends the OS process: with status 0, or with 1 after a panic.
struct ExitWhenDropped;

impl Drop for ExitWhenDropped {
    fn drop(&mut self) {
        std::process::exit(i32::from(std::thread::panicking()));
    }
}

/// Runs `child` in a forked process, which has to end with status 0.
fn in_forked_process(child: impl FnOnce()) {
    match fork::fork().unwrap() {
        fork::Fork::Parent(child) => {
            let status = fork::waitpid(child).unwrap();
            assert!(fork::WIFEXITED(status) && fork::WEXITSTATUS(status) == 0, "{status}");
        }
        fork::Fork::Child => {
            limit_time_of_forked_process();
            // The forked process must not go on with the test.
            let _exit = ExitWhenDropped;
            child();
        }
    }
}

/// A server that never answers.
struct Silent;

impl Server for Silent {}

impl Handle<()> for Silent {
    type Reply = ();

    async fn handle(&mut self, (): (), _: &mut server::Context<Self>) {
        std::future::pending::<()>().await;
    }
}

/// A monitor, a supervisor, a stream or a wait that was begun before the fork would wait for a process of the parent process.
#[test]
fn each_call_for_processes_of_the_parent_process_is_refused() {
    if subprocess::case().is_none() {
        let reports = subprocess::run(test_name!(), "").reports();
        let expected = [
            "monitors",
            "waits",
            "sets",
            "tree",
            "tasks",
            "server",
            "streams",
            "inspection",
            "the rest",
            "parent goes on",
        ];
        assert_eq!(reports, expected);
        return;
    }
    Runtime::builder().workers(2).install().unwrap();
    let worker = |id| ChildSpec::task(id, || async { std::future::pending::<Result<(), Exit>>().await });
    let start = async move {
        let tree = Supervisor::builder(Strategy::OneForOne).child(worker("a")).unlinked().start().await.unwrap();
        let tasks = TaskSupervisor::builder().max_children(1).unlinked().start();
        let pid = tasks.start_child(std::future::pending::<()>()).unwrap();
        (tree, tasks, pid)
    };
    let (tree, tasks, pid) = cordial::run(start).unwrap();
    let silent = cordial::run(async { ServerRef::builder(|| Silent).mailbox(1).unlinked().start() }).unwrap();
    let silent_pid = silent.pid();
    // The server is handling one call, one is in its mailbox, and one waits for room.
    let [mut in_hand, mut queued] = [(); 2].map(|()| silent.call(()).timeout(3600 * SECOND));
    let within_an_hour = || Box::pin(cordial::within(3600 * SECOND, std::future::pending::<()>()));
    let mut begun = within_an_hour();
    assert!(block_on(async { (&mut begun).now_or_never() }).is_none());
    assert!(block_on(async { (&mut in_hand).now_or_never() }).is_none());
    while silent.mailbox().length > 0 {
        std::thread::yield_now();
    }
    let mut waiting = silent.cast(()).timeout(3600 * SECOND);
    assert!(block_on(async { (&mut queued).now_or_never() }).is_none());
    assert!(block_on(async { (&mut waiting).now_or_never() }).is_none());
    let monitor = process::monitor(pid);
    let mut awaited = Task::spawn(std::future::pending::<()>()).timeout(3600 * SECOND);
    // Polled, so that its timeout is armed.
    assert!(block_on(async { (&mut awaited).now_or_never() }).is_none());
    let [mut yielded, shut_down, ignored, many, dropped] = [(); 5].map(|()| Task::spawn(std::future::pending::<()>()));
    let finished = Task::spawn(async { 1 });
    while !finished.is_finished() {
        std::thread::yield_now();
    }
    let (mut set, mut ended_set, mut dropped_set, mut stopped_set) =
        (TaskSet::new(), TaskSet::new(), TaskSet::new(), TaskSet::new());
    for set in [&mut set, &mut dropped_set, &mut stopped_set] {
        set.spawn(std::future::pending::<i32>());
        set.spawn(std::future::pending());
    }
    // One of two results that have arrived is taken.
    ended_set.spawn(async { 1 });
    ended_set.spawn(async { 1 });
    while process::inspector().task_sets().iter().all(|set| set.buffered < 2) {
        std::thread::yield_now();
    }
    assert_eq!(block_on(ended_set.next()), Some(Ok(1)));
    let retry = Retry::times(3).backoff(Backoff::exponential(3600 * SECOND, 3600 * SECOND));
    let plain = Task::async_stream(0..3, |_| std::future::pending::<()>()).max_concurrency(2).retry(retry);
    let supervised = tasks.async_stream(0..2, |_| std::future::pending::<()>());
    let (mut plain, mut supervised) = (plain.timeout(3600 * SECOND), supervised.timeout(3600 * SECOND));
    assert!(block_on(async { plain.next().now_or_never() }).is_none());
    assert!(block_on(async { supervised.next().now_or_never() }).is_none());
    in_forked_process(move || {
        assert!(is_refused(&block_on(monitor)));
        assert!(is_refused(&block_on(process::monitor(pid))));
        subprocess::report("monitors");
        assert!(is_refused(&block_on(awaited).unwrap_err()));
        assert!(is_refused(&block_on(yielded.yield_for(Duration::from_secs(60))).unwrap().unwrap_err()));
        assert!(is_refused(&block_on(shut_down.shutdown(Shutdown::Infinity)).unwrap().unwrap_err()));
        assert!(is_refused(&block_on(Task::await_many([many])).unwrap_err()));
        assert!(is_refused(&finished.wait().unwrap_err()));
        assert!(ignored.ignore().is_some_and(|result| is_refused(&result.unwrap_err())));
        drop(dropped);
        subprocess::report("waits");
        set.spawn(async { 1 });
        for (mut set, n) in [(set, 3), (ended_set, 1)] {
            assert_eq!(set.len(), n);
            for _ in 0..n {
                assert!(is_refused(&block_on(set.next()).unwrap().unwrap_err()));
            }
            assert_eq!(block_on(set.next()), None);
        }
        drop(dropped_set);
        assert!(block_on(stopped_set.shutdown(Shutdown::Infinity)).is_clean());
        subprocess::report("sets");
        let refused = || Err(StartError::Refused(Refusal::Forked));
        assert_eq!(block_on(tree.start_child(worker("b"))), refused());
        assert_eq!(block_on(tree.restart_child("a")), refused());
        assert_eq!(block_on(tree.terminate_child("a")), Err(NotFound));
        assert_eq!(block_on(tree.delete_child("a")), Err(DeleteError::from(NotFound)));
        assert!(block_on(tree.which_children()).is_empty());
        assert_eq!(block_on(tree.count_children()).specs, 0);
        assert!(is_refused(&block_on(tree.ended())));
        assert!(block_on(tree.stop()).is_clean());
        let other = Supervisor::builder(Strategy::OneForOne).child(worker("a")).start();
        assert_eq!(block_on(other).map(drop), refused().map(drop));
        subprocess::report("tree");
        assert_eq!(tasks.start_child(async {}), refused());
        assert_eq!(tasks.start_child_with(worker("b")), refused());
        assert_eq!(block_on(tasks.start_child_when_room(async {})), refused());
        assert!(is_refused(&tasks.spawn(async {}).wait().unwrap_err()));
        assert_eq!(block_on(tasks.terminate_child(pid)), Err(NotFound));
        assert_eq!((tasks.children(), tasks.waiting_children().len()), (Vec::new(), 0));
        assert_eq!(block_on(tasks.count_children()).specs, 0);
        assert!(is_refused(&block_on(tasks.ended())));
        assert!(block_on(tasks.stop()).is_clean());
        subprocess::report("tasks");
        for call in [in_hand, queued, silent.call(())] {
            assert!(is_refused(&block_on(call).unwrap_err()));
        }
        for cast in [waiting, silent.cast(())] {
            assert!(is_refused(&block_on(cast).unwrap_err()));
        }
        assert!(matches!(silent.try_cast(()), Err(TryCastError::Stopped(()))));
        assert!(is_refused(&block_on(silent.ended())));
        assert!(block_on(silent.stop()).is_clean());
        assert_ne!(silent.pid(), silent_pid);
        assert_eq!(silent.mailbox().first_process, None);
        subprocess::report("server");
        for results in [block_on(plain.collect()), block_on(supervised.collect())] {
            assert!((2..=3).contains(&results.len()), "{results:?}");
            assert!(results.iter().all(|result| is_refused(result.as_ref().unwrap_err())), "{results:?}");
        }
        let later = Task::async_stream_from(stream::iter(0..3), |n| async move { n });
        assert!(block_on(later.collect()).iter().all(|result| is_refused(result.as_ref().unwrap_err())));
        subprocess::report("streams");
        assert!(process::info(pid).is_none() && process::snapshot().processes.is_empty());
        assert_eq!(process::statistics().polls, 0);
        subprocess::report("inspection");
        process::exit(pid, Exit::Killed);
        assert!(process::snapshot_on_sigusr1().is_err_and(|error| error.to_string().contains("forked")));
        block_on(cordial::shutdown_requested());
        assert!(cordial::is_shutdown_requested());
        assert!(is_refused(&block_on(begun).unwrap_err()));
        assert!(is_refused(&block_on(within_an_hour()).unwrap_err()));
        assert_eq!(block_on(cordial::within(60 * SECOND, async { 1 })), Ok(1), "nothing has to wait");
        assert!(matches!(Runtime::builder().install(), Err(BuildError::Forked)));
        subprocess::report("the rest");
    });
    assert_eq!(Task::spawn(async { 1 }).wait(), Ok(1));
    subprocess::report("parent goes on");
}

/// The lock of the start stays locked in the forked process.
#[cfg(target_os = "linux")]
#[test]
fn a_fork_while_the_default_runtime_starts_is_refused() {
    if subprocess::case().is_none() {
        let reports = subprocess::run(test_name!(), "").reports();
        assert_eq!(reports, ["refused", "own runtime", "parent goes on"]);
        return;
    }
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| Runtime::builder().workers(64).install());
        while threads::n_ours() == 0 {
            std::hint::spin_loop();
        }
        in_forked_process(|| {
            assert!(is_refused(&Task::spawn(async { 1 }).wait().unwrap_err()));
            assert!(is_refused(&cordial::run(async {}).unwrap_err()));
            assert!(matches!(Runtime::builder().install(), Err(BuildError::Forked)));
            subprocess::report("refused");
            let own = Runtime::builder().workers(1).build().unwrap();
            assert_eq!(own.block_on(async { Task::spawn(async { 1 }).await }), Ok(Ok(1)));
            subprocess::report("own runtime");
        });
        starting.join().unwrap().unwrap();
    });
    assert_eq!(Task::spawn(async { 1 }).wait(), Ok(1));
    subprocess::report("parent goes on");
}

/// Other threads hold locks at the fork: those of tasks, timeouts, free lists, supervisors.
#[test]
fn a_fork_beside_busy_threads_never_hangs() {
    const FORKS: usize = 50;
    if subprocess::case().is_none() {
        assert_eq!(subprocess::run(test_name!(), "").reports(), ["no process hung"]);
        return;
    }
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let tasks = runtime.block_on(async { TaskSupervisor::builder().unlinked().start() }).unwrap();
    let (sender, stop) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let (runtime, tasks) = (&runtime, &tasks);
        scope.spawn(move || {
            while stop.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                let tasks = tasks.clone();
                let work = async move {
                    for _ in 0..100 {
                        let all = [(); 8].map(|()| tasks.spawn(async { tokio::task::yield_now().await }));
                        for task in all {
                            task.timeout(60 * SECOND).await?;
                        }
                    }
                    Ok::<_, Exit>(())
                };
                runtime.block_on(work).unwrap().unwrap();
            }
        });
        for _ in 0..FORKS {
            let tasks = tasks.clone();
            let mut task = tasks.spawn(std::future::pending::<()>());
            // Polled, so that its timeout is armed.
            assert!(block_on(async { (&mut task).now_or_never() }).is_none());
            in_forked_process(move || {
                drop(task);
                assert!(runtime.snapshot().processes.is_empty());
                assert_eq!(runtime.statistics().polls, 0);
                assert!(is_refused(&tasks.spawn(async {}).wait().unwrap_err()));
                assert!(block_on(tasks.stop()).is_clean());
            });
        }
        drop(sender);
    });
    drop((tasks, runtime));
    subprocess::report("no process hung");
}
