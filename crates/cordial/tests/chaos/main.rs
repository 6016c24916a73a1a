//! Random supervision trees with random crashes, kills, slow stops, failing starts and terminations.
//!
//! ```text
//!  seed ─► a tree and the actions of its workers ─► random disturbances ─► an orderly stop ─► invariants of the log
//! ```
//!
//! The invariants: each process exits exactly once, and not after its supervisor. An incarnation starts when the previous one has
//! exited. The final stop goes through the tree in reverse order. Nothing is left running. `CORDIAL_SEEDS=100` runs the first
//! hundred seeds on the simulated runtime, and `CORDIAL_SEED=42` runs one seed and prints its log. On the real scheduler, where
//! workers also spin and block, the test runs for `CORDIAL_CHAOS_SECONDS`, by default 3.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]
#![expect(clippy::print_stdout, reason = "the counts are a result of the run")]

mod harness;
mod plan;
mod worker;

use std::collections::BTreeMap;
use std::panic::PanicHookInfo;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use cordial::{Runtime, Shutdown, testing};

use crate::harness::{Harness, Kind};

const SEEDS: u64 = 3000;

/// Far longer than a run on the real scheduler takes, even on a slow machine.
const LIMIT: Duration = Duration::from_secs(300);

/// How often each thing has happened.
type Counts = BTreeMap<&'static str, u64>;

/// The outcomes that all seeds together must reach.
const REACHED: &[&str] = &[
    "worker crashed",
    "worker returned",
    "worker exited",
    "worker failed to start",
    "factory panicked",
    "worker was slow to start",
    "worker used its grace time",
    "worker was killed",
    "supervisor was killed",
    "supervisor was requested to stop",
    "task supervisor was killed",
    "tree did not start",
    "tree gave up",
    "tree was stopped",
    "child was terminated",
    "child was restarted by a call",
    "child was deleted",
    "child was added",
    "task was started",
    "task was refused",
    "task was terminated",
    "later incarnation",
    "had to be killed",
];

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Hides the planned panics of workers.
fn hide_planned_panics() {
    static HIDDEN: Once = Once::new();
    HIDDEN.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if info.payload().downcast_ref::<String>().is_none_or(|text| text != worker::PLANNED) {
                previous(info);
            }
        }));
    });
}

#[test]
fn random_trees_in_virtual_time() {
    hide_planned_panics();
    let mut counts = Counts::new();
    let seeds = env("CORDIAL_SEED").map_or(0..env("CORDIAL_SEEDS").unwrap_or(SEEDS), |seed| seed..seed + 1);
    let n_seeds = seeds.end - seeds.start;
    for seed in seeds {
        let harness = Harness::new(seed, Duration::from_secs(1), Kind::Virtual);
        let of_run = harness.clone();
        testing::run_seeded(seed, async move { plan::run(of_run).await });
        let log = harness.check();
        if n_seeds == 1 {
            println!("{}", log.join("\n"));
        }
        harness.add_to(&mut counts);
    }
    print_counts("virtual time", &counts);
    if n_seeds >= SEEDS {
        for what in REACHED {
            assert!(counts.contains_key(what), "no seed has reached {what:?}");
        }
    }
}

#[test]
fn random_trees_on_threads() {
    hide_planned_panics();
    let time = Duration::from_secs(env("CORDIAL_CHAOS_SECONDS").unwrap_or(3));
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let counts = Arc::new(Mutex::new(Counts::new()));
    let of_runs = counts.clone();
    let all = async move {
        let begun = tokio::time::Instant::now();
        let mut seed = 0;
        while begun.elapsed() < time {
            let runs: Vec<_> = (0..40)
                .map(|_| {
                    seed += 1;
                    let harness = Harness::new(seed, Duration::from_millis(10), Kind::Threads);
                    let run = cordial::Task::spawn(plan::run(harness.clone())).timeout(cordial::Timeout::Infinity);
                    (harness, run)
                })
                .collect();
            for (harness, run) in runs {
                let ended = async {
                    run.await.unwrap();
                    harness.wait_for_all().await;
                };
                tokio::time::timeout(LIMIT, ended).await.expect("a run hangs");
                harness.check();
                harness.add_to(&mut of_runs.lock().unwrap());
            }
        }
    };
    runtime.block_on(all).unwrap();
    assert!(runtime.snapshot().processes.is_empty(), "{:?}", runtime.snapshot().processes);
    assert!(runtime.shutdown(Shutdown::default()).is_clean());
    print_counts("threads", &counts.lock().unwrap());
}

fn print_counts(scheduler: &str, counts: &Counts) {
    let counts: Vec<String> = counts.iter().map(|(what, n)| format!("{what}: {n}")).collect();
    println!("{scheduler}: {}", counts.join(", "));
}
