//! The crash log: the most recent 1000 crashes, grouped by place and kind.

use serde::{Deserialize, Serialize};

use super::{LogLine, Reference};

/// The answer of `GET /api/crashes?text=&place=&offset=&limit=`.
#[non_exhaustive]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Crashes {
    /// How many processes of the runtime have crashed.
    pub total: u64,
    /// How many of them are not in the log, which keeps 1000.
    pub dropped: u64,
    /// How many crashes of the log match.
    pub matched: usize,
    /// The groups of the crashes that match, the group with the most recent crash first.
    pub groups: Vec<CrashGroup>,
    /// The index of the first row.
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
    /// Where the processes panicked, or else where they were spawned.
    pub place: String,
    /// `panic`, `error`, `timeout`, `killed`, `lost` or `other`.
    pub exit_kind: String,
    /// The message of the most recent one.
    pub message: String,
    /// How many of the crashes that match are in this group.
    pub count: usize,
    /// When the first of them happened.
    pub first_at_ms: u64,
    /// When the last of them happened.
    pub last_at_ms: u64,
    /// Labels of the processes, those of the most recent crashes first; at most three.
    pub labels: Vec<String>,
}

/// One crash.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Crash {
    /// The number of the crash among those of the runtime, from 1.
    pub n: u64,
    /// When it happened.
    pub at_ms: u64,
    /// The pid that the process had.
    pub pid: String,
    /// The label of the process.
    pub label: Option<String>,
    /// Where it panicked, or else where it was spawned.
    pub place: String,
    /// Where it was spawned.
    pub spawned_at: String,
    /// `panic`, `error`, `timeout`, `killed`, `lost` or `other`.
    pub exit_kind: String,
    /// What happened, without the causes; a text of more than 2000 bytes is cut there.
    pub message: String,
    /// The supervisor of the process.
    pub supervisor: Option<String>,
    /// The incarnation number of a child; 1 for a process without a supervisor.
    pub incarnation: u32,
    /// How long it had lived.
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
    /// The backtrace of a panic, if `RUST_BACKTRACE` enables it, or that of an exit which has one.
    pub backtrace: Option<String>,
    /// The processes that spawned it, nearest first, if they were recorded.
    pub ancestors: Vec<Reference>,
    /// The last lines that the process has logged, oldest first, at most 20; `null` if the program keeps none: see
    /// [`LogLines`](crate::LogLines).
    pub log: Option<Vec<LogLine>>,
    /// How many crashes of the same place are in the log, this one included.
    pub same_place: usize,
    /// The numbers of the others, newest first, at most 20.
    pub others: Vec<u64>,
}
