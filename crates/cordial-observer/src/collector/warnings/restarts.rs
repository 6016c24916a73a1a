//! Warns of supervisors that are close to their restart limit.

use super::warning_of::warning_of;
use crate::source::Scan;
use crate::view::{Severity, Warning, WarningKind};

/// Returns a warning for each supervisor that has used two thirds of its restart limit.
pub(super) fn near_limit(scan: &Scan) -> Vec<Warning> {
    // Sorted, because the order of a hash map differs between scans. The warnings must not change their places on the page, and if there are
    // too many, the same ones must be kept each time.
    let mut supervisors: Vec<_> = scan.supervisors().collect();
    supervisors.sort_unstable_by_key(|(pid, _)| *pid);
    let near = supervisors.into_iter().filter_map(|(pid, supervision)| {
        let (limit, used) = (supervision.intensity.max_restarts, supervision.intensity.used);
        let row = scan.row(pid).filter(|_| is_near(used, limit))?;
        let window = supervision.intensity.window.as_secs_f64();
        let name = row.name(&scan.places);
        let sentence = format!("{name} has made {used} of the {limit} restarts that it may make within {window} s.");
        let advice = "If it needs more restarts than that, it gives up and ends with all of its children.";
        let kind = (WarningKind::RestartIntensity, Severity::Warning);
        Some(warning_of(scan, row, kind, sentence, advice, "tree"))
    });
    near.collect()
}

/// Returns whether two thirds of a limit are used. A limit may be `usize::MAX`.
fn is_near(used: usize, limit: usize) -> bool {
    used > 0 && used.saturating_mul(3) >= limit.saturating_mul(2)
}

#[cfg(test)]
mod tests;
