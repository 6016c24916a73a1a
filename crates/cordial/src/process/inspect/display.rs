//! The text of a snapshot: counts, a tree of processes, and the latest crashes. The processes that a process supervises or owns are
//! indented below it.
//!
//! ```text
//! 6 processes, 2 workers, 1 crash
//! main <1.0.1>, 12.0s old
//!   app <1.1.1>: rest_for_one, 3 running, 1 restart, 12.0s old
//!     connections <1.2.1>: tasks, 1 of at most 1000 running, 12.0s old
//!       src/main.rs:20:9 <1.4.1>, 3.0s old, in a poll for 9ms
//!     cache <1.5.1>: mailbox 3 of 1024, oldest 20ms, 700 handled, 2 skipped, 12.0s old
//!     listener <1.3.2>, incarnation 2, 3.0s old
//! crashed 3.0s ago, 9.0s old: listener <1.3.1>: Too many open files (os error 24)
//! ```

use std::fmt::{self, Write};
use std::time::Duration;

use super::snapshot::{ProcessInfo, ProcessState, Snapshot};
use crate::pid::Pid;
use crate::process::supervision::{InactiveState, Supervision};

/// How many processes are printed below one process, and with no process above them. Supervisors, and processes that own a supervisor, do
/// not count: all of them are printed.
const MAX_PROCESSES: usize = 20;

/// How many levels are indented.
const MAX_INDENTED: usize = 30;

/// How many of the most recent crashes are printed.
const MAX_CRASHES: usize = 5;

/// Prints the number of processes, of workers and of crashes, then the processes as a tree, and then the five latest crashes, if
/// there are any.
///
/// The line of a process has its label, child id or spawn location, its pid, its incarnation unless that is the first, its
/// state unless it is running, its age, and how long its current poll has lasted, if that is about 1 ms or more. A supervisor
/// is printed with its strategy, the number of its children that have a process, and the number of restarts, if there were
/// any; below it, its children that have no process. A server is printed with its mailbox. Details of a process are printed
/// below it.
///
/// Processes are printed below their supervisor or owner: first supervisors and the processes that own one, then the others,
/// both oldest first; of the others, only the first 20. The same holds for the processes that have neither a supervisor nor an
/// owner. The format may change.
///
/// # Examples
///
/// ```
/// use cordial::{ChildSpec, Strategy, Supervisor, process};
///
/// cordial::testing::run(async {
///     let poller = ChildSpec::task("poller", std::future::pending::<()>);
///     let _tree = Supervisor::builder(Strategy::OneForOne).label("app").child(poller).start().await.unwrap();
///     let text = process::snapshot().to_string();
///     let lines: Vec<&str> = text.lines().collect();
///     assert!(lines[0].starts_with("3 processes"));
///     assert!(lines[2].starts_with("  app <") && lines[2].contains(">: one_for_one, 1 running"));
///     assert!(lines[3].starts_with("    poller <"));
/// });
/// ```
impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Counted(self.processes.len() as u64, "process", "processes"))?;
        if let Some(workers) = self.workers {
            write!(f, ", {}", Counted(workers as u64, "worker", "workers"))?;
        }
        // The number of the latest crash counts all crashes, including those that the snapshot does not contain.
        if let Some(latest) = self.crashes.last() {
            write!(f, ", {}", Counted(latest.number, "crash", "crashes"))?;
        }
        Forest::new(self).write(f)?;
        for crash in self.crashes.iter().rev().take(MAX_CRASHES).rev() {
            write!(f, "\ncrashed {} ago, {} old: ", RoundedDuration(crash.ago), RoundedDuration(crash.age))?;
            write_name(f, crash.label.as_deref(), &crash.spawned_at)?;
            write!(f, " {}: ", crash.pid)?;
            write_message(f, &format!("{:#}", crash.exit))?;
        }
        Ok(())
    }
}

/// The processes, each with the process above it, if there is one. Sorted by the process above, then oldest first.
struct Forest<'a>(Vec<(Option<Pid>, &'a ProcessInfo)>);

impl<'a> Forest<'a> {
    fn new(snapshot: &'a Snapshot) -> Forest<'a> {
        let mut pids: Vec<Pid> = snapshot.processes.iter().map(|process| process.pid).collect();
        pids.sort_unstable();
        let with_above = |process: &'a ProcessInfo| {
            // The process above may have ended before the snapshot reached it.
            let above = process.supervisor.or(process.owner).filter(|pid| pids.binary_search(pid).is_ok());
            (above, process)
        };
        let mut processes: Vec<(Option<Pid>, &ProcessInfo)> = snapshot.processes.iter().map(with_above).collect();
        processes.sort_unstable_by_key(|(above, process)| (*above, std::cmp::Reverse(process.age), process.pid));
        Forest(processes)
    }

