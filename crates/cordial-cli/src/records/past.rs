//! What the joblog of an earlier run says about items.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Which items of an earlier run are run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    /// All: there is no earlier run.
    No,
    /// `--resume`: items that did not finish.
    Unfinished,
    /// `--resume-failed`: items that did not finish, and items that failed.
    UnfinishedAndFailed,
}

/// The finished items of an earlier run, by their index.
#[derive(Debug, Default)]
pub(crate) struct PastRun(HashMap<u64, PastItem>);

#[derive(Debug)]
struct PastItem {
    is_success: bool,
    /// A hash of the command, which may be long.
    command_hash: u64,
}

/// What an earlier run did with an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PastStatus {
    Unfinished,
    Succeeded,
    Failed,
    /// The earlier run had another command for the item.
    OtherCommand,
}

impl PastRun {
    /// Records an item of the earlier run. A later record of the same item replaces it.
    pub(super) fn insert(&mut self, index: u64, is_success: bool, command: &[u8]) {
        self.0.insert(index, PastItem { is_success, command_hash: hash(command) });
    }

    /// Returns the status of an item. `command` is `None` if commands are not compared.
    pub(super) fn status(&self, index: u64, command: Option<&[u8]>) -> PastStatus {
        match self.0.get(&index) {
            None => PastStatus::Unfinished,
            Some(item) if command.is_some_and(|command| hash(command) != item.command_hash) => PastStatus::OtherCommand,
            Some(PastItem { is_success: true, .. }) => PastStatus::Succeeded,
            Some(_) => PastStatus::Failed,
        }
    }
}

fn hash(command: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    command.hash(&mut hasher);
    hasher.finish()
}
