//! The latest crashes of a runtime, for whoever looks at it.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::entry::Entry;
use super::handle::Handle;
use crate::exit::{Exit, Location};
use crate::pid::Pid;
use crate::unwind;

/// How many are remembered.
const REMEMBERED: usize = 100;

/// A process that ended other than [`Exit::Normal`] or [`Exit::Shutdown`].
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Crash {
    /// Its pid.
    pub pid: Pid,
    /// The label that it had.
    pub label: Option<Arc<str>>,
    /// Where it was spawned.
    pub spawned_at: Location,
    /// Its supervisor, if it had one.
    pub supervisor: Option<Pid>,
    /// Which incarnation of its child it was; 1 without a supervisor.
    pub incarnation: u32,
    /// How it ended; of an error, only the text is remembered.
    pub exit: Exit,
    /// How long it had lived, on its runtime's clock.
    pub age: Duration,
}

/// The latest crashes, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Crashes(Mutex<VecDeque<Crash>>);

impl Crashes {
    pub(crate) fn add(&self, runtime: &Handle, pid: Pid, entry: &Entry, exit: &Exit) {
        let crash = Crash {
            pid,
            label: entry.label().cloned(),
            spawned_at: Location::from(entry.spawned_at),
            supervisor: entry.parent().map(|parent| parent.pid),
            incarnation: entry.parent().map_or(1, |parent| parent.incarnation),
            exit: remembered(exit),
            age: Duration::from_millis(runtime.executor().coarse_now().saturating_sub(entry.since)),
        };
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.len() == REMEMBERED {
            latest.pop_front();
        }
        latest.push_back(crash);
    }

    pub(crate) fn latest(&self) -> Vec<Crash> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// Nothing of the user's is kept alive for this.
fn remembered(exit: &Exit) -> Exit {
    match exit {
        Exit::Error(error) => {
            let text = unwind::catch(|| error.to_string()).unwrap_or_default();
            Exit::from(Box::<dyn Error + Send + Sync>::from(text))
        }
        other => other.clone(),
    }
}