    /// Returns the processes below a process, oldest first.
    fn directly_below(&self, above: Option<Pid>) -> &[(Option<Pid>, &'a ProcessInfo)] {
        let first = self.0.partition_point(|(of, _)| *of < above);
        let n = self.0[first..].partition_point(|(of, _)| *of == above);
        &self.0[first..first + n]
    }

    /// Writes all processes. Without recursion, because a chain of owners may be long.
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.below(None, 0);
        while let Some(line) = lines.pop() {
            match line {
                Line::Process { process, depth } => {
                    write!(f, "\n{}", Indent(depth))?;
                    write_process(f, process)?;
                    for detail in &process.details {
                        write!(f, "\n{}", Indent(depth + 1))?;
                        write_escaped(f, detail)?;
                    }
                    for child in process.supervises.iter().flat_map(|supervision| &supervision.inactive) {
                        write!(f, "\n{}", Indent(depth + 1))?;
                        write_escaped(f, &child.id)?;
                        f.write_str(": ")?;
                        match (child.state, child.restart_in.filter(|delay| !delay.is_zero())) {
                            (InactiveState::Restarting, Some(delay)) => {
                                write!(f, "is restarted in {}", RoundedDuration(delay))?
                            }
                            (InactiveState::Restarting, None) => f.write_str("is being restarted")?,
                            (InactiveState::Stopped, _) => f.write_str("has ended")?,
                        }
                    }
                    lines.extend(self.below(Some(process.pid), depth + 1));
                }
                Line::Hidden { n, depth } => write!(f, "\n{}and {n} more", Indent(depth))?,
            }
        }
        Ok(())
    }

    /// Returns the lines of the processes below a process, the last line first: `write` takes them from the end.
    fn below(&self, above: Option<Pid>, depth: usize) -> Vec<Line<'a>> {
        let below = self.directly_below(above).iter().map(|(_, process)| *process);
        // Supervisors and their owners are few, and show the structure of the program: all of them are printed.
        let (owners, others): (Vec<&ProcessInfo>, Vec<_>) = below
            .partition(|process| process.supervises.is_some() || !self.directly_below(Some(process.pid)).is_empty());
        let hidden = others.len().saturating_sub(MAX_PROCESSES);
        let shown = owners.into_iter().chain(others.into_iter().take(MAX_PROCESSES));
        let mut lines: Vec<Line<'_>> = shown.map(|process| Line::Process { process, depth }).collect();
        lines.extend((hidden > 0).then_some(Line::Hidden { n: hidden, depth }));
        lines.reverse();
        lines
    }
}

enum Line<'a> {
    Process { process: &'a ProcessInfo, depth: usize },
    Hidden { n: usize, depth: usize },
}

/// The space before a line. Lines that are deeper than `MAX_INDENTED` levels are not indented further.
struct Indent(usize);

impl fmt::Display for Indent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:1$}", "", 2 * self.0.min(MAX_INDENTED))
    }
}

fn write_process(f: &mut fmt::Formatter<'_>, process: &ProcessInfo) -> fmt::Result {
    write_name(f, process.label.as_deref().or(process.child_id.as_deref()), &process.spawned_at)?;
    write!(f, " {}", process.pid)?;
    if let Some(Supervision { kind, max_children, n_running, restarts, .. }) = &process.supervises {
        let of = max_children.map(|max| format!(" of at most {max}")).unwrap_or_default();
        write!(f, ": {kind}, {n_running}{of} running")?;
        if *restarts > 0 {
            write!(f, ", {}", Counted(*restarts, "restart", "restarts"))?;
        }
    }
    if let Some(mailbox) = &process.mailbox {
        write!(f, ": {mailbox}")?;
    }
    if process.incarnation > 1 {
        write!(f, ", incarnation {}", process.incarnation)?;
    }
    f.write_str(match process.state {
        ProcessState::Running => "",
        ProcessState::ShutdownRequested => ", shutdown requested",
        ProcessState::Exiting => ", exiting",
        ProcessState::Abandoned => ", abandoned",
    })?;
    write!(f, ", {} old", RoundedDuration(process.age))?;
    process.in_poll.map_or(Ok(()), |lasted| write!(f, ", in a poll for {}", RoundedDuration(lasted)))
}

/// Writes the label of a process, or else its spawn location.
fn write_name(f: &mut fmt::Formatter<'_>, label: Option<&str>, spawned_at: &impl fmt::Display) -> fmt::Result {
    match label {
        Some(label) => write_escaped(f, label),
        None => spawned_at.fmt(f),
    }
}

/// Writes a text that user code has set, such as a label, with its control characters escaped: the text may have come from a client, and
/// must not imitate a line of the snapshot.
fn write_escaped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    text.chars().try_for_each(|c| match c.is_control() {
        true => write!(f, "{}", c.escape_default()),
        false => f.write_char(c),
    })
}

/// Writes the message of a crash. Its lines after the first one have a mark, so that they do not look like other lines of the snapshot.
fn write_message(f: &mut fmt::Formatter<'_>, message: &str) -> fmt::Result {
    for (index, line) in message.lines().enumerate() {
        if index > 0 {
            f.write_str("\n  | ")?;
        }
        write_escaped(f, line)?;
    }
    Ok(())
}

/// Displays a duration with one decimal at most.
pub(in crate::process) struct RoundedDuration(pub(in crate::process) Duration);

impl fmt::Display for RoundedDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (milliseconds, seconds) = (self.0.as_millis(), self.0.as_secs_f64());
        match seconds {
            ..1.0 => write!(f, "{milliseconds}ms"),
            ..120.0 => write!(f, "{seconds:.1}s"),
            ..7200.0 => write!(f, "{:.1}min", seconds / 60.0),
            ..172_800.0 => write!(f, "{:.1}h", seconds / 3600.0),
            _ => write!(f, "{:.1}d", seconds / 86_400.0),
        }
    }
}

/// Displays a number with the singular or the plural of a noun.
struct Counted(u64, &'static str, &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, if self.0 == 1 { self.1 } else { self.2 })
    }
}
