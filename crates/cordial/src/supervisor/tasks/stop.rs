//! The stop of a task supervisor: all children are stopped at once, each with its own grace time.
//!
//! ```text
//!  request to all ──┬─ exit in time
//!                   ├─ grace of some ─► killed ── 100 ms ─► abandoned
//!                   └─ grace of others ───────► killed ── 100 ms ─► abandoned
//! ```
//!
//! A child whose shutdown is `BrutalKill` is killed at once. The stop is done when each child has exited or is abandoned. It has one
//! timer for all children, and not an [`Escalation`](crate::process::Escalation) with a timer for each, because there may be a million children.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use cordial_sched::PollId;
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;

use super::children::TaskChildren;
use crate::pid::Pid;
use crate::process::{
    ABANDON_AFTER, Admission, Polls, RuntimeHandle, Step, StopReport, Stopped, abandon, describe_one, discard,
    kill_one, monitor_on,
};
use crate::sorted_map::SortedMap;
use crate::supervisor::clock::Clock;
use crate::supervisor::events::emit_forced;
use crate::supervisor::exit_signals::ExitSignals;

/// Refuses further children, stops all children, and reports those that had to be abandoned, or killed after a request.
pub(super) async fn stop_children(signals: &mut ExitSignals, children: &TaskChildren) -> StopReport {
    let was_killed = signals.is_killed();
    children.close(if was_killed { Admission::Killed } else { Admission::Closed });
    while children.is_starting() {
        tokio::task::yield_now().await;
    }
    let mut stop = ChildrenStop::new(signals.runtime());
    let mut has_killed_all = was_killed;
    if was_killed {
        // A supervisor that was killed before the stop kills its children, and does not report the kills.
        discard(stop.kill_all(children));
    } else {
        stop.begin(children);
    }
    loop {
        let progress = stop.wait(children);
        let progress = if has_killed_all { Some(progress.await) } else { signals.run_until_killed(progress).await };
        match progress {
            Some(StopProgress::Done) => break,
            Some(StopProgress::StepDue) => stop.take_due_step(),
            None => {
                has_killed_all = true;
                let killed = stop.kill_all(children);
                stop.killed.extend(killed);
            }
        }
    }
    let report = stop.into_report();
    emit_forced(signals.pid(), &report);
    report
}

/// The state of a stop.
struct ChildrenStop {
    runtime: RuntimeHandle,
    clock: Clock,
    /// The next step for each child that has a time limit, by the time of the step.
    due: SortedMap<(Duration, Step), Vec<StoppingChild>>,
    /// The children whose grace time has no limit.
    without_limit: Vec<Pid>,
    /// The children that were asked to shut down and were killed later. Some of them may have been abandoned since.
    killed: Vec<Stopped>,
    /// The abandoned children. One that was abandoned before all children were killed may be listed twice.
    abandoned: Vec<Stopped>,
}

/// A child for which a step is scheduled.
struct StoppingChild {
    pid: Pid,
    /// The poll that the child was in when the step was scheduled.
    poll: Option<PollId>,
}

/// What ended a wait.
enum StopProgress {
    /// Each child has exited or is abandoned.
    Done,
    /// A step of some children is due.
    StepDue,
}

impl ChildrenStop {
    fn new(runtime: &RuntimeHandle) -> ChildrenStop {
        ChildrenStop {
            runtime: runtime.clone(),
            clock: Clock::new(runtime),
            due: SortedMap::default(),
            without_limit: Vec::new(),
            killed: Vec::new(),
            abandoned: Vec::new(),
        }
    }

    /// Takes the first step for each child.
    fn begin(&mut self, children: &TaskChildren) {
        let (now, polls) = (self.clock.now(), Polls::now(&self.runtime));
        for pid in children.pids() {
            let shutdown = self.runtime.with(pid, |entry| entry.parent().map(|parent| parent.shutdown));
            // Otherwise the process has exited in the meantime.
            let Some(Some(shutdown)) = shutdown else { continue };
            let step = Step::first(shutdown);
            step.take(&self.runtime, pid, None);
            match step.next() {
                Some((after, next)) => self.schedule(now, after, next, pid, &polls),
                None => self.without_limit.push(pid),
            }
        }
    }

