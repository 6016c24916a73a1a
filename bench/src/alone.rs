//! Measurements that need an operating-system process of their own: this program runs itself and reads one number.

use std::fs;
use std::process::Command;
use std::time::Duration;

use cordial::Task;

use crate::measure::{Bench, in_tokio};
use crate::rows::{consume_ours, consume_peer};

/// `cordial-bench --alone PART` prints the number of that part.
pub(crate) const FLAG: &str = "--alone";

const IDLE_TASKS: u32 = 200_000;

/// Runs this program for one part.
pub(crate) fn ask(part: &str) -> f64 {
    let own = std::env::current_exe().expect("a program knows where it is");
    let output = Command::new(own).args([FLAG, part]).output().expect("it runs once more");
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(f64::NAN)
}

pub(crate) fn run(part: &str) -> f64 {
    let bench = Bench::start(2);
    if let Some(n_items) = part.strip_prefix("stream ours ").and_then(|n| n.parse().ok()) {
        return bench.ours(peak_growth(consume_ours(n_items)));
    }
    if let Some(n_items) = part.strip_prefix("stream peer ").and_then(|n| n.parse().ok()) {
        return bench.peer(peak_growth(consume_peer(n_items)));
    }
    match part {
        "memory ours" => bench.ours(async {
            let before = resident_bytes();
            let tasks: Vec<Task<()>> = (0..IDLE_TASKS).map(|_| Task::spawn(std::future::pending())).collect();
            tokio::time::sleep(Duration::from_millis(500)).await;
            let per_task = (resident_bytes() - before) / f64::from(IDLE_TASKS);
            drop(tasks);
            per_task
        }),
        "memory peer" => bench.peer(async {
            let before = resident_bytes();
            let tasks: Vec<_> = (0..IDLE_TASKS).map(|_| in_tokio(std::future::pending::<()>())).collect();
            tokio::time::sleep(Duration::from_millis(500)).await;
            let per_task = (resident_bytes() - before) / f64::from(IDLE_TASKS);
            drop(tasks);
            per_task
        }),
        "idle" => {
            bench.ours(async {
                for n in 0..1000 {
                    Task::spawn(async move { n }).await.expect("it does not fail");
                }
            });
            // Workers and the watch look around before they sleep.
            std::thread::sleep(Duration::from_secs(1));
            let before = context_switches();
            std::thread::sleep(Duration::from_secs(10));
            context_switches() - before
        }
        _ => f64::NAN,
    }
}

/// By how many bytes the most that this program ever held grows.
async fn peak_growth(work: impl Future<Output = ()>) -> f64 {
    let before = bytes("VmHWM:");
    work.await;
    bytes("VmHWM:") - before
}

fn resident_bytes() -> f64 {
    bytes("VmRSS:")
}

/// What the system tells of this program. Linux only; elsewhere the row shows nothing.
fn bytes(what: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix(what)?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib * 1024.0)
}

/// The first thread has the name of this program.
fn is_of_the_library(name: &str) -> bool {
    name.starts_with("cordial-") && name.trim_end() != "cordial-bench"
}

/// Of all threads of ours, those of tokio beside us included.
fn context_switches() -> f64 {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return f64::NAN };
    let of_ours = tasks
        .flatten()
        .filter(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|name| is_of_the_library(&name)));
    let switches = |status: String| -> f64 {
        let counts = status.lines().filter(|line| line.contains("ctxt_switches"));
        counts.filter_map(|line| line.split_whitespace().last()?.parse::<f64>().ok()).sum()
    };
    of_ours.filter_map(|task| fs::read_to_string(task.path().join("status")).ok()).map(switches).sum()
}
