//! Warns of mailboxes that are full or nearly full, or that grow from reading to reading.

use std::collections::HashMap;

use cordial::Pid;

use super::warning_of::warning_of;
use crate::source::Scan;
use crate::view::{Severity, Warning, WarningKind};

/// A mailbox that has grown in at least this many readings in a row, and has at least [`MIN_LENGTH`] messages, is a warning.
const MIN_GROWTHS: u32 = 6;
const MIN_LENGTH: usize = 100;

/// The mailboxes that had messages in the last reading.
#[derive(Debug, Default)]
pub(super) struct Mailboxes(HashMap<Pid, Growth>);

#[derive(Clone, Copy, Debug)]
struct Growth {
    length: usize,
    /// In how many readings in a row the mailbox has grown.
    n: u32,
}

impl Mailboxes {
    pub(super) fn find(&mut self, scan: &Scan) -> Vec<Warning> {
        let mut found = Vec::new();
        let mut growths = HashMap::new();
        for (pid, mailbox) in scan.mailboxes() {
            let Some(row) = scan.row(pid) else { continue };
            let (length, capacity) = (mailbox.length, mailbox.capacity);
            let n = match self.0.get(&pid) {
                Some(growth) if length > growth.length => growth.n + 1,
                _ => 0,
            };
            if length > 0 {
                growths.insert(pid, Growth { length, n });
            }
            let name = row.name(&scan.places);
            let (severity, sentence, advice) = if mailbox.waiting > 0 {
                let waiting = match mailbox.waiting {
                    1 => "1 message waits".to_owned(),
                    n => format!("{n} messages wait"),
                };
                let sentence = format!("The mailbox of {name} is full: {waiting} for room.");
                let advice =
                    "Its senders wait for the server, which waits for something itself or handles messages too slowly.";
                (Severity::Warning, sentence, advice)
            } else if length > 1 && length >= capacity {
                let sentence = format!("The mailbox of {name} is full: {length} of {capacity} messages.");
                (Severity::Notice, sentence, "The next sender has to wait.")
            } else if length > 1 && length.saturating_mul(5) >= capacity.saturating_mul(4) {
                let sentence = format!("The mailbox of {name} is nearly full: {length} of {capacity} messages.");
                (Severity::Notice, sentence, "When it is full, its senders have to wait.")
            } else if n >= MIN_GROWTHS && length >= MIN_LENGTH {
                let sentence = format!("The mailbox of {name} grows: {length} of {capacity} messages.");
                (Severity::Notice, sentence, "More messages arrive than the server handles.")
            } else {
                continue;
            };
            found.push(warning_of(scan, row, (WarningKind::Mailbox, severity), sentence, advice, "servers"));
        }
        self.0 = growths;
        found.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.id.cmp(&b.id)));
        found
    }
}
