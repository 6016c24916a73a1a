//! What does a message, or a switch between two tasks, cost?

use std::pin::pin;
use std::task::{Context, Waker};

use cordial::Task;
use tokio::sync::mpsc;
use tokio::task::yield_now;

use crate::measure::{Bench, Pair, in_tokio, now};

const ROUNDS: u32 = 100_000;

async fn ping(tx: mpsc::Sender<u32>, mut rx: mpsc::Receiver<u32>) {
    for n in 0..ROUNDS {
        tx.send(n).await.expect("the other task lives");
        rx.recv().await.expect("the other task lives");
    }
}

async fn pong(tx: mpsc::Sender<u32>, mut rx: mpsc::Receiver<u32>) {
    while let Some(n) = rx.recv().await {
        if tx.send(n).await.is_err() {
            return;
        }
    }
}

/// Two tasks that send a message back and forth. Time per round trip.
pub(crate) fn ping_pong(bench: &Bench) -> Pair {
    let ours = async {
        let (there, here) = (mpsc::channel(1), mpsc::channel(1));
        let other = Task::spawn(pong(here.0, there.1));
        ping(there.0, here.1).await;
        other.await.expect("the task does not fail");
    };
    let peer = async {
        let (there, here) = (mpsc::channel(1), mpsc::channel(1));
        let other = in_tokio(pong(here.0, there.1));
        ping(there.0, here.1).await;
        other.await;
    };
    bench.pair(ROUNDS, ours, peer)
}

/// The same messages without a scheduler: the cost of the channels, which both sides of [`ping_pong`] pay.
/// The peer is that of [`ping_pong`].
pub(crate) fn channels_alone(bench: &Bench) -> Pair {
    let started = now();
    let (there, here) = (mpsc::channel(1), mpsc::channel(1));
    let (mut ping, mut pong) = (pin!(ping(there.0, here.1)), pin!(pong(here.0, there.1)));
    let mut cx = Context::from_waker(Waker::noop());
    while ping.as_mut().poll(&mut cx).is_pending() {
        // Always pending: `pong` ends only after `ping`, and then the loop has ended.
        let _ = pong.as_mut().poll(&mut cx);
    }
    let channels = started.elapsed().as_secs_f64() / f64::from(ROUNDS);
    Pair { ours: channels, peer: ping_pong(bench).peer }
}

async fn yields() {
    for _ in 0..1000 {
        yield_now().await;
    }
}

/// 1000 tasks that are always ready, each of which yields 1000 times.
pub(crate) fn yielding(bench: &Bench) -> Pair {
    let ours = async {
        let tasks: Vec<Task<()>> = (0..1000).map(|_| Task::spawn(yields())).collect();
        for task in tasks {
            task.await.expect("the task does not fail");
        }
    };
    let peer = async {
        let tasks: Vec<_> = (0..1000).map(|_| in_tokio(yields())).collect();
        for task in tasks {
            task.await;
        }
    };
    bench.pair(1_000_000, ours, peer)
}
