//! Sends a metric for each request in a task without a handle, so that the metric neither delays nor fails the request.
//!
//! The collector that receives the metrics is slow, and fails once.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cordial::{Task, process};
use tokio::time::{Instant, sleep};

const MS: Duration = Duration::from_millis(1);

/// Receives metrics.
#[derive(Clone, Default)]
struct Collector {
    n_received: Arc<AtomicUsize>,
}

impl Collector {
    async fn send(self, path: &'static str) -> Result<(), &'static str> {
        process::set_label(format!("metric of {path}"));
        sleep(300 * MS).await;
        if path == "/basket" {
            return Err("the collector is not available");
        }
        self.n_received.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// Answers a request. If the metric fails, an event is emitted, and the monitor receives the exit.
async fn handle(path: &'static str, collector: Collector) -> (String, process::Monitor) {
    let metric = process::monitor(Task::start(collector.send(path)));
    sleep(10 * MS).await;
    (format!("200 OK {path}"), metric)
}

fn main() -> std::process::ExitCode {
    cordial::main(async {
        let collector = Collector::default();
        let mut metrics = Vec::new();
        for path in ["/", "/basket", "/pay", "/thanks"] {
            let started = Instant::now();
            let (answer, metric) = handle(path, collector.clone()).await;
            println!("{answer} after {} ms", started.elapsed().as_millis());
            metrics.push((path, metric));
        }
        println!("{} metrics received so far", collector.n_received.load(Ordering::SeqCst));
        // The program ends with this process and shuts down the tasks that still run, so it waits for the metrics first.
        for (path, metric) in metrics {
            println!("the metric of {path} {}", metric.await);
        }
        println!("{} metrics received", collector.n_received.load(Ordering::SeqCst));
    })
}
