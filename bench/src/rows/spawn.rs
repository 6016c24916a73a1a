//! What does a task cost?

use std::panic;

use cordial::Task;
use tokio::task::yield_now;

use crate::measure::{Bench, Pair, in_tokio};

/// Spawns a million tasks, then awaits all of them.
pub(crate) fn many(bench: &Bench) -> Pair {
    all_at_once::<1_000_000>(bench)
}

pub(crate) fn thousand(bench: &Bench) -> Pair {
    all_at_once::<1000>(bench)
}

pub(crate) fn ten_million(bench: &Bench) -> Pair {
    all_at_once::<10_000_000>(bench)
}

fn all_at_once<const N: u32>(bench: &Bench) -> Pair {
    let ours = async {
        let tasks: Vec<Task<u32>> = (0..N).map(|n| Task::spawn(async move { n })).collect();
        let mut sum = 0;
        for task in tasks {
            sum += u64::from(task.await.expect("the task does not fail"));
        }
        sum
    };
    let peer = async {
        let tasks: Vec<_> = (0..N).map(|n| in_tokio(async move { n })).collect();
        let mut sum = 0;
        for task in tasks {
            sum += u64::from(task.await);
        }
        sum
    };
    bench.pair(N, ours, peer)
}

/// Spawns and awaits one task after the other. Each task yields once, so that its await is almost always pending
/// and arms its timeout (5 s by default; the peer has none).
pub(crate) fn one_by_one(bench: &Bench) -> Pair {
    const N: u32 = 100_000;
    let ours = async {
        for n in 0..N {
            let task = Task::spawn(async move {
                yield_now().await;
                n
            });
            task.await.expect("the task does not fail");
        }
    };
    let peer = async {
        for n in 0..N {
            in_tokio(async move {
                yield_now().await;
                n
            })
            .await;
        }
    };
    bench.pair(N, ours, peer)
}

/// Every task panics. A panic hook that does nothing replaces the hooks of both sides, so the cost
/// of our hook is not measured.
pub(crate) fn panicking(bench: &Bench) -> Pair {
    const N: u32 = 100_000;
    panic::set_hook(Box::new(|_| {}));
    let ours = async {
        let tasks: Vec<Task<()>> = (0..N).map(|_| Task::spawn(async { panic!("expected") })).collect();
        let mut panics = 0u32;
        for task in tasks {
            panics += u32::from(task.await.is_err());
        }
        panics
    };
    #[expect(clippy::disallowed_methods, reason = "tokio is the peer")]
    let peer = async {
        let tasks: Vec<_> = (0..N).map(|_| tokio::spawn(async { panic!("expected") })).collect();
        let mut panics = 0u32;
        for task in tasks {
            let result: Result<(), _> = task.await;
            panics += u32::from(result.is_err());
        }
        panics
    };
    bench.pair(N, ours, peer)
}
