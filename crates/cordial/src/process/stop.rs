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

use super::entry::Entry;
use super::handle::Handle;
use super::monitors;
use crate::exit::Location;
use crate::pid::Pid;
use crate::telemetry;

/// How long a stop waits for a process whose poll does not return, after it was killed.
pub(crate) const AFTER_KILL: Duration = Duration::from_millis(100);

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
    /// The label that it had given itself.
    pub label: Option<Arc<str>>,
    /// Where it was spawned.
    pub spawned_at: Location,
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

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        if let Some(label) = &self.label {
            write!(f, " {label:?}")?;
        }
        write!(f, " (spawned at {})", self.spawned_at)
    }
}

/// Stops every process that `is_member` says yes to, also those that are spawned meanwhile.
pub(crate) async fn processes(
    runtime: &Handle,
    is_member: impl Fn(Pid, &Entry) -> bool,
    shutdown: Shutdown,
) -> StopReport {
    if shutdown != Shutdown::BrutalKill {
        let grace = match shutdown {
            Shutdown::After(grace) => runtime.executor().timer(grace),
            _ => None,
        };
        if until_gone(runtime, &is_member, Handle::request, grace).await {
            return StopReport::default();
        }
    }
    // What is ending already was quick enough, however short the grace.
    let mut killed = describe(runtime, &|pid, entry| is_member(pid, entry) && entry.ending.is_none());
    let all_gone = until_gone(runtime, &is_member, Handle::kill, runtime.executor().timer(AFTER_KILL)).await;
    let abandoned = if all_gone { Vec::new() } else { describe(runtime, &is_member) };
    for Stopped { pid, .. } in &abandoned {
        killed.retain(|stopped| stopped.pid != *pid);
        abandon(runtime, *pid);
    }
    StopReport { killed, abandoned }
}

/// Kills every process that `is_member` says yes to, and waits for their ends, up to a limit.
pub(crate) async fn kill(runtime: &Handle, is_member: impl Fn(Pid, &Entry) -> bool, limit: Duration) {
    until_gone(runtime, &is_member, Handle::kill, runtime.executor().timer(limit)).await;
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
                let end = monitors::watch(runtime, pid);
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
pub(crate) fn describe(runtime: &Handle, is_member: &impl Fn(Pid, &Entry) -> bool) -> Vec<Stopped> {
    let mut described = Vec::new();
    runtime.for_each(|pid, entry| {
        if is_member(pid, entry) {
            let (label, spawned_at) = (entry.label().cloned(), Location::from(entry.spawned_at));
            described.push(Stopped { pid, label, spawned_at });
        }
    });
    described
}

/// Nobody waits any more for a process that was killed and whose poll does not return.
pub(crate) fn abandon(runtime: &Handle, pid: Pid) {
    let label_and_place = runtime.with(pid, |entry| {
        let is_news = !std::mem::replace(&mut entry.manners.is_abandoned, true);
        is_news.then(|| (entry.label().cloned(), entry.spawned_at))
    });
    if let Some(Some((label, spawned_at))) = label_and_place {
        telemetry::abandoned(&telemetry::Subject { pid, label: label.as_deref(), spawned_at });
    }
}
