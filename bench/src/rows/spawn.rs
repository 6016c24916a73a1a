//! What does a task cost?

use std::panic;

use cordial::{Inherited, Task};
use tokio::task::yield_now;

use crate::measure::{Bench, Pair, in_tokio, timed};

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

static NUMBER: Inherited<u64> = Inherited::new();

/// Spawns a million tasks of ours, and awaits them.
async fn spawn_million() -> u64 {
    let tasks: Vec<Task<u32>> = (0..MILLION).map(|n| Task::spawn(async move { n })).collect();
    let mut sum = 0;
    for task in tasks {
        sum += u64::from(task.await.expect("the task does not fail"));
    }
    sum
}

const MILLION: u32 = 1_000_000;

/// The cost of inheritance: a million tasks of ours that inherit a value which no task reads, compared with as many that inherit none.
pub(crate) fn inheriting(bench: &Bench) -> Pair {
    let ours = timed(|| _ = bench.ours(NUMBER.scope(7, spawn_million())));
    let peer = timed(|| _ = bench.ours(spawn_million()));
    Pair { ours: ours.as_secs_f64() / f64::from(MILLION), peer: peer.as_secs_f64() / f64::from(MILLION) }
}

/// The cost of inherited values where they are not used: a million tasks of ours that are spawned outside of any scope, while another
/// process is in a scope and after this process has left one. Compared with as many tasks while no scope is open.
pub(crate) fn outside_of_a_scope(bench: &Bench) -> Pair {
    let ours = async {
        let _open = Task::spawn(NUMBER.scope(7, std::future::pending::<()>()));
        NUMBER.scope(7, yield_now()).await;
        spawn_million().await
    };
    let ours = timed(|| _ = bench.ours(ours));
    let peer = timed(|| _ = bench.ours(spawn_million()));
    Pair { ours: ours.as_secs_f64() / f64::from(MILLION), peer: peer.as_secs_f64() / f64::from(MILLION) }
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

/// Every task panics. A panic hook that does nothing replaces the hooks of both sides meanwhile, so the cost
/// of our hook is not measured.
pub(crate) fn panicking(bench: &Bench) -> Pair {
    const N: u32 = 100_000;
    let hook = panic::take_hook();
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
    let pair = bench.pair(N, ours, peer);
    panic::set_hook(hook);
    pair
}
