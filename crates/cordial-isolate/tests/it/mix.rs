//! Calls that fail in every possible way, at the same time and beside calls that succeed. Each caller gets the right exit, the other
//! calls are not affected, and no process and no descriptor is left in the end.
//!
//! `CORDIAL_ROUNDS=1000` sets how often each kind of failure occurs, and `CORDIAL_HEAVY_ROUNDS` another number for those that move 64 MB or
//! more. `CORDIAL_ABORTING_PROGRAM` is the path of the example `crashes`, built with
//! `panic = "abort"`, which cannot be a test: its worker then panics. Without it, a function does what such a panic does.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cordial::{Exit, LostCause, Task};
use cordial_isolate::{Function, Pool, WorkerActivity};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use crate::functions::*;
use crate::out_of_memory::without_oom_kills;
use crate::processes::Children;
use crate::waits::{LONG, limit_time_of_process, until, until_some};

/// The environment variable that is set in the inner process, which counts processes and descriptors.
const OWN_PROCESS: &str = "CORDIAL_ISOLATE_TEST_MIX";

/// The variable that has the path of a program whose panics abort.
const ABORTING_PROGRAM: &str = "CORDIAL_ABORTING_PROGRAM";

/// A function of that program.
const PANIC_THERE: Function<(), ()> = Function::new("panic");

const MEMORY: u64 = 256 << 20;
const MAX_PAYLOAD: usize = 64 << 20;

/// How a call goes wrong.
#[derive(Clone, Copy, Debug)]
enum Kind {
    KilledByTimeout,
    Abort,
    Segv,
    StackOverflow,
    ExitZero,
    TooMuchMemory,
    TooMuchTime,
    Panic,
    PanicThatAborts,
    Grandchild,
    Output,
    LargeResult,
    TooLargeResult,
    KilledFromOutside,
    StoppedFromOutside,
}

const KINDS: [Kind; 15] = [
    Kind::KilledByTimeout,
    Kind::Abort,
    Kind::Segv,
    Kind::StackOverflow,
    Kind::ExitZero,
    Kind::TooMuchMemory,
    Kind::TooMuchTime,
    Kind::Panic,
    Kind::PanicThatAborts,
    Kind::Grandchild,
    Kind::Output,
    Kind::LargeResult,
    Kind::TooLargeResult,
    Kind::KilledFromOutside,
    Kind::StoppedFromOutside,
];

impl Kind {
    /// Whether it moves 64 MB or more.
    fn is_heavy(self) -> bool {
        matches!(self, Kind::Output | Kind::LargeResult | Kind::TooLargeResult)
    }
}

/// What the calls of a mix run in. Cheap to clone.
#[derive(Clone)]
struct Mix {
    pool: Pool,
    /// Its workers have limits.
    limited: Pool,
    /// The panics of its workers abort.
    aborting: Option<Pool>,
    /// How much processor time a call of `limited` has.
    cpu_time: Duration,
    /// Divides the sizes of large outputs and results.
    scale: usize,
}

