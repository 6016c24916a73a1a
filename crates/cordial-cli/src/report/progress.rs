//! The progress of a run: a bar on the terminal, a line every 30 seconds, or nothing. `ProgressMode::choose` says when.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::input::RecordCount;
use crate::system;
use crate::text::display::ERASE_BAR;

/// The time between two updates of the bar.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// The time between two lines.
const LINE_INTERVAL: Duration = Duration::from_secs(30);

/// The columns of the bar itself, which is shorter if the terminal is narrow.
const BAR_COLUMNS: usize = 30;

/// With fewer columns than this for the bar, only numbers are shown.
const MIN_BAR_COLUMNS: usize = 8;

/// The counts from which progress is computed.
pub(crate) struct ProgressCounts {
    /// Counts of the running stream.
    pub(crate) stream: cordial::Progress,
    /// The count of records, and the number of records in an item.
    pub(crate) records: (Arc<RecordCount>, usize),
    /// The number of items that are not run: an earlier run has recorded them, or they were declined.
    pub(crate) skipped: Arc<AtomicU64>,
}

impl ProgressCounts {
    /// Returns the number of items to run, or `None` if it is not known (see `RecordCount::n_items`). An item that will be
    /// skipped counts until the run has reached it.
    fn total(&self) -> Option<u64> {
        let (records, records_per_item) = &self.records;
        records.n_items(*records_per_item).map(|total| total.saturating_sub(self.skipped.load(Ordering::Relaxed)))
    }

    fn done(&self) -> u64 {
        (self.stream.succeeded() + self.stream.failed()) as u64
    }

    fn failed(&self) -> usize {
        self.stream.failed()
    }
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProgressMode {
    Hidden,
    /// A bar on the row of the cursor.
    Bar,
    /// A line every 30 seconds.
    Lines,
}

impl ProgressMode {
    /// Returns how progress is shown if it is not hidden on request.
    ///
    /// The bar must not disturb what else is printed on the terminal. Commands that write to it directly could do so at
    /// any time. If standard output is a pipe, its reader may be a pager such as `less`; then the bar is shown only on
    /// request. A terminal that cannot erase a bar gets lines.
    pub(crate) fn choose(is_bar_wanted: bool, is_output_direct: bool) -> ProgressMode {
        if !system::is_stderr_screen() || is_output_direct {
            ProgressMode::Lines
        } else if system::is_stdout_pipe() && !is_bar_wanted {
            ProgressMode::Hidden
        } else {
            ProgressMode::Bar
        }
    }
}

/// The state of the display.
enum DisplayMode {
    Hidden,
    Bar { is_drawn: bool },
    Lines { next: Instant },
}

/// A new text for the display of the progress.
pub(super) enum Update {
    /// Replaces the bar.
    Bar(String),
    /// The text of a message.
    Line(String),
}

/// Shows the progress of a run.
pub(super) struct ProgressDisplay {
    mode: DisplayMode,
    started: Instant,
    /// `None` before the run begins.
    counts: Option<ProgressCounts>,
}

impl ProgressDisplay {
    /// Shows nothing until `begin` is called.
    pub(super) fn new(mode: ProgressMode) -> ProgressDisplay {
        let started = Instant::now();
        let mode = match mode {
            ProgressMode::Hidden => DisplayMode::Hidden,
            ProgressMode::Bar => DisplayMode::Bar { is_drawn: false },
            ProgressMode::Lines => DisplayMode::Lines { next: started + LINE_INTERVAL },
        };
        ProgressDisplay { mode, started, counts: None }
    }

    pub(super) fn begin(&mut self, counts: ProgressCounts) {
        self.counts = Some(counts);
    }

    /// Returns the number of items to run, or `None` if it is not known.
    pub(super) fn total(&self) -> Option<u64> {
        self.counts.as_ref()?.total()
    }

