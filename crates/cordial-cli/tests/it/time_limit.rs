//! Ends programs that a test waits for without end, so that one hanging test fails and does not stop the others.
#![cfg(target_os = "linux")]

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Write;
use std::sync::Once;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// The time between two searches.
const PERIOD: Duration = Duration::from_secs(5);

/// After how many searches a program is killed: 5 minutes, which is much longer than any test takes on a slow machine.
const MAX_SEARCHES: u32 = 60;

/// A process, with the time of its start, because another process may get its number.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Process {
    pid: i32,
    parent: i32,
    started: String,
}

/// Starts the thread that searches for programs of this process that run for too long. It kills each of them together with all its
/// descendants, which may hold the pipes that a test reads.
pub(crate) fn limit_programs() {
    static START: Once = Once::new();
    // With more items, one test takes longer.
    let has_more_items = std::env::var_os("CORDIAL_FLEET_ITEMS").is_some();
    let max_searches = if has_more_items { 10 * MAX_SEARCHES } else { MAX_SEARCHES };
    START.call_once(|| drop(thread::Builder::new().spawn(move || search(max_searches)).unwrap()));
}

fn search(max_searches: u32) {
    let own = i32::try_from(std::process::id()).unwrap();
    let mut found: HashMap<Process, u32> = HashMap::new();
    loop {
        thread::sleep(PERIOD);
        let all = processes();
        let programs: HashSet<Process> = all.iter().filter(|process| process.parent == own).cloned().collect();
        found.retain(|program, _| programs.contains(program));
        for program in programs {
            let n_searches = found.entry(program.clone()).or_default();
            *n_searches += 1;
            if *n_searches >= max_searches {
                kill(&program, &all);
            }
        }
    }
}

fn kill(program: &Process, all: &[Process]) {
    let line = fs::read(format!("/proc/{}/cmdline", program.pid)).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    // Standard error directly, because libtest captures what a thread of a test prints.
    let _ = writeln!(std::io::stderr(), "KILLED, because a test still waits for it: {line}");
    let mut tree = vec![program.pid];
    let mut next = 0;
    while let Some(&parent) = tree.get(next) {
        tree.extend(all.iter().filter(|process| process.parent == parent).map(|process| process.pid));
        next += 1;
    }
    for pid in tree.into_iter().filter_map(Pid::from_raw) {
        // Fails only if the process has ended.
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Returns all processes that have not ended.
fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let read = |pid: i32| {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let stat = String::from_utf8_lossy(&stat).into_owned();
        // State, parent and 17 other fields precede the time of the start.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let process = Process { pid, parent: fields[1].parse().ok()?, started: fields[19].to_owned() };
        (!["Z", "X"].contains(&fields[0])).then_some(process)
    };
    pids.filter_map(read).collect()
}
