//! Warnings.

use serde::{Deserialize, Serialize};

/// A row of `GET /api/warnings`: something that is wrong, or is about to be; the most severe first.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Warning {
    /// A text that stays the same while the warning lasts.
    pub id: String,
    /// Which kind of problem it is.
    pub kind: WarningKind,
    /// How bad it is.
    pub severity: Severity,
    /// The problem, as a sentence in plain text: `importer <1.2.3> has been in one poll for 12.0 s.`
    pub sentence: String,
    /// Why it matters and what to do, in one or two sentences.
    pub advice: String,
    /// The process, if the warning is about one.
    pub pid: Option<String>,
    /// The place in the source, if the warning is about one.
    pub place: Option<String>,
    /// Since when the observer has seen it.
    pub since_at_ms: u64,
    /// The view that has more about it: `task`, `tasks`, `crashes`, `tree`, `servers` or `overview`.
    pub view: String,
}

/// The kind of a warning.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningKind {
    /// A poll that has lasted for half a second and has not returned.
    StuckPoll,
    /// All workers are busy, and many tasks wait.
    Starvation,
    /// A process that was killed and whose poll does not return.
    Abandoned,
    /// A process that is polled all the time, mostly because it has woken itself.
    WakeStorm,
    /// The number of live processes of one place rises in nearly every reading.
    Leak,
    /// A mailbox that is full or nearly full, or only grows.
    Mailbox,
    /// A supervisor that is close to its restart limit.
    RestartIntensity,
    /// A place at which processes crash again and again.
    CrashLoop,
    /// Tasks wait while one worker is busy and another worker is idle.
    Imbalance,
}

/// How bad a problem is.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// May become a problem.
    Notice,
    /// Is a problem.
    Warning,
    /// Hurts the program at this moment.
    Critical,
}
