//! Stopping all processes of a group, which may grow while it is stopped: each step searches the table again, so there is no
//! [`Escalation`](super::Escalation) for each process.

use std::collections::BTreeSet;
use std::task::Poll;
use std::time::Duration;

use cordial_sched::{PollId, Timer};
use futures_util::future::{Either, select};

use super::describe::describe_all;
use super::escalate::{Step, abandon};
use super::polls::{ABANDON_AFTER, Polls};
use crate::pid::Pid;
use crate::process::discard::discard;
use crate::process::entry::Entry;
use crate::process::monitors::monitor_on;
use crate::process::report::{StopReport, Stopped};
use crate::process::runtime::{RuntimeHandle, current};
use crate::process::shutdown::Shutdown;
use crate::process::signal::Effect;
use crate::sorted_map::SortedMap;

/// How long a stop that has a limit waits after [`ABANDON_AFTER`] for killed processes that are not stuck in a poll.
const FOR_LATE_ENDS: Duration = Duration::from_millis(80);

/// After a second signal, a program kills its processes in two rounds of this length. The two rounds and the handling of the signal
/// take less than 100 ms.
const AFTER_SECOND_SIGNAL: Duration = Duration::from_millis(35);

/// How long a stop waits for killed processes that are not stuck in a poll: they wait for a thread, or, as guardians, for the
/// processes that they own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LateEnds {
    /// Until they have ended.
    Await,
    /// For 180 ms after the kill.
    Limit,
}

/// Returns whether a stop applies to a process. Not a type parameter, so that the code of a stop is compiled once.
pub(crate) type IsMember<'a> = &'a (dyn Fn(Pid, &Entry) -> bool + Sync);

/// The processes that a stop applies to.
#[derive(Clone, Copy)]
struct StopGroup<'a> {
    /// `None`: every process of the runtime may be a member, so each step searches the table.
    among: Option<&'a [Pid]>,
    is_member: IsMember<'a>,
}

impl StopGroup<'_> {
    fn members(&self, runtime: &RuntimeHandle) -> Vec<Pid> {
        runtime.members(self.among, self.is_member)
    }

    fn contains(&self, runtime: &RuntimeHandle, pid: Pid) -> bool {
        let may_be_member = self.among.is_none_or(|among| among.contains(&pid));
        may_be_member && runtime.with(pid, |entry| (self.is_member)(pid, entry)) == Some(true)
    }
}

/// Stops every process for which `is_member` returns true, including those that are spawned during
/// the stop. The whole group has one grace time.
pub(crate) async fn stop_all(
    runtime: &RuntimeHandle,
    is_member: IsMember<'_>,
    shutdown: Shutdown,
    late_ends: LateEnds,
) -> StopReport {
    stop_group(runtime, StopGroup { among: None, is_member }, shutdown, late_ends).await
}

/// Stops these processes, with one grace time. The cost does not depend on how many other processes the runtime has.
pub(crate) async fn stop_these(runtime: &RuntimeHandle, pids: &[Pid], shutdown: Shutdown) -> StopReport {
    let group = StopGroup { among: Some(pids), is_member: &|_, _| true };
    stop_group(runtime, group, shutdown, LateEnds::Await).await
}

async fn stop_group(
    runtime: &RuntimeHandle,
    group: StopGroup<'_>,
    shutdown: Shutdown,
    late_ends: LateEnds,
) -> StopReport {
    let first = Step::first(shutdown);
    if first != Step::Kill && until_gone(runtime, group, first, time_of(first)).await {
        return StopReport::default();
    }
    // A process that is already exiting counts as ended in time, however short the grace time was: it is not reported as killed.
    let has_to_be_killed = |pid, entry: &Entry| (group.is_member)(pid, entry) && !entry.shutdown.is_exiting();
    let mut killed = describe_all(runtime, group.among, &has_to_be_killed);
    let abandoned = match late_ends {
        LateEnds::Await => kill_all(runtime, group, &mut std::iter::repeat(ABANDON_AFTER)).await,
        LateEnds::Limit => kill_all(runtime, group, &mut [ABANDON_AFTER, FOR_LATE_ENDS].into_iter()).await,
    };
    let pids: BTreeSet<Pid> = abandoned.iter().map(|stopped| stopped.pid).collect();
    killed.retain(|stopped| !pids.contains(&stopped.pid));
    StopReport { killed, abandoned }
}

