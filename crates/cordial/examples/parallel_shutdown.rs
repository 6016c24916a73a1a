//! Shuts down four tasks in parallel, each with the same grace time.
//!
//! A task that has opted in to graceful shutdown, with `shutdown_requested`, may use the grace time; others end at once.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::time::Duration;

use cordial::Task;
use futures::future::join_all;
use tokio::time::{Instant, sleep};

const GRACE: Duration = Duration::from_millis(300);

/// Works until it is asked to shut down, and then needs `cleanup` to finish.
async fn worker(cleanup: Duration) -> String {
    let mut items = 0;
    loop {
        tokio::select! {
            () = cordial::shutdown_requested() => break,
            () = sleep(Duration::from_millis(10)) => items += 1,
        }
    }
    sleep(cleanup).await;
    format!("{items} items, then {cleanup:?} of cleanup")
}

/// Has not opted in: a request to shut down ends it at its current await.
async fn listener() -> String {
    std::future::pending().await
}

fn main() -> std::process::ExitCode {
    cordial::main(async {
        let workers = [
            ("quick", Task::spawn(worker(GRACE / 10))),
            ("slow", Task::spawn(worker(GRACE / 2))),
            ("too slow", Task::spawn(worker(GRACE * 100))),
            ("listener", Task::spawn(listener())),
        ];
        sleep(GRACE).await;

        let started = Instant::now();
        let ends = join_all(workers.map(|(name, task)| async move { (name, task.shutdown(GRACE).await) })).await;
        for (name, end) in ends {
            match end {
                Some(Ok(report)) => println!("{name:8}  {report}"),
                Some(Err(exit)) => println!("{name:8}  {exit}"),
                None => println!("{name:8}  ended at its current await"),
            }
        }
        println!("all four have ended after {:.1?}", started.elapsed());
    })
}
