//! The real scheduler with a million tasks: no task is lost, none runs twice, and every await returns.
//!
//! Plain threads, processes and tokio tasks start the tasks. The tasks return, panic, exit, are pending forever, wait for a
//! shutdown request, or have linked children. Their handles are awaited, dropped, ignored or shut down. The tests read no clock:
//! a lost task makes a test hang, and `program_limit` ends the program then.
//!
//! `CORDIAL_TASKS=10000` starts fewer tasks.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::collections::BTreeMap;
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, Once};
use std::thread;

use cordial::process::{self, Monitor};
use cordial::{Exit, Runtime, Shutdown, Task, Timeout};
use fastrand::Rng;
use futures::executor::block_on;
use futures::future::BoxFuture;
use tokio::sync::mpsc;

#[path = "harness/program_limit.rs"]
mod program_limit;

const TASKS: usize = 1_000_000;

/// The number of tasks that one spawner runs concurrently.
const BATCH: usize = 64;

/// How a task behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Behavior {
    Returns,
    Yields,
    Panics,
    Exits,
    /// Is pending forever.
    Waits,
    /// Waits for a shutdown request.
    Serves,
    /// Has a linked child of one of the kinds above.
    IsParent,
}

/// What happens with the handle of a task.
#[derive(Clone, Copy, Debug, PartialEq)]
enum HandleUse {
    Awaited,
    Killed,
    Dropped,
    Ignored,
    ShutDown,
    BrutallyKilled,
    /// There is no handle: `Task::start`.
    Started,
}

impl Behavior {
    fn any(rng: &mut Rng) -> Behavior {
        match rng.u8(..64) {
            0..24 => Behavior::Returns,
            24..38 => Behavior::Yields,
            38 => Behavior::Panics,
            39..42 => Behavior::Exits,
            42..50 => Behavior::Waits,
            50..58 => Behavior::Serves,
            _ => Behavior::IsParent,
        }
    }

    fn ends_by_itself(self) -> bool {
        !matches!(self, Behavior::Waits | Behavior::Serves)
    }
}

impl HandleUse {
    fn any(rng: &mut Rng, behavior: Behavior) -> HandleUse {
        match rng.u8(..16) {
            0..5 if behavior.ends_by_itself() => HandleUse::Awaited,
            5..7 if behavior.ends_by_itself() => HandleUse::Ignored,
            7..9 => HandleUse::Started,
            9..11 => HandleUse::ShutDown,
            11..13 => HandleUse::BrutallyKilled,
            13..15 => HandleUse::Killed,
            _ => HandleUse::Dropped,
        }
    }
}

/// When the tasks of a test end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ends {
    ByThemselves,
    /// The runtime is shut down while they run.
    WithTheRuntime,
}

/// The counts of one test.
struct Counts {
    n_tasks: usize,
    ends: Ends,
    started: AtomicUsize,
    /// Indexed by the number of the task.
    runs: Box<[AtomicU8]>,
    drops: Box<[AtomicU8]>,
    n_dropped: Mutex<usize>,
    one_more_dropped: Condvar,
    answers: Mutex<BTreeMap<String, usize>>,
}

impl Counts {
    fn of(n_tasks: usize, ends: Ends) -> Arc<Counts> {
        // Twice the number, since the last tasks may have children.
        let zeros = || (0..n_tasks * 2).map(|_| AtomicU8::new(0)).collect();
        Arc::new(Counts {
            n_tasks,
            ends,
            started: AtomicUsize::new(0),
            runs: zeros(),
            drops: zeros(),
            n_dropped: Mutex::default(),
            one_more_dropped: Condvar::new(),
            answers: Mutex::default(),
        })
    }

    fn is_enough(&self) -> bool {
        self.started.load(Ordering::SeqCst) >= self.n_tasks
    }

    fn answered(&self, what: impl Into<String>) {
        *self.answers.lock().unwrap().entry(what.into()).or_default() += 1;
    }

