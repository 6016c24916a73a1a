//! Ending processes: ask, wait, kill, wait a little, give up.
//!
//! ```text
//!  request ──── grace ────► kill ── 100 ms ──► abandoned
//!     │           │           │
//!     ends: not reported      ends: reported as killed       reported as abandoned
//! ```

use std::fmt;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use cordial_sched::Timer;
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;

use super::entry::{Entry, EventSubject};
use super::handle::Handle;
use super::monitors::{Monitor, monitor_on};
use super::report_builder::ReportBuilder;
use super::signal::Signal;
use crate::exit::{Exit, Location};
use crate::pid::Pid;
use crate::{telemetry, unwind};

/// How long a stop waits for a process whose poll does not return, after it was killed.
pub(crate) const ABANDON_AFTER: Duration = Duration::from_millis(100);

/// How a process is stopped.
///
/// # Elixir
///
/// The `shutdown` value of a child specification, and the second argument of `Task.shutdown/2`.
///
/// # Examples
///
/// ```
/// use cordial::Shutdown;
/// use std::time::Duration;
///
/// assert_eq!(Shutdown::default(), Shutdown::After(Duration::from_secs(5)));
/// assert_eq!(Shutdown::from(Duration::ZERO), Shutdown::After(Duration::ZERO));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Ask, and kill what has not ended after this time. A process gets the time only if it asked to be told, with
    /// [`shutdown_requested`](crate::shutdown_requested) or by trapping exits; others end at once.
    After(Duration),
    /// Kill without asking.
    BrutalKill,
    /// Ask, and wait without limit.
    Infinity,
}

/// 5 s.
impl Default for Shutdown {
    fn default() -> Shutdown {
        Shutdown::After(Duration::from_secs(5))
    }
}

impl Shutdown {
    /// The signal that this begins with.
    pub(crate) fn first_signal(self) -> Signal {
        let reason = if self == Shutdown::BrutalKill { Exit::Killed } else { Exit::Shutdown(None) };
        Signal::Sent { from: None, reason }
    }
}

impl From<Duration> for Shutdown {
    fn from(grace: Duration) -> Shutdown {
        Shutdown::After(grace)
    }
}

/// Who did not end when asked.
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct StopReport {
    /// Those that had to be killed, and then ended.
    pub killed: Vec<Stopped>,
    /// Those that are stuck in a poll and still there.
    pub abandoned: Vec<Stopped>,
}

/// One process of a [`StopReport`].
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Stopped {
    /// Its pid.
    pub pid: Pid,
    /// Its label: the one that it had given itself, or else that of a supervisor or the id of a child.
    pub label: Option<Arc<str>>,
    /// Where it was spawned.
    pub spawned_at: Location,
    /// For how long it had been in a poll; `None` if it was not, or for less than about a millisecond. The time is exact but for
    /// the first millisecond or two.
    pub in_poll: Option<Duration>,
}

impl StopReport {
    /// Whether everything ended when it was asked.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.killed.is_empty() && self.abandoned.is_empty()
    }
}

impl fmt::Display for StopReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_clean() {
            return f.write_str("everything ended when asked");
        }
        let killed = self.killed.iter().map(|stopped| ("was killed", stopped));
        let abandoned = self.abandoned.iter().map(|stopped| ("is stuck in a poll and was abandoned", stopped));
        for (idx, (what, stopped)) in killed.chain(abandoned).enumerate() {
            let separator = if idx == 0 { "" } else { "; " };
            write!(f, "{separator}{stopped} {what}")?;
        }
        Ok(())
    }
}

impl Stopped {
    pub(crate) fn of(runtime: &Handle, pid: Pid, entry: &Entry) -> Stopped {
        Stopped {
            pid,
            label: entry.label().cloned(),
            spawned_at: Location::from(entry.spawned_at),
            in_poll: runtime.long_polls().get(&pid).copied(),
        }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        if let Some(label) = &self.label {
            write!(f, " {label:?}")?;
        }
        write!(f, " (spawned at {})", self.spawned_at)?;
        if let Some(in_poll) = self.in_poll {
            write!(f, ", in one poll for {in_poll:?},")?;
        }
        Ok(())
    }
}

/// Stops every process that `is_member` says yes to, also those that are spawned meanwhile.
pub(crate) async fn stop_all(
    runtime: &Handle,
    is_member: impl Fn(Pid, &Entry) -> bool,
    shutdown: Shutdown,
) -> StopReport {
    if shutdown != Shutdown::BrutalKill {
        let grace = match shutdown {
            Shutdown::After(grace) => runtime.executor().timer(grace),
            _ => None,
        };
        if until_gone(runtime, &is_member, Handle::request_shutdown, grace).await {
            return StopReport::default();
        }
    }
    // What is ending already was quick enough, however short the grace.
    let mut killed = describe_all(runtime, &|pid, entry| is_member(pid, entry) && entry.ending.is_none());
    let mut all_gone = until_gone(runtime, &is_member, Handle::kill, runtime.executor().timer(ABANDON_AFTER)).await;
    if !all_gone {
        // A guardian gives up what it owns after the same time, and ends a moment later.
        let is_guardian = |pid, entry: &Entry| is_member(pid, entry) && entry.guardian().is_some();
        until_gone(runtime, &is_guardian, Handle::kill, runtime.executor().timer(ABANDON_AFTER)).await;
        all_gone = runtime.members(&is_member).is_empty();
    }
    let abandoned = if all_gone { Vec::new() } else { describe_all(runtime, &is_member) };
    for Stopped { pid, .. } in &abandoned {
        killed.retain(|stopped| stopped.pid != *pid);
        abandon(runtime, *pid);
    }
    StopReport { killed, abandoned }
}

