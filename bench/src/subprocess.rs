//! Measurements that need their own operating-system process: this program runs itself and reads the number that it
//! prints.

use std::fs;
use std::hint::black_box;
use std::io::Read;
use std::num::NonZeroUsize;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, LazyLock, Mutex};
use std::time::{Duration, Instant};

use cordial::Task;

use crate::measure::{Bench, in_tokio, now};
use crate::rows::{consume_ours, consume_peer};

/// `cordial-bench --part PART` prints the number of this part.
pub(crate) const FLAG: &str = "--part";

const IDLE_TASKS: u32 = 200_000;

/// The tasks of one burst.
const BURST: u32 = 100_000;

/// How many bursts there are, and for how long the program does nothing after the last one.
#[derive(Clone, Copy)]
pub(crate) struct Bursts {
    pub(crate) n: u32,
    pub(crate) pause: Duration,
}

impl Bursts {
    /// Returns the last two words of the name of a part.
    pub(crate) fn words(self) -> String {
        format!("{} {}", self.n, self.pause.as_secs())
    }

    fn parse(words: &str) -> Option<Bursts> {
        let (n, seconds) = words.split_once(' ')?;
        Some(Bursts { n: n.parse().ok()?, pause: Duration::from_secs(seconds.parse().ok()?) })
    }
}

/// Runs this program in a new process for one part. Returns NaN if it prints no number.
pub(crate) fn measure(part: &str) -> f64 {
    let program = std::env::current_exe().expect("the path of the program is known");
    let output = Command::new(program).args([FLAG, part]).output().expect("the program can be started again");
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(f64::NAN)
}

/// Another program that keeps all processors busy until it is dropped.
pub(crate) struct BusyProgram(Child);

impl BusyProgram {
    pub(crate) fn start() -> BusyProgram {
        let program = std::env::current_exe().expect("the path of the program is known");
        let busy = Command::new(program).args([FLAG, "busy"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        BusyProgram(busy.expect("the program can be started again"))
    }
}

impl Drop for BusyProgram {
    fn drop(&mut self) {
        // It ends when its input is closed, so also if this program dies.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
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

/// Returns the processor time of the calling thread. Linux only; elsewhere the time that has passed.
pub(crate) fn cpu_time() -> Duration {
    static STARTED: LazyLock<Instant> = LazyLock::new(now);
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    nanoseconds.map_or_else(|| STARTED.elapsed(), Duration::from_nanos)
}

/// Measures one part in this process. Returns NaN for an unknown part.
pub(crate) fn run(part: &str) -> f64 {
    if part == "busy" {
        keep_busy();
        return f64::NAN;
    }
    if let Some(bursts) = part.strip_prefix("bursts bare ").and_then(Bursts::parse) {
        return after_bare_bursts(bursts);
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
        "idle" => {
            bench.ours(async {
                for n in 0..1000 {
                    Task::spawn(async move { n }).await.expect("the task does not fail");
                }
            });
            // Workers and sysmon search for tasks before they sleep.
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

/// Returns the resident memory of two threads without any runtime that take turns in allocating the pieces of a burst. Each
/// thread frees half of the pieces of each burst.
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

/// Returns by how many bytes `work` raises the peak memory of this program.
async fn peak_growth(work: impl Future<Output = ()>) -> f64 {
    let before = bytes("VmHWM:");
    work.await;
    bytes("VmHWM:") - before
}

fn resident_bytes() -> f64 {
    bytes("VmRSS:")
}

/// Returns a value of `/proc/self/status` in bytes. Linux only; elsewhere NaN, and the row shows no number.
fn bytes(key: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib * 1024.0)
}

/// Whether a thread belongs to the library. The main thread has the name of this program.
fn is_library_thread(name: &str) -> bool {
    name.starts_with("cordial-") && name.trim_end() != "cordial-bench"
}

/// Returns the context switches of all threads of the library, including those of its tokio runtime.
fn context_switches() -> f64 {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return f64::NAN };
    let library_threads = tasks
        .flatten()
        .filter(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|name| is_library_thread(&name)));
    let switches = |status: String| -> f64 {
        let counts = status.lines().filter(|line| line.contains("ctxt_switches"));
        counts.filter_map(|line| line.split_whitespace().last()?.parse::<f64>().ok()).sum()
    };
    library_threads.filter_map(|task| fs::read_to_string(task.path().join("status")).ok()).map(switches).sum()
}