    /// Returns what is due to be printed to standard error. A bar counts as drawn from now on.
    pub(super) fn tick(&mut self) -> Option<Update> {
        let counts = self.counts.as_ref()?;
        match &mut self.mode {
            DisplayMode::Hidden => None,
            DisplayMode::Bar { is_drawn } => {
                // The window may have been resized, so the width is queried each time. The cursor returns to the start of the row,
                // where `ERASE_BAR` begins. If it stayed at the end, a narrower window could move it to another row.
                let row = bar_row(counts, self.started.elapsed(), system::screen_size().columns);
                *is_drawn = true;
                Some(Update::Bar(format!("{ERASE_BAR}{row}\r")))
            }
            DisplayMode::Lines { next } => {
                let now = Instant::now();
                if now < *next {
                    return None;
                }
                *next = now + LINE_INTERVAL;
                Some(Update::Line(line(counts, now - self.started)))
            }
        }
    }

    /// Returns whether a bar is drawn, which has to be erased before anything else is printed. It counts as erased from now on.
    pub(super) fn take_bar(&mut self) -> bool {
        match &mut self.mode {
            DisplayMode::Bar { is_drawn } => std::mem::take(is_drawn),
            DisplayMode::Hidden | DisplayMode::Lines { .. } => false,
        }
    }
}

/// Returns the row with the bar, which is shorter than the terminal is wide: a longer one would take two rows, and the cursor
/// would be in the second one.
fn bar_row(counts: &ProgressCounts, elapsed: Duration, columns: usize) -> String {
    let done = counts.done();
    let numbers = match counts.total() {
        Some(total) => format!("{done}/{total}"),
        None => format!("{done} done  {}", humantime::format_duration(Duration::from_secs(elapsed.as_secs()))),
    };
    let failed = (counts.failed() > 0).then(|| format!("{} failed", counts.failed()));
    let left = time_left(counts, elapsed).map(|left| format!("{left} left"));
    let max = columns.saturating_sub(1);
    let mut row = numbers;
    // The most important part comes first; a part that does not fit is left out.
    for part in [failed, left, rate(counts, elapsed)].into_iter().flatten() {
        if row.chars().count() + 2 + part.chars().count() <= max {
            row = format!("{row}  {part}");
        }
    }
    let free = max.saturating_sub(row.chars().count() + 3);
    if let Some(total) = counts.total()
        && free >= MIN_BAR_COLUMNS
    {
        let width = free.min(BAR_COLUMNS);
        let filled = (done.min(total) as usize * width).checked_div(total as usize).unwrap_or(width);
        let head = if filled < width { ">" } else { "" };
        return format!("[{}{head}{}] {row}", "=".repeat(filled), " ".repeat((width - filled).saturating_sub(1)));
    }
    row.chars().take(max).collect()
}

fn line(counts: &ProgressCounts, elapsed: Duration) -> String {
    let (done, failed) = (counts.done(), counts.failed());
    let of = counts.total().map(|total| format!(" of {total}")).unwrap_or_default();
    let rate = rate(counts, elapsed).map(|rate| format!(", {rate}")).unwrap_or_default();
    let left = time_left(counts, elapsed).map(|left| format!(", {left} left")).unwrap_or_default();
    format!("{done}{of} done, {failed} failed{rate}{left}")
}

/// Returns the finished items per second, or per minute if they are few; `None` while no item is finished.
fn rate(counts: &ProgressCounts, elapsed: Duration) -> Option<String> {
    let rate = counts.done() as f64 / elapsed.as_secs_f64().max(0.001);
    match rate {
        0.0 => None,
        rate if rate >= 10.0 => Some(format!("{rate:.0}/s")),
        rate if rate >= 1.0 => Some(format!("{rate:.1}/s")),
        rate => Some(format!("{:.1}/min", rate * 60.0)),
    }
}

/// Returns the time that the remaining items will take at the current rate; `None` while no item is finished, or none
/// is left.
fn time_left(counts: &ProgressCounts, elapsed: Duration) -> Option<String> {
    let (done, total) = (counts.done(), counts.total()?);
    let left = total.checked_sub(done).filter(|&left| done > 0 && left > 0)?;
    let seconds = (left as f64 * elapsed.as_secs_f64() / done as f64).ceil();
    Some(humantime::format_duration(Duration::from_secs(seconds as u64)).to_string())
}
