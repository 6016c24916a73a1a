//! The limit of awaits that a runtime sets.

use std::future::pending;
use std::time::Duration;

use cordial::{Exit, Runtime, Task, Timeout};

const SHORT: Duration = Duration::from_millis(3);
const LONG: Duration = Duration::from_secs(3600);

/// Returns the limit that a task has exceeded.
fn exceeded<T>(result: &Result<T, Exit>) -> Option<Duration> {
    match result {
        Err(Exit::Timeout(timed_out)) => Some(timed_out.limit()),
        _ => None,
    }
}

#[test]
fn the_limit_of_a_runtime_holds_for_awaits_that_set_none() {
    let runtime = Runtime::builder().workers(1).await_limit(SHORT).build().unwrap();
    let limits = runtime.run(async {
        let stuck = || Task::spawn(pending::<()>());
        let one = exceeded(&stuck().await);
        let mapped = exceeded(&Task::spawn(pending::<Result<(), Exit>>()).or_exit().await);
        let many = exceeded(&Task::await_many([stuck(), stuck()]).await);
        let yielded = Task::yield_many(&mut [stuck()]).await.len();
        let set_here = exceeded(&stuck().timeout(2 * SHORT).await);
        (one, mapped, many, yielded, set_here)
    });
    assert_eq!(limits.unwrap(), (Some(SHORT), Some(SHORT), Some(SHORT), 1, Some(2 * SHORT)));
}

#[test]
fn awaits_without_limit_outlast_a_short_one() {
    let runtime = Runtime::builder().workers(1).await_limit(Timeout::Infinity).build().unwrap();
    let passed = runtime.run(async {
        let mut task = Task::spawn(pending::<()>());
        tokio::select! {
            result = &mut task => panic!("{result:?}"),
            () = tokio::time::sleep(2 * SHORT) => {}
        }
        let stream = Task::async_stream([1], |n| async move { n }).timeout(LONG);
        stream.collect().await
    });
    assert_eq!(passed.unwrap(), [Ok(1)]);
}
