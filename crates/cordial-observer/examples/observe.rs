//! Observes a small program for a moment, or with `--stay` until Ctrl-C: open the printed address.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::time::Duration;

use cordial::{ChildSpec, Exit, Strategy, Supervisor, TaskSupervisor, process};
use cordial_observer::{ActionKind, Observer};
use tokio::time::sleep;

async fn worker() {
    process::set_label("worker");
    loop {
        sleep(Duration::from_millis(100)).await;
    }
}

/// A task that blocks its worker for ten seconds.
async fn stuck() {
    process::set_label("stuck");
    std::thread::sleep(Duration::from_secs(10));
}

async fn program() -> Result<(), Exit> {
    let observer = Observer::builder().allow_actions(ActionKind::ALL).serve("127.0.0.1:0")?;
    println!("open {}", observer.url().unwrap_or_default());

    let flaky = ChildSpec::task("flaky", || async {
        sleep(Duration::from_millis(500)).await;
        panic!("no luck");
    });
    let poller = ChildSpec::task("poller", worker);
    let _app = Supervisor::builder(Strategy::OneForOne)
        .label("app")
        .child(poller)
        .child(flaky)
        .max_restarts(1000, Duration::from_secs(10))
        .start()
        .await?;
    let workers = TaskSupervisor::builder().label("workers").start();
    for _ in 0..20 {
        workers.start_child(worker())?;
    }
    workers.start_child(stuck())?;
    let stay = std::env::args().any(|argument| argument == "--stay");
    sleep(if stay { Duration::from_secs(24 * 3600) } else { Duration::from_secs(1) }).await;
    Ok(())
}

fn main() -> std::process::ExitCode {
    cordial::main(program())
}
