//! The processes that `/proc` shows, with their numbers in the pid namespace of this program.
//!
//! `/proc` may show an outer namespace, as in a container that has the `/proc` of its host. A process then has one number in `/proc`, and
//! another one in the system calls of this program, where the number from `/proc` may be that of another process.

use std::fs;

use rustix::process::Pid;

/// The processes that `/proc` shows.
pub(super) struct Processes {
    /// How many namespaces are between that of `/proc` and that of this program.
    depth: usize,
}

/// One process.
#[derive(Debug)]
pub(super) struct Process {
    /// Its folder in `/proc`, and its number there.
    name: String,
    /// `R`, `S`, `T` and others.
    pub(super) state: char,
    /// The parent. This number and the two below come from `/proc`. They are 0 for a process that `/proc` does not show.
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    /// The foreground group of its terminal; -1 without a terminal.
    pub(super) foreground: i32,
}

impl Processes {
    /// Returns the processes that `/proc` shows. `None` if it is not mounted, or does not show this process.
    pub(super) fn new() -> Option<Processes> {
        Some(Processes { depth: numbers("self")?.len() - 1 })
    }

    /// Returns this process.
    pub(super) fn own() -> Option<Process> {
        let link = fs::read_link("/proc/self").ok()?;
        Process::read(link.to_str()?)
    }

    /// Returns all processes.
    pub(super) fn all() -> impl Iterator<Item = Process> {
        let names = fs::read_dir("/proc").into_iter().flatten().flatten();
        names.filter_map(|entry| entry.file_name().into_string().ok()).filter_map(|name| Process::read(&name))
    }

    /// Returns the number of a process for system calls of this program. `None` if the process has ended, or has no number in the
    /// namespace of this program.
    pub(super) fn pid(&self, process: &Process) -> Option<Pid> {
        numbers(&process.name)?.get(self.depth).copied().and_then(Pid::from_raw)
    }
}

impl Process {
    /// Reads a process. Returns `None` if there is no such process, or no longer.
    fn read(name: &str) -> Option<Process> {
        if !name.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let stat = read(&format!("/proc/{name}/stat"))?;
        // The name of the program is in parentheses, and may contain parentheses. State, parent, group, session, terminal and foreground group follow it.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let mut number = || fields.next()?.parse().ok();
        let (parent, group, session, _terminal) = (number()?, number()?, number()?, number()?);
        Some(Process { name: name.to_owned(), state, parent, group, session, foreground: number()? })
    }

    /// Returns the number of the process in `/proc`.
    pub(super) fn number(&self) -> Option<i32> {
        self.name.parse().ok()
    }

    /// Returns whether the process was started with this variable, `NAME=value`, in its environment.
    pub(super) fn has_variable(&self, variable: &str) -> bool {
        let environment = fs::read(format!("/proc/{}/environ", self.name)).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|entry| entry == variable.as_bytes())
    }
}

/// Reads a file that contains the name of a program. The system cuts the name off after 15 bytes, even within a character.
fn read(path: &str) -> Option<String> {
    Some(String::from_utf8_lossy(&fs::read(path).ok()?).into_owned())
}

/// Returns the numbers of a process in each namespace from that of `/proc` to that of the process: at least one.
fn numbers(process: &str) -> Option<Vec<i32>> {
    let status = read(&format!("/proc/{process}/status"))?;
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    // A kernel without namespaces has no such line.
    let numbers = line("NSpid:").or_else(|| line("Pid:"))?.split_whitespace();
    let numbers: Vec<i32> = numbers.map_while(|number| number.parse().ok()).collect();
    (!numbers.is_empty()).then_some(numbers)
}
