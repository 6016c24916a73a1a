//! What a supervisor supervises.

use serde::{Deserialize, Serialize};

/// What a supervisor supervises, and how.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Supervision {
    /// `one_for_one`, `one_for_all`, `rest_for_one` or `tasks`.
    pub strategy: String,
    /// How many children have a process.
    pub running: usize,
    /// How many children have no process.
    pub inactive: usize,
    /// How many children may run at once; `null` is no limit.
    pub max_children: Option<usize>,
    /// How many restarts it has made.
    pub restarts: u64,
    /// Its restart limit; `null` if it may restart any number of children.
    pub intensity: Option<Intensity>,
    /// In how long the next child is started again, if a restart is scheduled and its time is known.
    pub next_restart_ms: Option<u64>,
}

/// The restart limit of a supervisor.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Intensity {
    /// How many restarts are allowed within the window.
    pub limit: u32,
    /// How many restarts are within the window that ends now.
    pub used: u32,
    /// The window.
    pub window_ms: u64,
}