/// Kills every process that `is_member` says yes to, and waits for their ends, up to a limit. The report tells only who is
/// stuck.
pub(crate) async fn kill_all(runtime: &Handle, is_member: impl Fn(Pid, &Entry) -> bool, limit: Duration) -> StopReport {
    if until_gone(runtime, &is_member, Handle::kill, runtime.executor().timer(limit)).await {
        return StopReport::default();
    }
    // A guardian that is left waits for one that is stuck, and is not.
    let abandoned = describe_all(runtime, &|pid, entry| is_member(pid, entry) && entry.guardian().is_none());
    for Stopped { pid, .. } in &abandoned {
        abandon(runtime, *pid);
    }
    StopReport { abandoned, ..StopReport::default() }
}

/// Does `act` to every member until none is left. `false` if the limit passes before; `None` is no limit.
async fn until_gone(
    runtime: &Handle,
    is_member: &impl Fn(Pid, &Entry) -> bool,
    act: fn(&Handle, Pid),
    mut limit: Option<Timer>,
) -> bool {
    loop {
        let members = runtime.members(is_member);
        if members.is_empty() {
            return true;
        }
        let mut ends: FuturesUnordered<_> = members
            .into_iter()
            .map(|pid| {
                let end = monitor_on(runtime, pid);
                act(runtime, pid);
                end
            })
            .collect();
        let all_ended = async { while ends.next().await.is_some() {} };
        let limit_passed = std::future::poll_fn(|cx| match &mut limit {
            Some(timer) => std::pin::Pin::new(timer).poll(cx),
            None => Poll::Pending,
        });
        if let Either::Right(_) = select(std::pin::pin!(all_ended), limit_passed).await {
            return runtime.members(is_member).is_empty();
        }
    }
}

/// The processes that `is_member` says yes to.
pub(crate) fn describe_all(runtime: &Handle, is_member: &impl Fn(Pid, &Entry) -> bool) -> Vec<Stopped> {
    let mut described = Vec::new();
    runtime.for_each(|pid, entry| {
        if is_member(pid, entry) {
            described.push(Stopped::of(runtime, pid, entry));
        }
    });
    described
}

/// What it took to end a process.
#[derive(Debug)]
pub(crate) enum StopOutcome {
    AsRequested,
    Killed(Stopped),
    Abandoned(Stopped),
}

/// Ends one process: asks it, kills it after its grace, and waits for a killed one that is stuck in a poll no longer
/// than [`ABANDON_AFTER`]. A guardian that was killed ends as soon as what it owns was ended that way, so that is waited
/// for without a limit of its own, unless its own poll does not return. Of a process that is gone: `AsRequested`.
pub(crate) async fn stop_one(runtime: &Handle, pid: Pid, shutdown: Shutdown) -> StopOutcome {
    let mut end = monitor_on(runtime, pid);
    runtime.signal(pid, shutdown.first_signal());
    match shutdown {
        Shutdown::After(grace) => {
            if ends_within(&mut end, runtime.executor().timer(grace)).await {
                return StopOutcome::AsRequested;
            }
        }
        Shutdown::Infinity => {
            end.await;
            return StopOutcome::AsRequested;
        }
        Shutdown::BrutalKill => {}
    }
    let Some((killed, is_guardian)) = kill_one(runtime, pid) else { return StopOutcome::AsRequested };
    loop {
        let before = in_poll(runtime, pid);
        if ends_within(&mut end, runtime.executor().timer(ABANDON_AFTER)).await {
            return match killed {
                Some(stopped) if shutdown != Shutdown::BrutalKill => StopOutcome::Killed(stopped),
                _ => StopOutcome::AsRequested,
            };
        }
        if !is_guardian || in_poll(runtime, pid) > before {
            break;
        }
    }
    let stopped = describe_one(runtime, pid);
    abandon(runtime, pid);
    stopped.map_or(StopOutcome::AsRequested, StopOutcome::Abandoned)
}

/// Kills a process, and says what it was, unless it was ending already, and whether it is a guardian. `None` if it is
/// gone.
pub(crate) fn kill_one(runtime: &Handle, pid: Pid) -> Option<(Option<Stopped>, bool)> {
    let known = runtime.with(pid, |entry| {
        (entry.ending.is_none().then(|| Stopped::of(runtime, pid, entry)), entry.guardian().is_some())
    })?;
    runtime.kill(pid);
    Some(known)
}

