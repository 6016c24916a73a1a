//! The processes that `/proc` shows, with their numbers in the pid namespace of this program.
//!
//! `/proc` may show an outer namespace, as in a container that has the `/proc` of its host. A process then has two numbers: one in `/proc`,
//! and one for the system calls of this program. A system call must not get the number from `/proc`, because for the system call it may be
//! the number of a different process.

use std::fs;

use rustix::process::Pid;

/// The processes that `/proc` shows.
pub(super) struct Processes {
    /// How many levels the namespace of this program is below that of `/proc`: 0 if they are the same.
    depth: usize,
}

/// One process.
#[derive(Debug)]
pub(super) struct Process {
    /// The name of its folder in `/proc`, which is its number there.
    name: String,
    /// `R`, `S`, `T` and others.
    pub(super) state: char,
    /// The number of the parent. Like the numbers below, it is valid in the namespace of `/proc`, and is 0 if this namespace does not contain
    /// the parent, the group or the session.
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    /// The number of the foreground group of its terminal; -1 without a terminal.
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
    /// Reads a process. Returns `None` if `/proc` does not show it, for example because it has ended.
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

/// Reads a file that contains the name of a program. Bytes that are not UTF-8 are replaced, because the system cuts the name off after 15
/// bytes, even within a character.
fn read(path: &str) -> Option<String> {
    Some(String::from_utf8_lossy(&fs::read(path).ok()?).into_owned())
}

/// Returns the number of a process in each namespace from that of `/proc` down to that of the process: at least one number.
fn numbers(process: &str) -> Option<Vec<i32>> {
    let status = read(&format!("/proc/{process}/status"))?;
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    // A kernel without namespaces has no line `NSpid:`.
    let numbers = line("NSpid:").or_else(|| line("Pid:"))?.split_whitespace();
    let numbers: Vec<i32> = numbers.map_while(|number| number.parse().ok()).collect();
    (!numbers.is_empty()).then_some(numbers)
}