    fn wait_for_drops(&self) {
        let mut n_dropped = self.n_dropped.lock().unwrap();
        while *n_dropped < self.started.load(Ordering::SeqCst) {
            n_dropped = self.one_more_dropped.wait(n_dropped).unwrap();
        }
    }

    /// Checks that every started task ran at most once, and that its future was dropped exactly once.
    fn check(&self) {
        let n_started = self.started.load(Ordering::SeqCst);
        for number in 0..n_started {
            let (runs, drops) = (self.runs[number].load(Ordering::SeqCst), self.drops[number].load(Ordering::SeqCst));
            assert!(runs <= 1 && drops == 1, "task {number} ran {runs} times, and was dropped {drops} times");
        }
    }

    #[expect(clippy::print_stdout, reason = "the counts are a result of the run")]
    fn print(&self) {
        let n_ran = self.runs.iter().filter(|runs| runs.load(Ordering::SeqCst) == 1).count();
        println!("{} tasks were started, and {n_ran} of them ran", self.started.load(Ordering::SeqCst));
        self.answers.lock().unwrap().iter().for_each(|(answer, n)| println!("{n:8} {answer}"));
    }
}

/// The number of a task. It is dropped with the future of the task.
struct Number {
    number: usize,
    counts: Arc<Counts>,
}

impl Number {
    fn next(counts: &Arc<Counts>) -> Number {
        Number { number: counts.started.fetch_add(1, Ordering::SeqCst), counts: counts.clone() }
    }

    fn runs(&self) {
        self.counts.runs[self.number].fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        self.counts.drops[self.number].fetch_add(1, Ordering::SeqCst);
        let mut n_dropped = self.counts.n_dropped.lock().unwrap();
        *n_dropped += 1;
        self.counts.one_more_dropped.notify_all();
    }
}

/// The arguments of one task.
struct Start {
    number: Number,
    behavior: Behavior,
    seed: u64,
    /// Receives a monitor of each task that is not awaited. The channel closes when the last task of a batch has ended.
    monitors: mpsc::UnboundedSender<Monitor>,
}

impl Start {
    fn new(
        counts: &Arc<Counts>,
        rng: &mut Rng,
        behavior: Behavior,
        monitors: &mpsc::UnboundedSender<Monitor>,
    ) -> Start {
        Start { number: Number::next(counts), behavior, seed: rng.u64(..), monitors: monitors.clone() }
    }

    /// Boxed, since a parent has a child of the same type.
    fn run(self) -> BoxFuture<'static, usize> {
        Box::pin(self.execute())
    }

    async fn execute(self) -> usize {
        self.number.runs();
        let number = self.number.number;
        match self.behavior {
            Behavior::Returns => {}
            Behavior::Yields => {
                for _ in 0..self.seed % 4 {
                    tokio::task::yield_now().await;
                }
            }
            Behavior::Panics => panic!("planned panic of {number}"),
            Behavior::Exits => {
                cordial::exit(Exit::from(std::io::Error::other(format!("planned exit of {number}")))).await
            }
            Behavior::Waits => std::future::pending().await,
            Behavior::Serves => cordial::shutdown_requested().await,
            Behavior::IsParent => self.run_child().await,
        }
        number
    }

    async fn run_child(&self) {
        let rng = &mut Rng::with_seed(self.seed);
        let behavior = std::iter::repeat_with(|| Behavior::any(rng))
            .find(|behavior| *behavior != Behavior::IsParent)
            .expect("the iterator is infinite");
        let child = Start::new(&self.number.counts, &mut Rng::with_seed(self.seed), behavior, &self.monitors);
        let child: Task<usize> = Task::spawn_link(child.run());
        let _ = self.monitors.send(process::monitor(child.pid()));
        if behavior.ends_by_itself() {
            // A child that fails also ends this process, through the link.
            let _ = child.timeout(Timeout::Infinity).await;
        } else {
            tokio::task::yield_now().await;
        }
    }
}

