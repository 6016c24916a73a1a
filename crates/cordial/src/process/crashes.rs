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
    /// How long before the snapshot the process crashed, on the clock of its runtime.
    pub ago: Duration,
}

/// A ring buffer of crashes, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Crashes(Mutex<VecDeque<Recorded>>);

#[derive(Debug)]
struct Recorded {
    crash: Crash,
    /// When it was recorded, in milliseconds on the coarse clock.
    at: u64,
}

impl Crashes {
    /// Records a crash at this time on the coarse clock, and drops the oldest crash if the buffer is full. Reduces an error to its
    /// texts, so that no value of the user is kept alive.
    pub(crate) fn push(&self, crash: Crash, at: u64) {
        let crash = Crash { exit: without_user_values(crash.exit), ..crash };
        let mut crashes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if crashes.len() == CAPACITY {
            crashes.pop_front();
        }
        crashes.push_back(Recorded { crash, at });
    }

    /// Returns the recorded crashes, oldest first, as they are seen at this time on the coarse clock.
    pub(crate) fn seen_at(&self, now: u64) -> Vec<Crash> {
        let crashes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = |recorded: &Recorded| {
            let ago = Duration::from_millis(now.saturating_sub(recorded.at));
            Crash { ago, ..recorded.crash.clone() }
        };
        crashes.iter().map(seen).collect()
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
