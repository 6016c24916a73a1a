//! Warns of polls that do not return.

use cordial::process::LongPoll;

use super::warning_of::{warning, warning_of};
use crate::clock::in_ms;
use crate::source::{Scan, name_in_sentence};
use crate::view::{Severity, State, Warning, WarningKind};

/// A poll that has lasted for this many milliseconds is a warning.
const WARNING_MS: u64 = 500;

/// A poll that has lasted for this many milliseconds is critical.
const CRITICAL_MS: u64 = 5000;

/// Returns a warning for each poll that lasts too long.
pub(super) fn stuck(long_polls: &[LongPoll]) -> impl Iterator<Item = Warning> {
    long_polls.iter().filter(|poll| in_ms(poll.lasted) >= WARNING_MS).map(|poll| {
        let severity = if in_ms(poll.lasted) >= CRITICAL_MS { Severity::Critical } else { Severity::Warning };
        let name = name_in_sentence(poll.label.as_deref(), &poll.spawned_at.to_string(), poll.pid);
        let sentence = format!("{name} has been in one poll for {:.1} s.", poll.lasted.as_secs_f64());
        let advice = "It computes or blocks without an await. Another thread runs the other tasks meanwhile.";
        let kind = (WarningKind::StuckPoll, severity);
        Warning {
            pid: Some(poll.pid.to_string()),
            place: Some(poll.spawned_at.to_string()),
            ..warning(kind, poll.pid.to_string(), sentence, advice, "task")
        }
    })
}

/// Returns a warning for each process that was killed and whose poll does not return.
pub(super) fn abandoned(scan: &Scan) -> Vec<Warning> {
    let abandoned = scan.rows().iter().filter(|row| row.state == State::Abandoned);
    let warnings = abandoned.map(|row| {
        let sentence = format!("{} was killed, but its poll does not return.", row.name(&scan.places));
        let advice = "A future cannot be stopped within a poll. Call cordial::checkpoint() in long computations, or run \
                      such code in another process of the operating system.";
        warning_of(scan, row, (WarningKind::Abandoned, Severity::Critical), sentence, advice, "task")
    });
    warnings.collect()
}
