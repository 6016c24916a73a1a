//! Which process owns a guardian, and in which order the guardians of one owner end.

use super::entry::Rare;
use super::guardian::ShutdownRequest;
use super::runtime::RuntimeHandle;
use crate::pid::Pid;
use crate::sorted_map::SortedMap;

/// Returns the strongest request to shut down that the calling process, the guardian `own`, has received.
pub(crate) fn shutdown_request(runtime: &RuntimeHandle, own: Pid) -> ShutdownRequest {
    let request = runtime.with(own, |entry| {
        let is_killed = entry.guardian().expect("only a guardian calls this").is_killed;
        match (is_killed, entry.shutdown.is_requested()) {
            (true, _) => ShutdownRequest::Kill,
            (false, true) => ShutdownRequest::Shutdown,
            (false, false) => ShutdownRequest::None,
        }
    });
    request.expect("the caller is in the table while it runs")
}

/// An owner with fewer guardians than this is not searched for ended guardians.
const MIN_FULL: usize = 16;

/// Makes `guardian` end with `owner`. Called by the process `owner`, after the two were linked.
pub(crate) fn attach_to_owner(runtime: &RuntimeHandle, owner: Pid, guardian: Pid) {
    let number = runtime.with(guardian, |entry| entry.guardian().map(|guardian| guardian.number));
    // A guardian that is not in the table has ended already.
    let Some(Some(number)) = number else { return };
    let to_check = runtime.with(owner, |entry| {
        let Rare { guardians, full_guardians, .. } = entry.rare();
        guardians.insert(number, guardian);
        let is_full = guardians.len() >= (*full_guardians).max(MIN_FULL);
        if is_full { guardians.clone() } else { SortedMap::default() }
    });
    let to_check = to_check.unwrap_or_default();
    if to_check.is_empty() {
        return;
    }
    let has_ended = |(_, pid): &(u64, &Pid)| !runtime.is_alive(**pid);
    let ended: Vec<u64> = to_check.iter().filter(has_ended).map(|(number, _)| number).collect();
    runtime.with(owner, |entry| {
        let Rare { guardians, full_guardians, .. } = entry.rare();
        for number in ended {
            guardians.remove(number);
        }
        // So a call looks at two guardians on average, however many of them are alive.
        *full_guardians = 2 * guardians.len();
    });
}

/// Makes `guardian` independent of its owner. Changes nothing if the owner has ended already,
/// because the guardian is then notified of that end, and other guardians may wait for this
/// guardian.
pub(crate) fn detach_from_owner(runtime: &RuntimeHandle, guardian: Pid) {
    let owner = runtime.with(guardian, |entry| entry.guardian().and_then(|guardian| guardian.owner));
    let Some(owner) = owner.flatten() else { return };
    runtime.with_both(owner, guardian, |owner_entry, guardian_entry| {
        let (Some(owner_rare), Some(guardian_entry)) =
            (owner_entry.and_then(|entry| entry.rare.as_mut()), guardian_entry)
        else {
            return;
        };
        owner_rare.links.remove(&guardian);
        if let Some(rare) = &mut guardian_entry.rare {
            rare.links.remove(&owner);
            if let Some(guardian) = &mut rare.guardian {
                owner_rare.guardians.remove(guardian.number);
                guardian.owner = None;
            }
        }
    });
}

/// Prepares the end of the guardians of `owner`, which has ended: each is to wait for the guardian that was started after it. Each
/// is linked to the owner again, so that it is notified of the end even if the link was removed.
pub(super) fn order_by_start(runtime: &RuntimeHandle, owner: Pid, guardians: &SortedMap<u64, Pid>) {
    let mut later = None;
    for pid in guardians.values().rev() {
        let found = runtime.with(*pid, |entry| {
            if let Some(guardian) = entry.guardian_mut() {
                guardian.waits_for = later;
                entry.rare().links.insert(owner);
            }
        });
        if found.is_some() {
            later = Some(*pid);
        }
    }
}
