//! Random programs on the simulated runtime: ten thousand seeds, each a program and the order in which it runs.
//!
//! ```text
//!  seed ─► program: what each process does ─► stage and actors: run it, and write a log ─► model: reads the log
//! ```
//!
//! The model says what has to be true of every run, and how every process has to end. A seed that fails tells its
//! program, and what does not fit. `CORDIAL_SEEDS=100` runs the first hundred seeds, which may be too few to reach
//! everything; `CORDIAL_SEED=42` runs that one and shows its log.

mod actor;
mod event;
mod model;
mod program;
mod stage;
mod world;

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;
use std::panic::PanicHookInfo;
use std::sync::Once;

use crate::event::Event;
use crate::program::Program;

/// How often each operation and each outcome was reached.
type Counts = BTreeMap<String, u64>;

const SEEDS: u64 = 10_000;

/// As many runs reach everything below: the rarest outcome about thirteen times. Runs of more seeds begin with these, so they
/// reach it as well. Fewer seeds are asked for nothing but that each run fits the model.
const ENOUGH: u64 = 5000;

/// Everything that has to be reached, as it is counted. `Refused` is no exit of these runs, where nothing is spawned
/// after the end of a runtime. A `shutdown` never tells the exit that it asks for: that is `None`.
#[rustfmt::skip]
const OUTCOMES: &[(&str, &[&str])] = &[
    (
        "operation",
        &[
            "Spawn", "SpawnLink", "Start", "StartLink", "Link", "Unlink", "Monitor", "AwaitEnd", "Send Normal",
            "Send Shutdown", "Send ShutdownBecause", "Send Killed", "Send Error", "Send Seen", "Exit Normal", "Exit Shutdown",
            "Exit ShutdownBecause", "Exit Killed", "Exit Error", "Exit Seen", "Panic", "PanicInDrop", "Await with limit",
            "Await without limit", "YieldFor", "Drop", "Ignore", "Shutdown with grace", "Shutdown without grace",
            "Shutdown BrutalKill", "Shutdown Infinity", "Give", "YieldNow", "Sleep", "TrapExits", "StopTrapping",
            "AwaitExit", "TakeExits", "AskToBeTold", "AwaitRequest", "SetLabel", "Return", "Fail", "Hang", "Serve",
        ],
    ),
    ("monitor", EXITS),
    ("monitor", &["dropped"]),
    ("trap", EXITS),
    ("trap", &["nothing"]),
    ("await", EXITS),
    ("await", &["a value", "taken before"]),
    ("yield_for", EXITS),
    ("yield_for", &["a value", "None", "taken before"]),
    ("ignore", &["Normal", "Shutdown", "Shutdown because", "Killed", "Panic", "Error", "NoProcess"]),
    ("ignore", &["a value", "None", "taken before"]),
    ("shutdown", &["Normal", "Shutdown because", "Killed", "Panic", "Error", "NoProcess"]),
    ("shutdown", &["a value", "None", "taken before"]),
    ("shutdown by kill", &["Normal", "Shutdown", "Shutdown because", "Panic", "Error", "NoProcess"]),
    ("shutdown by kill", &["a value", "None", "taken before"]),
    ("asked", &["true", "false"]),
    ("handle", &["dropped"]),
];

/// Every way to end.
const EXITS: &[&str] = &["Normal", "Shutdown", "Shutdown because", "Killed", "Timeout", "Panic", "Error", "NoProcess"];

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A seed that fails shows its program, also if it is the runtime that panics.
struct ToldIfItFails<'a>(u64, &'a str);

impl Drop for ToldIfItFails<'_> {
    #[expect(clippy::print_stderr, reason = "libtest shows it with the failure")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {} fails; its program:\n{}", self.0, self.1);
        }
    }
}

fn run(seed: u64, counts: &mut Counts) -> Vec<Event> {
    let program = Program::of_seed(seed);
    assert!(program.n_ops() >= 50);
    let text = program.to_string();
    let _told = ToldIfItFails(seed, &text);
    let log = stage::run(seed, program);
    if let Err((at, misfit)) = model::check(&log) {
        let before = log[at.saturating_sub(30)..log.len().min(at + 1)].iter();
        let last: Vec<String> =
            before.filter(|event| !matches!(event, Event::Seen(_))).map(|e| format!("  {e:?}")).collect();
        panic!("seed {seed}, event {at}: {misfit}\nthe last events:\n{}", last.join("\n"));
    }
    for outcome in log.iter().filter_map(Event::outcome) {
        *counts.entry(outcome).or_default() += 1;
    }
    log
}

fn run_all(seeds: Range<u64>) -> Counts {
    let mut counts = Counts::new();
    for seed in seeds {
        run(seed, &mut counts);
    }
    counts
}

/// Most panics are part of a program, and need not be shown. Comes before the first runtime, so that its hook is first.
fn hide_planned_panics() {
    static HIDDEN: Once = Once::new();
    HIDDEN.call_once(|| {
        let shown = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if !info.payload().downcast_ref::<String>().is_some_and(|text| text.starts_with("planned")) {
                shown(info);
            }
        }));
    });
}

#[test]
#[expect(clippy::print_stdout, reason = "how much was reached is a result of the run")]
fn every_random_program_keeps_the_invariants() {
    hide_planned_panics();
    if let Some(seed) = env("CORDIAL_SEED") {
        let log = run(seed, &mut Counts::new());
        return log.iter().enumerate().for_each(|(at, event)| println!("{at:5} {event:?}"));
    }
    let n_seeds = env("CORDIAL_SEEDS").unwrap_or(SEEDS);
    let half = n_seeds / 2;
    let counts = std::thread::scope(|scope| {
        let other = scope.spawn(|| run_all(half..n_seeds));
        let mut counts = run_all(0..half);
        let others = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        others.into_iter().for_each(|(outcome, n)| *counts.entry(outcome).or_default() += n);
        counts
    });
    let n_ops: u64 = counts.iter().filter(|(outcome, _)| outcome.starts_with("operation")).map(|(_, n)| n).sum();
    // Past libtest, which keeps what a passing test prints.
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{n_seeds} programs have done {n_ops} operations, and how often they reached what:").unwrap();
    counts.iter().for_each(|(outcome, n)| writeln!(stdout, "{n:8} {outcome}").unwrap());
    if n_seeds >= ENOUGH {
        let missing: Vec<String> = OUTCOMES
            .iter()
            .flat_map(|(group, outcomes)| outcomes.iter().map(move |outcome| format!("{group}: {outcome}")))
            .filter(|outcome| !counts.contains_key(outcome))
            .collect();
        assert!(missing.is_empty(), "never reached: {missing:?}");
    }
}

#[test]
fn a_seed_repeats_exactly() {
    hide_planned_panics();
    for seed in 0..20 {
        assert_eq!(run(seed, &mut Counts::new()), run(seed, &mut Counts::new()));
    }
}
