//! Stopping a process, or a process and those below it, from outside of the runtime.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::answer::{Ending, StopAnswer};
use super::long_poll::LongPoll;
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::child_slot::Parent;
use crate::process::entry::Entry;
use crate::process::monitors::monitor_on;
use crate::process::report::{ReportBuilder, ReportSlot, StopReport, Stopped};
use crate::process::runtime::RuntimeHandle;
use crate::process::serving::NextIncarnation;
use crate::process::shutdown::Shutdown;
use crate::process::stop::{LateEnds, Polls, StopOutcome, describe, stop_all, stop_one, stop_within};

/// How long an answer waits after the kill for a process that is in no poll.
const WAIT_AFTER_KILL: Duration = Duration::from_secs(1);

/// What is read about a process before it is stopped.
struct StopTarget {
    stopped: Stopped,
    /// The parent, if there is one, and the slot of the process there.
    parent: Option<(Arc<Parent>, u64)>,
    /// The report of a supervisor.
    report: Option<ReportSlot>,
}

impl StopTarget {
    fn of(runtime: &RuntimeHandle, pid: Pid) -> Option<StopTarget> {
        let polls = Polls::now(runtime);
        runtime.with(pid, |entry| StopTarget {
            stopped: describe(pid, entry, &polls),
            parent: entry.child_slot.as_ref().map(|slot| (slot.parent().clone(), slot.index())),
            report: entry.guardian().map(|guardian| guardian.report.clone()),
        })
    }

    fn restarts(&self) -> bool {
        self.parent
            .as_ref()
            .is_some_and(|(parent, index)| parent.children.next_incarnation(*index) == NextIncarnation::Expected)
    }
}

/// Stops one process. A supervisor stops its children first.
pub(super) async fn stop(runtime: &RuntimeHandle, pid: Pid, shutdown: Shutdown) -> StopAnswer {
    let started = runtime.executor().now();
    let Some(target) = StopTarget::of(runtime, pid) else { return StopAnswer::no_process() };
    let mut report = ReportBuilder::default();
    let ending = end(runtime, &target, shutdown).await;
    if let Some(slot) = &target.report {
        report.add(slot.get());
    }
    let restarts = !matches!(ending, Ending::InPoll(_) | Ending::Waits) && target.restarts();
    let took = runtime.executor().now().saturating_duration_since(started);
    StopAnswer { process: Some(target.stopped), ending, took, n_below: 0, report: report.take(), restarts }
}

/// Stops a process and those below it.
pub(super) async fn stop_subtree(runtime: &RuntimeHandle, pid: Pid, shutdown: Shutdown) -> StopAnswer {
    let started = runtime.executor().now();
    let Some(target) = StopTarget::of(runtime, pid) else { return StopAnswer::no_process() };
    let mut subtree = Subtree::of(runtime, pid);
    let n_below = subtree.0.len() - 1;
    let mut report = ReportBuilder::default();
    let ending = if target.report.is_some() {
        // A supervisor stops its children itself.
        end(runtime, &target, shutdown).await
    } else {
        // All members get the request before the first is woken. Otherwise a member could handle the exit of another, as if only the
        // other had been stopped.
        let members = subtree.0.clone();
        let is_member = move |member, entry: &Entry| member == pid || (members.contains(&member) && entry.is_plain());
        let exit = monitor_on(runtime, pid);
        let stopped = await_within(runtime, shutdown, stop_all(runtime, &is_member, shutdown, LateEnds::Limit)).await;
        let of_pid = |stopped: &Stopped| stopped.pid == pid;
        let ending = match &stopped {
            Some(stopped) if stopped.killed.iter().any(of_pid) && !runtime.is_alive(pid) => match shutdown {
                Shutdown::BrutalKill => Ending::Ended(Exit::Killed),
                _ => Ending::Killed,
            },
            _ if runtime.is_alive(pid) => still_alive(runtime, pid),
            // The process has left the table, so its exit is there or about to arrive.
            _ => ended(exit.await),
        };
        if let Some(mut stopped) = stopped {
            stopped.killed.retain(|stopped| !of_pid(stopped));
            forget_requested_kills(runtime, &mut stopped, shutdown);
            stopped.abandoned.retain(|stopped| !of_pid(stopped));
            report.add(stopped);
        }
        ending
    };
    if let Some(slot) = &target.report {
        report.add(slot.get());
    }
    // Processes that were spawned meanwhile, and supervisors that belonged to those that have ended.
    subtree.grow(runtime);
    let members = subtree.0;
    let is_member = move |member, _: &Entry| member != pid && members.contains(&member);
    let mut rest = ReportBuilder::default();
    rest.add(stop_within(runtime, &is_member, shutdown).await);
    if shutdown != Shutdown::Infinity {
        // The rest are supervisors whose owner is stuck in a poll, and children that take longer than the grace time of this stop.
        rest.add(stop_all(runtime, &is_member, Shutdown::BrutalKill, LateEnds::Limit).await);
    }
    let mut rest = rest.take();
    forget_requested_kills(runtime, &mut rest, shutdown);
    report.add(rest);
    let restarts = !matches!(ending, Ending::InPoll(_) | Ending::Waits) && target.restarts();
    let took = runtime.executor().now().saturating_duration_since(started);
    StopAnswer { process: Some(target.stopped), ending, took, n_below, report: report.take(), restarts }
}

