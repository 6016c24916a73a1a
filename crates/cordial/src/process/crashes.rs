//! The most recent crashes of a runtime, kept for snapshots.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::exit::{Exit, Location};
use crate::pid::Pid;
use crate::unwind;

/// How many crashes are kept.
const CAPACITY: usize = 100;

/// A process that ended other than with [`Exit::Normal`] or [`Exit::Shutdown`].
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Crash {
    /// The pid that the process had.
    pub pid: Pid,
    /// Its label at the time of the crash.
    pub label: Option<Arc<str>>,
    /// Where it was spawned.
    pub spawned_at: Location,
    /// Its supervisor, if it had one.
    pub supervisor: Option<Pid>,
    /// Its incarnation number; 1 for a process without a supervisor.
    pub incarnation: u32,
    /// How it ended. Of an [`Exit::Error`] only the text is kept.
    pub exit: Exit,
    /// How long it had lived, on the clock of its runtime.
    pub age: Duration,
}

/// A ring buffer of crashes, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Crashes(Mutex<VecDeque<Crash>>);

impl Crashes {
    /// Records a crash, and drops the oldest crash if the buffer is full. Reduces an error to its
    /// text, so that no value of the user is kept alive.
    pub(crate) fn push(&self, crash: Crash) {
        let crash = Crash { exit: without_user_values(crash.exit), ..crash };
        let mut crashes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if crashes.len() == CAPACITY {
            crashes.pop_front();
        }
        crashes.push_back(crash);
    }

    /// Returns the recorded crashes, oldest first.
    pub(crate) fn to_vec(&self) -> Vec<Crash> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

fn without_user_values(exit: Exit) -> Exit {
    let Exit::Error(error) = &exit else { return exit };
    let text = unwind::catch(|| error.to_string()).unwrap_or_else(|_| "an error whose `Display` panicked".to_owned());
    let reduced = Exit::from(Box::<dyn Error + Send + Sync>::from(text));
    drop(exit);
    reduced
}
