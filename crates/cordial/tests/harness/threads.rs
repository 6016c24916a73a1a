//! The threads of this OS process, read from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// One thread.
pub(crate) struct Thread(PathBuf);

/// All threads of this process.
pub(crate) fn all() -> Vec<Thread> {
    fs::read_dir("/proc/self/task").unwrap().map(|task| Thread(task.unwrap().path())).collect()
}

/// The names of all threads. The system truncates a name to 15 characters.
pub(crate) fn names() -> Vec<String> {
    all().iter().filter_map(Thread::name).collect()
}

/// The number of threads that belong to runtimes of this library.
pub(crate) fn n_ours() -> usize {
    names().iter().filter(|name| is_ours(name)).count()
}

pub(crate) fn is_ours(name: &str) -> bool {
    name.starts_with("cordial-")
}

/// The number of context switches, voluntary and involuntary, of each thread of this library.
pub(crate) fn switches() -> BTreeMap<String, u64> {
    let ours =
        all().into_iter().filter_map(|thread| thread.name().filter(|name| is_ours(name)).map(|name| (name, thread)));
    ours.filter_map(|(name, thread)| Some((format!("{name} {}", thread.0.display()), thread.switches()?))).collect()
}

// The methods return `None` if the thread has just exited: its files are gone.
impl Thread {
    fn name(&self) -> Option<String> {
        fs::read_to_string(self.0.join("comm")).ok().map(|name| name.trim_end().to_owned())
    }

    fn switches(&self) -> Option<u64> {
        let status = fs::read_to_string(self.0.join("status")).ok()?;
        let counts = status.lines().filter_map(|line| line.split_once("ctxt_switches:"));
        Some(counts.map(|(_, count)| count.trim().parse::<u64>().unwrap()).sum())
    }
}
