//! The real executor under a million tasks: none is lost, none runs twice, every question is answered.
//!
//! Tasks are started by plain threads, by processes and by tokio's tasks; they return, panic, exit, wait for ever, serve,
//! or have linked children; their handles are awaited, dropped, ignored, shut down, or killed first. Nothing here
//! looks at a clock: a task that is lost makes the test hang.
//!
//! `CORDIAL_TASKS=10000` starts fewer.
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

const TASKS: usize = 1_000_000;

/// How many tasks one spawner has in flight.
const BATCH: usize = 64;

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Body {
    Returns,
    Yields,
    Panics,
    Exits,
    /// For ever.
    Waits,
    /// Until it is asked to end.
    Serves,
    /// Has a linked child of one of the kinds above.
    IsParent,
}

/// What becomes of its handle.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Awaited,
    Killed,
    Dropped,
    Ignored,
    ShutDown,
    BrutallyKilled,
    /// There is none.
    Started,
}

impl Body {
    fn any(rng: &mut Rng) -> Body {
        match rng.u8(..64) {
            0..24 => Body::Returns,
            24..38 => Body::Yields,
            38 => Body::Panics,
            39..42 => Body::Exits,
            42..50 => Body::Waits,
            50..58 => Body::Serves,
            _ => Body::IsParent,
        }
    }

    fn ends_by_itself(self) -> bool {
        !matches!(self, Body::Waits | Body::Serves)
    }
}

impl Fate {
    fn any(rng: &mut Rng, body: Body) -> Fate {
        match rng.u8(..16) {
            0..5 if body.ends_by_itself() => Fate::Awaited,
            5..7 if body.ends_by_itself() => Fate::Ignored,
            7..9 => Fate::Started,
            9..11 => Fate::ShutDown,
            11..13 => Fate::BrutallyKilled,
            13..15 => Fate::Killed,
            _ => Fate::Dropped,
        }
    }
}

/// Why a task ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ends {
    AsItWants,
    /// Or before.
    WithTheRuntime,
}

/// What was counted.
struct Counts {
    n_tasks: usize,
    ends: Ends,
    started: AtomicUsize,
    /// By the number of the task.
    runs: Box<[AtomicU8]>,
    drops: Box<[AtomicU8]>,
    n_dropped: Mutex<usize>,
    one_more_dropped: Condvar,
    answers: Mutex<BTreeMap<String, usize>>,
}

impl Counts {
    fn of(n_tasks: usize, ends: Ends) -> Arc<Counts> {
        // The last tasks may have children.
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

    /// Every task that was started ran once at most, and its future was dropped exactly once.
    fn check(&self) {
        let n_started = self.started.load(Ordering::SeqCst);
        for number in 0..n_started {
            let (runs, drops) = (self.runs[number].load(Ordering::SeqCst), self.drops[number].load(Ordering::SeqCst));
            assert!(runs <= 1 && drops == 1, "task {number} ran {runs} times, and was dropped {drops} times");
        }
    }

    #[expect(clippy::print_stdout, reason = "how much was reached is a result of the run")]
    fn print(&self) {
        let n_ran = self.runs.iter().filter(|runs| runs.load(Ordering::SeqCst) == 1).count();
        println!("{} tasks were started, and {n_ran} of them ran", self.started.load(Ordering::SeqCst));
        self.answers.lock().unwrap().iter().for_each(|(answer, n)| println!("{n:8} {answer}"));
    }
}

/// Is dropped with the future of its task.
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

/// What one task is given.
struct Start {
    number: Number,
    body: Body,
    seed: u64,
    /// Whoever is let go leaves a monitor here. It closes when the last task of a batch has ended.
    let_go: mpsc::UnboundedSender<Monitor>,
}

impl Start {
    fn new(counts: &Arc<Counts>, rng: &mut Rng, body: Body, let_go: &mpsc::UnboundedSender<Monitor>) -> Start {
        Start { number: Number::next(counts), body, seed: rng.u64(..), let_go: let_go.clone() }
    }

    /// In a box, since a parent has a child of the same kind.
    fn run(self) -> BoxFuture<'static, usize> {
        Box::pin(self.live())
    }

    async fn live(self) -> usize {
        self.number.runs();
        let number = self.number.number;
        match self.body {
            Body::Returns => {}
            Body::Yields => {
                for _ in 0..self.seed % 4 {
                    tokio::task::yield_now().await;
                }
            }
            Body::Panics => panic!("planned panic of {number}"),
            Body::Exits => cordial::exit(Exit::from(std::io::Error::other(format!("planned exit of {number}")))).await,
            Body::Waits => std::future::pending().await,
            Body::Serves => cordial::shutdown_requested().await,
            Body::IsParent => self.raise_a_child().await,
        }
        number
    }

