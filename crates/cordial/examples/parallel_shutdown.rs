//! Stops four workers at once. Each may take the grace time, but only if it asked to be told.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::time::Duration;

use cordial::{Exit, Task};
use futures::future::join_all;
use tokio::time::{Instant, sleep};

const GRACE: Duration = Duration::from_millis(300);

/// Works until it is asked to stop, and then needs `closing` to put its things away.
async fn worker(closing: Duration) -> String {
    let mut items = 0;
    loop {
        tokio::select! {
            () = cordial::shutdown_requested() => break,
            () = sleep(Duration::from_millis(10)) => items += 1,
        }
    }
    sleep(closing).await;
    format!("{items} items, then {closing:?} to put things away")
}

/// Never asks to be told: it ends at its current await.
async fn listener() -> String {
    std::future::pending().await
}

fn main() -> Result<(), Exit> {
    cordial::run(async {
        let workers = [
            ("quick", Task::spawn(worker(GRACE / 10))),
            ("slow", Task::spawn(worker(GRACE / 2))),
            ("too slow", Task::spawn(worker(GRACE * 100))),
            ("listener", Task::spawn(listener())),
        ];
        sleep(GRACE).await;

        let asked = Instant::now();
        let ends = join_all(workers.map(|(name, task)| async move { (name, task.shutdown(GRACE).await) })).await;
        for (name, end) in ends {
            match end {
                Some(Ok(report)) => println!("{name:8}  {report}"),
                Some(Err(exit)) => println!("{name:8}  {exit}"),
                None => println!("{name:8}  ended where it waited"),
            }
        }
        println!("all four are gone after {:.1?}", asked.elapsed());
        Ok(())
    })?
}
