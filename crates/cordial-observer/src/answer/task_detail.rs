//! Everything about one process.

use cordial::Pid;

use super::rows::{mailbox, poll_durations, supervision, task};
use super::tree::node;
use crate::collector::{Collector, Life, Logged};
use crate::log_lines::LogLines;
use crate::source::{Scan, shortened};
use crate::view::{Children, Ended, Peer, Reference, Rights, TaskDetail};

/// How many children are shown.
const MAX_CHILDREN: usize = 10;

/// How many links are shown.
const MAX_LINKS: usize = 100;

/// How many earlier crashes are shown.
const MAX_CRASHES: usize = 10;

/// The answer contains at most this many bytes of the text of an exit.
const MAX_EXIT: usize = 2000;

/// The answer contains at most this many of the lines that a process shows about itself with `set_details`.
const MAX_DETAILS: usize = 100;

/// The answer contains at most this many bytes of each of these lines, and of the address of a peer.
const MAX_DETAIL: usize = 1000;

/// Why the details of a process cannot be shown.
#[derive(Debug)]
pub(crate) enum NoDetail {
    /// There is no process with this pid, and the observer knows nothing about its end.
    Unknown,
    /// The process is alive, but no scan has it: there are more processes than a scan keeps.
    LeftOut,
    /// The process has ended, and the observer knows when: it has watched the process, or has its crash in the log.
    Ended(Ended),
}

/// Returns the lines that a process shows about itself, cut to the limits of the answer.
pub(crate) fn shown_details(lines: &[String]) -> Vec<String> {
    lines.iter().take(MAX_DETAILS).map(|line| shortened(line, MAX_DETAIL)).collect()
}

/// Returns everything about a process except `details` and `note`, which stay empty. The caller has to fill them: both come from code of
/// the program, which must not run while the collector is locked.
pub(crate) fn task_detail(
    collector: &mut Collector,
    pid: Pid,
    can: Rights,
    lines: Option<&LogLines>,
) -> Result<Box<TaskDetail>, NoDetail> {
    let mut scan = collector.scan();
    let Some(info) = collector.inspector.info_without_details(pid) else { return Err(no_detail(collector, pid)) };
    if scan.index_of(pid).is_none() && !scan.leaves_out(pid) {
        // The process was probably started after this scan.
        scan = collector.scan_now();
    }
    let Some(index) = scan.index_of(pid) else { return Err(no_detail(collector, pid)) };
    let past = collector.watched.past(&scan, index);
    let below = scan.directly_below(Some(index));
    let inspector = &collector.inspector;
    let rows = below.iter().take(MAX_CHILDREN).map(|index| node(&scan, inspector, *index as usize)).collect();
    let is_same = |logged: &&Logged| {
        let crash = &logged.crash;
        crash.spawned_at == info.spawned_at && crash.supervisor == info.supervisor && crash.child_id == info.child_id
    };
    let mut task = task(&scan, inspector, index);
    // Replaces the mailbox of the scan, because `info` may be newer.
    task.mailbox = info.mailbox.as_ref().map(mailbox);
    Ok(Box::new(TaskDetail {
        task,
        can,
        callers: info.callers.iter().map(|pid| scan.reference(*pid)).collect(),
        ancestors: ancestors(&scan, pid),
        children: Children { total: below.len(), rows },
        links: info.links.iter().take(MAX_LINKS).map(|pid| scan.reference(*pid)).collect(),
        monitors: info.n_monitors,
        traps_exits: info.traps_exits,
        supervision: info.supervises.as_ref().map(supervision),
        connection: info
            .connection
            .map(|connection| Peer { peer: shortened(&connection.peer, MAX_DETAIL), requests: connection.requests }),
        details: Vec::new(),
        log: lines.map(|lines| lines.of(pid, &collector.clock)),
        poll_durations: poll_durations(inspector, &info.spawned_at),
        quiet_ms: past.quiet_ms,
        note: None,
        lifeline: past.moments,
        history: past.history,
        crashes: collector.crashes.newest_first().filter(is_same).take(MAX_CRASHES).map(Logged::view).collect(),
    }))
}

/// Returns why the details of a process cannot be shown.
fn no_detail(collector: &mut Collector, pid: Pid) -> NoDetail {
    if collector.inspector.info_without_details(pid).is_some() {
        return NoDetail::LeftOut;
    }
    // The process may have crashed after the log was read last.
    collector.read_crashes();
    let life = collector.watched.life(pid, collector.clock.now_ms());
    match (collector.crashes.of_pid(pid), life) {
        (Some(logged), life) => {
            let exit = shortened(&logged.crash.exit.to_string(), MAX_EXIT);
            let lifeline = life.map(|life| life.moments).unwrap_or_default();
            NoDetail::Ended(Ended { exit, at_ms: logged.at_ms, crash: Some(logged.crash.number), lifeline })
        }
        (None, Some(Life { moments, alive_at_ms, ended_at_ms })) => {
            let is_known = collector.crashes.has_all_since(alive_at_ms);
            let exit =
                if is_known { "it did not crash" } else { "if it crashed, its crash is not in the log any more" };
            NoDetail::Ended(Ended { exit: exit.to_owned(), at_ms: ended_at_ms, crash: None, lifeline: moments })
        }
        (None, None) => NoDetail::Unknown,
    }
}

/// Returns the process above this one in the tree, the process above that one, and so on.
fn ancestors(scan: &Scan, pid: Pid) -> Vec<Reference> {
    let above = |pid: &Pid| scan.row(*pid)?.above.pid();
    // The limit bounds the answer. It also ends the cycle that exists if a task supervisor was handed over to a supervisor that belongs to
    // one of its own children.
    let alive = std::iter::successors(above(&pid), above).take_while(|pid| scan.row(*pid).is_some());
    alive.take(100).map(|pid| scan.reference(pid)).collect()
}