/// Makes a call go wrong in this way, and checks its exit.
async fn go_wrong(mix: Mix, kind: Kind, round: usize) -> Result<(), String> {
    let Mix { pool, limited, aborting, cpu_time: limit, scale } = mix;
    let wrong = |got: &dyn std::fmt::Debug| Err(format!("{kind:?}: {got:?}"));
    let is_lost = |exit: &Exit, cause: &LostCause| matches!(exit, Exit::Lost(lost) if lost.cause() == cause);
    let check = |result: Result<(), Exit>, cause: LostCause| match &result {
        Err(exit) if is_lost(exit, &cause) => Ok(()),
        other => wrong(other),
    };
    match kind {
        Kind::KilledByTimeout => match pool.call(SPIN, ()).timeout(Duration::from_millis(20)).await {
            Err(Exit::Timeout(_)) => Ok(()),
            other => wrong(&other),
        },
        Kind::Abort => check(pool.call(ABORT, ()).timeout(LONG).await, LostCause::signal(6)),
        Kind::Segv => check(pool.call(SEGV, ()).timeout(LONG).await, LostCause::signal(11)),
        Kind::StackOverflow => check(pool.call(OVERFLOW, 0).timeout(LONG).await.map(drop), LostCause::signal(6)),
        Kind::ExitZero => check(pool.call(EXIT, 0).timeout(LONG).await, LostCause::ExitCode(0)),
        Kind::TooMuchMemory => {
            let result = limited.call(ALLOCATE, 2 * MEMORY as usize).timeout(LONG).await.map(drop);
            check(result, LostCause::MemoryLimit { limit: MEMORY })
        }
        Kind::TooMuchTime => check(limited.call(SPIN, ()).timeout(LONG).await, LostCause::CpuLimit { limit }),
        Kind::Panic => match pool.call(PANIC, "no luck".to_owned()).timeout(LONG).await {
            Err(Exit::Panic(report)) if report.message() == "no luck" => Ok(()),
            other => wrong(&other),
        },
        Kind::PanicThatAborts => {
            let call = match aborting {
                Some(aborting) => aborting.call(PANIC_THERE, ()),
                // What such a program does after the panic hook.
                None => pool.call(WORDS, "no luck".to_owned()),
            };
            match call.timeout(LONG).await {
                Err(Exit::Lost(lost))
                    if *lost.cause() == LostCause::signal(6) && lost.stderr().iter().any(|line| line == "no luck") =>
                {
                    Ok(())
                }
                other => wrong(&other),
            }
        }
        // It ends with its worker, sooner or later: in the end, none is left.
        Kind::Grandchild => {
            let call = match round % 3 {
                0 => pool.call(GRANDCHILD, ()),
                1 => pool.call(LEAVE, Leaves::Session),
                _ => pool.call(LEAVE, Leaves::Orphan),
            };
            call.timeout(LONG).await.map(drop).or_else(|exit| wrong(&exit))
        }
        Kind::Output => match pool.call(PRINT, 100_000_000 / scale).timeout(LONG).await {
            Ok(()) => Ok(()),
            other => wrong(&other),
        },
        Kind::LargeResult => match pool.call(RESULT, MAX_PAYLOAD / scale).timeout(LONG).await {
            Ok(bytes) if bytes.len() == MAX_PAYLOAD / scale => Ok(()),
            other => wrong(&other.map(|bytes| bytes.len())),
        },
        Kind::TooLargeResult => match pool.call(RESULT, MAX_PAYLOAD + 1).timeout(LONG).await {
            Err(Exit::Error(error)) if error.to_string().contains("raise `max_payload`") => Ok(()),
            other => wrong(&other.map(|bytes| bytes.len())),
        },
        Kind::KilledFromOutside => {
            let task = pool.call(TO_KILL, ()).timeout(LONG);
            signal_runner_of(TO_KILL, &pool, Signal::KILL).await;
            check(task.await, LostCause::signal(9))
        }
        Kind::StoppedFromOutside => {
            let task = pool.call(TO_STOP, ()).timeout(LONG);
            signal_runner_of(TO_STOP, &pool, Signal::STOP).await;
            let result = task.timeout(Duration::from_millis(20)).await;
            // The next round must not find this worker: it may run the call of a neighbor by the time it gets the signal.
            until("the end of the call", || runner_of(TO_STOP, &pool).is_none()).await;
            match result {
                Err(Exit::Timeout(_)) => Ok(()),
                other => wrong(&other),
            }
        }
    }
}

/// Returns the process id of the worker that runs a function.
fn runner_of(function: Function<(), ()>, pool: &Pool) -> Option<Pid> {
    let running = WorkerActivity::Running(function.name());
    let workers = pool.statistics().workers;
    let worker = workers.iter().find(|worker| worker.activity == running)?;
    Pid::from_raw(worker.os_pid)
}

/// Sends a signal to the worker that runs a function, once one does.
async fn signal_runner_of(function: Function<(), ()>, pool: &Pool, signal: Signal) {
    let worker = until_some("the worker of the call", || runner_of(function, pool)).await;
    let _ = kill_process(worker, signal);
}