/// What a report says of a process, if it is still there.
pub(crate) fn describe_one(runtime: &Handle, pid: Pid) -> Option<Stopped> {
    runtime.with(pid, |entry| Stopped::of(runtime, pid, entry))
}

/// How long the present poll of a process has lasted, if it was found in one.
fn in_poll(runtime: &Handle, pid: Pid) -> Option<Duration> {
    runtime.long_polls().get(&pid).copied()
}

/// `None` is no limit.
async fn ends_within(end: &mut Monitor, limit: Option<Timer>) -> bool {
    match limit {
        None => {
            end.await;
            true
        }
        Some(limit) => matches!(select(end, limit).await, Either::Left(_)),
    }
}

/// Stops what is left of a program, in order: guardians without an owner, latest first, each with all it owns; then
/// every process that nobody owns, as `shutdown` says; then the guardians that those owned. Guardians take the time that
/// their children have.
pub(crate) async fn stop_in_order(
    runtime: &Handle,
    is_member: impl Fn(Pid, &Entry) -> bool,
    shutdown: Shutdown,
) -> StopReport {
    let mut report = ReportBuilder::default();
    stop_in_order_into(&mut report, runtime, &is_member, shutdown).await;
    report.take()
}

/// The same. What has happened so far is in the report, also when this is dropped half way.
pub(crate) async fn stop_in_order_into(
    report: &mut ReportBuilder,
    runtime: &Handle,
    is_member: &impl Fn(Pid, &Entry) -> bool,
    shutdown: Shutdown,
) {
    let without_owner = |pid, entry: &Entry| {
        let owner = entry.guardian().and_then(|guardian| guardian.owner);
        is_member(pid, entry).then_some(owner)
    };
    guardians(report, runtime, without_owner).await;
    report.add(stop_all(runtime, |pid, entry| is_member(pid, entry) && entry.is_on_its_own(), shutdown).await);
    guardians(report, runtime, |pid, entry| is_member(pid, entry).then_some(None)).await;
}

/// As [`stop_in_order`], but what is left when the time of `shutdown` is over is killed, whoever owns it.
pub(crate) async fn stop_within(
    runtime: &Handle,
    is_member: impl Fn(Pid, &Entry) -> bool,
    shutdown: Shutdown,
) -> StopReport {
    let limit = match shutdown {
        Shutdown::After(limit) => runtime.executor().timer(limit),
        Shutdown::Infinity => None,
        Shutdown::BrutalKill => return stop_all(runtime, is_member, shutdown).await,
    };
    let limit = async {
        match limit {
            Some(limit) => limit.await,
            None => std::future::pending().await,
        }
    };
    let mut report = ReportBuilder::default();
    let is_in_time = {
        let in_order = std::pin::pin!(stop_in_order_into(&mut report, runtime, &is_member, Shutdown::Infinity));
        matches!(select(in_order, std::pin::pin!(limit)).await, Either::Left(_))
    };
    if !is_in_time {
        // What they have forced so far, and will in a moment.
        let mut of_guardians = Vec::new();
        runtime.for_each(|pid, entry| {
            let guardian = entry.guardian().filter(|_| is_member(pid, entry));
            of_guardians.extend(guardian.map(|guardian| guardian.report.clone()));
        });
        report.add(stop_all(runtime, &is_member, Shutdown::BrutalKill).await);
        of_guardians.into_iter().for_each(|slot| report.add(slot.get()));
    }
    report.take()
}

/// Stops those guardians, one after the other, the latest first, whose owner is none or has ended; `owner` leaves out
/// those that are not meant.
async fn guardians(report: &mut ReportBuilder, runtime: &Handle, owner: impl Fn(Pid, &Entry) -> Option<Option<Pid>>) {
    loop {
        let mut found = Vec::new();
        runtime.for_each(|pid, entry| {
            if let (Some(guardian), None, Some(owner)) = (entry.guardian(), &entry.child_slot, owner(pid, entry)) {
                found.push((guardian.number, pid, owner, guardian.report.clone()));
            }
        });
        found.retain(|(.., owner, _)| owner.is_none_or(|owner| runtime.with(owner, |_| ()).is_none()));
        let Some((_, pid, _, slot)) = found.into_iter().max_by_key(|(number, ..)| *number) else { return };
        stop_one(runtime, pid, Shutdown::Infinity).await;
        report.add(slot.get());
    }
}

/// Nobody waits any more for a process that was killed and whose poll does not return.
pub(crate) fn abandon(runtime: &Handle, pid: Pid) {
    let about = runtime.with(pid, |entry| {
        let is_news = !std::mem::replace(&mut entry.manners.is_abandoned, true);
        is_news.then(|| EventSubject::of(entry))
    });
    if let Some(Some(about)) = about {
        unwind::ignore_panic(|| telemetry::abandoned(&about.subject(pid)));
    }
}
