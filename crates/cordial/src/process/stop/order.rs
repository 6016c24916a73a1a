//! Stopping a whole program in order.
//!
//! ```text
//!  1. guardians without an owner, the last started first, each with the processes that it owns
//!  2. processes that are neither guardians nor children, all at once
//!  3. the guardians that these processes owned, the last started first
//!  4. again 2 and 3, if children of these guardians have started more processes meanwhile
//! ```

use futures_util::future::{Either, select};

use super::escalate::stop_one;
use super::group::{IsMember, LateEnds, stop_all};
use crate::pid::Pid;
use crate::process::entry::Entry;
use crate::process::report::{ReportBuilder, StopReport};
use crate::process::runtime::RuntimeHandle;
use crate::process::shutdown::Shutdown;

/// Stops the processes for which `is_member` returns true, in order. `shutdown` applies to the processes that are neither guardians
/// nor children. Guardians take the time that the `Shutdown` of each child allows.
pub(crate) async fn stop_in_order(runtime: &RuntimeHandle, is_member: IsMember<'_>, shutdown: Shutdown) -> StopReport {
    let mut report = ReportBuilder::default();
    collect_in_order(&mut report, runtime, is_member, shutdown).await;
    report.take()
}

/// Like [`stop_in_order`], but adds to `report` as it goes, so that the report is there even if this future is dropped half way.
pub(crate) async fn collect_in_order(
    report: &mut ReportBuilder,
    runtime: &RuntimeHandle,
    is_member: IsMember<'_>,
    shutdown: Shutdown,
) {
    let with_owner = |pid, entry: &Entry| {
        let owner = entry.guardian().and_then(|guardian| guardian.owner);
        is_member(pid, entry).then_some(owner)
    };
    stop_guardians(report, runtime, &with_owner).await;
    let is_plain = |pid, entry: &Entry| is_member(pid, entry) && entry.is_plain();
    report.add(stop_all(runtime, &is_plain, shutdown, LateEnds::Await).await);
    while stop_guardians(report, runtime, &|pid, entry| is_member(pid, entry).then_some(None)).await {
        // Abandoned processes are reported already.
        let is_new = |pid, entry: &Entry| is_plain(pid, entry) && !entry.is_abandoned();
        report.add(stop_all(runtime, &is_new, shutdown, LateEnds::Await).await);
    }
}

/// Like [`stop_in_order`], but `shutdown` limits the whole stop: all processes that are left when
/// its time has passed are killed.
pub(crate) async fn stop_within(runtime: &RuntimeHandle, is_member: IsMember<'_>, shutdown: Shutdown) -> StopReport {
    let limit = match shutdown {
        Shutdown::After(limit) => runtime.executor().timer(limit),
        Shutdown::Infinity => None,
        Shutdown::BrutalKill => return stop_all(runtime, is_member, shutdown, LateEnds::Limit).await,
    };
    let limit = async {
        match limit {
            Some(limit) => limit.await,
            None => std::future::pending().await,
        }
    };
    let mut report = ReportBuilder::default();
    let is_in_time = {
        let in_order = std::pin::pin!(collect_in_order(&mut report, runtime, is_member, Shutdown::Infinity));
        matches!(select(in_order, std::pin::pin!(limit)).await, Either::Left(_))
    };
    if !is_in_time {
        // Guardians have killed processes, and kill more while they end. Their reports are read after that.
        let mut slots = Vec::new();
        runtime.for_each(&mut |pid, entry| {
            let guardian = entry.guardian().filter(|_| is_member(pid, entry));
            slots.extend(guardian.map(|guardian| guardian.report.clone()));
        });
        report.add(stop_all(runtime, is_member, Shutdown::BrutalKill, LateEnds::Limit).await);
        slots.into_iter().for_each(|slot| report.add(slot.get()));
    }
    report.take()
}

/// Stops guardians one after another, the last started first. `owner` returns `None` for a guardian
/// that is not to be stopped, or else `Some` of its owner. A guardian whose owner is alive is left
/// alone. Returns whether a guardian was stopped.
async fn stop_guardians(
    report: &mut ReportBuilder,
    runtime: &RuntimeHandle,
    owner: &(dyn Fn(Pid, &Entry) -> Option<Option<Pid>> + Sync),
) -> bool {
    let mut has_stopped = false;
    loop {
        let n_guardians = runtime.n_guardians();
        let mut found = Vec::new();
        runtime.for_each(&mut |pid, entry| {
            if let (Some(guardian), None, Some(owner)) = (entry.guardian(), &entry.child_slot, owner(pid, entry)) {
                found.push((guardian.number, pid, owner, guardian.report.clone()));
            }
        });
        found.sort_unstable_by_key(|(number, ..)| *number);
        let has_ended = |owner: &Option<Pid>| owner.is_none_or(|owner| !runtime.is_alive(owner));
        let mut n_stopped = 0;
        // Searched from the end after each stop, because the stop may have ended the owner of a later guardian. If a
        // guardian was started meanwhile, the table is searched again first: that guardian is the latest.
        while runtime.n_guardians() == n_guardians
            && let Some(latest) = found.iter().rposition(|(.., owner, _)| has_ended(owner))
        {
            let (_, pid, _, slot) = found.remove(latest);
            stop_one(runtime, pid, Shutdown::Infinity).await;
            report.add(slot.get());
            n_stopped += 1;
        }
        has_stopped |= n_stopped > 0;
        if n_stopped == 0 && runtime.n_guardians() == n_guardians {
            return has_stopped;
        }
    }
}
