//! The end of a thread and of a program, whatever is alive then. Each case is a run of this program, with the name of the case as
//! its argument.
//!
//! Destructors of thread-locals and handlers of `atexit` run when the thread-locals of the library may be gone already. A panic
//! there would abort the program.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "this is a test, which prints as libtest does")]

use std::cell::RefCell;
use std::future::pending;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use cordial::{
    ChildSpec, Exit, Refusal, Runtime, Shutdown, StartError, Strategy, Supervisor, Task, TaskSupervisor, process,
};
use futures::FutureExt;

#[path = "harness/block_on.rs"]
mod block_on;

use block_on::block_on;

const ROUNDS: usize = 100;

/// How many rounds run at the same time.
const N_AT_ONCE: usize = 2;

/// How long a case may run, before it is killed. Far longer than any takes on a slow machine.
const LIMIT: Duration = Duration::from_secs(300);

/// What a case has to write to standard error when it has done all that it had to do.
const DONE: &str = "done\n";

struct Case {
    name: &'static str,
    run: fn(),
    /// How often the case is run.
    runs: usize,
    status: i32,
    /// Whether this output on standard error is the expected one.
    is_expected: fn(&str) -> bool,
}

impl Case {
    /// A case that is run `ROUNDS` times, and has to end with status 0.
    const fn new(name: &'static str, run: fn()) -> Case {
        Case { name, run, runs: ROUNDS, status: 0, is_expected: |stderr| stderr == DONE }
    }
}

