//! Wake-ups that cross threads while workers fall asleep. One that is lost makes a test hang.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{mpsc, oneshot};

use crate::hooks::{executor, n_alive, spawn, wait};

/// Gives back what comes in, one higher, until nothing comes any more.
async fn echo(mut balls: mpsc::Receiver<u64>, back: mpsc::Sender<u64>) {
    while let Some(ball) = balls.recv().await {
        back.send(ball + 1).await.unwrap();
    }
}

async fn serve(rounds: u64, balls: mpsc::Sender<u64>, mut back: mpsc::Receiver<u64>) -> u64 {
    let mut ball = 0;
    for _ in 0..rounds {
        balls.send(ball).await.unwrap();
        ball = back.recv().await.unwrap();
    }
    ball
}

#[test]
fn thousands_of_tasks_play_ping_pong() {
    const PAIRS: u64 = 2000;
    const ROUNDS: u64 = 50;
    let executor = executor(2);
    let games: Vec<_> = (0..PAIRS)
        .map(|_| {
            let ((there, balls), (back, returned)) = (mpsc::channel(1), mpsc::channel(1));
            let _echo = spawn(&executor, echo(balls, back));
            spawn(&executor, serve(ROUNDS, there, returned))
        })
        .collect();
    let balls: u64 = games.into_iter().map(wait).sum();
    assert_eq!(balls, PAIRS * ROUNDS);
    assert_eq!(executor.close(std::time::Duration::MAX), 0);
    assert_eq!(n_alive(&executor), 0);
}

/// With one pair, both workers fall asleep all the time.
#[test]
fn a_single_pair_never_stands_still() {
    const ROUNDS: u64 = 50_000;
    let executor = executor(2);
    let ((there, balls), (back, returned)) = (mpsc::channel(1), mpsc::channel(1));
    let _echo = spawn(&executor, echo(balls, back));
    assert_eq!(wait(spawn(&executor, serve(ROUNDS, there, returned))), ROUNDS);
}

#[test]
fn a_thread_from_outside_plays_as_well() {
    const ROUNDS: u64 = 20_000;
    let executor = executor(2);
    let ((there, balls), (back, mut returned)) = (mpsc::channel(1), mpsc::channel(1));
    let _echo = spawn(&executor, echo(balls, back));
    let mut ball = 0;
    for _ in 0..ROUNDS {
        there.blocking_send(ball).unwrap();
        ball = returned.blocking_recv().unwrap();
    }
    assert_eq!(ball, ROUNDS);
}

/// Each round, a sleeping worker has to notice a task that is started from outside, and this thread its answer.
#[test]
fn a_start_from_outside_wakes_a_worker() {
    let executor = executor(2);
    for round in 0..20_000 {
        let (tx, rx) = oneshot::channel();
        let _join = spawn(&executor, async move { tx.send(round).unwrap() });
        assert_eq!(rx.blocking_recv(), Ok(round));
    }
}

/// A thread that does not sleep itself brings work at the very moment in which a worker falls asleep. One worker, so that
/// no other comes to its help.
#[test]
fn a_start_while_the_only_worker_falls_asleep_is_noticed() {
    const ROUNDS: usize = 200_000;
    let executor = executor(1);
    let latest = Arc::new(AtomicUsize::new(0));
    let mut rng = fastrand::Rng::with_seed(0);
    for round in 1..=ROUNDS {
        let told = latest.clone();
        let _join = spawn(&executor, async move { told.store(round, Ordering::SeqCst) });
        wait_until(|| latest.load(Ordering::SeqCst) == round);
        // The worker looks around for about so long before it sleeps.
        (0..rng.u32(..100)).for_each(|_| std::hint::spin_loop());
    }
}

/// The same for a wake-up: the task has been there all the time.
#[test]
fn a_wake_while_the_only_worker_falls_asleep_is_noticed() {
    const ROUNDS: usize = 200_000;
    let executor = executor(1);
    let latest = Arc::new(AtomicUsize::new(0));
    let (tx, mut rx) = mpsc::unbounded_channel();
    let told = latest.clone();
    let join = spawn(&executor, async move {
        while let Some(round) = rx.recv().await {
            told.store(round, Ordering::SeqCst);
        }
    });
    let mut rng = fastrand::Rng::with_seed(0);
    for round in 1..=ROUNDS {
        tx.send(round).unwrap();
        wait_until(|| latest.load(Ordering::SeqCst) == round);
        (0..rng.u32(..100)).for_each(|_| std::hint::spin_loop());
    }
    drop(tx);
    wait(join);
}

fn wait_until(holds: impl Fn() -> bool) {
    let mut n_looks = 0_u32;
    while !holds() {
        n_looks += 1;
        // On a machine of one core, the worker needs this one.
        if n_looks.is_multiple_of(1000) { std::thread::yield_now() } else { std::hint::spin_loop() }
    }
}

/// Tasks that wait for each other in a ring, and are let go from outside: each wakes the next one, on either worker.
#[test]
fn an_answer_goes_around_a_ring_of_tasks() {
    const RING: usize = 1000;
    let executor = executor(2);
    for round in 0..50 {
        let (first, mut previous) = oneshot::channel();
        for _ in 0..RING {
            let (tx, next) = oneshot::channel();
            let _join = spawn(&executor, async move { tx.send(previous.await.unwrap() + 1).unwrap() });
            previous = next;
        }
        first.send(round).unwrap();
        assert_eq!(previous.blocking_recv(), Ok(round + RING));
    }
}
