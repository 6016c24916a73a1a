//! Other threads of the machine need all of its processors.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::unbounded_channel;

use crate::hooks::{executor, spawn, wait};

const ROUNDS: usize = 100;

/// Ends the threads that compute, even if the test fails.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How often the times are measured: if a thread gets no processor for long in one of the round trips, that round trip alone
/// changes the average.
const ATTEMPTS: usize = 5;

/// Returns the average time of a round trip from this thread to the other side and back. Before each round trip, the
/// other side has waited for some time.
#[expect(clippy::disallowed_methods, reason = "processors are crowded in real time")]
fn average(round_trip: impl Fn()) -> Duration {
    let mut sum = Duration::ZERO;
    for _ in 0..ROUNDS {
        thread::sleep(Duration::from_micros(100));
        let started = Instant::now();
        round_trip();
        sum += started.elapsed();
    }
    sum / u32::try_from(ROUNDS).unwrap()
}

/// A worker that has no task does not yield again and again to threads that compute: its turn would come after theirs.
#[test]
fn a_task_is_woken_about_as_soon_as_a_thread_while_others_compute() {
    let (executor, is_over) = (executor(1), AtomicBool::new(false));
    let (to_task, mut tasks_questions) = unbounded_channel();
    let (to_thread, threads_questions) = mpsc::channel();
    let (task_answers, answers_of_task) = mpsc::channel();
    let (thread_answers, answers_of_thread) = mpsc::channel();
    let task = spawn(&executor, async move {
        while let Some(()) = tasks_questions.recv().await {
            task_answers.send(()).unwrap();
        }
    });
    let averages: Vec<(Duration, Duration)> = thread::scope(|scope| {
        let ends = SetOnDrop(&is_over);
        for _ in 0..2 * thread::available_parallelism().unwrap().get() {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        scope.spawn(move || threads_questions.iter().for_each(|()| thread_answers.send(()).unwrap()));
        let ask_task = || {
            to_task.send(()).unwrap();
            answers_of_task.recv().unwrap();
        };
        let ask_thread = || {
            to_thread.send(()).unwrap();
            answers_of_thread.recv().unwrap();
        };
        let mut averages = Vec::new();
        while averages.len() < ATTEMPTS && !averages.last().is_some_and(is_soon) {
            averages.push((average(ask_task), average(ask_thread)));
        }
        drop((ends, to_thread));
        averages
    });
    drop(to_task);
    wait(task);
    executor.close(Duration::MAX);
    assert!(averages.last().is_some_and(is_soon), "to a task, and to a thread: {averages:?}");
}

/// Returns whether a task was woken about as soon as a thread.
fn is_soon((of_task, of_thread): &(Duration, Duration)) -> bool {
    // A time slice of the threads that compute takes milliseconds.
    *of_task < 2 * *of_thread + Duration::from_millis(4)
}
