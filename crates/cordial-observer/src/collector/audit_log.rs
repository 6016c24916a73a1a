//! The most recent actions and refusals.

use std::collections::VecDeque;

use crate::source::{shortened, visible};
use crate::view::AuditEntry;

/// How many actions are kept.
const MAX_ACTIONS: usize = 1000;

/// How many entries of refused requests are kept. They have room of their own, because every client can cause such entries.
const MAX_REFUSALS: usize = 200;

/// How many bytes of each text that a client has sent are kept.
const MAX_TEXT: usize = 300;

/// An entry without its number and time.
#[derive(Debug)]
pub(crate) struct NewEntry {
    pub(crate) who: String,
    pub(crate) action: String,
    pub(crate) pid: Option<String>,
    pub(crate) label: Option<String>,
    pub(crate) allowed: bool,
    pub(crate) result: String,
}

/// Why a request was refused before its action was known.
#[derive(Clone, Debug)]
pub(crate) enum Refused {
    WrongToken,
    /// The request breaks another rule. Contains the sentence with which the client is answered.
    Request(String),
}

/// The latest actions, and the latest entries of refused requests.
#[derive(Debug, Default)]
pub(crate) struct AuditLog {
    /// Oldest first.
    actions: VecDeque<AuditEntry>,
    /// Each entry with the number of refusals that it counts, in the order of the latest of these refusals.
    refusals: VecDeque<(AuditEntry, u64)>,
    /// The number of the newest entry.
    last_number: u64,
}

impl AuditLog {
    /// Adds an action, and drops the oldest action if there are too many. Returns the entry.
    pub(crate) fn push(&mut self, new: NewEntry, at_ms: u64) -> &AuditEntry {
        if self.actions.len() == MAX_ACTIONS {
            self.actions.pop_front();
        }
        let entry = self.entry(NewEntry { who: text(&new.who), ..new }, at_ms);
        self.actions.push_back(entry);
        self.actions.back().expect("an entry was pushed")
    }

    /// Adds a refused request: to the entry for the same client and the same kind of refusal, if the log still has it, or else as a new
    /// entry. Returns the entry, and how many refusals it counts.
    pub(crate) fn push_refusal(&mut self, who: String, refused: Refused, at_ms: u64) -> (&AuditEntry, u64) {
        let who = text(&who);
        let action = match refused {
            Refused::WrongToken => "session",
            Refused::Request(_) => "request",
        };
        let found = self.refusals.iter().position(|(entry, _)| entry.who == who && entry.action == action);
        let (mut entry, n) = match found.and_then(|index| self.refusals.remove(index)) {
            Some((entry, n)) => (AuditEntry { at_ms, ..entry }, n + 1),
            None => {
                let (action, result) = (action.to_owned(), String::new());
                (self.entry(NewEntry { who, action, pid: None, label: None, allowed: false, result }, at_ms), 1)
            }
        };
        entry.result = match refused {
            Refused::WrongToken if n == 1 => "a wrong token".to_owned(),
            Refused::WrongToken => format!("{n} wrong tokens"),
            Refused::Request(sentence) if n == 1 => format!("refused: {}", text(&sentence)),
            Refused::Request(sentence) => {
                format!("{n} requests were refused, the last one: {}", text(&sentence))
            }
        };
        if self.refusals.len() == MAX_REFUSALS {
            self.refusals.pop_front();
        }
        self.refusals.push_back((entry, n));
        let (entry, n) = self.refusals.back().expect("an entry was pushed");
        (entry, *n)
    }

    fn entry(&mut self, new: NewEntry, at_ms: u64) -> AuditEntry {
        self.last_number += 1;
        let NewEntry { who, action, pid, label, allowed, result } = new;
        let (label, result) = (label.as_deref().map(visible), visible(&result));
        AuditEntry { n: self.last_number, at_ms, who, action, pid, label, allowed, result }
    }

    /// Returns the entries, newest first.
    pub(crate) fn entries(&self) -> Vec<AuditEntry> {
        let refusals = self.refusals.iter().map(|(entry, _)| entry);
        let mut entries: Vec<AuditEntry> = self.actions.iter().chain(refusals).cloned().collect();
        entries.sort_by_key(|entry| std::cmp::Reverse((entry.at_ms, entry.n)));
        entries
    }
}

/// Returns what the log keeps of a text that a client has sent: its beginning, with escapes for line ends and for the control characters
/// of a terminal, because the program may print it.
fn text(text: &str) -> String {
    visible(&shortened(text, MAX_TEXT))
}

#[cfg(test)]
mod tests {
    use super::{AuditLog, MAX_REFUSALS, NewEntry, Refused};

    #[test]
    fn refusals_of_many_clients_do_not_remove_actions() {
        let mut log = AuditLog::default();
        let action = NewEntry {
            who: "operator".to_owned(),
            action: "kill".to_owned(),
            pid: None,
            label: None,
            allowed: true,
            result: "it has ended".to_owned(),
        };
        log.push(action, 1);
        for client in 0..5000 {
            log.push_refusal(format!("client {client}"), Refused::Request("no Origin".to_owned()), 2);
        }
        let entries = log.entries();
        assert_eq!(entries.len(), MAX_REFUSALS + 1);
        assert_eq!((&*entries[0].who, &*entries.last().unwrap().who), ("client 4999", "operator"));
    }

    #[test]
    fn the_refusals_of_a_client_are_counted_by_kind() {
        let mut log = AuditLog::default();
        let mut refuse = |refused: &Refused| log.push_refusal("client".to_owned(), refused.clone(), 1).0.result.clone();
        let request = Refused::Request("it comes from ".to_owned() + &"x".repeat(10_000));
        assert!(refuse(&request).starts_with("refused: it comes from xxx"));
        assert_eq!(refuse(&Refused::WrongToken), "a wrong token");
        let second = refuse(&request);
        assert!(
            second.starts_with("2 requests were refused, the last one: it comes") && second.len() < 400,
            "{second}"
        );
        assert_eq!(refuse(&Refused::WrongToken), "2 wrong tokens");
        assert_eq!(log.entries().len(), 2);
    }
}
