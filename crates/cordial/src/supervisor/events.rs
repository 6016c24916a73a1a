//! The events that both kinds of supervisors emit.

use super::intensity::RestartLimit;
use super::restart_backoff::ExceededLimit;
use super::stop_reason::StopReason;
use crate::exit::Exit;
use crate::pid::Pid;
use crate::process::{RuntimeHandle, StopReport, Stopped};
use crate::{telemetry, unwind};

/// Emits `give_up` for a supervisor, and returns the reason for its stop. `child` is the child whose restart would exceed the
/// limit, and `reason` is its last exit, or why its last attempt to start has failed.
pub(super) fn gave_up(
    runtime: &RuntimeHandle,
    child: &telemetry::Child<'_>,
    reason: &Exit,
    limit: ExceededLimit,
) -> StopReason {
    let (restarts, window) = match limit {
        ExceededLimit::Intensity(RestartLimit { max_restarts, window }) => (max_restarts, Some(window)),
        ExceededLimit::Failures(n) => (usize::try_from(n).unwrap_or(usize::MAX) - 1, None),
    };
    unwind::ignore_panic(|| telemetry::give_up(child, reason, restarts, window));
    let supervisor = child.label.map_or_else(|| child.supervisor.to_string(), |label| format!("{label:?}"));
    let plural = |n: usize, noun| format!("{n} {noun}{}", if n == 1 { "" } else { "s" });
    let limit = match window {
        Some(window) => format!("{} within {window:?}", plural(restarts, "restart")),
        None => format!("{} in a row", plural(restarts + 1, "failure")),
    };
    let reason = unwind::format_caught(|| format!("{reason:#}"));
    StopReason::RestartLimit(
        runtime
            .restart_limit_exits()
            .exit(format!("supervisor {supervisor} gave up on child {:?}, after {limit}: {reason}", child.child)),
    )
}

/// Emits `forced` for each process of a report, which its supervisor had to kill or abandon.
pub(super) fn emit_forced(supervisor: Pid, report: &StopReport) {
    let emit = |stopped: &Stopped, how| {
        let Stopped { pid, label, spawned_at, .. } = stopped;
        unwind::ignore_panic(|| telemetry::forced(supervisor, *pid, label.as_deref(), spawned_at, how));
    };
    report.killed.iter().for_each(|stopped| emit(stopped, "killed"));
    report.abandoned.iter().for_each(|stopped| emit(stopped, "abandoned"));
}
