//! A request to shut down races with the work of a task, in each of the forms in which a task may wait for both.
//!
//! What is promised: once the call of `shutdown_requested` or `defer_shutdown` has returned, a request does not interrupt the
//! task, and the value that it returns is the answer of the shutdown. Which branch of a `select!` gives that value is open.

use std::time::Duration;

use cordial::{Exit, Runtime, Task, process, shutdown_requested};
use futures::FutureExt;
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;

pub(crate) const ROUNDS: usize = 1000;

/// Longer than any round may take on a busy machine. If a request is lost, the task is killed after it.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The end of a round: which branch has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    OfWork,
    OfRequest,
}
use Answer::{OfRequest, OfWork};

/// The work of one round. Says that it has begun in its first poll, when the other branches may not have been polled.
struct Work {
    begun: oneshot::Sender<()>,
    /// In some rounds the first poll ends only after the request was sent.
    is_asked: Option<std::sync::mpsc::Receiver<()>>,
    n_yields: usize,
}

impl Work {
    fn new(round: usize, begun: oneshot::Sender<()>) -> (Work, Option<std::sync::mpsc::Sender<()>>) {
        let (asked, is_asked) = (round % 8 == 1).then(std::sync::mpsc::channel).unzip();
        (Work { begun, is_asked, n_yields: round % 8 }, asked)
    }

    async fn done(self) -> Answer {
        let _ = self.begun.send(());
        if let Some(is_asked) = self.is_asked {
            is_asked.recv().unwrap();
        }
        for _ in 0..self.n_yields {
            yield_now().await;
        }
        OfWork
    }
}

/// Runs `task` in `ROUNDS` rounds, and asks it to shut down while it works. Each time it must return one of the answers.
///
/// After its answer, each task awaits once more, as a branch that runs for longer would.
fn check<F>(name: &'static str, expected: &'static [Answer], task: fn(Work) -> F)
where
    F: Future<Output = Answer> + Send + 'static,
{
    check_exactly(name, expected, move |work| async move {
        let answer = task(work).await;
        yield_now().await;
        answer
    });
}

/// Like `check`, but the task returns at once when it has its answer.
fn check_exactly<F>(name: &'static str, expected: &'static [Answer], task: impl Fn(Work) -> F + Send + 'static)
where
    F: Future<Output = Answer> + Send + 'static,
{
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let rounds = async move {
        for round in 0..ROUNDS {
            let (begun, has_begun) = oneshot::channel();
            let (work, asked) = Work::new(round, begun);
            let task = Task::spawn(task(work));
            has_begun.await.unwrap();
            if let Some(asked) = asked {
                process::exit(task.pid(), Exit::Shutdown(None));
                asked.send(()).unwrap();
            }
            let answer = task.shutdown(LIMIT).await;
            let is_answer = matches!(answer, Some(Ok(answer)) if expected.contains(&answer));
            assert!(is_answer, "{name}, round {round}: {answer:?}");
        }
    };
    runtime.block_on(rounds).unwrap();
}

#[test]
fn select_loses_no_answer() {
    check("select!", &[OfWork, OfRequest], |work| async {
        tokio::select! {
            answer = work.done() => answer,
            () = shutdown_requested() => OfRequest,
        }
    });
    check("biased select!, the work first", &[OfWork, OfRequest], |work| async {
        tokio::select! {
            biased;
            answer = work.done() => answer,
            () = shutdown_requested() => OfRequest,
        }
    });
    check("biased select!, the request first", &[OfWork, OfRequest], |work| async {
        tokio::select! {
            biased;
            () = shutdown_requested() => OfRequest,
            answer = work.done() => answer,
        }
    });
    check("futures::select!", &[OfWork, OfRequest], |work| async {
        futures::select! {
            answer = work.done().fuse() => answer,
            () = shutdown_requested() => OfRequest,
        }
    });
    check("futures::select_biased!", &[OfWork, OfRequest], |work| async {
        futures::select_biased! {
            answer = work.done().fuse() => answer,
            () = shutdown_requested() => OfRequest,
        }
    });
}

#[test]
fn join_loses_no_answer() {
    check("join!", &[OfWork], |work| async { tokio::join!(work.done(), shutdown_requested()).0 });
    check("futures::join!", &[OfWork], |work| async { futures::join!(work.done(), shutdown_requested()).0 });
    check("futures::future::select", &[OfWork, OfRequest], |work| async {
        match futures::future::select(std::pin::pin!(work.done()), shutdown_requested()).await {
            futures::future::Either::Left((answer, _)) => answer,
            futures::future::Either::Right(_) => OfRequest,
        }
    });
}

/// Each job is finished, even if the future of the request is dropped before its branch runs, and the next turn creates a new one.
#[test]
fn a_loop_loses_no_job() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let rounds = async {
        for round in 0..ROUNDS {
            let (jobs, mut received) = mpsc::channel(8);
            let (begun, mut has_begun) = mpsc::channel(8);
            let (done, mut is_done) = mpsc::channel(8);
            let worker = Task::spawn(async move {
                loop {
                    let job: usize = tokio::select! {
                        job = received.recv() => job.unwrap(),
                        () = shutdown_requested() => return "stopped",
                    };
                    begun.send(job).await.unwrap();
                    for _ in 0..job {
                        yield_now().await;
                    }
                    done.send(job).await.unwrap();
                }
            });
            for job in 0..=round % 4 {
                jobs.send(job).await.unwrap();
                assert_eq!(has_begun.recv().await, Some(job));
            }
            assert_eq!(worker.shutdown(LIMIT).await, Some(Ok("stopped")), "round {round}");
            for job in 0..=round % 4 {
                assert_eq!(is_done.recv().await, Some(job), "round {round}: a job that has begun is done");
            }
        }
    };
    runtime.block_on(rounds).unwrap();
}

