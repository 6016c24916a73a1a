//! The OS processes and descriptors of the tests.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use crate::waits::LONG;

/// Returns whether an OS process runs: a process that has exited and is not reaped does not.
pub(crate) fn is_running(os_pid: u32) -> bool {
    !matches!(state_of(&os_pid.to_string()), None | Some('Z' | 'X'))
}

/// Waits until none of the processes runs, and returns how long that has taken.
pub(crate) fn until_gone(ids: &[u32]) -> Duration {
    let started = now();
    while started.elapsed() < LONG {
        if !ids.iter().any(|id| is_running(*id)) {
            return started.elapsed();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let left = ids.iter().filter(|id| is_running(**id));
    let left: Vec<_> = left.map(|id| fs::read_to_string(format!("/proc/{id}/status"))).collect();
    panic!("these processes run on: {left:?}");
}

#[expect(clippy::disallowed_methods, reason = "OS processes know no virtual time")]
fn now() -> Instant {
    Instant::now()
}

/// The letter of the state in which a process is.
fn state_of(os_pid: &str) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{os_pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

/// The processes of this program, zombies and descendants that have lost their parents included, and its open descriptors.
pub(crate) struct Children {
    processes: BTreeSet<String>,
    n_descriptors: usize,
}

impl Children {
    pub(crate) fn here() -> Children {
        Children { processes: related(), n_descriptors: fs::read_dir("/proc/self/fd").unwrap().count() }
    }

    /// Waits until there are as few processes and descriptors as before.
    pub(crate) fn assert_same(&self) {
        let mut left = (Vec::new(), 0);
        let started = now();
        while started.elapsed() < LONG {
            let now = Children::here();
            left = (now.processes.difference(&self.processes).cloned().collect(), now.n_descriptors);
            if left.0.is_empty() && left.1 <= self.n_descriptors {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("processes are left: {:?}; descriptors: {} before, {} now", left.0, self.n_descriptors, left.1);
    }
}

/// All processes whose environment says that this test has started them, directly or not; a zombie has none, and is found by its parent.
fn related() -> BTreeSet<String> {
    let own = std::process::id();
    let mark = format!("CORDIAL_ISOLATE_WORKER={own}:");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)).unwrap_or_default();
        if environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(mark.as_bytes()))
            || parent == own.to_string()
        {
            found.insert(name);
        }
    }
    found
}