#[expect(clippy::print_stdout, reason = "the counts are for a person")]
#[test]
fn nothing_that_goes_wrong_affects_other_calls_and_nothing_is_left() {
    cordial_isolate::test_main(functions());
    // In a process of its own, because it counts processes and descriptors.
    if std::env::var_os(OWN_PROCESS).is_none() {
        let _guard = without_oom_kills();
        let test = std::thread::current().name().unwrap().to_owned();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([&test, "--exact", "--nocapture"]).env(OWN_PROCESS, "1");
        assert!(command.status().unwrap().success(), "see the output of the inner process above");
        return;
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|number| number.parse::<usize>().ok());
    let rounds = number("CORDIAL_ROUNDS").unwrap_or(4);
    let heavy_rounds = number("CORDIAL_HEAVY_ROUNDS").unwrap_or(rounds);
    let scale = if rounds >= 100 { 1 } else { 10 };
    // Calls of neighbors have this limit as well. On a machine that shares its processors, the time in which another machine had the processor may count.
    let cpu_time = Duration::from_millis(if rounds >= 100 { 100 } else { 1000 });
    if rounds < 100 {
        limit_time_of_process();
    }
    // Threads of the runtime and of the pools open descriptors on first use.
    cordial::run(async {
        let pool = Pool::builder().workers(1).start().unwrap();
        assert_eq!(pool.call(SQUARE, 3).timeout(LONG).await, Ok(9));
        pool.stop().await;
    })
    .unwrap();
    let before = Children::here();
    let wrong: Vec<String> = cordial::run(async move {
        let build = || Pool::builder().workers(2).max_payload(MAX_PAYLOAD).grace(Duration::from_millis(100));
        let pool = build().start().unwrap();
        let limited = build().memory(MEMORY).cpu_time(cpu_time).start().unwrap();
        let aborting = std::env::var_os(ABORTING_PROGRAM).map(|path| build().program(path).start().unwrap());
        let mix = Mix { pool, limited, aborting, cpu_time, scale };
        let is_over = Arc::new(AtomicBool::new(false));
        let neighbors = [mix.pool.clone(), mix.limited.clone()].map(|pool| {
            let is_over = is_over.clone();
            Task::spawn(async move {
                let mut failures = Vec::new();
                let mut n = 0;
                // A call waits while both workers run other calls: 22 s for a backtrace and 10 MB of output, on a machine that gave the test 4 %
                // of a core.
                let mut longest = Duration::ZERO;
                while !is_over.load(Ordering::SeqCst) {
                    n += 1;
                    let started = Instant::now();
                    let result = pool.call(SQUARE, n).timeout(2 * LONG).await;
                    longest = longest.max(started.elapsed());
                    if result != Ok(n * n) {
                        failures.push(format!("neighbor {n}: {result:?}, {:?}", pool.statistics()));
                    }
                }
                (n, longest, failures)
            })
        });
        let mut wrong = Vec::new();
        let mut times = [Duration::ZERO; KINDS.len()];
        for round in 0..rounds {
            let kinds = KINDS.into_iter().filter(|kind| round < heavy_rounds || !kind.is_heavy());
            let attempts = kinds.map(|kind| (mix.clone(), kind)).collect::<Vec<_>>();
            let results = Task::async_stream(attempts, move |(mix, kind)| async move {
                let started = Instant::now();
                go_wrong(mix, kind, round).await.map(|()| (kind, started.elapsed()))
            });
            let results = results.max_concurrency(6).unordered().timeout(2 * LONG).collect().await;
            for result in results {
                match result.unwrap_or_else(|exit| Err(exit.to_string())) {
                    Ok((kind, time)) => times[kind as usize] += time,
                    Err(message) => wrong.push(format!("round {round}: {message}")),
                }
            }
        }
        for (kind, time) in KINDS.into_iter().zip(times) {
            let n = if kind.is_heavy() { heavy_rounds.min(rounds) } else { rounds };
            println!("{kind:?}: {n} times, {:?} each", time / u32::try_from(n.max(1)).unwrap());
        }
        is_over.store(true, Ordering::SeqCst);
        for neighbor in neighbors {
            let (n, longest, failures) = neighbor.timeout(2 * LONG).await.unwrap();
            assert!(n > 0);
            println!("{n} calls of a neighbor, {} of them failed; the longest wait was {longest:?}", failures.len());
            wrong.extend(failures);
        }
        for pool in [Some(mix.pool), Some(mix.limited), mix.aborting].into_iter().flatten() {
            pool.stop().await;
            let statistics = pool.statistics();
            assert_eq!(statistics.workers.len(), 0);
            let cordial_isolate::PoolStatistics { calls, lost, killed, started, .. } = statistics;
            println!("a pool: {calls} calls, {lost} lost, {killed} killed; {started} workers were started, 0 are left");
        }
        wrong
    })
    .unwrap();
    println!("{rounds} rounds: {} calls had another result", wrong.len());
    assert!(wrong.is_empty(), "{} calls had another result:\n{}", wrong.len(), wrong.join("\n"));
    before.assert_same();
    println!("no process and no descriptor is left");
}