fn kind(exit: &Exit) -> &'static str {
    match exit {
        Exit::Normal => "Normal",
        Exit::Shutdown(_) => "Shutdown",
        Exit::Killed => "Killed",
        Exit::Timeout(_) => "Timeout",
        Exit::Panic(_) => "Panic",
        Exit::Error(_) => "Error",
        Exit::NoProcess => "NoProcess",
        Exit::Refused(_) => "Refused",
        _ => "unknown",
    }
}

/// Starts batches of tasks until enough tasks were started.
async fn spawn_batches(counts: Arc<Counts>, seed: u64) {
    let rng = &mut Rng::with_seed(seed);
    while !counts.is_enough() {
        let (monitors, mut received) = mpsc::unbounded_channel();
        let mut tasks = Vec::with_capacity(BATCH);
        for _ in 0..BATCH {
            let behavior = Behavior::any(rng);
            let handle_use = HandleUse::any(rng, behavior);
            let start = Start::new(&counts, rng, behavior, &monitors);
            let number = start.number.number;
            if handle_use == HandleUse::Started {
                let pid = Task::start(async { _ = start.run().await });
                let _ = monitors.send(process::monitor(pid));
                if !behavior.ends_by_itself() {
                    process::exit(pid, Exit::Killed);
                }
            } else {
                tasks.push((number, behavior, handle_use, Task::spawn(start.run())));
            }
        }
        rng.shuffle(&mut tasks);
        for (number, behavior, handle_use, task) in tasks {
            use_handle(&counts, &monitors, number, behavior, handle_use, task).await;
        }
        drop(monitors);
        while let Some(monitor) = received.recv().await {
            let exit = monitor.await;
            counts.answered(format!("monitor: {}", kind(&exit)));
        }
    }
}

/// Uses the handle of one task.
async fn use_handle(
    counts: &Counts,
    monitors: &mpsc::UnboundedSender<Monitor>,
    number: usize,
    behavior: Behavior,
    handle_use: HandleUse,
    task: Task<usize>,
) {
    let pid = task.pid();
    if handle_use != HandleUse::Awaited {
        let _ = monitors.send(process::monitor(pid));
    }
    let answer = match handle_use {
        HandleUse::Awaited => Some(task.timeout(Timeout::Infinity).await),
        HandleUse::Killed => {
            process::exit(pid, Exit::Killed);
            Some(task.timeout(Timeout::Infinity).await)
        }
        HandleUse::ShutDown => task.shutdown(Shutdown::Infinity).await,
        HandleUse::BrutallyKilled => task.shutdown(Shutdown::BrutalKill).await,
        HandleUse::Ignored => task.ignore(),
        HandleUse::Dropped | HandleUse::Started => {
            drop(task);
            None
        }
    };
    let outcome = match &answer {
        None => "None",
        Some(Ok(value)) => {
            assert_eq!(*value, number, "the value of another task");
            assert_ne!(behavior, Behavior::Panics, "a value from a task that panics");
            "a value"
        }
        Some(Err(exit)) => kind(exit),
    };
    if handle_use == HandleUse::Awaited && counts.ends == Ends::ByThemselves {
        match behavior {
            Behavior::Returns | Behavior::Yields => assert_eq!(outcome, "a value"),
            Behavior::Panics => assert_eq!(outcome, "Panic"),
            Behavior::Exits => assert_eq!(outcome, "Error"),
            _ => {}
        }
    }
    counts.answered(format!("{handle_use:?}: {outcome}"));
}

/// The number of panics that are not part of the test.
static UNPLANNED: AtomicUsize = AtomicUsize::new(0);

/// Hides panics that are part of the test. Called before the first runtime starts, so that the panic hook of the runtime wraps this
/// hook.
fn hide_planned_panics() {
    static HIDDEN: Once = Once::new();
    HIDDEN.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if !info.payload().downcast_ref::<String>().is_some_and(|text| text.starts_with("planned")) {
                UNPLANNED.fetch_add(1, Ordering::SeqCst);
                previous(info);
            }
        }));
    });
}

