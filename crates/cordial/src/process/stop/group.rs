//! Stopping all processes of a group, which may grow while it is stopped.

use std::task::Poll;
use std::time::Duration;

use cordial_sched::Timer;
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;

use super::describe::describe_all;
use super::escalate::{Step, abandon};
use crate::pid::Pid;
use crate::process::entry::Entry;
use crate::process::monitors::monitor_on;
use crate::process::report::{StopReport, Stopped};
use crate::process::runtime::{Handle, current};
use crate::process::shutdown::Shutdown;

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
    if !until_gone(runtime, &is_member, Step::Kill, time_of(Step::Kill)).await {
        // A guardian abandons the processes that it owns after the same time, and ends a moment later.
        let is_guardian = |pid, entry: &Entry| is_member(pid, entry) && entry.guardian().is_some();
        until_gone(runtime, &is_guardian, Step::Kill, time_of(Step::Kill)).await;
    }
    let abandoned = abandon_all(runtime, &is_member);
    killed.retain(|stopped| abandoned.iter().all(|abandoned| abandoned.pid != stopped.pid));
    StopReport { killed, abandoned }
}

/// Kills every process for which `is_member` returns true, and waits for their ends, but no longer than `limit`. The report
/// lists only the abandoned processes.
pub(crate) async fn kill_group(
    runtime: &Handle,
    is_member: impl Fn(Pid, &Entry) -> bool,
    limit: Duration,
) -> StopReport {
    if until_gone(runtime, &is_member, Step::Kill, Some(limit)).await {
        return StopReport::default();
    }
    // A guardian that is left is not stuck itself: it waits for a process that is.
    let abandoned = abandon_all(runtime, &|pid, entry| is_member(pid, entry) && entry.guardian().is_none());
    StopReport { abandoned, ..StopReport::default() }
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
        let mut ends: FuturesUnordered<_> = members
            .into_iter()
            .map(|pid| {
                let end = monitor_on(runtime, pid);
                step.take(runtime, pid, current().filter(|caller| caller.runtime() == pid.runtime()));
                end
            })
            .collect();
        let all_ended = async { while ends.next().await.is_some() {} };
        let limit_passed = std::future::poll_fn(|cx| match &mut timer {
            Some(timer) => std::pin::Pin::new(timer).poll(cx),
            None => Poll::Pending,
        });
        if let Either::Right(_) = select(std::pin::pin!(all_ended), limit_passed).await {
            return runtime.members(is_member).is_empty();
        }
    }
}

/// Abandons the members that are left.
fn abandon_all(runtime: &Handle, is_member: &impl Fn(Pid, &Entry) -> bool) -> Vec<Stopped> {
    let abandoned = describe_all(runtime, is_member);
    for stopped in &abandoned {
        abandon(runtime, stopped.pid);
    }
    abandoned
}