/// Kills every process for which `is_member` returns true, after the second signal to a program, and waits for at most 70 ms. The
/// report lists only the abandoned processes.
pub(crate) async fn kill_group(runtime: &RuntimeHandle, is_member: IsMember<'_>) -> StopReport {
    // Two rounds: a process that is in no poll drops its future in a poll that begins after the kill. If a destructor hangs there, only
    // the second round sees that poll from its beginning to its end.
    let group = StopGroup { among: None, is_member };
    let abandoned = kill_all(runtime, group, &mut [AFTER_SECOND_SIGNAL; 2].into_iter()).await;
    StopReport { abandoned, ..StopReport::default() }
}

/// Kills every member and waits for their ends, in rounds of these durations. Abandons and returns the members that were in one
/// poll for a whole round. The other members that are left after the last round end later: they wait for a thread, or are in a poll that
/// began during that round.
async fn kill_all(
    runtime: &RuntimeHandle,
    group: StopGroup<'_>,
    rounds: &mut (dyn Iterator<Item = Duration> + Send),
) -> Vec<Stopped> {
    let mut polls = Polls::now(runtime);
    // The members that the last round has found stuck. The next round does not wait for them, but it does for the others, such as a
    // guardian that owns a stuck process: the guardian abandons that process after the same time, and ends a moment later.
    let mut stuck: SortedMap<Pid, PollId> = SortedMap::default();
    'rounds: for round in rounds {
        let (before, begun) = (polls, runtime.executor().now());
        loop {
            let is_awaited = |pid, entry: &Entry| stuck.get(pid).is_none() && (group.is_member)(pid, entry);
            let awaited = StopGroup { is_member: &is_awaited, ..group };
            let left = round.saturating_sub(runtime.executor().now().saturating_duration_since(begun));
            let have_ended = until_gone(runtime, awaited, Step::Kill, Some(left)).await;
            polls = Polls::now(runtime);
            if !have_ended {
                break;
            }
            // A member that has left its poll is awaited for the rest of the round.
            let is_stuck = |(pid, poll): &(Pid, &PollId)| polls.of(*pid) == Some(**poll) || !runtime.is_alive(*pid);
            let still: SortedMap<_, _> = stuck.iter().filter(is_stuck).map(|(pid, poll)| (pid, *poll)).collect();
            if still.len() == stuck.len() {
                break 'rounds;
            }
            stuck = still;
        }
        let is_stuck = |pid| polls.is_stuck(pid, before.of(pid)) && group.contains(runtime, pid);
        stuck = polls.iter().filter(|(pid, _)| is_stuck(*pid)).collect();
    }
    let is_stuck = |pid| stuck.get(pid).is_some_and(|poll| polls.of(pid) == Some(*poll));
    let abandoned = describe_all(runtime, group.among, &|pid, entry| is_stuck(pid) && (group.is_member)(pid, entry));
    for stopped in &abandoned {
        abandon(runtime, stopped.pid);
    }
    abandoned
}

/// Returns how long the group has after a step.
fn time_of(step: Step) -> Option<Duration> {
    step.next().map(|(after, _)| after)
}

/// Takes a step for every member, including those that are spawned meanwhile, until no member is left. Returns
/// `false` if `limit` passes before that; `None` is no limit.
async fn until_gone(runtime: &RuntimeHandle, group: StopGroup<'_>, step: Step, limit: Option<Duration>) -> bool {
    let mut timer: Option<Timer> = limit.and_then(|limit| runtime.executor().timer(limit));
    loop {
        let members = group.members(runtime);
        if members.is_empty() {
            return true;
        }
        let from = current().filter(|from| members.first().is_some_and(|pid| pid.runtime() == from.runtime()));
        // All members get the signal before the first is woken: otherwise a member that awaits another could handle the
        // exit of the other, as if only the other had been stopped.
        let signal = |pid: &Pid| Some(runtime.apply(*pid, step.signal(from)?));
        let effects: Vec<Effect> = members.iter().filter_map(signal).collect();
        effects.into_iter().for_each(Effect::act);
        // The ends are awaited one after the other: the caller is woken once for many ends, and most processes have ended when their turn comes.
        let all_ended = async {
            for pid in members {
                if runtime.is_alive(pid) {
                    discard(monitor_on(runtime, pid).await);
                }
            }
        };
        let limit_passed = std::future::poll_fn(|cx| match &mut timer {
            Some(timer) => std::pin::Pin::new(timer).poll(cx),
            None => Poll::Pending,
        });
        if let Either::Right(_) = select(std::pin::pin!(all_ended), limit_passed).await {
            return group.members(runtime).is_empty();
        }
    }
}
