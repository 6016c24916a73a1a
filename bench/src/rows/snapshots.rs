//! What does a snapshot cost, and does it delay the start of processes?

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cordial::TaskSupervisor;

use crate::measure::{Bench, Pair, now};

const LIVE: usize = 100_000;

/// Starts a supervisor with 100 k children that wait.
fn start_children(bench: &Bench) -> TaskSupervisor {
    bench.ours(async {
        let tasks = TaskSupervisor::builder().unlinked().start();
        (0..LIVE).for_each(|_| drop(tasks.start_child(std::future::pending::<()>())));
        tasks
    })
}

/// Takes one snapshot of the whole runtime and drops it.
pub(crate) fn snapshot_100_000(bench: &Bench) -> Pair {
    let tasks = start_children(bench);
    let started = now();
    let n_processes = bench.cordial.snapshot().processes.len();
    let ours = started.elapsed().as_secs_f64();
    assert!(n_processes >= LIVE, "the snapshot has only {n_processes} processes");
    bench.ours(async move { tasks.stop().await });
    Pair { ours, peer: f64::NAN }
}

/// The mean time of a start while another thread takes one snapshot after the other, compared with no snapshots.
pub(crate) fn start_beside_snapshots(bench: &Bench) -> Pair {
    beside_snapshots(bench, |all| all.iter().sum::<Duration>() / u32::try_from(all.len()).unwrap_or(u32::MAX))
}

/// The longest of 20 k starts in the same situation.
pub(crate) fn longest_start_beside_snapshots(bench: &Bench) -> Pair {
    beside_snapshots(bench, |all| all.iter().max().copied().unwrap_or_default())
}

fn beside_snapshots(bench: &Bench, summarize: fn(&[Duration]) -> Duration) -> Pair {
    let tasks = start_children(bench);
    let is_over = AtomicBool::new(false);
    let ours = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                drop(bench.cordial.snapshot());
            }
        });
        let times = starts(&tasks);
        is_over.store(true, Ordering::Relaxed);
        summarize(&times)
    });
    let peer = summarize(&starts(&tasks));
    bench.ours(async move { tasks.stop().await });
    Pair { ours: ours.as_secs_f64(), peer: peer.as_secs_f64() }
}

/// Starts 20 k children one after the other. Returns the time of each start.
fn starts(tasks: &TaskSupervisor) -> Vec<Duration> {
    const N: usize = 20_000;
    let start = |_| {
        let started = now();
        tasks.start_child(async {}).expect("there is no child limit");
        started.elapsed()
    };
    (0..N).map(start).collect()
}
