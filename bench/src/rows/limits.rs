//! How late does a limit elapse while every thread of tokio is blocked, and while other tasks compute?

use std::future::pending;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use cordial::{Task, Timeout};

use crate::measure::{Bench, Pair, in_tokio, now, spin};

const LIMIT: Duration = Duration::from_millis(100);

/// For how long the threads are blocked.
const BLOCKED: Duration = Duration::from_secs(1);

/// The longest lateness of 100 limits while the threads of tokio are blocked.
pub(crate) fn blocked(bench: &Bench) -> Pair {
    let n_threads = bench.workers;
    let ours = bench.ours(async move {
        let limits: Vec<_> = (0..100).map(|_| Task::spawn(late_ours(LIMIT)).timeout(Timeout::Infinity)).collect();
        let blocked = block_tokio(n_threads);
        let late = Task::await_many(limits).timeout(Timeout::Infinity).await.expect("no task fails");
        blocked.await;
        late
    });
    let peer = bench.peer(async move {
        let limits: Vec<_> = (0..100).map(|_| in_tokio(late_peer(LIMIT))).collect();
        // The limits begin before the threads are blocked.
        tokio::time::sleep(LIMIT / 2).await;
        let blocked = block_tokio(n_threads);
        let mut late = Vec::new();
        for limit in limits {
            late.push(limit.await);
        }
        blocked.await;
        late
    });
    Pair { ours: percentile(ours, 100), peer: percentile(peer, 100) }
}

/// Blocks all threads of the tokio runtime that the caller belongs to, from about this moment on. The future is ready when they are free again.
fn block_tokio(n_threads: usize) -> impl Future<Output = ()> {
    let all_block = Arc::new(Barrier::new(n_threads));
    let block = |_| {
        let all_block = all_block.clone();
        in_tokio(async move {
            all_block.wait();
            std::thread::sleep(BLOCKED);
        })
    };
    let blocked: Vec<_> = (0..n_threads).map(block).collect();
    async {
        for thread in blocked {
            thread.await;
        }
    }
}

/// The 99th percentile of the lateness of 10 000 limits that elapse within one second, beside 4 tasks that spin.
pub(crate) fn beside_spinning(bench: &Bench) -> Pair {
    let limits = || (0..10_000).map(|n| LIMIT + n * Duration::from_micros(100));
    let ours = bench.ours(async move {
        let spinning: Vec<_> = (0..4).map(|_| Task::spawn(async { spin() }).timeout(Timeout::Infinity)).collect();
        let limits = limits().map(|limit| Task::spawn(late_ours(limit)));
        let late = Task::await_many(limits).timeout(Timeout::Infinity).await.expect("no task fails");
        Task::await_many(spinning).timeout(Timeout::Infinity).await.expect("no task fails");
        late
    });
    let peer = bench.peer(async move {
        let spinning: Vec<_> = (0..4).map(|_| in_tokio(async { spin() })).collect();
        let limits: Vec<_> = limits().map(|limit| in_tokio(late_peer(limit))).collect();
        let mut late = Vec::new();
        for limit in limits {
            late.push(limit.await);
        }
        for spinning in spinning {
            spinning.await;
        }
        late
    });
    Pair { ours: percentile(ours, 99), peer: percentile(peer, 99) }
}

/// Awaits a task that does not end. Returns how long after the limit the await has ended.
async fn late_ours(limit: Duration) -> Duration {
    let task = Task::spawn(pending::<()>());
    let started = now();
    task.timeout(limit).await.expect_err("the task does not end");
    started.elapsed().saturating_sub(limit)
}

async fn late_peer(limit: Duration) -> Duration {
    let started = now();
    tokio::time::timeout(limit, pending::<()>()).await.expect_err("the future is never ready");
    started.elapsed().saturating_sub(limit)
}

/// In seconds.
fn percentile(mut late: Vec<Duration>, percent: usize) -> f64 {
    late.sort_unstable();
    late[(late.len() * percent / 100).min(late.len() - 1)].as_secs_f64()
}
