//! Random trees of supervisors, with random crashes, kills, slow stops, failing starts and terminations.
//!
//! ```text
//!  seed ─► a tree and the deeds of its workers ─► a while of chaos ─► an orderly stop ─► what has to be true of the log
//! ```
//!
//! Of every run: each process has ended exactly once, never after its supervisor; an incarnation begins when the last one is
//! gone; the last stop goes through the tree in reverse order; nothing is left. `CORDIAL_SEEDS=100` runs the first hundred
//! seeds on the simulated runtime, and `CORDIAL_SEED=42` that one, with its log. On the real scheduler, where workers
//! also spin and block, it lasts `CORDIAL_CHAOS_SECONDS`, 3 unless that says otherwise.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]
#![expect(clippy::print_stdout, reason = "it shows what it has reached")]

mod ground;
mod plan;
mod worker;

use std::collections::BTreeMap;
use std::panic::PanicHookInfo;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use cordial::{Runtime, Shutdown, testing};

use crate::ground::{Ground, Kind};

const SEEDS: u64 = 3000;

/// How often each thing has happened.
type Counts = BTreeMap<&'static str, u64>;

/// What has to be reached by all seeds together.
const REACHED: &[&str] = &[
    "worker crashed",
    "worker returned",
    "worker exited",
    "worker failed to start",
    "factory panicked",
    "worker was slow to start",
    "worker lingered",
    "worker was killed",
    "supervisor was killed",
    "supervisor was asked",
    "task supervisor was killed",
    "tree did not start",
    "tree gave up",
    "tree was stopped",
    "child was terminated",
    "child was restarted by hand",
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

/// Panics of workers are meant, and there are many.
fn keep_quiet() {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if info.payload().downcast_ref::<String>().is_none_or(|text| text != worker::MEANT) {
                hook(info);
            }
        }));
    });
}

#[test]
fn in_virtual_time() {
    keep_quiet();
    let mut counts = Counts::new();
    let seeds = env("CORDIAL_SEED").map_or(0..env("CORDIAL_SEEDS").unwrap_or(SEEDS), |seed| seed..seed + 1);
    let n_seeds = seeds.end - seeds.start;
    for seed in seeds {
        let ground = Ground::new(seed, Duration::from_secs(1), Kind::Virtual);
        let of_run = ground.clone();
        testing::run_seeded(seed, async move { plan::run(of_run).await });
        let log = ground.check();
        if n_seeds == 1 {
            println!("{}", log.join("\n"));
        }
        ground.add_to(&mut counts);
    }
    tell("virtual time", &counts);
    if n_seeds >= SEEDS {
        for what in REACHED {
            assert!(counts.contains_key(what), "no seed has reached {what:?}");
        }
    }
}

#[test]
fn on_threads() {
    keep_quiet();
    let time = Duration::from_secs(env("CORDIAL_CHAOS_SECONDS").unwrap_or(3));
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let counts = Arc::new(Mutex::new(Counts::new()));
    let of_runs = counts.clone();
    let runs = async move {
        let begun = tokio::time::Instant::now();
        let mut seed = 0;
        while begun.elapsed() < time {
            let runs: Vec<_> = (0..40)
                .map(|_| {
                    seed += 1;
                    let ground = Ground::new(seed, Duration::from_millis(10), Kind::Threads);
                    let run = cordial::Task::spawn(plan::run(ground.clone())).timeout(cordial::Timeout::Infinity);
                    (ground, run)
                })
                .collect();
            for (ground, run) in runs {
                run.await.unwrap();
                ground.until_all_have_ended().await;
                ground.check();
                ground.add_to(&mut of_runs.lock().unwrap());
            }
        }
    };
    runtime.block_on(runs).unwrap();
    assert!(runtime.snapshot().processes.is_empty(), "{:?}", runtime.snapshot().processes);
    assert!(runtime.shutdown(Shutdown::default()).is_clean());
    tell("threads", &counts.lock().unwrap());
}

fn tell(where_: &str, counts: &Counts) {
    let counts: Vec<String> = counts.iter().map(|(what, n)| format!("{what}: {n}")).collect();
    println!("{where_}: {}", counts.join(", "));
}