/// Removes the processes that have ended by a kill, if a kill was requested.
fn forget_requested_kills(runtime: &RuntimeHandle, report: &mut StopReport, shutdown: Shutdown) {
    if shutdown == Shutdown::BrutalKill {
        report.killed.retain(|stopped| runtime.is_alive(stopped.pid));
    }
}

/// Ends one process, and returns how it has reacted.
async fn end(runtime: &RuntimeHandle, target: &StopTarget, shutdown: Shutdown) -> Ending {
    let pid = target.stopped.pid;
    let exit = monitor_on(runtime, pid);
    match await_within(runtime, shutdown, stop_one(runtime, pid, shutdown)).await {
        Some(StopOutcome::Killed(_)) => Ending::Killed,
        Some(StopOutcome::Abandoned(_)) | None if runtime.is_alive(pid) => still_alive(runtime, pid),
        Some(StopOutcome::Abandoned(_)) | None => Ending::Killed,
        // The process has ended, so its exit is there.
        Some(StopOutcome::AsRequested) => ended(exit.await),
    }
}

/// Describes the end of a process whose monitor has returned this exit.
fn ended(exit: Exit) -> Ending {
    match exit {
        // The process had ended before it was monitored.
        Exit::NoProcess => Ending::NoProcess,
        exit => Ending::Ended(exit),
    }
}

/// Describes a process that was killed and is still alive.
fn still_alive(runtime: &RuntimeHandle, pid: Pid) -> Ending {
    let is_polled = Polls::now(runtime).of(pid).is_some();
    let poll = LongPoll::all(runtime).into_iter().find(|poll| poll.pid == pid);
    if is_polled || poll.is_some() { Ending::InPoll(poll) } else { Ending::Waits }
}

/// Awaits a stop for its grace time and [`WAIT_AFTER_KILL`]. Returns `None` if the stop has not ended by then.
async fn await_within<T>(runtime: &RuntimeHandle, shutdown: Shutdown, stop: impl Future<Output = T>) -> Option<T> {
    let limit = match shutdown {
        Shutdown::After(grace) => grace.saturating_add(WAIT_AFTER_KILL),
        Shutdown::BrutalKill => WAIT_AFTER_KILL,
        Shutdown::Infinity => return Some(stop.await),
    };
    match select(pin!(stop), pin!(runtime.sleep(limit))).await {
        Either::Left((stopped, _)) => Some(stopped),
        Either::Right(_) => None,
    }
}

/// The pids of a process and of those below it.
struct Subtree(BTreeSet<Pid>);

impl Subtree {
    fn of(runtime: &RuntimeHandle, pid: Pid) -> Subtree {
        let mut subtree = Subtree(BTreeSet::from([pid]));
        subtree.grow(runtime);
        subtree
    }

    /// Adds the processes that are below one of the subtree, at any depth. A process is below its supervisor, or else below its owner, or
    /// else below its spawner.
    fn grow(&mut self, runtime: &RuntimeHandle) {
        // Read once, because a chain of processes that each spawn the next one may be long.
        let mut others: Vec<(Pid, Pid)> = Vec::new();
        runtime.for_each(&mut |pid, entry| {
            let supervisor = entry.parent().map(|parent| parent.pid);
            let owner = entry.guardian().and_then(|guardian| guardian.owner);
            let above = supervisor.or(owner).or_else(|| entry.callers().first().copied());
            others.extend(above.filter(|_| !self.0.contains(&pid)).map(|above| (above, pid)));
        });
        others.sort_unstable();
        let mut unvisited: Vec<Pid> = self.0.iter().copied().collect();
        while let Some(above) = unvisited.pop() {
            let first = others.partition_point(|(of, _)| *of < above);
            let below = others[first..].iter().take_while(|(of, _)| *of == above).map(|(_, pid)| *pid);
            unvisited.extend(below.filter(|pid| self.0.insert(*pid)));
        }
    }
}
