//! Wake-ups from other threads while workers fall asleep. A lost wake-up makes a test hang.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::hooks::{executor, n_alive, spawn, wait};

/// Sends back each number plus one, until the channel is closed.
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
    assert_eq!(executor.close(Duration::MAX), 0);
    assert_eq!(n_alive(&executor), 0);
}

/// One pair of tasks leaves both workers idle most of the time, so they fall asleep and are woken again and again.
#[test]
fn a_single_pair_plays_ping_pong_while_the_workers_fall_asleep() {
    const ROUNDS: u64 = 50_000;
    let executor = executor(2);
    let ((there, balls), (back, returned)) = (mpsc::channel(1), mpsc::channel(1));
    let _echo = spawn(&executor, echo(balls, back));
    assert_eq!(wait(spawn(&executor, serve(ROUNDS, there, returned))), ROUNDS);
}

#[test]
fn a_foreign_thread_plays_ping_pong_with_a_task() {
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

/// In each round a sleeping worker must be woken for a task that this thread starts, and this thread for its answer.
#[test]
fn a_task_that_a_foreign_thread_starts_wakes_a_worker() {
    let executor = executor(2);
    for round in 0..20_000 {
        let (tx, rx) = oneshot::channel();
        let _join = spawn(&executor, async move { tx.send(round).unwrap() });
        assert_eq!(rx.blocking_recv(), Ok(round));
    }
}

/// Counts rounds up to `most`, for 20 s at most: beside programs that compute, a round may take as long as a time
/// slice.
fn rounds(most: usize) -> impl Iterator<Item = usize> {
    let begun = tokio::time::Instant::now();
    (1..=most).take_while(move |_| begun.elapsed() < Duration::from_secs(20))
}

/// The thread of the test does not sleep, so it starts a task just while the worker falls asleep. There is one worker, so no
/// other can take the task.
#[test]
fn a_task_that_is_started_while_the_only_worker_falls_asleep_runs() {
    const ROUNDS: usize = 200_000;
    let executor = executor(1);
    let latest = Arc::new(AtomicUsize::new(0));
    let mut rng = fastrand::Rng::with_seed(0);
    for round in rounds(ROUNDS) {
        let written = latest.clone();
        let _join = spawn(&executor, async move { written.store(round, Ordering::SeqCst) });
        wait_until(|| latest.load(Ordering::SeqCst) == round);
        pause(&mut rng);
    }
}

/// As in the test above, for a task that is woken.
#[test]
fn a_task_that_is_woken_while_the_only_worker_falls_asleep_runs() {
    const ROUNDS: usize = 200_000;
    let executor = executor(1);
    let latest = Arc::new(AtomicUsize::new(0));
    let (tx, mut rx) = mpsc::unbounded_channel();
    let written = latest.clone();
    let join = spawn(&executor, async move {
        while let Some(round) = rx.recv().await {
            written.store(round, Ordering::SeqCst);
        }
    });
    let mut rng = fastrand::Rng::with_seed(0);
    for round in rounds(ROUNDS) {
        tx.send(round).unwrap();
        wait_until(|| latest.load(Ordering::SeqCst) == round);
        pause(&mut rng);
    }
    drop(tx);
    wait(join);
}

/// Waits until another moment of the worker's search, which lasts for up to 200 µs. Some of the pauses are longer than the search.
fn pause(rng: &mut fastrand::Rng) {
    if rng.u32(..16) > 0 {
        (0..rng.u32(..100)).for_each(|_| std::hint::spin_loop());
        return;
    }
    let (begun, pause) = (tokio::time::Instant::now(), Duration::from_micros(rng.u64(..300)));
    wait_until(|| begun.elapsed() >= pause);
}

fn wait_until(holds: impl Fn() -> bool) {
    let mut n_looks = 0_u32;
    while !holds() {
        n_looks += 1;
        // If the machine has one core, the worker needs it.
        if n_looks.is_multiple_of(1000) { std::thread::yield_now() } else { std::hint::spin_loop() }
    }
}

/// Each task of a ring waits for the one before. This thread sends the first message, and each task wakes the next one,
/// on either worker.
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
