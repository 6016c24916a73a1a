//! The parts of this program that run in an OS process of their own. Each measures one number.

use std::hint::black_box;
use std::io::Read;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::Duration;

use cordial::Task;

use crate::bare_commands::{self, Calls};
use crate::measure::{Bench, in_tokio};
use crate::rows::{Side, bytes_per_idle_connection, consume_ours, consume_peer, memory_of};
use crate::subprocess::Bursts;
use crate::usage::{context_switches, peak_growth, resident_bytes};

const IDLE_TASKS: u32 = 200_000;

/// The tasks of one burst.
const BURST: u32 = 100_000;

/// Measures one part in this process. Returns NaN for an unknown part.
pub(crate) fn run(part: &str) -> f64 {
    if part == "busy" {
        keep_busy();
        return f64::NAN;
    }
    if let Some(commands) = part.strip_prefix("commands ").and_then(|number| number.parse().ok()) {
        return bare_commands::seconds(commands, Calls::Nothing);
    }
    if let Some(commands) = part.strip_prefix("commands as map ").and_then(|number| number.parse().ok()) {
        return bare_commands::seconds(commands, Calls::OfMap);
    }
    if let Some(bursts) = part.strip_prefix("bursts bare ").and_then(Bursts::parse) {
        return after_bare_bursts(bursts);
    }
    if let Some(n_items) = part.strip_prefix("fleet ").and_then(|n| n.parse().ok()) {
        return memory_of(n_items);
    }
    let bench = Bench::start(2);
    if let Some(n_items) = part.strip_prefix("stream ours ").and_then(|n| n.parse().ok()) {
        return bench.ours(peak_growth(consume_ours(n_items)));
    }
    if let Some(n_items) = part.strip_prefix("stream peer ").and_then(|n| n.parse().ok()) {
        return bench.peer(peak_growth(consume_peer(n_items)));
    }
    if let Some(bursts) = part.strip_prefix("bursts ours ").and_then(Bursts::parse) {
        return bench.ours(after_bursts(bursts, burst_ours));
    }
    if let Some(bursts) = part.strip_prefix("bursts peer ").and_then(Bursts::parse) {
        // Not in a spawned task: most programs spawn on the main thread, and there tokio frees more of its memory.
        return bench.tokio.block_on(after_bursts(bursts, burst_peer));
    }
    if let Some(bursts) = part.strip_prefix("bursts peer-task ").and_then(Bursts::parse) {
        return bench.peer(after_bursts(bursts, burst_peer));
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
        "connections ours" => bytes_per_idle_connection(&bench, Side::Ours),
        "connections peer" => bytes_per_idle_connection(&bench, Side::Peer),
        "idle" => {
            bench.ours(async {
                for n in 0..1000 {
                    Task::spawn(async move { n }).await.expect("the task does not fail");
                }
            });
            // Workers and sysmon do not sleep as soon as there is no task.
            std::thread::sleep(Duration::from_secs(1));
            let before = context_switches();
            std::thread::sleep(Duration::from_secs(10));
            context_switches() - before
        }
        _ => f64::NAN,
    }
}

/// Returns the resident memory after bursts of `BURST` sleeping tasks, each burst awaited to its end, and a pause.
async fn after_bursts<F>(bursts: Bursts, burst: impl Fn() -> F) -> f64
where
    F: Future<Output = ()>,
{
    for _ in 0..bursts.n {
        burst().await;
    }
    tokio::time::sleep(bursts.pause).await;
    resident_bytes()
}

async fn burst_ours() {
    let tasks: Vec<Task<()>> = (0..BURST).map(|_| Task::spawn(nap())).collect();
    for task in tasks {
        task.await.expect("the task does not fail");
    }
}

async fn burst_peer() {
    let tasks: Vec<_> = (0..BURST).map(|_| in_tokio(nap())).collect();
    for task in tasks {
        task.await;
    }
}

fn nap() -> tokio::time::Sleep {
    tokio::time::sleep(Duration::from_millis(100))
}

/// What a task of these bursts has on the heap: three pieces of these sizes.
type Pieces = (Box<[u8; 48]>, Box<[u8; 88]>, Box<[u8; 152]>);

/// Returns the resident memory of a process without a runtime, after its two threads have taken turns to allocate the pieces of a
/// burst. Each thread frees half of the pieces of each burst.
fn after_bare_bursts(bursts: Bursts) -> f64 {
    let (barrier, others_half) = (Barrier::new(2), Mutex::new(Vec::new()));
    let give_half = || std::mem::take(&mut *others_half.lock().expect("no thread panics"));
    let run = |own: u32| {
        for n in 0..bursts.n {
            if n % 2 == own {
                let pieces = || -> Pieces { (Box::new([1; 48]), Box::new([1; 88]), Box::new([1; 152])) };
                let mut burst: Vec<Pieces> = (0..BURST).map(|_| black_box(pieces())).collect();
                std::thread::sleep(Duration::from_millis(100));
                *others_half.lock().expect("no thread panics") = burst.split_off(burst.len() / 2);
                drop(burst);
            }
            barrier.wait();
            if n % 2 != own {
                drop(give_half());
            }
            barrier.wait();
        }
        std::thread::sleep(bursts.pause);
        // While the other thread is still there.
        let resident = resident_bytes();
        barrier.wait();
        resident
    };
    std::thread::scope(|scope| {
        scope.spawn(|| run(1));
        scope.spawn(|| run(0)).join().unwrap_or(f64::NAN)
    })
}

/// Keeps all processors busy until standard input is closed.
fn keep_busy() {
    let n_threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..n_threads {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        is_over.store(true, Ordering::Relaxed);
    });
}
