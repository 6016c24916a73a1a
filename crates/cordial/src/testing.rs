//! Simulation for tests: all processes run on one thread, in an order that is chosen by a seed, with a virtual clock.
//!
//! A test with timeouts of an hour takes milliseconds. A run repeats exactly if the program is
//! deterministic; `select!` without `biased` and the order of hash maps are not. `tokio::spawn` and
//! tokio's timers work. There is no I/O driver, so sockets, signals and child processes panic at
//! once.
//!
//! A panic of a process does not call the panic hook, because a program under test may crash on purpose. If the simulation fails, it
//! panics once, with a message that shows the exit of the root process, or what is still alive, and the crashes before that.
//!
//! Do not measure speed in a simulation, and do not block: the virtual clock does not advance while the thread blocks. After
//! [`tokio::time::resume`], sleeps and limits take as long as they do in a real program.
//!
//! A simulation waits for [`tokio::task::spawn_blocking`], but not for other threads: a process that only another thread would wake
//! counts as unable to make progress.
//!
//! A simulation replaces `#[tokio::test(start_paused = true)]`: processes do not follow the paused clock of another tokio runtime. Spawned in
//! such a test, they are refused with [`Refusal::PausedClock`](crate::Refusal::PausedClock).
//!
//! To test what a program does on Ctrl-C, run the future that it passes to [`cordial::main`](crate::main) as a task:
//! [`Task::shutdown`](crate::Task::shutdown) makes the same request as the signal.

use std::fmt::Write;
use std::panic::Location;
use std::time::Duration;

use cordial_sched::Simulation;

use crate::exit::{Exit, Predicate};
use crate::pid::Pid;
use crate::process::{
    LateEnds, RuntimeHandle, RuntimeShared, Shutdown, Spawn, assert_may_block, box_if_large, describe_all, discard,
    stop_all, stop_in_order,
};

/// Runs a future as the root process of a simulated runtime, with seed 0, and returns its output.
///
/// When the root process has ended, the processes that are still alive are stopped in this order:
///
/// 1. the supervisors without a live owner;
/// 2. all processes without a supervisor: they are killed after 5 s of virtual time;
/// 3. the supervisors that these processes owned;
/// 4. the processes that the children of these supervisors have started meanwhile, in the same order.
///
/// # Panics
///
/// - If the root process ends without a value; the message shows its exit, the seed, and which other processes have crashed.
/// - If no process can make progress any more: a real program would hang. While a process wakes again and again, such as one that
///   sleeps in a loop, the simulation continues.
/// - If a process that outlives the root process never ends, because its supervisor gives it [`Shutdown::Infinity`]: a real program would
///   not stop.
/// - On a worker of tokio and inside another simulation.
///
/// # Examples
///
/// ```
/// use cordial::Task;
/// use std::time::Duration;
///
/// cordial::testing::run(async {
///     let hour = Duration::from_secs(3600);
///     let task = Task::spawn(tokio::time::sleep(hour)).timeout(2 * hour);
///     assert_eq!(task.await, Ok(()));
/// });
/// ```
#[track_caller]
pub fn run<F>(future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let spawned_at = Location::caller();
    box_if_large!(future: F => run_simulated(0, future, spawned_at))
}

/// Like [`run`], with an order of execution that `seed` chooses.
///
/// # Panics
///
/// Under the same conditions as [`run`].
///
/// # Examples
///
/// ```
/// use cordial::Task;
///
/// // One seed gives the same order each time; other seeds give other orders.
/// let first = |seed| cordial::testing::run_seeded(seed, async {
///     let mut tasks: Vec<_> = (0..8).map(|n| Task::spawn(async move { n })).collect();
///     Task::yield_many(&mut tasks).limit(1).await.iter().position(Option::is_some)
/// });
/// assert_eq!(first(7), first(7));
/// assert!((0..50).any(|seed| first(seed) != first(7)));
/// ```
#[track_caller]
pub fn run_seeded<F>(seed: u64, future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let spawned_at = Location::caller();
    box_if_large!(future: F => run_simulated(seed, future, spawned_at))
}

