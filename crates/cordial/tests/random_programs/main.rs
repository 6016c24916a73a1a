//! Random programs on the simulated runtime. Each of ten thousand seeds determines a program and its schedule.
//!
//! ```text
//!  seed ─► program: a script per process ─► runner and interpreters: run it, write a log ─► model: checks the log
//! ```
//!
//! The model knows the invariants of every run and the expected exit of every process. A failing seed prints its program and the
//! first event that does not match the model. `CORDIAL_SEEDS=100` runs the first hundred seeds, which may be too few to reach
//! every outcome. `CORDIAL_SEED=42` runs one seed and prints its log.

mod event;
mod harness;
mod interpreter;
mod model;
mod program;
mod runner;

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::PanicHookInfo;
use std::sync::Once;

use crate::event::Event;
use crate::program::Program;

/// How often each operation and each outcome was reached.
type Counts = BTreeMap<String, u64>;

const SEEDS: u64 = 10_000;

/// This many seeds reach every outcome below, the rarest one about thirteen times. With fewer seeds, the outcomes are not checked.
const ENOUGH: u64 = 5000;

/// The outcomes that must be reached. `Refused` does not occur, since these programs spawn nothing
/// after the end of the runtime. A `shutdown` returns `None` for the exit that it asks for;
/// therefore that exit is not an outcome.
#[rustfmt::skip]
const OUTCOMES: &[(&str, &[&str])] = &[
    (
        "operation",
        &[
            "Spawn", "SpawnLink", "Start", "StartLink", "Link", "Unlink", "Monitor", "AwaitEnd", "Send Normal",
            "Send Shutdown", "Send ShutdownBecause", "Send Killed", "Send Error", "Send LastReceived", "Exit Normal", "Exit Shutdown",
            "Exit ShutdownBecause", "Exit Killed", "Exit Error", "Exit LastReceived", "Panic", "PanicInDrop", "Await with limit",
            "Await without limit", "YieldFor", "Drop", "Ignore", "Shutdown with grace", "Shutdown without grace",
            "Shutdown BrutalKill", "Shutdown Infinity", "Give", "YieldNow", "Sleep", "TrapExits", "StopTrapping",
            "AwaitExit", "TakeExits", "PollRequest", "AwaitRequest", "SetLabel", "Return", "Fail", "Hang", "Serve",
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
    ("ignore", &["Normal", "Shutdown", "Shutdown with reason", "Killed", "Panic", "Error", "NoProcess"]),
    ("ignore", &["a value", "None", "taken before"]),
    ("shutdown", &["Normal", "Shutdown with reason", "Killed", "Panic", "Error", "NoProcess"]),
    ("shutdown", &["a value", "None", "taken before"]),
    ("shutdown by kill", &["Normal", "Shutdown", "Shutdown with reason", "Panic", "Error", "NoProcess"]),
    ("shutdown by kill", &["a value", "None", "taken before"]),
    ("shutdown requested", &["true", "false"]),
    ("handle", &["dropped"]),
];

/// Every kind of exit.
const EXITS: &[&str] =
    &["Normal", "Shutdown", "Shutdown with reason", "Killed", "Timeout", "Panic", "Error", "NoProcess"];

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Prints the program of a failing seed, even if the runtime itself panics.
struct PrintOnPanic<'a>(u64, &'a str);

impl Drop for PrintOnPanic<'_> {
    #[expect(clippy::print_stderr, reason = "libtest shows it with the failure")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {} fails. Its program:\n{}", self.0, self.1);
        }
    }
}

fn run(seed: u64, counts: &mut Counts) -> Vec<Event> {
    let program = Program::of_seed(seed);
    assert!(program.n_ops() >= 50);
    let text = program.to_string();
    let _print = PrintOnPanic(seed, &text);
    let log = runner::run(seed, program);
    if let Err((at, mismatch)) = model::check(&log) {
        let before = log[at.saturating_sub(30)..log.len().min(at + 1)].iter();
        let last: Vec<String> =
            before.filter(|event| !matches!(event, Event::Table(_))).map(|e| format!("  {e:?}")).collect();
        panic!("seed {seed}, event {at}: {mismatch}\nthe last events:\n{}", last.join("\n"));
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

/// Hides panics that are part of a program. Called before the first runtime starts, so that the hook of the runtime replaces this
/// one.
fn hide_planned_panics() {
    static HIDDEN: Once = Once::new();
    HIDDEN.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if !info.payload().downcast_ref::<String>().is_some_and(|text| text.starts_with("planned")) {
                previous(info);
            }
        }));
    });
}

#[test]
#[expect(clippy::print_stdout, reason = "the counts are a result of the run")]
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
    // `--nocapture` shows the table.
    println!("{n_seeds} programs executed {n_ops} operations. Counts of the outcomes:");
    counts.iter().for_each(|(outcome, n)| println!("{n:8} {outcome}"));
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
