//! The stop of a task supervisor: all children are stopped at once, each with its own grace period.
//!
//! ```text
//!  request to all ──┬─ grace of some ─► killed ── 100 ms ─► abandoned
//!                   ├─ grace of others ───────► killed ── 100 ms ─► abandoned
//!                   └─ done when all children have exited or are abandoned
//! ```

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use tokio::time::sleep;

use super::children::TaskChildren;
use crate::pid::Pid;
use crate::process::{ABANDON_AFTER, Handle, Shutdown, Step, StopReport, abandon, describe_one, kill_one, monitor_on};
use crate::supervisor::clock::Clock;
use crate::supervisor::events::children_forced;
use crate::supervisor::exit_signals::ExitSignals;

/// Stops all children, and refuses further ones.
pub(super) async fn stop_children(signals: &mut ExitSignals, children: &TaskChildren) -> StopReport {
    let runtime = signals.runtime().clone();
    let clock = Clock::new(&runtime);
    let mut due: BTreeMap<(Duration, Step), Vec<Pid>> = BTreeMap::new();
    let mut without_limit = Vec::new();
    children.close();
    while children.is_starting() {
        tokio::task::yield_now().await;
    }
    for (pid, shutdown) in with_shutdown(&runtime, children) {
        let step = Step::first(shutdown);
        step.take(&runtime, pid, None);
        match step.next() {
            Some(next) => due.entry(next).or_default().push(pid),
            None => without_limit.push(pid),
        }
    }
    let mut killed = BTreeMap::new();
    let mut report = StopReport::default();
    let was_killed = signals.is_killed();
    let mut is_killed = false;
    loop {
        let now = clock.now();
        let time = async {
            match due.first_key_value() {
                Some(((at, _), _)) => sleep(at.saturating_sub(now)).await,
                // The remaining children are abandoned, or have no limit.
                None => all_exited(&runtime, &without_limit).await,
            }
        };
        let drained_or_due =
            async { matches!(select(pin!(children.wait_until_drained()), pin!(time)).await, Either::Left(_)) };
        let waited =
            if is_killed { Some(drained_or_due.await) } else { signals.run_until_killed(drained_or_due).await };
        match waited {
            Some(true) => break,
            Some(false) => {}
            None => {
                is_killed = true;
                due.clear();
                without_limit.clear();
                let left = children.pids();
                for pid in &left {
                    let described = kill_one(&runtime, *pid).and_then(|killed| killed.stopped);
                    // The children that a kill ends early are reported as killed, unless the stop itself began with that kill.
                    killed.extend(described.filter(|_| !was_killed).map(|stopped| (*pid, stopped)));
                }
                due.insert((clock.now() + ABANDON_AFTER, Step::Abandon), left);
                continue;
            }
        }
        let Some(((_, next), pids)) = due.pop_first() else { break };
        match next {
            Step::Request { .. } => unreachable!("a request is the first step of the ladder only"),
            Step::Kill => {
                let mut left = Vec::new();
                for pid in pids {
                    if let Some(found) = kill_one(&runtime, pid) {
                        left.push(pid);
                        killed.extend(found.stopped.map(|stopped| (pid, stopped)));
                    }
                }
                if !left.is_empty() {
                    due.entry((clock.now() + ABANDON_AFTER, Step::Abandon)).or_default().extend(left);
                }
            }
            Step::Abandon => {
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
    children_forced(signals.pid(), &report);
    report
}

/// Returns all children that have not exited, and how to stop each.
fn with_shutdown(runtime: &Handle, children: &TaskChildren) -> Vec<(Pid, Shutdown)> {
    let shutdown = |pid: &Pid| runtime.with(*pid, |entry| entry.parent().map(|parent| parent.shutdown)).flatten();
    children.pids().into_iter().filter_map(|pid| Some((pid, shutdown(&pid)?))).collect()
}

async fn all_exited(runtime: &Handle, pids: &[Pid]) {
    let mut exits: FuturesUnordered<_> = pids.iter().map(|pid| monitor_on(runtime, *pid)).collect();
    while exits.next().await.is_some() {}
}
