//! The simulated runtime: a schedule chosen by a seed, a virtual clock, and clear messages when a test fails.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use cordial::process;
use cordial::testing::{run, run_seeded};
use cordial::{Exit, Pid, Runtime, Shutdown, Task, TaskSupervisor, Timeout};

/// Returns the message of the panic of `f`.
#[expect(clippy::disallowed_methods, reason = "the panic is tested")]
#[track_caller]
fn message_of(f: impl FnOnce()) -> String {
    let payload = panic::catch_unwind(AssertUnwindSafe(f)).expect_err("a panic was expected");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast_ref::<&str>().unwrap()).to_owned(),
    }
}

/// Runs twenty tasks with links, timers and crashes. Returns a trace of everything that they observe.
fn trace(seed: u64) -> String {
    let trace: Arc<Mutex<String>> = Arc::default();
    let note = {
        let trace = trace.clone();
        move |text: std::fmt::Arguments<'_>| writeln!(trace.lock().unwrap(), "{text}").unwrap()
    };
    // The runtime number of a pid differs between runs. The rest of it does not.
    let short = |pid: Pid| pid.to_string().split_once('.').unwrap().1.to_owned();
    run_seeded(seed, async move {
        let started = tokio::time::Instant::now();
        let mut peers: Vec<Pid> = Vec::new();
        let mut tasks = Vec::new();
        for n in 0_u64..20 {
            let (note, before) = (note.clone(), peers.clone());
            let task = Task::spawn(async move {
                for step in 0..5 {
                    note(format_args!("{n} does {step} at {:?}", started.elapsed()));
                    match (n + step) % 4 {
                        0 => tokio::time::sleep(Duration::from_millis(n % 3)).await,
                        1 => tokio::task::yield_now().await,
                        2 => before.iter().rev().take(2).for_each(|peer| process::link(*peer)),
                        _ => note(format_args!("{n} got {:?}", Task::spawn(async move { n }).await)),
                    }
                }
                assert!(n != 13, "unlucky");
            })
            .timeout(Timeout::Infinity);
            peers.push(task.pid());
            tasks.push(task);
        }
        for (task, pid) in tasks.into_iter().zip(peers) {
            let exit = task.await.map_err(|exit| exit.to_string().split(" (").next().unwrap_or_default().to_owned());
            note(format_args!("{} ended with {exit:?} at {:?}", short(pid), started.elapsed()));
        }
    });
    std::mem::take(&mut *trace.lock().unwrap())
}

#[test]
fn a_seed_repeats_exactly_and_seeds_differ() {
    let mut traces = BTreeSet::new();
    for seed in 0..50 {
        let first = trace(seed);
        assert!(first.lines().count() > 60, "{first}");
        for again in 1..=2 {
            assert_eq!(trace(seed), first, "seed {seed}, repeated {again} times");
        }
        traces.insert(first);
    }
    assert!(traces.len() > 40, "50 seeds produced only {} different traces", traces.len());
    for expected in ["unlucky", "there is no such process", "Ok(())", "at 1ms", "at 2ms"] {
        assert!(traces.iter().any(|trace| trace.contains(expected)), "no trace contains {expected:?}");
    }
}