    fn schedule(&mut self, now: Duration, after: Duration, step: Step, pid: Pid, polls: &Polls) {
        let (at, child) = ((now.saturating_add(after), step), StoppingChild { pid, poll: polls.of(pid) });
        match self.due.get_mut(at) {
            Some(children) => children.push(child),
            None => _ = self.due.insert(at, vec![child]),
        }
    }

    /// Waits until a step is due, or until each child has exited or is abandoned. Cancel safe.
    async fn wait(&self, children: &TaskChildren) -> StopProgress {
        let first = self.due.iter().next().map(|((at, _), _)| at.saturating_sub(self.clock.now()));
        let step_due = async {
            match first {
                Some(after) => self.runtime.sleep(after).await,
                None => std::future::pending().await,
            }
        };
        let done = async {
            // An abandoned child stays in the table of the children until it exits.
            if first.is_none() || !self.abandoned.is_empty() {
                let stopping = self.due.iter().flat_map(|(_, children)| children).map(|child| child.pid);
                all_exited(&self.runtime, stopping.chain(self.without_limit.iter().copied())).await;
            } else {
                children.wait_until_drained().await;
            }
        };
        match select(pin!(done), pin!(step_due)).await {
            Either::Left(((), _)) => StopProgress::Done,
            Either::Right(((), _)) => StopProgress::StepDue,
        }
    }

    /// Takes the step that is due, for each of its children that has not exited, and schedules their next step. Only a
    /// child that is stuck is abandoned: one that waits for a thread gets more time.
    fn take_due_step(&mut self) {
        let first = self.due.iter().next().map(|(at, _)| at);
        let first = first.and_then(|at| Some((at, self.due.remove(at)?)));
        let ((_, step), children) = first.expect("a wait ends with `StepDue` only if there is one");
        let (now, polls) = (self.clock.now(), Polls::now(&self.runtime));
        for StoppingChild { pid, poll } in children {
            match step {
                Step::Request { .. } => unreachable!("a request is never scheduled, since it is the first step"),
                Step::Kill => {
                    let Some(killed) = kill_one(&self.runtime, pid, &polls) else { continue };
                    self.killed.extend(killed.stopped);
                }
                Step::Abandon => {
                    let Some(stopped) = describe_one(&self.runtime, pid, &polls) else { continue };
                    if !polls.is_stuck(pid, poll) {
                        self.schedule(now, ABANDON_AFTER, Step::Abandon, pid, &polls);
                        continue;
                    }
                    self.abandoned.push(stopped);
                    abandon(&self.runtime, pid);
                }
            }
            if let Some((after, next)) = step.next() {
                self.schedule(now, after, next, pid, &polls);
            }
        }
    }

    /// Kills all children at once. The step after the kill replaces their scheduled steps. Returns the children that
    /// were not exiting already.
    fn kill_all(&mut self, children: &TaskChildren) -> Vec<Stopped> {
        self.due = SortedMap::default();
        self.without_limit.clear();
        let (now, polls) = (self.clock.now(), Polls::now(&self.runtime));
        let mut stopped = Vec::new();
        for pid in children.pids() {
            let Some(killed) = kill_one(&self.runtime, pid, &polls) else { continue };
            stopped.extend(killed.stopped);
            if let Some((after, next)) = Step::Kill.next() {
                self.schedule(now, after, next, pid, &polls);
            }
        }
        stopped
    }

    fn into_report(self) -> StopReport {
        let ChildrenStop { mut killed, mut abandoned, .. } = self;
        let mut pids: BTreeSet<Pid> = BTreeSet::new();
        abandoned.retain(|stopped| pids.insert(stopped.pid));
        killed.retain(|stopped| !pids.contains(&stopped.pid));
        StopReport { killed, abandoned }
    }
}

/// Waits until these processes have exited.
async fn all_exited(runtime: &RuntimeHandle, pids: impl Iterator<Item = Pid>) {
    let mut exits: FuturesUnordered<_> = pids.map(|pid| monitor_on(runtime, pid)).collect();
    while let Some(exit) = exits.next().await {
        discard(exit);
    }
}
