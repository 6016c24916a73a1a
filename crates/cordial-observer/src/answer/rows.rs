//! The parts of answers about one process.

use cordial::Location;
use cordial::process::{InactiveState, Inspector, MailboxInfo};

use crate::clock::in_ms;
use crate::source::{Above, Scan, shown_label};
use crate::view::{Intensity, Mailbox, PollDuration, Supervision, Task};

/// Returns the row of a process.
pub(crate) fn task(scan: &Scan, inspector: &Inspector, index: usize) -> Task {
    let row = &scan.rows()[index];
    // `info` has what only the rows that are shown need, and a scan therefore leaves out. `None` if the process has ended since the scan.
    let info = inspector.info_without_details(row.pid);
    let supervision = scan.supervision(row.pid);
    let restarts = supervision.map_or(u64::from(row.incarnation.saturating_sub(1)), |supervision| supervision.restarts);
    let caller = info.as_ref().and_then(|info| info.callers.first().copied());
    let supervisor = row.above.supervisor();
    Task {
        pid: row.pid.to_string(),
        label: row.label.as_deref().map(str::to_owned),
        child_id: shown_label(info.as_ref().and_then(|info| info.child_id.as_ref())),
        kind: row.kind,
        state: row.state,
        worker: row.thread.map(usize::from),
        in_poll_ms: row.in_poll().map(in_ms),
        in_queue_ms: scan.in_queue_ms(index),
        age_ms: in_ms(row.age()),
        busy_ms: row.busy().as_secs_f64() * 1000.0,
        busy_share: scan.busy_share(index),
        polls: u64::from(row.polls),
        polls_per_s: scan.polls_per_second(index),
        long_polls: row.long_polls,
        self_wakes: Some(u64::from(row.self_wakes)),
        place: scan.places.text(row.place).to_owned(),
        caller: caller.map(|pid| pid.to_string()),
        caller_label: caller.and_then(|pid| scan.label_of(pid)),
        supervisor: supervisor.map(|pid| pid.to_string()),
        supervisor_label: supervisor.and_then(|pid| scan.label_of(pid)),
        owner: if let Above::Owner(pid) = row.above { Some(pid.to_string()) } else { None },
        incarnation: row.incarnation,
        linked: info.map_or(0, |info| info.links.len()),
        mailbox: scan.mailbox(row.pid).map(mailbox),
        restarts,
    }
}

/// Returns how long the polls of all processes that were spawned at a place have lasted.
pub(crate) fn poll_durations(inspector: &Inspector, place: &Location) -> Vec<PollDuration> {
    let buckets = inspector.poll_durations(place);
    buckets.iter().map(|bucket| PollDuration { at_least_ms: in_ms(bucket.at_least), polls: bucket.polls }).collect()
}

pub(crate) fn mailbox(info: &MailboxInfo) -> Mailbox {
    Mailbox {
        length: info.length,
        capacity: info.capacity,
        waiting: info.waiting,
        oldest_ms: info.oldest.map(in_ms),
        handled: info.handled,
        skipped: info.skipped,
        in_hand: info.in_hand.map(str::to_owned),
    }
}

pub(crate) fn supervision(info: &cordial::process::Supervision) -> Supervision {
    // A larger limit is as good as none.
    let limit = u32::try_from(info.intensity.max_restarts).ok().filter(|limit| *limit < u32::MAX);
    Supervision {
        strategy: info.kind.to_string(),
        running: info.n_running,
        inactive: info.inactive.len(),
        max_children: info.max_children,
        restarts: info.restarts,
        intensity: limit.map(|limit| Intensity {
            limit,
            used: u32::try_from(info.intensity.used).unwrap_or(u32::MAX),
            window_ms: in_ms(info.intensity.window),
        }),
        next_restart_ms: info.inactive.iter().filter_map(|child| child.restart_in).min().map(in_ms),
    }
}

/// Returns the name of the state of a child without a process.
pub(crate) fn inactive_state(state: InactiveState) -> &'static str {
    match state {
        InactiveState::Restarting => "restarting",
        _ => "stopped",
    }
}
