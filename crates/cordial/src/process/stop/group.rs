//! Stopping all processes of a group, which may grow while it is stopped.

use std::collections::BTreeSet;
use std::task::Poll;
use std::time::Duration;

use cordial_sched::Timer;
use futures_util::future::{Either, select};

use super::describe::describe_all;
use super::escalate::{Step, abandon};
use super::polls::Polls;
use crate::pid::Pid;
use crate::process::entry::Entry;
use crate::process::monitors::{Monitor, monitor_on};
use crate::process::report::{StopReport, Stopped};
use crate::process::runtime::{Handle, current};
use crate::process::shutdown::Shutdown;

/// How long a stop waits after [`ABANDON_AFTER`](super::ABANDON_AFTER) for killed processes that are in no poll.
const FOR_LATE_ENDS: Duration = Duration::from_millis(80);

/// Stops every process for which `is_member` returns true, including those that are spawned during the stop. The grace time is that of
/// the whole group.
pub(crate) async fn stop_all(
    runtime: &Handle,
    is_member: impl Fn(Pid, &Entry) -> bool,
    shutdown: Shutdown,
) -> StopReport {
    let first = Step::first(shutdown);
    if first != Step::Kill && until_gone(runtime, &is_member, first, time_of(first)).await {
        return StopReport::default();
    }
    // A process that is exiting already has ended in time, however short the grace time was.
    let mut killed = describe_all(runtime, &|pid, entry| is_member(pid, entry) && !entry.shutdown.is_exiting());
    let abandoned = kill_all(runtime, &is_member).await;
    let pids: BTreeSet<Pid> = abandoned.iter().map(|stopped| stopped.pid).collect();
    killed.retain(|stopped| !pids.contains(&stopped.pid));
    StopReport { killed, abandoned }
}

/// Kills every process for which `is_member` returns true, and waits for their ends, but no longer than `limit`. The report
/// lists only the abandoned processes.
pub(crate) async fn kill_group(
    runtime: &Handle,
    is_member: impl Fn(Pid, &Entry) -> bool,
    limit: Duration,
) -> StopReport {
    // Two halves: a destructor that hangs begins after the kill, in a new poll.
    if until_gone(runtime, &is_member, Step::Kill, Some(limit / 2)).await {
        return StopReport::default();
    }
    let at_half = Polls::now(runtime);
    if until_gone(runtime, &is_member, Step::Kill, Some(limit / 2)).await {
        return StopReport::default();
    }
    StopReport { abandoned: abandon_stuck(runtime, &is_member, &at_half), ..StopReport::default() }
}

/// Kills every member and waits for their ends. Returns the members that were abandoned. The other ones have ended, or wait for
/// a thread for longer than this function does.
async fn kill_all(runtime: &Handle, is_member: &impl Fn(Pid, &Entry) -> bool) -> Vec<Stopped> {
    let at_kill = Polls::now(runtime);
    if until_gone(runtime, is_member, Step::Kill, time_of(Step::Kill)).await {
        return Vec::new();
    }
    // Members that are in no poll, because there are many of them, are not stuck. Neither are guardians: they abandon the
    // processes that they own after the same time, and end a moment later.
    let at_limit = Polls::now(runtime);
    let is_stuck = |pid| at_limit.is_same_poll(&at_kill, pid);
    let is_late = |pid, entry: &Entry| !is_stuck(pid) && is_member(pid, entry);
    until_gone(runtime, &is_late, Step::Kill, Some(FOR_LATE_ENDS)).await;
    abandon_stuck(runtime, is_member, &at_limit)
}

/// How long the group has after a step.
fn time_of(step: Step) -> Option<Duration> {
    step.next().map(|(after, _)| after)
}

/// Takes a step for every member, newly spawned ones included, until no member is left. Returns `false` if `limit` passes
/// before; `None` is no limit.
async fn until_gone(
    runtime: &Handle,
    is_member: &impl Fn(Pid, &Entry) -> bool,
    step: Step,
    limit: Option<Duration>,
) -> bool {
    let mut timer: Option<Timer> = limit.and_then(|limit| runtime.executor().timer(limit));
    loop {
        let members = runtime.members(is_member);
        if members.is_empty() {
            return true;
        }
        let from = current();
        let ends: Vec<Monitor> = members
            .into_iter()
            .map(|pid| {
                let end = monitor_on(runtime, pid);
                step.take(runtime, pid, from.filter(|from| from.runtime() == pid.runtime()));
                end
            })
            .collect();
        // One after the other: the caller is woken once for many ends.
        let all_ended = async {
            for end in ends {
                end.await;
            }
        };
        let limit_passed = std::future::poll_fn(|cx| match &mut timer {
            Some(timer) => std::pin::Pin::new(timer).poll(cx),
            None => Poll::Pending,
        });
        if let Either::Right(_) = select(std::pin::pin!(all_ended), limit_passed).await {
            return runtime.members(is_member).is_empty();
        }
    }
}

/// Abandons the members that are still in the poll in which they were seen `before`.
fn abandon_stuck(runtime: &Handle, is_member: &impl Fn(Pid, &Entry) -> bool, before: &Polls) -> Vec<Stopped> {
    let now = Polls::now(runtime);
    let abandoned = describe_all(runtime, &|pid, entry| now.is_same_poll(before, pid) && is_member(pid, entry));
    for stopped in &abandoned {
        abandon(runtime, stopped.pid);
    }
    abandoned
}