const CASES: &[Case] = &[
    Case { runs: 1, ..Case::new("threads end, and their thread-locals use the library", || threads_end(late_uses)) },
    Case {
        runs: 1,
        ..Case::new("threads end, and their thread-locals use the library for the first time", || {
            threads_end(|| Box::new(|| spawn_late(Spawns::Run)));
        })
    },
    Case { runs: 1, ..Case::new("threads of a runtime end, and their thread-locals use the library", workers_end) },
    Case::new("main returns, and `atexit` starts the default runtime", || {
        at_exit(|| {
            assert_eq!(process::current(), None);
            Box::new(|| {
                assert!(TaskSupervisor::start().start_child(async {}).is_err());
                say_done();
            })
        });
    }),
    Case::new("main only awaits the task of another thread, and `atexit` spawns", || {
        let task = start_thread(|| Task::spawn(async { 1 })).join().unwrap();
        assert_eq!(task.wait(), Ok(1));
        at_exit(|| {
            Box::new(|| {
                assert!(matches!(Task::spawn(async {}).wait(), Err(Exit::Refused(Refusal::ThreadEnding))));
                say_done();
            })
        });
    }),
    Case {
        status: 7,
        ..Case::new("a simulated task calls `exit`, and `atexit` waits", || {
            cordial::testing::run(async {
                at_exit(|| {
                    Box::new(|| {
                        assert_eq!(process::current(), None);
                        assert_eq!(Task::completed(1).wait(), Ok(1));
                        say_done();
                    })
                });
                std::process::exit(7)
            })
        })
    },
    Case::new("main returns, and its thread-locals use the library", || at_end_of_thread(late_uses_and_done)),
    Case::new("main returns, and `atexit` uses the library", || at_exit(late_uses_and_done)),
    Case {
        // If a worker still holds a result when its handle is dropped, the worker drops it, and may write last.
        is_expected: |stderr| stderr.contains("planned panic of a result") && stderr.contains(DONE),
        ..Case::new("a thread-local and `atexit` drop results whose destructors panic", || {
            at_exit(results_that_panic);
            at_end_of_thread(results_that_panic);
        })
    },
    Case::new("main returns with tasks alive", || {
        start_everything();
        say_done();
    }),
    Case {
        status: 101,
        is_expected: |stderr| stderr.contains("planned panic of main") && stderr.ends_with(DONE),
        ..Case::new("main panics with tasks alive", || {
            start_everything();
            at_exit(late_uses_and_done);
            panic!("planned panic of main");
        })
    },
    Case {
        status: 101,
        // Threads that end in the meantime may write as well.
        is_expected: |stderr| stderr.contains("planned panic of main") && stderr.contains(DONE),
        ..Case::new("main panics while it holds a runtime with tasks alive", || {
            let runtime = Runtime::builder().workers(2).build().unwrap();
            runtime.block_on(async { start_everything_here().await }).unwrap();
            at_exit(|| Box::new(say_done));
            panic!("planned panic of main");
        })
    },
    Case {
        status: 7,
        ..Case::new("a task calls `exit`, and thread-locals and `atexit` use the library", exit_in_task)
    },
    Case {
        status: 7,
        ..Case::new("a thread calls `exit` while `cordial::run` runs", || {
            let exits = start_thread(|| {
                at_end_of_thread(|| {
                    start_everything();
                    late_uses_and_done()
                });
                std::process::exit(7)
            });
            let _ = cordial::run(async {
                start_everything_here().await;
                pending::<()>().await
            });
            exits.join().unwrap();
        })
    },
    Case {
        status: 7,
        ..Case::new("a destructor of a task calls `exit` while a runtime shuts down", || {
            struct Exits;
            impl Drop for Exits {
                fn drop(&mut self) {
                    say_done();
                    std::process::exit(7);
                }
            }
            let runtime = Runtime::builder().workers(2).build().unwrap();
            let start = async {
                start_everything_here().await;
                // Dropped even if the task is shut down before its first poll.
                let exits = Exits;
                Task::start(async move {
                    let _exits = exits;
                    pending::<()>().await
                });
            };
            runtime.block_on(start).unwrap();
            runtime.shutdown(Shutdown::Infinity);
        })
    },
    Case::new("main returns, and a runtime with tasks alive was leaked", || {
        let runtime = Runtime::builder().workers(2).build().unwrap();
        runtime.block_on(async { start_everything_here().await }).unwrap();
        std::mem::forget(runtime);
        say_done();
    }),
    Case::new("a static holds a runtime with tasks alive, and `atexit` shuts it down", || {
        static HELD: OnceLock<Runtime> = OnceLock::new();
        extern "C" fn shut_it_down() {
            let runtime = HELD.get().unwrap();
            assert!(is_refused(&runtime.block_on(async {})));
            // Tasks that sleep or compute do not end in time.
            let _ = runtime.shutdown(Duration::ZERO);
            say_done();
        }
        let runtime = HELD.get_or_init(|| Runtime::builder().workers(2).build().unwrap());
        runtime.block_on(async { start_everything_here().await }).unwrap();
        assert!(shutdown_hooks::add_shutdown_hook(shut_it_down));
    }),
    Case::new("a static holds a runtime with tasks alive, and nothing ends it", || {
        static HELD: OnceLock<Runtime> = OnceLock::new();
        let runtime = HELD.get_or_init(|| Runtime::builder().workers(2).build().unwrap());
        runtime.block_on(async { start_everything_here().await }).unwrap();
        at_exit(|| Box::new(say_done));
    }),
    Case::new("a static holds handles, and `atexit` drops them", || {
        static HELD: Mutex<Vec<Task<()>>> = Mutex::new(Vec::new());
        extern "C" fn drop_them() {
            let held = std::mem::take(&mut *HELD.lock().unwrap_or_else(PoisonError::into_inner));
            drop(held);
            say_done();
        }
        assert!(shutdown_hooks::add_shutdown_hook(drop_them));
        let tasks = (0..10).map(|_| Task::spawn(pending()));
        HELD.lock().unwrap().extend(tasks);
        start_everything();
    }),
];

fn main() {
    // Besides the filter, `cargo test` may pass options of libtest.
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [run, name] = &args[..]
        && run == "run"
    {
        let case = CASES.iter().find(|case| case.name == name).expect("the name of a case");
        return (case.run)();
    }
    let filter = args.iter().find(|arg| !arg.starts_with('-'));
    for case in CASES.iter().filter(|case| filter.is_none_or(|filter| case.name.contains(filter.as_str()))) {
        std::thread::scope(|scope| {
            for first in 1..=N_AT_ONCE {
                scope.spawn(move || (first..=case.runs).step_by(N_AT_ONCE).for_each(|round| check(case, round)));
            }
        });
        println!("{} ... ok", case.name);
    }
}

fn check(case: &Case, round: usize) {
    let output = run(case.name);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let is_expected = output.status.code() == Some(case.status) && (case.is_expected)(&stderr);
    assert!(is_expected, "{}, round {round}: {}\n{stderr}", case.name, output.status);
}

