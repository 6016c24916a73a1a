//! The last log lines of the processes.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cordial::{Pid, process};
use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::clock::Clock;
use crate::view::LogLine;

/// How much memory all lines may take together, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// The longest text of a line, and the longest target, in bytes. The rest of a longer one is left out.
const MAX_LINE: usize = 1000;

/// The memory that a line takes besides its target and its text, in bytes.
const OVERHEAD: usize = size_of::<Line>();

/// The target of the events of `cordial` about the life of processes.
const PROCESS_TARGET: &str = "cordial::process";

/// How many lines of one process are shown.
const SHOWN: usize = 20;

/// A layer for `tracing` that keeps the most recent events of processes, at most 1 MiB of all of them together, so that the page of
/// a process shows its last lines, and the page of a crash what was logged before it.
///
/// No events are kept unless the program adds the layer. Every client that has access can read the lines, so a program whose events have
/// secrets adds the layer with a filter, or not at all. Events outside of processes, and the events of `cordial` itself that say that a process has
/// started, stopped or crashed, are left out. Each event that is kept costs the time to write its text, and a lock for as long as it takes to store
/// the text. In an OS process that was forked from the program, this layer keeps no lines: make a new layer after the fork.
///
/// # Examples
///
/// ```
/// use cordial_observer::{LogLines, Observer};
/// use tracing_subscriber::layer::SubscriberExt;
/// use tracing_subscriber::util::SubscriberInitExt;
///
/// let lines = LogLines::new();
/// tracing_subscriber::registry().with(lines.clone()).init();
/// Observer::builder().log_lines(lines).serve("127.0.0.1:0")?;
/// # Ok::<(), cordial_observer::ServeError>(())
/// ```
#[derive(Clone, Default)]
pub struct LogLines(Arc<Kept>);

/// What the clones of a layer share.
#[derive(Debug)]
struct Kept {
    ring: Mutex<LineRing>,
    /// Notices a fork: at the fork, a thread that does not exist in the forked process may have held the lock.
    fork_guard: forkguard::Guard,
}

impl Default for Kept {
    fn default() -> Kept {
        Kept { ring: Mutex::default(), fork_guard: forkguard::new() }
    }
}

/// A ring buffer of lines, oldest first.
#[derive(Debug, Default)]
struct LineRing {
    lines: VecDeque<Line>,
    bytes: usize,
}

#[derive(Debug)]
struct Line {
    pid: Pid,
    at: Instant,
    level: tracing::Level,
    target: Box<str>,
    text: Box<str>,
}

impl Line {
    fn bytes(&self) -> usize {
        OVERHEAD + self.target.len() + self.text.len()
    }
}

impl LogLines {
    /// Returns a layer that has no lines yet. Clones share their lines: one of them is for the subscriber of the program, and one
    /// for [`Builder::log_lines`](crate::Builder::log_lines).
    #[must_use]
    pub fn new() -> LogLines {
        LogLines::default()
    }

    /// Returns the last lines of a process, oldest first.
    pub(crate) fn of(&self, pid: Pid, clock: &Clock) -> Vec<LogLine> {
        let Some(ring) = self.lock() else { return Vec::new() };
        let of_process = ring.lines.iter().rev().filter(|line| line.pid == pid).take(SHOWN);
        let mut shown: Vec<LogLine> = of_process
            .map(|line| LogLine {
                at_ms: clock.before_now_ms(line.at.elapsed()),
                level: line.level.as_str().to_ascii_lowercase(),
                target: (*line.target).to_owned(),
                text: (*line.text).to_owned(),
            })
            .collect();
        shown.reverse();
        shown
    }

    /// Locks the lines; `None` in a forked process.
    fn lock(&self) -> Option<MutexGuard<'_, LineRing>> {
        // A guard reports a fork only once, so each call asks a clone of it.
        let is_forked = self.0.fork_guard.clone().detected_fork();
        (!is_forked).then(|| self.0.ring.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, line: Line) {
        let Some(mut ring) = self.lock() else { return };
        ring.bytes += line.bytes();
        ring.lines.push_back(line);
        while ring.bytes > MAX_BYTES {
            let Some(oldest) = ring.lines.pop_front() else { return };
            ring.bytes -= oldest.bytes();
        }
    }
}

impl<S: Subscriber> Layer<S> for LogLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let Some(pid) = process::current() else { return };
        let metadata = event.metadata();
        // The page shows starts, ends and crashes of processes itself.
        if metadata.target() == PROCESS_TARGET && ["start", "stop", "crash"].contains(&metadata.name()) {
            return;
        }
        let mut text = Text::default();
        // Formatting runs `Debug` code of the program, which may emit events itself: no lock may be held here.
        event.record(&mut text);
        self.push(Line {
            pid,
            at: Instant::now(),
            level: *metadata.level(),
            target: crate::source::cut(metadata.target(), MAX_LINE).into(),
            text: text.finish(),
        });
    }
}

impl fmt::Debug for LogLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLines").field("lines", &self.lock().map(|ring| ring.lines.len())).finish_non_exhaustive()
    }
}

/// The text of an event: its message, followed by the other fields. What does not fit into [`MAX_LINE`] bytes is left out.
#[derive(Debug, Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn finish(self) -> Box<str> {
        let Text { mut message, fields } = self;
        let _ = Bounded(&mut message).write_str(&fields);
        message.trim_start().into()
    }
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // An error means that the line is full, or that the `Debug` of the value failed.
        let _ = match field.name() {
            "message" => write!(Bounded(&mut self.message), "{value:?}"),
            name => write!(Bounded(&mut self.fields), " {name}={value:?}"),
        };
    }
}

/// Writes to a text as long as the text has at most [`MAX_LINE`] bytes.
struct Bounded<'a>(&'a mut String);

impl Write for Bounded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_LINE.saturating_sub(self.0.len());
        self.0.push_str(crate::source::cut(text, room));
        if text.len() > room { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
