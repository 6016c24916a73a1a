//! The crash log: the most recent 1000 crashes, grouped by place and kind.

use serde::{Deserialize, Serialize};

use super::{LogLine, Reference};

/// The answer of `GET /api/crashes?text=&place=&offset=&limit=`.
#[non_exhaustive]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Crashes {
    /// How many processes of the runtime have crashed.
    pub total: u64,
    /// How many crashes are not in the log, because it keeps only the newest 1000.
    pub dropped: u64,
    /// How many crashes in the log match `text` and `place`.
    pub matched: usize,
    /// The groups of the crashes that match, the group with the most recent crash first.
    pub groups: Vec<CrashGroup>,
    /// How many of the crashes that match are newer than the first row.
    pub offset: usize,
    /// The crashes that match, newest first.
    pub rows: Vec<Crash>,
}

/// The crashes of one place and of one kind.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CrashGroup {
    /// The number of the most recent crash, for `GET /api/crashes/{n}`.
    pub n: u64,
    /// Where the processes panicked. If they did not panic, where they were spawned.
    pub place: String,
    /// `panic`, `error`, `timeout`, `killed`, `lost` or `other`.
    pub exit_kind: String,
    /// The message of the most recent crash of the group.
    pub message: String,
    /// How many of the crashes that match are in this group.
    pub count: usize,
    /// When the oldest crash of the group happened.
    pub first_at_ms: u64,
    /// When the most recent crash of the group happened.
    pub last_at_ms: u64,
    /// Labels of the processes, those of the most recent crashes first; at most three.
    pub labels: Vec<String>,
}

/// One crash.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Crash {
    /// The number of the crash. The crashes of a runtime are numbered from 1.
    pub n: u64,
    /// When the process crashed.
    pub at_ms: u64,
    /// The pid that the process had.
    pub pid: String,
    /// The label of the process.
    pub label: Option<String>,
    /// Where the process panicked. If it did not panic, where it was spawned.
    pub place: String,
    /// Where the process was spawned.
    pub spawned_at: String,
    /// `panic`, `error`, `timeout`, `killed`, `lost` or `other`.
    pub exit_kind: String,
    /// What happened, without the causes. A text of more than 2000 bytes is cut off after 2000 bytes.
    pub message: String,
    /// The supervisor of the process.
    pub supervisor: Option<String>,
    /// The incarnation number of a child; 1 for a process without a supervisor.
    pub incarnation: u32,
    /// How long the process had lived.
    pub age_ms: u64,
}

/// The answer of `GET /api/crashes/{n}`.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CrashDetail {
    /// The crash.
    #[serde(flatten)]
    pub crash: Crash,
    /// What happened and its causes, the outermost first.
    pub chain: Vec<String>,
    /// The backtrace of the panic, if `RUST_BACKTRACE` enables it. If the process did not panic, the backtrace of its exit, if that has one.
    pub backtrace: Option<String>,
    /// The callers of the process, nearest first: the process that spawned it, the one that spawned that process, and so on. Empty if
    /// the runtime has not recorded them.
    pub ancestors: Vec<Reference>,
    /// The last 20 lines that the process has logged, oldest first. `null` if the program does not use
    /// [`LogLines`](crate::LogLines).
    pub log: Option<Vec<LogLine>>,
    /// How many crashes in the log have the same place, with this one.
    pub same_place: usize,
    /// The numbers of the other crashes with the same place, newest first, at most 20.
    pub others: Vec<u64>,
}
