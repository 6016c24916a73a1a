//! Requests that count themselves: the metric is sent by a task that nobody awaits, and never delays or fails a request.
//!
//! The collector of the metrics takes its time, and is out of order once.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cordial::{Exit, Task, process};
use tokio::time::{Instant, sleep};

const MS: Duration = Duration::from_millis(1);

/// Where metrics are sent to.
#[derive(Clone, Default)]
struct Collector {
    n_received: Arc<AtomicUsize>,
}

impl Collector {
    async fn send(self, path: &'static str) -> Result<(), &'static str> {
        process::set_label(format!("metric of {path}"));
        sleep(300 * MS).await;
        if path == "/basket" {
            return Err("the collector is out of order");
        }
        self.n_received.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// Answers a request. The `Err` of the metric is for whoever watches it: a `tracing` subscriber, or a monitor.
async fn handle(path: &'static str, collector: Collector) -> (String, process::Monitor) {
    let metric = process::monitor(Task::start(collector.send(path)));
    sleep(10 * MS).await;
    (format!("200 OK {path}"), metric)
}

fn main() -> Result<(), Exit> {
    cordial::run(async {
        let collector = Collector::default();
        let mut metrics = Vec::new();
        for path in ["/", "/basket", "/pay", "/thanks"] {
            let begun = Instant::now();
            let (answer, metric) = handle(path, collector.clone()).await;
            println!("{answer} after {} ms", begun.elapsed().as_millis());
            metrics.push((path, metric));
        }
        println!("{} metrics received so far", collector.n_received.load(Ordering::SeqCst));
        // A program that ends asks what still runs to end too. These have something to say.
        for (path, metric) in metrics {
            println!("the metric of {path} {}", metric.await);
        }
        println!("{} metrics received", collector.n_received.load(Ordering::SeqCst));
    })
}
