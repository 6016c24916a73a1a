//! The most recent crashes of a runtime, kept for snapshots.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::exit::{Exit, Location, sources};
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
    /// How it ended. Of an [`Exit::Error`] only the texts of the error and of its sources are kept.
    pub exit: Exit,
    /// How long it had lived, on the clock of its runtime.
    pub age: Duration,
}

/// A ring buffer of crashes, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Crashes(Mutex<VecDeque<Crash>>);

impl Crashes {
    /// Records a crash, and drops the oldest crash if the buffer is full. Reduces an error to its
    /// texts, so that no value of the user is kept alive.
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

/// How many sources of an error are kept.
const MAX_SOURCES: usize = 20;

fn without_user_values(exit: Exit) -> Exit {
    let Exit::Error(error) = &exit else { return exit };
    let texts = unwind::catch(|| {
        let texts = sources(&**error).take(MAX_SOURCES).map(ToString::to_string);
        std::iter::once(error.to_string()).chain(texts).collect::<Vec<String>>()
    });
    let texts = texts.unwrap_or_else(|_| vec!["an error whose `Display` panicked".to_owned()]);
    let reduced = texts.into_iter().rev().fold(None, |source, text| Some(Box::new(ErrorText { text, source })));
    let reduced = reduced.expect("an error has a text");
    drop(exit);
    Exit::Error(Arc::from(reduced as Box<dyn Error + Send + Sync>))
}

/// The text of an error, in place of the error.
#[derive(Debug)]
struct ErrorText {
    text: String,
    source: Option<Box<ErrorText>>,
}

impl fmt::Display for ErrorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for ErrorText {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.source.as_deref()?)
    }
}
