//! What makes a process a guardian: a process that owns others, ends after them, and ends with its own owner, if it has one.
//! Every supervisor is a guardian.
//!
//! ```text
//!  owner ends       ──► its guardians are notified, and end one by one, the last started first
//!  guardian killed  ──► it is notified instead of ended: it kills the processes that it owns, then ends
//! ```
//!
//! The module `ownership` changes who owns a guardian.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use super::report::ReportSlot;
use super::supervision::Supervise;
use crate::exit::Exit;
use crate::pid::Pid;

/// The part of a table entry that only guardians have.
#[derive(Debug)]
pub(crate) struct Guardian {
    /// The process with which the guardian ends. `None`: the guardian is owned by the runtime, or is a child of a supervisor, which
    /// stops it.
    pub(crate) owner: Option<Pid>,
    /// Guardians of one runtime are numbered in the order of their start.
    pub(crate) number: u64,
    /// The guardian that the same owner started next: this guardian ends after that one has ended. Set when the owner ends.
    pub(crate) waits_for: Option<Pid>,
    pub(crate) is_killed: bool,
    pub(crate) supervisor: Arc<dyn Supervise>,
    pub(crate) report: ReportSlot,
}

/// Numbers the guardians of a runtime.
#[derive(Debug, Default)]
pub(crate) struct GuardianNumbers(AtomicU64);

impl GuardianNumbers {
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns how many guardians were numbered so far.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The strongest request to end that a guardian has received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShutdownRequest {
    None,
    Shutdown,
    Kill,
}

/// Receives the exits and requests that a guardian traps. The channel has no bound, but little enters it: requests, one kill, and
/// exits of the owner.
pub(crate) type ExitReceiver = mpsc::UnboundedReceiver<(Pid, Exit)>;

/// The sending half of an [`ExitReceiver`].
pub(crate) type ExitSender = mpsc::UnboundedSender<(Pid, Exit)>;