fn run_simulated<F>(seed: u64, future: F, spawned_at: &'static Location<'static>) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    assert_may_block("cordial::testing::run");
    let simulation = match Simulation::new(seed, RuntimeShared::simulated()) {
        Ok(simulation) => simulation,
        Err(error) => panic!("the simulated runtime cannot start: {error:#}"),
    };
    let runtime = RuntimeHandle::new(simulation.executor().clone());
    // Declared outside of the future: the result is needed even if the remaining processes do not end.
    let (mut result, mut root_pid) = (None, None);
    let stopped = simulation.block_on(async {
        let live = runtime.roots().begin();
        let root = Spawn::new(spawned_at).root(&live).start(&runtime, future, Ok);
        result = Some(match root {
            Ok(root) => {
                root_pid = Some(root.pid);
                root.join.await.take()
            }
            Err(refusal) => Err(Exit::Refused(refusal)),
        });
        drop(live);
        stop_in_order(&runtime, &|_, _| true, Shutdown::After(Duration::from_secs(5))).await;
    });
    match result {
        Some(Ok(output)) if stopped.is_ok() => output,
        Some(Err(exit)) if stopped.is_ok() => {
            panic!(
                "{}",
                with_crashes(format!("the root process {} (seed {seed})", Predicate(&exit)), root_pid, &runtime)
            )
        }
        result => {
            let left: Vec<String> =
                describe_all(&runtime, None, &|_, _| true).iter().map(ToString::to_string).collect();
            // The processes are killed, so that their destructors run.
            let _ = simulation.block_on(stop_all(&runtime, &|_, _| true, Shutdown::BrutalKill, LateEnds::Await));
            let others = "and other processes do not end, although they were asked to";
            // A root that had not ended by then may have crashed since, and the message below does not show that crash.
            let shown = root_pid.filter(|_| matches!(result, Some(Err(_))));
            let stalled = match result {
                None => "nothing can run any more, and the root process has not ended".to_owned(),
                Some(Ok(output)) => {
                    // The output is dropped before the panic below: a panic of its destructor during that panic would abort the test program.
                    discard(output);
                    format!("the root process ended normally, {others}")
                }
                Some(Err(exit)) => format!("the root process {}, {others}", Predicate(&exit)),
            };
            let message = format!("{stalled} (seed {seed}); still alive: {}", left.join("; "));
            panic!("{}", with_crashes(message, shown, &runtime))
        }
    }
}

/// How many crashes the message of a failed simulation shows.
const MAX_CRASHES: usize = 100;

/// Appends to the message of a failed simulation what the panic hook has not printed: the crashes that the message does not show yet, and the
/// backtrace of the first panic. `shown` is the process whose exit the message shows already.
fn with_crashes(mut message: String, shown: Option<Pid>, runtime: &RuntimeHandle) -> String {
    let mut backtrace = None;
    for crash in runtime.crashes().seen_at(0, 0, MAX_CRASHES) {
        if !matches!(crash.exit, Exit::Panic(_) | Exit::Error(_) | Exit::Lost(_)) {
            continue;
        }
        let text = format!("{:#}", crash.exit);
        // The exit of `shown` may be the panic of another process, which a link has passed on. The text of a panic has a location, so it is not
        // in the message by chance. Another text may be: it can be as short as a number.
        let is_shown = shown == Some(crash.pid) || (crash.exit.is_panic() && message.contains(&text));
        if !is_shown {
            let name = crash.label.as_deref().map(|label| format!(" {label:?}")).unwrap_or_default();
            let _ = write!(message, "\nprocess {}{name} crashed: {text}", crash.pid);
        }
        backtrace =
            backtrace.or(crash.exit.backtrace_text().map(|shown| format!("of process {}:\n{shown}", crash.pid)));
    }
    // The panic of tokio advises enabling I/O, which a simulation cannot do.
    if message.contains("IO is disabled") {
        message.push_str("\na simulation has no sockets, signals and child processes: test what needs them with `cordial::run`, or replace a socket, for example by `tokio::io::duplex`");
    }
    if let Some(backtrace) = backtrace {
        let _ = write!(message, "\nstack backtrace {backtrace}");
    }
    message
}