#[test]
fn the_default_seed_is_0() {
    fn order(run: impl FnOnce(futures::future::BoxFuture<'static, Vec<Pid>>) -> Vec<Pid>) -> Vec<usize> {
        let pids: Arc<Mutex<Vec<Pid>>> = Arc::default();
        let ran = pids.clone();
        let started = run(Box::pin(async move {
            let tasks: Vec<_> = (0..20)
                .map(|_| {
                    let ran = ran.clone();
                    Task::spawn(async move { ran.lock().unwrap().push(process::current().unwrap()) })
                })
                .collect();
            let started = tasks.iter().map(Task::pid).collect();
            Task::await_many(tasks).await.unwrap();
            started
        }));
        let ran = pids.lock().unwrap();
        ran.iter().map(|pid| started.iter().position(|other| other == pid).unwrap()).collect()
    }
    let plain = order(|future| run(future));
    assert_eq!(plain, order(|future| run_seeded(0, future)));
    assert_ne!(plain, order(|future| run_seeded(1, future)));
}

/// More than a year of virtual time.
#[test]
fn virtual_time_passes_without_waiting() {
    run(async {
        let started = tokio::time::Instant::now();
        let hour = Duration::from_secs(3600);
        for n in 1..=24 {
            let slow = Task::spawn(std::future::pending::<()>()).timeout(hour);
            assert!(matches!(slow.await, Err(Exit::Timeout(_))));
            assert_eq!(started.elapsed(), n * hour);
        }
        let year = 365 * 24 * hour;
        assert_eq!(Task::spawn(tokio::time::sleep(year)).timeout(2 * year).await, Ok(()));
        assert_eq!(started.elapsed(), 24 * hour + year);
    });
}

#[test]
fn run_returns_the_value_of_the_future() {
    assert_eq!(run(async { 6 * 7 }), 42);
    assert_eq!(run_seeded(9, async { Task::spawn(async { "text" }).await }), Ok("text"));
}

#[test]
fn a_root_that_ends_without_a_value_panics_with_its_exit_and_the_seed() {
    let panicked = message_of(|| run_seeded(4711, async { panic!("no luck") }));
    assert!(panicked.contains("no luck") && panicked.contains("(seed 4711)"), "{panicked}");
    assert!(panicked.contains("simulation.rs:"), "the location is missing: {panicked}");
    let killed = message_of(|| {
        run_seeded(17, async {
            process::exit(process::current().unwrap(), Exit::Killed);
            std::future::pending::<()>().await
        });
    });
    assert_eq!(killed, "the root process was killed (seed 17)");
    let failed = message_of(|| run_seeded(18, async { cordial::exit(Exit::from("no luck")).await }));
    assert_eq!(failed, "the root process failed: no luck (seed 18)");
}

#[test]
fn a_deadlock_panics_with_the_seed_and_the_remaining_processes() {
    let is_dropped = Arc::new(AtomicBool::new(false));
    let on_drop = SetOnDrop(is_dropped.clone());
    let message = message_of(|| {
        run_seeded(12, async {
            process::set_label("root");
            let ends = Task::spawn(async {});
            let other = Task::spawn(async move {
                process::set_label("philosopher");
                let _on_drop = on_drop;
                std::future::pending::<()>().await
            });
            let _ = (ends.await, other.timeout(Timeout::Infinity).await);
        });
    });
    assert!(message.starts_with("nothing can run any more, and the root process has not ended (seed 12)"), "{message}");
    let listed = message.split_once("still alive: ").unwrap().1;
    assert_eq!(listed.split("; ").count(), 2, "{listed}");
    for label in [r#""root" (spawned at "#, r#""philosopher" (spawned at "#] {
        assert!(listed.contains(label) && listed.contains("simulation.rs:"), "{listed}");
    }
    assert!(is_dropped.load(Ordering::SeqCst), "the destructors of the remaining processes have not run");
}

/// Starts a child that ignores the request to shut down, under a supervisor that waits for it without limit.
fn start_a_child_that_does_not_end() {
    let patient = TaskSupervisor::builder().shutdown(Shutdown::Infinity).start();
    let started = patient.start_child(async {
        process::set_label("ignorant");
        let _guard = process::defer_shutdown();
        std::future::pending::<()>().await;
    });
    assert!(started.is_ok());
}

#[test]
fn processes_that_do_not_end_after_the_root_do_not_hide_how_the_root_has_ended() {
    let failed = message_of(|| {
        run(async {
            start_a_child_that_does_not_end();
            tokio::task::yield_now().await;
            panic!("the assertion of the test");
        });
    });
    assert!(failed.starts_with("the root process panicked at "), "{failed}");
    let succeeded = message_of(|| {
        run(async {
            start_a_child_that_does_not_end();
            tokio::time::sleep(Duration::from_secs(1)).await;
        });
    });
    assert!(succeeded.starts_with("the root process ended normally, "), "{succeeded}");
    for (message, expected) in [(&failed, "the assertion of the test"), (&succeeded, "\"ignorant\" (spawned at ")] {
        assert!(message.contains(expected) && message.contains("still alive: "), "{message}");
        assert!(!message.contains("has not ended"), "{message}");
    }
}

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A program with a pending timer is not deadlocked, however late the timer is.
#[test]
fn a_long_timer_is_no_deadlock() {
    run(async {
        let century = Duration::from_secs(100 * 365 * 24 * 3600);
        let waits = Task::spawn(tokio::time::sleep(century / 50)).timeout(Timeout::Infinity);
        assert_eq!(waits.await, Ok(()));
    });
}

#[test]
fn blocking_calls_panic_with_a_clear_message() {
    let elsewhere = Arc::new(Runtime::builder().workers(1).build().unwrap());
    for (call, block) in [
        ("Task::wait", Box::new(|| drop(Task::spawn(async {}).wait())) as Box<dyn FnOnce() + Send>),
        ("cordial::run", Box::new(|| drop(cordial::run(async {})))),
        ("cordial::main", Box::new(|| _ = cordial::main(async {}))),
        ("Runtime::block_on", {
            let elsewhere = elsewhere.clone();
            Box::new(move || drop(elsewhere.block_on(async {})))
        }),
        ("Runtime::shutdown", Box::new(move || drop(elsewhere.shutdown(Duration::ZERO)))),
    ] {
        let exit = run(async move { Task::spawn(async move { block() }).await.unwrap_err() });
        assert!(matches!(exit, Exit::Panic(_)), "{call}: {exit}");
        let expected = format!("`{call}` would block the only thread of the simulation");
        assert!(exit.to_string().contains(&expected), "{exit}");
    }
}

#[test]
fn a_socket_fails_with_advice_that_can_be_followed() {
    let message = message_of(|| {
        run(async { drop(tokio::net::TcpListener::bind("127.0.0.1:0").await) });
    });
    assert!(message.contains("\na simulation has no sockets, signals and child processes: "), "{message}");
}

#[test]
fn remaining_processes_are_shut_down_when_the_root_has_exited() {
    let n_ended = Arc::new(AtomicUsize::new(0));
    let counter = n_ended.clone();
    run(async move {
        let plain = counter.clone();
        Task::start(async move {
            let _counts = CountOnDrop(plain, 1);
            std::future::pending::<()>().await
        });
        let graceful = counter.clone();
        Task::start(async move {
            cordial::shutdown_requested().await;
            tokio::time::sleep(Duration::from_secs(4)).await;
            CountOnDrop(graceful, 10);
        });
        let ignoring = counter;
        Task::start(async move {
            let _counts = CountOnDrop(ignoring, 100);
            cordial::shutdown_requested().await;
            std::future::pending::<()>().await
        });
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    });
    assert_eq!(n_ended.load(Ordering::SeqCst), 111);
}

struct CountOnDrop(Arc<AtomicUsize>, usize);

impl Drop for CountOnDrop {
    fn drop(&mut self) {
        self.0.fetch_add(self.1, Ordering::SeqCst);
    }
}

/// A simulation is a runtime of its own on the calling thread, also inside a process of another runtime.
#[test]
fn a_simulation_inside_a_process_of_another_runtime_is_isolated() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let (outer, inner, outer_again) = runtime
        .block_on(async {
            let outer = process::current().unwrap();
            let inner = run(async move {
                assert!(process::info(outer).is_none(), "the outer process is unknown in the simulation");
                assert_eq!(process::callers(), []);
                tokio::time::sleep(Duration::from_secs(3600)).await;
                process::current().unwrap()
            });
            (outer, inner, process::current().unwrap())
        })
        .unwrap();
    assert_ne!(outer, inner);
    assert_eq!(outer, outer_again);
}

/// Runs a simulation when a process of another runtime drops it, and then sends a message.
struct SimulateOnDrop(mpsc::Sender<()>);

impl Drop for SimulateOnDrop {
    fn drop(&mut self) {
        run(async {
            let task = Task::spawn(std::future::pending::<()>());
            process::link(task.pid());
            // Removes the link, so the exit of the task does not end this process.
            drop(task);
            tokio::time::sleep(Duration::from_secs(1)).await;
        });
        self.0.send(()).unwrap();
    }
}

#[test]
fn a_simulation_inside_a_destructor_of_a_process_is_isolated() {
    let (sender, receiver) = mpsc::channel();
    let simulate = SimulateOnDrop(sender);
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let ended = runtime.block_on(async {
        let task = Task::spawn(async move {
            let _simulate = simulate;
            std::future::pending::<()>().await
        });
        drop(task.shutdown(Shutdown::BrutalKill).await);
    });
    assert_eq!(ended, Ok(()));
    receiver.recv().expect("the simulation ends as it does elsewhere");
}
