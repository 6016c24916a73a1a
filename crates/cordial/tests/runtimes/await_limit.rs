//! The limit of awaits that a runtime sets.

use std::future::pending;
use std::time::Duration;

use cordial::server::{Context, Handle, Server, ServerRef};
use cordial::{Exit, Runtime, Task, Timeout};

const SHORT: Duration = Duration::from_millis(3);

/// The limit of awaits if neither they nor their runtime set one.
const DEFAULT: Duration = Duration::from_secs(5);

/// A server that never answers.
struct Silent;

impl Server for Silent {}

impl Handle<()> for Silent {
    type Reply = ();

    async fn handle(&mut self, (): (), _: &mut Context<Self>) {
        pending().await
    }
}

fn with_limit(limit: impl Into<Timeout>) -> Runtime {
    Runtime::builder().workers(1).await_limit(limit).build().unwrap()
}

/// Returns the limit that a task has exceeded.
fn exceeded<T>(result: &Result<T, Exit>) -> Option<Duration> {
    match result {
        Err(Exit::Timeout(timed_out)) => Some(timed_out.limit()),
        _ => None,
    }
}

/// Fails if the await of a task that does not end returns within this time.
async fn assert_outlasts(mut task: Task<()>, time: Duration) {
    tokio::select! {
        result = &mut task => panic!("{result:?}"),
        () = tokio::time::sleep(time) => {}
    }
}

#[test]
fn the_limit_of_a_runtime_holds_for_awaits_that_set_none() {
    let limits = with_limit(SHORT).run(async {
        let stuck = || Task::spawn(pending::<()>());
        let one = exceeded(&stuck().await);
        let mapped = exceeded(&Task::spawn(pending::<Result<(), Exit>>()).or_exit().await);
        let many = exceeded(&Task::await_many([stuck(), stuck()]).await);
        let call = exceeded(&ServerRef::start(|| Silent).call(()).await);
        let yielded = Task::yield_many(&mut [stuck()]).await.len();
        let set_here = exceeded(&stuck().timeout(2 * SHORT).await);
        ([one, mapped, many, call], yielded, set_here)
    });
    assert_eq!(limits.unwrap(), ([Some(SHORT); 4], 1, Some(2 * SHORT)));
}

#[test]
fn the_limit_of_a_runtime_does_not_hold_for_awaits_that_set_one_nor_for_items_of_streams() {
    let outlasted = with_limit(SHORT).run(async {
        assert_outlasts(Task::spawn(pending()).timeout(Timeout::Infinity), 2 * SHORT).await;
        Task::async_stream([2 * SHORT], tokio::time::sleep).collect().await
    });
    assert_eq!(outlasted.unwrap(), [Ok(())]);
}

#[test]
fn awaits_on_a_runtime_without_a_limit_outlast_the_default_one() {
    let outlasted = with_limit(Timeout::Infinity).run(async {
        assert_outlasts(Task::spawn(pending()), DEFAULT + DEFAULT / 10).await;
    });
    assert_eq!(outlasted, Ok(()));
}
