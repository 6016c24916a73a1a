//! The end of a task supervisor: all its children end at once, each with its own grace.
//!
//! ```text
//!  all are told ──┬─ grace of these ─► killed ── 100 ms ─► abandoned
//!                 ├─ grace of those ─────────► killed ── 100 ms ─► abandoned
//!                 └─ nobody is left, or nobody but those that are abandoned: done
//! ```

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use tokio::time::sleep;

use super::roster::Roster;
use crate::pid::Pid;
use crate::process::{
    ABANDON_AFTER, Handle, Shutdown, ShutdownRequest, StopReport, abandon, describe_one, kill_one, monitor_on,
    shutdown_request,
};
use crate::supervisor::clock::Clock;
use crate::supervisor::ear::Ear;
use crate::supervisor::tell_forced;

/// What happens to those of one group when their time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Kill,
    Abandon,
}

/// Ends all children, and lets no more in.
pub(super) async fn stop(ear: &mut Ear, roster: &Roster) -> StopReport {
    let runtime = ear.runtime.clone();
    let clock = Clock::new(&runtime);
    let mut due: BTreeMap<(Duration, Next), Vec<Pid>> = BTreeMap::new();
    let mut without_limit = Vec::new();
    roster.close();
    while roster.is_somebody_coming() {
        tokio::task::yield_now().await;
    }
    for (pid, shutdown) in everybody(&runtime, roster) {
        runtime.signal(pid, shutdown.first_signal());
        match shutdown {
            Shutdown::After(grace) => due.entry((grace, Next::Kill)).or_default().push(pid),
            Shutdown::BrutalKill => due.entry((ABANDON_AFTER, Next::Abandon)).or_default().push(pid),
            Shutdown::Infinity => without_limit.push(pid),
        }
    }
    let mut killed = BTreeMap::new();
    let mut report = StopReport::default();
    let was_killed = shutdown_request(&runtime, ear.own) == ShutdownRequest::Kill;
    let mut is_killed = false;
    loop {
        let now = clock.now();
        let time = async {
            match due.first_key_value() {
                Some(((at, _), _)) => sleep(at.saturating_sub(now)).await,
                // Whoever is left by now is abandoned, or has all the time.
                None => until_all_have_ended(&runtime, &without_limit).await,
            }
        };
        let drained_or_due =
            async { matches!(select(pin!(roster.until_drained()), pin!(time)).await, Either::Left(_)) };
        let waited = if is_killed { Some(drained_or_due.await) } else { ear.unless_killed(drained_or_due).await };
        match waited {
            Some(true) => break,
            Some(false) => {}
            None => {
                is_killed = true;
                due.clear();
                without_limit.clear();
                let left: Vec<Pid> = everybody(&runtime, roster).into_iter().map(|(pid, _)| pid).collect();
                for pid in &left {
                    let described = kill_one(&runtime, *pid).and_then(|(described, _)| described);
                    // Whoever is ended by a kill that cuts the stop short had to be killed.
                    killed.extend(described.filter(|_| !was_killed).map(|stopped| (*pid, stopped)));
                }
                due.insert((clock.now() + ABANDON_AFTER, Next::Abandon), left);
                continue;
            }
        }
        let Some(((_, next), pids)) = due.pop_first() else { break };
        match next {
            Next::Kill => {
                let mut left = Vec::new();
                for pid in pids {
                    if let Some((described, _)) = kill_one(&runtime, pid) {
                        left.push(pid);
                        killed.extend(described.map(|stopped| (pid, stopped)));
                    }
                }
                if !left.is_empty() {
                    due.entry((clock.now() + ABANDON_AFTER, Next::Abandon)).or_default().extend(left);
                }
            }
            Next::Abandon => {
                for pid in pids {
                    if let Some(stopped) = describe_one(&runtime, pid) {
                        killed.remove(&pid);
                        abandon(&runtime, pid);
                        report.abandoned.push(stopped);
                    }
                }
            }
        }
    }
    report.killed = killed.into_values().collect();
    tell_forced(ear.own, &report);
    report
}

/// Everybody who runs, with how to end each.
fn everybody(runtime: &Handle, roster: &Roster) -> Vec<(Pid, Shutdown)> {
    let how = |pid: &Pid| runtime.with(*pid, |entry| entry.parent().map(|parent| parent.shutdown)).flatten();
    let mut pids = roster.pids();
    pids.extend(roster.kept.pids());
    pids.into_iter().filter_map(|pid| Some((pid, how(&pid)?))).collect()
}

async fn until_all_have_ended(runtime: &Handle, pids: &[Pid]) {
    let mut ends: FuturesUnordered<_> = pids.iter().map(|pid| monitor_on(runtime, *pid)).collect();
    while ends.next().await.is_some() {}
}

/// Kills what runs under a supervisor whose own code has failed, which must not leave orphans behind.
pub(super) struct LastResort {
    runtime: Handle,
    roster: Option<Arc<Roster>>,
}

impl LastResort {
    pub(super) fn new(runtime: Handle, roster: Arc<Roster>) -> LastResort {
        LastResort { runtime, roster: Some(roster) }
    }

    pub(super) fn is_not_needed(&mut self) {
        self.roster = None;
    }
}

impl Drop for LastResort {
    fn drop(&mut self) {
        if let Some(roster) = &self.roster {
            roster.close();
            everybody(&self.runtime, roster).into_iter().for_each(|(pid, _)| self.runtime.kill(pid));
        }
    }
}
