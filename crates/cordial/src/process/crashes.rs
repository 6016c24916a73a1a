//! The most recent crashes of a runtime, kept for snapshots and observers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::kind::ProcessKind;
use super::lineage::Lineage;
use crate::exit::{Exit, Location, MAX_SOURCES, sources};
use crate::pid::Pid;
use crate::unwind;

/// How many crashes are kept.
const CAPACITY: usize = 1000;

/// A process that ended other than with [`Exit::Normal`] or [`Exit::Shutdown`].
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Crash {
    /// Its number among the crashes of its runtime, from 1. So a gap shows how many crashes were dropped.
    pub number: u64,
    /// The pid that the process had.
    pub pid: Pid,
    /// Its label at the time of the crash.
    pub label: Option<Arc<str>>,
    /// What the process was for.
    pub kind: ProcessKind,
    /// Where it was spawned.
    pub spawned_at: Location,
    /// Its spawner, the spawner's spawner, and so on, up to 32.
    pub callers: Vec<Pid>,
    /// Its supervisor, if it had one.
    pub supervisor: Option<Pid>,
    /// The id of the child, if the process was started from a child specification.
    pub child_id: Option<Arc<str>>,
    /// Its incarnation number; 1 for a process without a supervisor.
    pub incarnation: u32,
    /// How it ended. Of an [`Exit::Error`] only the texts of the error and of its sources are kept. Of each of these texts, and of
    /// the message of a panic, only the first 16 KiB are kept. The backtrace of a panic with a longer message is kept as a text only.
    pub exit: Exit,
    /// How long it had lived, on the clock of its runtime.
    pub age: Duration,
    /// How long ago the process crashed when this was read, on the clock of its runtime.
    pub ago: Duration,
}

/// How many processes of a runtime have crashed so far, by how they ended. Monotonic.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CrashCounts {
    /// Ended with [`Exit::Panic`].
    pub panics: u64,
    /// Ended with [`Exit::Error`].
    pub errors: u64,
    /// Ended with [`Exit::Timeout`].
    pub timeouts: u64,
    /// Ended with [`Exit::Killed`].
    pub kills: u64,
    /// Ended with [`Exit::Lost`].
    pub losses: u64,
    /// Ended with another exit that is a crash.
    pub others: u64,
}

impl CrashCounts {
    /// Returns the sum: how many processes have crashed.
    #[must_use]
    pub fn total(&self) -> u64 {
        let CrashCounts { panics, errors, timeouts, kills, losses, others } = self;
        panics + errors + timeouts + kills + losses + others
    }

    fn count(&mut self, exit: &Exit) {
        let counter = match exit {
            Exit::Panic(_) => &mut self.panics,
            Exit::Error(_) => &mut self.errors,
            Exit::Timeout(_) => &mut self.timeouts,
            Exit::Killed => &mut self.kills,
            Exit::Lost(_) => &mut self.losses,
            _ => &mut self.others,
        };
        *counter += 1;
    }
}

/// The crashes of a runtime: how many, and the most recent ones.
#[derive(Debug, Default)]
pub(crate) struct Crashes(Mutex<KeptCrashes>);

#[derive(Debug, Default)]
struct KeptCrashes {
    counts: CrashCounts,
    /// A ring buffer, oldest first.
    ring: VecDeque<Recorded>,
}

#[derive(Debug)]
struct Recorded {
    /// Without its callers.
    crash: Crash,
    lineage: Option<Arc<Lineage>>,
    /// When it was recorded, in milliseconds on the coarse clock.
    at: u64,
}

impl Crashes {
    /// Records a crash at this time on the coarse clock, and drops the oldest crash if the buffer is full. Reduces an error to its
    /// texts, so that no user value is kept alive.
    pub(crate) fn push(&self, crash: Crash, lineage: Option<Arc<Lineage>>, at: u64) {
        let mut crash = Crash { exit: without_user_values(crash.exit), ..crash };
        let dropped = {
            let KeptCrashes { counts, ring } = &mut *self.lock();
            counts.count(&crash.exit);
            crash.number = counts.total();
            let dropped = if ring.len() == CAPACITY { ring.pop_front() } else { None };
            ring.push_back(Recorded { crash, lineage, at });
            dropped
        };
        drop(dropped);
    }

    /// Returns the last `limit` crashes whose number is above `after`, oldest first, as they are seen at this time on the coarse clock.
    pub(crate) fn seen_at(&self, now: u64, after: u64, limit: usize) -> Vec<Crash> {
        let state = self.lock();
        // The numbers in the ring have no gaps.
        let n_new = usize::try_from(state.counts.total().saturating_sub(after)).unwrap_or(usize::MAX).min(limit);
        let seen = |recorded: &Recorded| Crash {
            ago: Duration::from_millis(now.saturating_sub(recorded.at)),
            callers: recorded.lineage.as_ref().map_or_else(Vec::new, |lineage| lineage.callers().to_vec()),
            ..recorded.crash.clone()
        };
        state.ring.iter().skip(state.ring.len().saturating_sub(n_new)).map(seen).collect()
    }

    pub(crate) fn counts(&self) -> CrashCounts {
        self.lock().counts
    }

    fn lock(&self) -> MutexGuard<'_, KeptCrashes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much of each text of an error and of the message of a panic is kept, in bytes: either may contain the whole input of the
/// code that failed.
const MAX_TEXT: usize = 16 * 1024;

/// Reduces an error to texts, and cuts these and the message of a panic if they are too long, because a crash is kept for long.
fn without_user_values(exit: Exit) -> Exit {
    let error = match &exit {
        Exit::Error(error) => error,
        Exit::Panic(report) if report.message().len() > MAX_TEXT => {
            return Exit::Panic(Arc::new(report.with_message(cut(report.message()))));
        }
        _ => return exit,
    };
    let texts = unwind::catch_cold(|| {
        let sources = sources(&**error).take(MAX_SOURCES).map(|source| cut(&source.to_string()));
        (cut(&error.to_string()), sources.collect())
    });
    let (text, sources) = texts.unwrap_or_else(|_| (unwind::DISPLAY_PANICKED.to_owned(), Vec::new()));
    drop(exit);
    Exit::from_texts(text, sources)
}

/// Cuts a text that is too long, and appends its length.
fn cut(text: &str) -> String {
    if text.len() <= MAX_TEXT {
        return text.to_owned();
    }
    let end = (0..=MAX_TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    format!("{}... ({} bytes in all)", &text[..end], text.len())
}
