//! What does a supervisor cost?

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cordial::{ChildSpec, Restart, Strategy, Supervisor, TaskSupervisor};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::measure::{Bench, Pair, now};

/// Lets one task wait until `n` tasks have counted down.
#[derive(Clone)]
struct Latch(Arc<(AtomicU32, Notify)>);

impl Latch {
    fn new(n: u32) -> Latch {
        Latch(Arc::new((AtomicU32::new(n), Notify::new())))
    }

    fn count_down(&self) {
        if self.0.0.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.1.notify_one();
        }
    }

    async fn wait(&self) {
        self.0.1.notified().await;
    }
}

/// Starts children that end at once, against tasks under a tracker.
pub(crate) fn start_and_end(bench: &Bench) -> Pair {
    start_beside::<0>(bench)
}

/// The same beside 100 k children that live on.
pub(crate) fn start_beside_100_000(bench: &Bench) -> Pair {
    start_beside::<100_000>(bench)
}

fn start_beside<const LIVE: usize>(bench: &Bench) -> Pair {
    const N: u32 = 200_000;
    let tasks = bench.ours(async {
        let tasks = TaskSupervisor::builder().unlinked().start();
        (0..LIVE).for_each(|_| drop(tasks.start_child(std::future::pending::<()>())));
        tasks
    });
    let tracker = TaskTracker::new();
    let pending: Vec<_> =
        (0..LIVE).map(|_| tracker.spawn_on(std::future::pending::<()>(), bench.tokio.handle())).collect();
    let (our_side, peer_side) = (tasks.clone(), tracker.clone());
    let ours = async move {
        let latch = Latch::new(N);
        for _ in 0..N {
            let latch = latch.clone();
            our_side.start_child(async move { latch.count_down() }).expect("there is no child limit");
        }
        latch.wait().await;
    };
    let peer = async move {
        let latch = Latch::new(N);
        for _ in 0..N {
            let latch = latch.clone();
            peer_side.spawn(async move { latch.count_down() });
        }
        latch.wait().await;
    };
    let pair = bench.pair(N, ours, peer);
    bench.ours(async move { tasks.stop().await });
    pending.iter().for_each(tokio::task::JoinHandle::abort);
    pair
}

pub(crate) fn starts_1(bench: &Bench) -> Pair {
    starts_from_threads::<1>(bench)
}

pub(crate) fn starts_2(bench: &Bench) -> Pair {
    starts_from_threads::<2>(bench)
}

pub(crate) fn starts_4(bench: &Bench) -> Pair {
    starts_from_threads::<4>(bench)
}

/// Starts per second, from `THREADS` threads at the same time, under one supervisor.
fn starts_from_threads<const THREADS: u32>(bench: &Bench) -> Pair {
    const N: u32 = 200_000;
    let tasks = bench.ours(async { TaskSupervisor::builder().unlinked().start() });
    let ours = per_second::<THREADS>(N, || {
        tasks.start_child(async {}).expect("there is no child limit");
    });
    bench.ours(async move { tasks.stop().await });
    let tracker = TaskTracker::new();
    let peer = per_second::<THREADS>(N, || drop(tracker.spawn_on(async {}, bench.tokio.handle())));
    tracker.close();
    bench.peer(async move { tracker.wait().await });
    Pair { ours, peer }
}

fn per_second<const THREADS: u32>(n: u32, start: impl Fn() + Sync) -> f64 {
    let started = now();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| (0..n / THREADS).for_each(|_| start()));
        }
    });
    f64::from(n) / started.elapsed().as_secs_f64()
}

/// Restarts per second of a child that ends at once.
pub(crate) fn restarts(bench: &Bench) -> Pair {
    const N: u32 = 20_000;
    let started = now();
    bench.ours(async {
        let (latch, remaining) = (Latch::new(N), Arc::new(AtomicU32::new(N)));
        let counter = latch.clone();
        let child = ChildSpec::task("restarts", move || {
            let counter = counter.clone();
            let is_over = remaining.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1)).is_err();
            async move {
                if is_over {
                    std::future::pending::<()>().await;
                }
                counter.count_down();
            }
        });
        let tree = Supervisor::builder(Strategy::OneForOne)
            .max_restarts(usize::MAX, Duration::from_millis(1))
            .child(child.restart(Restart::Permanent))
            .start()
            .await
            .expect("the supervisor starts");
        latch.wait().await;
        tree.stop().await
    });
    Pair { ours: f64::from(N) / started.elapsed().as_secs_f64(), peer: f64::NAN }
}

/// Stops 100 k children that wait, against aborting and joining as many tasks.
pub(crate) fn stop_100_000(bench: &Bench) -> Pair {
    const N: usize = 100_000;
    let tasks = bench.ours(async {
        let tasks = TaskSupervisor::builder().unlinked().start();
        (0..N).for_each(|_| drop(tasks.start_child(std::future::pending::<()>())));
        tasks
    });
    let started = now();
    bench.ours(async move { tasks.stop().await });
    let ours = started.elapsed().as_secs_f64();
    let mut set = tokio::task::JoinSet::new();
    (0..N).for_each(|_| drop(set.spawn_on(std::future::pending::<()>(), bench.tokio.handle())));
    let started = now();
    bench.peer(async move { set.shutdown().await });
    Pair { ours, peer: started.elapsed().as_secs_f64() }
}
