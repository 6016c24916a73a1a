//! What the operating system has counted for this program: processor time, memory and context switches.

use std::fs;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::measure::now;

/// Returns the processor time of the calling thread. Linux only; elsewhere the time that has passed.
pub(crate) fn cpu_time() -> Duration {
    static STARTED: LazyLock<Instant> = LazyLock::new(now);
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    nanoseconds.map_or_else(|| STARTED.elapsed(), Duration::from_nanos)
}

/// Returns the processor time of the threads whose name begins with this text. Linux only; elsewhere zero.
pub(crate) fn cpu_time_of_threads(name: &str) -> Duration {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return Duration::ZERO };
    let is_meant =
        |task: &fs::DirEntry| fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.starts_with(name));
    let time =
        |task: fs::DirEntry| fs::read_to_string(task.path().join("schedstat")).ok()?.split(' ').next()?.parse().ok();
    tasks.flatten().filter(is_meant).filter_map(time).map(Duration::from_nanos).sum()
}

/// Returns by how many bytes `work` raises the peak memory of this program.
pub(crate) async fn peak_growth(work: impl Future<Output = ()>) -> f64 {
    let before = bytes("VmHWM:");
    work.await;
    bytes("VmHWM:") - before
}

/// Returns the resident memory of this program, in bytes.
pub(crate) fn resident_bytes() -> f64 {
    bytes("VmRSS:")
}

/// Returns a value of `/proc/self/status` in bytes. Linux only; elsewhere NaN, and the row shows no number.
fn bytes(key: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib * 1024.0)
}

/// Returns whether a thread belongs to the library. The main thread has the name of this program.
fn is_library_thread(name: &str) -> bool {
    name.starts_with("cordial-") && name.trim_end() != "cordial-bench"
}

/// Returns the context switches of all threads of the library, including those of its tokio runtime.
pub(crate) fn context_switches() -> f64 {
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
