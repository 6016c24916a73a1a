//! Warns of processes that wake themselves all the time.

use std::collections::HashMap;

use cordial::Pid;

use super::warning_of::warning_of;
use crate::source::Scan;
use crate::view::{Severity, Warning, WarningKind};

/// A storm is at least this many polls per second, in this many readings in a row.
const POLLS_PER_SECOND: f64 = 5000.0;
const READINGS: u32 = 3;

/// At least this share of the polls follows a wake-up by the process itself.
const SELF_WOKEN: f64 = 0.5;

/// In how many readings in a row each process woke itself all the time.
#[derive(Debug, Default)]
pub(super) struct WakeStorms(HashMap<Pid, u32>);

impl WakeStorms {
    pub(super) fn find(&mut self, scan: &Scan) -> Vec<Warning> {
        let mut found = Vec::new();
        let mut storms = HashMap::new();
        for (index, row) in scan.rows().iter().enumerate() {
            let polls = scan.polls_per_second(index);
            if polls < POLLS_PER_SECOND || scan.self_wakes_per_second(index) < polls * SELF_WOKEN {
                continue;
            }
            let n = self.0.get(&row.pid).map_or(1, |n| n + 1);
            storms.insert(row.pid, n);
            if n >= READINGS {
                let sentence =
                    format!("{} wakes itself all the time: {polls:.0} polls per second.", row.name(&scan.places));
                let advice = "It keeps a worker busy without waiting for anything. It should await a timer, a channel or a socket.";
                found.push(warning_of(scan, row, (WarningKind::WakeStorm, Severity::Notice), sentence, advice, "task"));
            }
        }
        self.0 = storms;
        found
    }
}
