//! A part of a list.

use serde::{Deserialize, Serialize};

/// A part of a list. The answer of `GET /api/tasks`, `/api/tree`, `/api/streams`, `/api/servers`, `/api/task_sets`,
/// `/api/connections`, `/api/long_polls`, `/api/warnings` and `/api/audit`.
///
/// Parameters of `GET /api/tasks`, all optional:
///
/// | parameter | meaning | default |
/// |---|---|---|
/// | `text` | a regular expression, searched in label, pid and place, ignoring case | all |
/// | `state` | a [`State`](super::State) | all |
/// | `kind` | a [`Kind`](super::Kind) | all |
/// | `supervisor` | a pid: only the processes directly below that process | all |
/// | `place` | the place of the spawn, or its beginning | all |
/// | `sort` | `age`, `busy`, `busy_share`, `polls`, `poll_rate`, `in_poll`, `in_queue`, `long_polls`, `self_wakes`, `mailbox`, `restarts`, `label`, `place`, `kind`, `state` or `pid` | `busy_share` |
/// | `descending` | `true` or `false` | `false` for `label`, `place`, `kind`, `state` and `pid`, else `true` |
/// | `offset`, `limit` | which rows | 0, 100 |
///
/// Parameters of `GET /api/tree`: `parent`, the process whose children are listed (the roots without it), `offset`, `limit`,
/// and `sort` and `descending` as above. Without `sort`, supervisors and processes that have children come first, and each
/// group is ordered oldest first. With `fold=true` and without `sort`, more than four processes of one place that have neither label nor children are
/// one row (`alike`). The parameter `alike` lists the processes of such a row: its value is their place, and `sort` has no effect.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct List<T> {
    /// How many there are.
    pub total: usize,
    /// How many of them match the filter; in the tree, the number of rows after `fold`.
    pub matched: usize,
    /// The index of the first row among those that match.
    pub offset: usize,
    /// The rows.
    pub rows: Vec<T>,
    /// For processes, when they were read: answers with the same value come from the same reading, so that pages fit together. For streams, task
    /// sets, long polls, warnings and the audit log, when the answer was made.
    pub at_ms: u64,
    /// After how long a new request gets a new reading of the processes: 1 s, and longer if the program has so many of them that a reading each
    /// second would cost more than one percent of a processor.
    pub refresh_ms: u64,
}

impl<T> List<T> {
    /// Returns this part of `all`, which is the whole list.
    pub(crate) fn part_of(all: Vec<T>, offset: usize, limit: usize, at_ms: u64, refresh_ms: u64) -> List<T> {
        let total = all.len();
        let rows = all.into_iter().skip(offset).take(limit).collect();
        List { total, matched: total, offset, rows, at_ms, refresh_ms }
    }
}
