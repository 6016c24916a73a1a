//! Makes warnings.

use crate::source::{Row, Scan};
use crate::view::{Severity, Warning, WarningKind};

/// Returns a warning about a process.
pub(super) fn warning_of(
    scan: &Scan,
    row: &Row,
    (kind, severity): (WarningKind, Severity),
    sentence: String,
    advice: &str,
    view: &str,
) -> Warning {
    Warning {
        id: format!("{kind:?} {}", row.pid),
        pid: Some(row.pid.to_string()),
        place: Some(scan.places.text(row.place).to_owned()),
        ..warning((kind, severity), String::new(), sentence, advice, view)
    }
}

/// Returns a warning without a process and a place. `of` distinguishes it from the other warnings of its kind.
pub(super) fn warning(
    (kind, severity): (WarningKind, Severity),
    of: String,
    sentence: String,
    advice: &str,
    view: &str,
) -> Warning {
    Warning {
        id: format!("{kind:?} {of}"),
        kind,
        severity,
        sentence,
        advice: advice.to_owned(),
        pid: None,
        place: None,
        since_at_ms: 0,
        view: view.to_owned(),
    }
}