/// Runs a case as a program of its own.
fn run(name: &str) -> Output {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["run", name])
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (ended, end) = std::sync::mpsc::channel();
    let pid = child.id();
    let waits = start_thread(move || {
        let output = child.wait_with_output();
        let _ = ended.send(());
        output
    });
    if end.recv_timeout(LIMIT).is_err() {
        // A program that hangs while it ends cannot be relied upon to end itself.
        let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
    }
    waits.join().unwrap().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the ends of threads are what is tested")]
fn start_thread<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> std::thread::JoinHandle<T> {
    std::thread::spawn(body)
}

/// Writes the mark of the end. `eprintln!` would panic where standard error is gone.
fn say_done() {
    let _ = std::io::stderr().write_all(DONE.as_bytes());
}

/// What is done at the end of a thread or of the program.
type Late = Box<dyn FnOnce() + Send>;

/// What becomes of the tasks that are spawned there.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Spawns {
    Run,
    AreRefused,
    /// They may run, be refused, or be killed together with their runtime.
    Unknown,
}

/// Calls a closure when it is dropped.
struct OnDrop(Option<Late>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call();
        }
    }
}

thread_local!(static LAST: RefCell<OnDrop> = const { RefCell::new(OnDrop(None)) });

/// Calls `prepare` now. At the end of this thread, when the thread-locals of the library are gone, calls the closure
/// that `prepare` has returned.
fn at_end_of_thread(prepare: fn() -> Late) {
    // Thread-locals are destroyed in the opposite order of their first use, so this one is the last.
    LAST.with(|_| ());
    let late = prepare();
    LAST.with(|last| last.borrow_mut().0 = Some(late));
}

/// Calls `prepare` now. A handler of `atexit` calls the closure that `prepare` has returned.
fn at_exit(prepare: fn() -> Late) {
    static LATE: Mutex<Option<Late>> = Mutex::new(None);
    extern "C" fn call_it() {
        let late = LATE.lock().unwrap_or_else(PoisonError::into_inner).take();
        late.expect("`atexit` calls a handler once")();
    }
    *LATE.lock().unwrap() = Some(prepare());
    assert!(shutdown_hooks::add_shutdown_hook(call_it));
}

/// Threads that end, one after the other.
fn threads_end(prepare: fn() -> Late) {
    for _ in 0..ROUNDS {
        start_thread(move || at_end_of_thread(prepare)).join().unwrap();
    }
    wait_for_ends();
    say_done();
}

/// The worker threads of a runtime, and the threads of its I/O.
fn workers_end() {
    for _ in 0..ROUNDS {
        let runtime = Runtime::builder().workers(2).build().unwrap();
        let use_threads = async {
            let use_thread = || async { at_end_of_thread(|| late_uses_of_tasks(Spawns::AreRefused)) };
            let tasks: Vec<Task<()>> = (0..4).map(|_| Task::spawn(use_thread())).collect();
            Task::await_many(tasks).timeout(LIMIT).await.unwrap();
            #[expect(clippy::disallowed_methods, reason = "the end of such a thread is tested")]
            tokio::task::spawn_blocking(|| at_end_of_thread(|| late_uses_of_tasks(Spawns::AreRefused))).await.unwrap();
        };
        runtime.block_on(use_threads).unwrap();
        let _ = runtime.shutdown(Duration::from_secs(1));
    }
    wait_for_ends();
    say_done();
}

fn exit_in_task() {
    let run = async {
        start_everything_here().await;
        Task::spawn(async {
            at_exit(late_uses_and_done);
            // Unlike in the other cases, this thread has used the library before. So the closure runs while the
            // thread-locals of the library still exist, and it runs as this process.
            at_end_of_thread(|| late_uses_of_tasks(Spawns::Run));
            std::process::exit(7)
        })
        .timeout(LIMIT)
        .await
    };
    let _: Result<Result<(), Exit>, Exit> = cordial::run(run);
}

/// How many of the tasks that `until_it_is_dropped` makes are alive.
static ALIVE: AtomicUsize = AtomicUsize::new(0);

struct CountsAlive;

impl CountsAlive {
    fn new() -> CountsAlive {
        ALIVE.fetch_add(1, Ordering::SeqCst);
        CountsAlive
    }
}