    async fn raise_a_child(&self) {
        let rng = &mut Rng::with_seed(self.seed);
        let body = std::iter::repeat_with(|| Body::any(rng)).find(|body| *body != Body::IsParent).expect("endless");
        let child = Start::new(&self.number.counts, &mut Rng::with_seed(self.seed), body, &self.let_go);
        let child: Task<usize> = Task::spawn_link(child.run());
        let _ = self.let_go.send(process::monitor(child.pid()));
        if body.ends_by_itself() {
            // An `Err` means that this process is ending as well.
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

/// Starts tasks until there are enough, from whatever runs this.
async fn spawn_batches(counts: Arc<Counts>, seed: u64) {
    let rng = &mut Rng::with_seed(seed);
    while !counts.is_enough() {
        let (let_go, mut left) = mpsc::unbounded_channel();
        let mut tasks = Vec::with_capacity(BATCH);
        for _ in 0..BATCH {
            let body = Body::any(rng);
            let fate = Fate::any(rng, body);
            let start = Start::new(&counts, rng, body, &let_go);
            let number = start.number.number;
            if fate == Fate::Started {
                let pid = Task::start(async { _ = start.run().await });
                let _ = let_go.send(process::monitor(pid));
                if !body.ends_by_itself() {
                    process::exit(pid, Exit::Killed);
                }
            } else {
                tasks.push((number, body, fate, Task::spawn(start.run())));
            }
        }
        rng.shuffle(&mut tasks);
        for (number, body, fate, task) in tasks {
            meet(&counts, &let_go, number, body, fate, task).await;
        }
        drop(let_go);
        while let Some(monitor) = left.recv().await {
            let exit = monitor.await;
            counts.answered(format!("monitor: {}", kind(&exit)));
        }
    }
}

/// Lets the handle of one task meet its fate.
async fn meet(
    counts: &Counts,
    let_go: &mpsc::UnboundedSender<Monitor>,
    number: usize,
    body: Body,
    fate: Fate,
    task: Task<usize>,
) {
    let pid = task.pid();
    if fate != Fate::Awaited {
        let _ = let_go.send(process::monitor(pid));
    }
    let answer = match fate {
        Fate::Awaited => Some(task.timeout(Timeout::Infinity).await),
        Fate::Killed => {
            process::exit(pid, Exit::Killed);
            Some(task.timeout(Timeout::Infinity).await)
        }
        Fate::ShutDown => task.shutdown(Shutdown::Infinity).await,
        Fate::BrutallyKilled => task.shutdown(Shutdown::BrutalKill).await,
        Fate::Ignored => task.ignore(),
        Fate::Dropped | Fate::Started => {
            drop(task);
            None
        }
    };
    let told = match &answer {
        None => "None",
        Some(Ok(value)) => {
            assert_eq!(*value, number, "the value of another task");
            assert_ne!(body, Body::Panics, "a value of a task that panics");
            "a value"
        }
        Some(Err(exit)) => kind(exit),
    };
    if fate == Fate::Awaited && counts.ends == Ends::AsItWants {
        match body {
            Body::Returns | Body::Yields => assert_eq!(told, "a value"),
            Body::Panics => assert_eq!(told, "Panic"),
            Body::Exits => assert_eq!(told, "Error"),
            _ => {}
        }
    }
    counts.answered(format!("{fate:?}: {told}"));
}

/// Panics that are no part of the test.
static UNPLANNED: AtomicUsize = AtomicUsize::new(0);

/// Most panics are part of the test. Comes before the first runtime, so that its hook is first.
fn hide_planned_panics() {
    static HIDDEN: Once = Once::new();
    HIDDEN.call_once(|| {
        let shown = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if !info.payload().downcast_ref::<String>().is_some_and(|text| text.starts_with("planned")) {
                UNPLANNED.fetch_add(1, Ordering::SeqCst);
                shown(info);
            }
        }));
    });
}

/// Plain threads use the default runtime; processes, and tokio's tasks, are those of another one.
#[test]
fn no_task_is_lost_or_run_twice() {
    hide_planned_panics();
    let n_tasks = std::env::var("CORDIAL_TASKS").ok().and_then(|n| n.parse().ok()).unwrap_or(TASKS);
    let counts = Counts::of(n_tasks, Ends::AsItWants);
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
                #[expect(clippy::disallowed_methods, reason = "what a library does that knows tokio only")]
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

    // Every handle and every monitor has answered, so everything has ended.
    counts.print();
    counts.check();
    assert!(runtime.snapshot().processes.is_empty(), "nothing is left in the table");
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

/// Spawners go on while their runtime is shut down, until they are killed or refused.
#[test]
fn a_runtime_that_is_shut_down_at_work_drops_everything_once() {
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
            // It ends by itself only when there are no numbers left.
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
