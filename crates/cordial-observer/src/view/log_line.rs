//! What a process has logged.

use serde::{Deserialize, Serialize};

/// An event of `tracing` that a process has emitted.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogLine {
    /// When the event was emitted.
    pub at_ms: u64,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// The target of the event, which is the module by default; at most 1000 bytes.
    pub target: String,
    /// The message, followed by the fields; at most 1000 bytes.
    pub text: String,
}