/// Plain threads spawn on the default runtime. Processes and tokio tasks spawn on another runtime.
#[test]
fn no_task_is_lost_or_run_twice() {
    hide_planned_panics();
    let n_tasks = std::env::var("CORDIAL_TASKS").ok().and_then(|n| n.parse().ok()).unwrap_or(TASKS);
    let counts = Counts::of(n_tasks, Ends::ByThemselves);
    let runtime = Runtime::builder().workers(2).build().unwrap();
    thread::scope(|scope| {
        for seed in 0..3 {
            let counts = counts.clone();
            scope.spawn(move || block_on(spawn_batches(counts, seed)));
        }
        let of_runtime = counts.clone();
        let processes = async move {
            let spawners = (10..13).map(|seed| Task::spawn(spawn_batches(of_runtime.clone(), seed)));
            let tokio_spawners = (20..22).map(|seed| {
                #[expect(clippy::disallowed_methods, reason = "a library that knows only tokio spawns like this")]
                tokio::spawn(spawn_batches(of_runtime.clone(), seed))
            });
            let tokio_spawners: Vec<_> = tokio_spawners.collect();
            Task::await_many(spawners.collect::<Vec<_>>()).timeout(Timeout::Infinity).await.unwrap();
            for spawner in tokio_spawners {
                spawner.await.unwrap();
            }
        };
        runtime.block_on(processes).unwrap();
    });

    // Every handle and every monitor has resolved, so every task has ended.
    counts.print();
    counts.check();
    assert!(runtime.snapshot().processes.is_empty(), "processes are left in the table");
    let answers = counts.answers.lock().unwrap();
    for reached in [
        "Awaited: a value",
        "Awaited: Panic",
        "Awaited: Error",
        "Killed: Killed",
        "Dropped: None",
        "Ignored: None",
        "ShutDown: None",
        "BrutallyKilled: None",
        "monitor: Normal",
        "monitor: Killed",
        "monitor: Shutdown",
    ] {
        assert!(n_tasks < 100_000 || answers.contains_key(reached), "never reached: {reached}");
    }
}

/// The spawners continue to spawn while their runtime is shut down, until they are killed.
#[test]
fn a_runtime_that_is_shut_down_under_load_drops_every_future_once() {
    hide_planned_panics();
    let counts = Counts::of(TASKS, Ends::WithTheRuntime);
    let rng = &mut Rng::with_seed(0);
    for _ in 0..200 {
        let runtime = Runtime::builder().workers(2).build().unwrap();
        let enough = counts.started.load(Ordering::SeqCst) + rng.usize(1..2000);
        let seeds = [rng.u64(..), rng.u64(..), rng.u64(..)];
        thread::scope(|scope| {
            let of_runtime = counts.clone();
            let spawners = async move {
                let spawners = seeds.map(|seed| Task::spawn(spawn_batches(of_runtime.clone(), seed)));
                Task::await_many(spawners).timeout(Timeout::Infinity).await
            };
            let root = scope.spawn(|| runtime.block_on(spawners));
            while counts.started.load(Ordering::SeqCst) < enough {
                thread::yield_now();
            }
            runtime.shutdown(if rng.bool() { Shutdown::BrutalKill } else { Shutdown::default() });
            let answer = root.join().unwrap();
            // The spawners end by themselves only when enough tasks were started.
            assert!(matches!(answer, Err(Exit::Killed | Exit::Shutdown(None))) || counts.is_enough(), "{answer:?}");
        });
        counts.wait_for_drops();
        // A process leaves the table just after its future is dropped.
        while !runtime.snapshot().processes.is_empty() {
            thread::yield_now();
        }
    }
    counts.print();
    counts.check();
    assert_eq!(UNPLANNED.load(Ordering::SeqCst), 0, "a spawner has panicked");
}
