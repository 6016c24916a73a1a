//! How late does a task wake up while other tasks compute or block?

use std::time::Duration;

use cordial::{Task, Timeout};

use crate::measure::{Bench, Pair, in_tokio, now, spin};

pub(crate) fn spin_2(bench: &Bench) -> Pair {
    beside(bench, 2, spin)
}

pub(crate) fn spin_8(bench: &Bench) -> Pair {
    beside(bench, 8, spin)
}

pub(crate) fn spin_32(bench: &Bench) -> Pair {
    beside(bench, 32, spin)
}

pub(crate) fn block_100(bench: &Bench) -> Pair {
    beside(bench, 100, || std::thread::sleep(Duration::from_secs(1)))
}

/// The 99th percentile of the lateness of a task that sleeps for 1 ms again and again for 2 s, beside `n` tasks that run `busy` and
/// were started before. The tasks of [`block_100`] block for 1 s each: ours at the same time, on stand-ins, and tokio's two at a time.
fn beside(bench: &Bench, n: usize, busy: fn()) -> Pair {
    let ours = bench.ours(async move {
        let tasks: Vec<Task<()>> =
            (0..n).map(|_| Task::spawn(async move { busy() }).timeout(Timeout::Infinity)).collect();
        let p99 = lateness_p99().await;
        for task in tasks {
            task.await.expect("the task does not fail");
        }
        p99
    });
    let peer = bench.peer(async move {
        let tasks: Vec<_> = (0..n).map(|_| in_tokio(async move { busy() })).collect();
        let p99 = lateness_p99().await;
        for task in tasks {
            task.await;
        }
        p99
    });
    Pair { ours, peer }
}

async fn lateness_p99() -> f64 {
    let mut late = Vec::new();
    let started = now();
    while started.elapsed() < Duration::from_secs(2) {
        let due = now() + Duration::from_millis(1);
        tokio::time::sleep_until(due.into()).await;
        late.push(due.elapsed().as_secs_f64());
    }
    late.sort_by(f64::total_cmp);
    late[late.len() * 99 / 100]
}
