//! What does it cost to look, and does it hold up those who are looked at?

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cordial::TaskSupervisor;

use crate::measure::{Bench, Pair, now};

const LIVE: usize = 100_000;

/// A supervisor with a hundred thousand children that wait.
fn crowd(bench: &Bench) -> TaskSupervisor {
    bench.ours(async {
        let tasks = TaskSupervisor::builder().unlinked().start();
        (0..LIVE).for_each(|_| drop(tasks.start_child(std::future::pending::<()>())));
        tasks
    })
}

/// One snapshot of the whole runtime, and its end.
pub(crate) fn snapshot_100_000(bench: &Bench) -> Pair {
    let tasks = crowd(bench);
    let begun = now();
    let n_seen = bench.cordial.snapshot().processes.len();
    let ours = begun.elapsed().as_secs_f64();
    assert!(n_seen >= LIVE, "only {n_seen} were seen");
    bench.ours(async move { tasks.stop().await });
    Pair { ours, peer: f64::NAN }
}

/// The mean time of a start while a thread takes one snapshot after the other, to that without.
pub(crate) fn start_beside_snapshots(bench: &Bench) -> Pair {
    beside_snapshots(bench, |all| all.iter().sum::<Duration>() / u32::try_from(all.len()).unwrap_or(u32::MAX))
}

/// The longest of them.
pub(crate) fn longest_start_beside_snapshots(bench: &Bench) -> Pair {
    beside_snapshots(bench, |all| all.iter().max().copied().unwrap_or_default())
}

fn beside_snapshots(bench: &Bench, of: fn(&[Duration]) -> Duration) -> Pair {
    let tasks = crowd(bench);
    let is_over = AtomicBool::new(false);
    let ours = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                drop(bench.cordial.snapshot());
            }
        });
        let times = starts(&tasks);
        is_over.store(true, Ordering::Relaxed);
        of(&times)
    });
    let peer = of(&starts(&tasks));
    bench.ours(async move { tasks.stop().await });
    Pair { ours: ours.as_secs_f64(), peer: peer.as_secs_f64() }
}

/// How long each of so many starts takes, one after the other.
fn starts(tasks: &TaskSupervisor) -> Vec<Duration> {
    const N: usize = 20_000;
    let start = |_| {
        let begun = now();
        tasks.start_child(async {}).expect("there is room");
        begun.elapsed()
    };
    (0..N).map(start).collect()
}