/// A helper that looks once for a request, and returns.
async fn helper() -> bool {
    shutdown_requested().now_or_never().is_some()
}

#[test]
fn a_helper_that_returns_opts_in_its_caller() {
    check("an async helper", &[OfWork], |work| async {
        assert!(!helper().await);
        work.done().await
    });
    check("a call whose future is dropped", &[OfWork], |work| async {
        drop(shutdown_requested());
        work.done().await
    });
}

/// The answer gets out of the process before the deferred request ends it.
#[test]
fn a_guard_loses_no_answer() {
    // After the guard is dropped, a request ends the process where it awaits next.
    check_exactly("a guard around the work", &[OfWork], |work| async {
        let _guard = process::defer_shutdown();
        work.done().await
    });
    check_exactly("select! with a guard", &[OfWork, OfRequest], |work| async {
        let guard = process::defer_shutdown();
        tokio::select! {
            answer = work.done() => answer,
            () = guard.requested() => OfRequest,
        }
    });
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let rounds = async {
        for round in 0..ROUNDS {
            let (begun, has_begun) = oneshot::channel();
            let (answers, answer) = oneshot::channel();
            let (work, asked) = Work::new(round, begun);
            let task = Task::spawn(async move {
                let guard = process::defer_shutdown();
                let _ = answers.send(work.done().await);
                drop(guard);
                std::future::pending::<()>().await
            });
            has_begun.await.unwrap();
            if let Some(asked) = asked {
                process::exit(task.pid(), Exit::Shutdown(None));
                asked.send(()).unwrap();
            }
            assert_eq!(task.shutdown(LIMIT).await, None, "round {round}: it ended as requested");
            assert_eq!(answer.await, Ok(OfWork), "round {round}");
        }
    };
    runtime.block_on(rounds).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "the future has to be polled in a task of tokio")]
fn spawn_in_tokio<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::spawn(future)
}

#[test]
fn a_task_of_tokio_loses_no_answer() {
    check("a task of tokio", &[OfWork, OfRequest], |work| async {
        let requested = shutdown_requested();
        let in_tokio = spawn_in_tokio(async {
            tokio::select! {
                answer = work.done() => answer,
                () = requested => OfRequest,
            }
        });
        in_tokio.await.unwrap()
    });
}