impl Drop for CountsAlive {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::SeqCst);
    }
}

fn until_it_is_dropped() -> impl Future<Output = ()> + Send {
    let alive = CountsAlive::new();
    async move {
        pending::<()>().await;
        drop(alive);
    }
}

/// Waits until each task whose handle was given up has ended.
fn wait_for_ends() {
    while ALIVE.load(Ordering::SeqCst) > 0 {
        std::thread::yield_now();
    }
}

/// Starts tasks of all kinds on the default runtime: they sleep, compute, block, start others, and are under supervisors.
fn start_everything() {
    Task::spawn(start_everything_here()).timeout(LIMIT).wait().unwrap();
}

async fn start_everything_here() {
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    fn starts_the_next() {
        Task::start(async {
            tokio::task::yield_now().await;
            starts_the_next();
        });
    }
    let started = || STARTED.fetch_add(1, Ordering::SeqCst);
    let computes = async move {
        started();
        loop {
            cordial::checkpoint();
            std::hint::spin_loop();
        }
    };
    let blocks = async move {
        started();
        std::thread::sleep(LIMIT);
    };
    let uses_its_thread = async move {
        at_end_of_thread(|| late_uses_of_tasks(Spawns::Unknown));
        started();
        pending::<()>().await
    };
    let sleeps = async move {
        started();
        tokio::time::sleep(LIMIT).await;
    };
    Task::start(computes);
    Task::start(blocks);
    Task::start(uses_its_thread);
    Task::start(sleeps);
    starts_the_next();
    let tasks = TaskSupervisor::builder().unlinked().start();
    tasks.start_child(until_it_is_dropped()).unwrap();
    let tree = Supervisor::builder(Strategy::OneForOne)
        .child(ChildSpec::task("child", until_it_is_dropped))
        .child(tasks.child_spec())
        .unlinked();
    let tree = tree.start().await.unwrap();
    Task::start(async move {
        let mut stream = Task::async_stream(0.., |_| tokio::task::yield_now());
        while stream.next().await.is_some() {}
        drop(tree);
    });
    let tokio = tokio::runtime::Handle::current();
    drop(tokio.spawn(async { tokio::time::sleep(LIMIT).await }));
    while STARTED.load(Ordering::SeqCst) < 4 {
        tokio::task::yield_now().await;
    }
}

/// Uses everything in the library, partly through values that were made before.
fn late_uses() -> Late {
    let of_tasks = late_uses_of_tasks(Spawns::AreRefused);
    let of_supervisors = late_uses_of_supervisors();
    let of_runtimes = late_uses_of_runtimes();
    Box::new(|| {
        of_tasks();
        of_supervisors();
        of_runtimes();
    })
}

fn late_uses_and_done() -> Late {
    let late = late_uses();
    Box::new(|| {
        late();
        say_done();
    })
}

fn is_refused<T>(result: &Result<T, Exit>) -> bool {
    matches!(result, Err(Exit::Refused(Refusal::ThreadEnding | Refusal::RuntimeStopped)))
}

fn late_uses_of_tasks(spawns: Spawns) -> Late {
    let [dropped, shut_down, waited, awaited, yielded, one_of_many] =
        std::array::from_fn(|_| Task::spawn(until_it_is_dropped()));
    let linked = Task::spawn_link(until_it_is_dropped());
    let mapped = Task::spawn(async {
        until_it_is_dropped().await;
        Ok::<(), Exit>(())
    });
    let mapped = mapped.or_exit();
    let ignored = Task::spawn(async {});
    let pid = Task::start(until_it_is_dropped());
    let mut stream = Task::async_stream(0..1, |_| until_it_is_dropped());
    assert!(stream.next().now_or_never().is_none());
    let monitor = process::monitor(pid);
    Box::new(move || {
        drop((dropped, linked, mapped, stream));
        ignored.ignore();
        let brief = Duration::from_millis(1);
        let _ = block_on(shut_down.shutdown(Shutdown::BrutalKill));
        assert!(waited.timeout(brief).wait().is_err());
        assert!(block_on(awaited.timeout(brief)).is_err());
        let mut yielded = yielded;
        let _ = block_on(yielded.yield_for(brief));
        let _ = block_on(Task::yield_many(&mut [yielded]).timeout(brief));
        assert!(block_on(Task::await_many([one_of_many]).timeout(brief)).is_err());

        process::unlink(pid);
        process::exit(pid, Exit::Killed);
        if spawns != Spawns::Unknown {
            block_on(monitor);
            assert_eq!(block_on(process::monitor(pid)), Exit::NoProcess);
        }
        assert!(spawns == Spawns::Unknown || process::current().is_some() == (spawns == Spawns::Run));
        process::set_label("late");
        if spawns != Spawns::Unknown {
            // Outside of a process, this asks the runtime, which may be shutting down.
            let _ = cordial::is_shutdown_requested();
            // Unwinds in a process that was killed.
            cordial::checkpoint();
        }
        drop((process::callers(), process::info(pid), process::snapshot(), process::statistics()));

        spawn_late(spawns);
    })
}

