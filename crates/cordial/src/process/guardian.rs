//! Processes that own others: they end after what they own, and with the process that started them.
//!
//! ```text
//!  owner ends ──► each of its guardians is told; the one started last ends first, the others wait for it
//!  a kill     ──► does not end a guardian at once: it is told, kills what it owns, and ends then
//! ```

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::handle::Handle;
use super::snapshot::Supervision;
use super::stop::StopReport;
use crate::exit::Exit;
use crate::pid::Pid;

/// What makes a process a guardian.
#[derive(Debug)]
pub(crate) struct Guardian {
    /// The process that it ends with. `None`: it belongs to the runtime, or to a parent.
    pub(crate) owner: Option<Pid>,
    /// Guardians of one runtime are numbered as they start.
    pub(crate) number: u64,
    /// The guardian of the same owner that was started next and has to end first. Set when the owner ends.
    pub(crate) after: Option<Pid>,
    pub(crate) is_killed: bool,
    pub(crate) supervisor: Arc<dyn Supervise>,
    pub(crate) report: ReportSlot,
}

/// What a guardian tells of what it owns. Called with the lock of its entry released.
pub(crate) trait Supervise: std::fmt::Debug + Send + Sync {
    fn supervision(&self) -> Supervision;
}

/// Where a guardian leaves what it had to kill or abandon when it ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReportSlot(Arc<Mutex<StopReport>>);

impl ReportSlot {
    pub(crate) fn put(&self, report: StopReport) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = report;
    }

    pub(crate) fn get(&self) -> StopReport {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Numbers the guardians of a runtime.
#[derive(Debug, Default)]
pub(crate) struct Numbers(AtomicU64);

impl Numbers {
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// What a guardian has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShutdownRequest {
    None,
    Shutdown,
    Kill,
}

/// What the guardian `own` has been told so far.
pub(crate) fn shutdown_request(runtime: &Handle, own: Pid) -> ShutdownRequest {
    runtime
        .with(own, |entry| {
            match (entry.guardian().is_some_and(|guardian| guardian.is_killed), entry.manners.is_asked) {
                (true, _) => ShutdownRequest::Kill,
                (false, true) => ShutdownRequest::Shutdown,
                (false, false) => ShutdownRequest::None,
            }
        })
        .unwrap_or(ShutdownRequest::Kill)
}

/// Makes `guardian` one of those that end with the calling process, its owner, to which it is linked.
pub(crate) fn attach_to_owner(runtime: &Handle, owner: Pid, guardian: Pid) {
    let listed = runtime.with(owner, |entry| {
        let guardians = &mut entry.rare().guardians;
        guardians.push(guardian);
        // Those that have ended are forgotten now and then.
        let is_time = guardians.len() > 8 && guardians.len().is_power_of_two();
        if is_time { guardians.clone() } else { Vec::new() }
    });
    let mut ended = listed.unwrap_or_default();
    ended.retain(|pid| runtime.with(*pid, |_| ()).is_none());
    ended.sort_unstable();
    if !ended.is_empty() {
        runtime.with(owner, |entry| entry.rare().guardians.retain(|pid| ended.binary_search(pid).is_err()));
    }
}

/// `guardian` no longer ends with its owner, unless that has ended already: then it is told of that, and others may wait
/// for its end.
pub(crate) fn detach_from_owner(runtime: &Handle, guardian: Pid) {
    let owner = runtime.with(guardian, |entry| entry.guardian().and_then(|guardian| guardian.owner));
    let Some(owner) = owner.flatten() else { return };
    runtime.with_both(owner, guardian, |owning, owned| {
        let (Some(owning), Some(owned)) = (owning.and_then(|entry| entry.rare.as_mut()), owned) else { return };
        owning.guardians.retain(|pid| *pid != guardian);
        owning.links.remove(&guardian);
        if let Some(rare) = &mut owned.rare {
            rare.links.remove(&owner);
            if let Some(guardian) = &mut rare.guardian {
                guardian.owner = None;
            }
        }
    });
}

/// The owner of these has ended: each learns whom to let end first. They are told of the end as over a link, whether or not
/// it is still there.
pub(crate) fn order_by_start(runtime: &Handle, owner: Pid, guardians: &[Pid]) {
    let mut after = None;
    for pid in guardians.iter().rev() {
        let is_there = runtime.with(*pid, |entry| {
            if let Some(guardian) = entry.guardian_mut() {
                guardian.after = after;
                entry.rare().links.insert(owner);
            }
        });
        if is_there.is_some() {
            after = Some(*pid);
        }
    }
}

/// What a guardian is told: exits of processes that it is linked to, and requests. As much as it has links and gets requests.
pub(crate) type ExitReceiver = mpsc::UnboundedReceiver<(Pid, Exit)>;

/// The other end of it.
pub(crate) type ExitSender = mpsc::UnboundedSender<(Pid, Exit)>;