fn results_that_panic() -> Late {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("planned panic of a result");
        }
    }
    let task = Task::spawn(async { Panics });
    while !task.is_finished() {
        std::thread::yield_now();
    }
    Box::new(move || {
        drop(task);
        say_done();
    })
}

fn spawn_late(spawns: Spawns) {
    let is_expected = |result: Result<i32, Exit>| match spawns {
        Spawns::Run => result == Ok(1),
        Spawns::AreRefused => is_refused(&result),
        Spawns::Unknown => true,
    };
    assert!(is_expected(block_on(Task::spawn(async { 1 }).timeout(LIMIT))));
    assert!(is_expected(Task::spawn_link(async { 1 }).timeout(LIMIT).wait()));
    let started = [Task::start(async {}), Task::start_link(async {})];
    if spawns != Spawns::Unknown {
        started.into_iter().for_each(|pid| drop(block_on(process::monitor(pid))));
    }
    let mut stream = Task::async_stream([1], |item| async move { item }).timeout(LIMIT);
    assert!(block_on(stream.next()).is_some_and(is_expected));
}

fn late_uses_of_supervisors() -> Late {
    let tasks = TaskSupervisor::start();
    tasks.start_child(until_it_is_dropped()).unwrap();
    let dropped = tasks.clone();
    let tree = Supervisor::builder(Strategy::OneForOne)
        .child(ChildSpec::task("child", until_it_is_dropped))
        .child(ChildSpec::supervisor("inner", TaskSupervisor::builder));
    let tree = block_on(tree.start()).unwrap();
    Box::new(move || {
        drop(dropped);
        assert!(is_refused(&block_on(tasks.spawn(async {}))));
        assert!(tasks.start_child(async {}).is_err());
        assert!(block_on(tasks.start_child_when_room(async {})).is_err());
        assert!(tasks.start_child_with(ChildSpec::task("late", || async {})).is_err());
        assert_eq!(tasks.children().len(), 1);
        assert!(block_on(tasks.terminate_child(tasks.children()[0])).is_ok());
        block_on(tasks.stop());
        assert!(TaskSupervisor::start().start_child(async {}).is_err());

        assert_eq!(block_on(tree.which_children()).len(), 2);
        assert!(block_on(tree.restart_child("child")).is_err());
        assert!(block_on(tree.start_child(ChildSpec::task("late", until_it_is_dropped))).is_ok());
        assert!(block_on(tree.terminate_child("late")).is_ok());
        block_on(tree.stop());
        let refused = block_on(Supervisor::builder(Strategy::OneForOne).start());
        assert!(matches!(refused, Err(StartError::Refused(_))), "{refused:?}");
    })
}

fn late_uses_of_runtimes() -> Late {
    let build = || Runtime::builder().workers(1).build().unwrap();
    let (dropped, shut_down) = (Arc::new(build()), build());
    let task = dropped.block_on(async { Some(Task::spawn(until_it_is_dropped())) }).unwrap();
    shut_down.block_on(async { Task::start(until_it_is_dropped()) }).unwrap();
    Box::new(move || {
        assert!(is_refused(&dropped.block_on(async {})));
        drop(dropped);
        drop(task);
        // On a busy machine the report may list a process that has not ended in time.
        let _ = shut_down.shutdown(Duration::ZERO);
        assert!(is_refused(&cordial::run(async {})));
    })
}
