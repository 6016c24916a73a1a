//! The progress of a run: a bar if standard error is a terminal, otherwise a line every 30 seconds.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use crate::input::ValueCount;

/// The time between two updates of the bar.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// The time between two lines.
const LINE_INTERVAL: Duration = Duration::from_secs(30);

const WITH_TOTAL: &str = "{bar:30} {pos}/{len}{msg}";
const WITHOUT_TOTAL: &str = "{spinner} {pos} done  {elapsed}{msg}";

/// The counts from which progress is computed.
pub(crate) struct ProgressCounts {
    /// Counts of the running stream.
    pub(crate) stream: cordial::Progress,
    /// The count of values, and the number of values per item.
    pub(crate) values: (Arc<ValueCount>, usize),
    /// The number of items that are skipped because an earlier run finished them.
    pub(crate) skipped: Arc<AtomicU64>,
}

impl ProgressCounts {
    /// Returns the number of items to run, or `None` before the end of the input was read. An item that will be skipped
    /// counts until the run has reached it.
    fn total(&self) -> Option<u64> {
        let (values, values_per_item) = &self.values;
        values.n_items(*values_per_item).map(|total| total.saturating_sub(self.skipped.load(Ordering::Relaxed)))
    }

    fn done(&self) -> u64 {
        (self.stream.succeeded() + self.stream.failed()) as u64
    }

    fn failed(&self) -> usize {
        self.stream.failed()
    }
}

/// How progress is shown.
enum DisplayMode {
    Hidden,
    Bar { bar: ProgressBar, has_total: bool, is_drawn: bool },
    Lines { next: Instant },
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
    pub(super) fn new(is_quiet: bool) -> ProgressDisplay {
        let started = Instant::now();
        let mode = if is_quiet {
            DisplayMode::Hidden
        } else if io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(style(WITHOUT_TOTAL));
            DisplayMode::Bar { bar, has_total: false, is_drawn: false }
        } else {
            DisplayMode::Lines { next: started + LINE_INTERVAL }
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

    /// Redraws the bar, or returns a line to print if one is due.
    pub(super) fn tick(&mut self) -> Option<String> {
        let counts = self.counts.as_ref()?;
        match &mut self.mode {
            DisplayMode::Hidden => None,
            DisplayMode::Bar { bar, has_total, is_drawn } => {
                if let Some(total) = counts.total() {
                    if !std::mem::replace(has_total, true) {
                        bar.set_style(style(WITH_TOTAL));
                    }
                    bar.set_length(total);
                }
                bar.set_message(bar_message(counts, self.started.elapsed()));
                bar.set_position(counts.done());
                bar.tick();
                *is_drawn = true;
                None
            }
            DisplayMode::Lines { next } => {
                let now = Instant::now();
                if now < *next {
                    return None;
                }
                *next = now + LINE_INTERVAL;
                Some(line(counts, now - self.started))
            }
        }
    }

    /// Removes the bar, so that something else can be printed. The next tick redraws it.
    pub(super) fn clear(&mut self) {
        if let DisplayMode::Bar { is_drawn, .. } = &mut self.mode
            && std::mem::take(is_drawn)
        {
            // If standard error cannot be written, no bar was visible.
            let _ = io::stderr().write_all(b"\r\x1b[2K");
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}

/// Returns the text after the bar.
fn bar_message(counts: &ProgressCounts, elapsed: Duration) -> String {
    let rate = rate(counts, elapsed).map(|rate| format!("  {rate}")).unwrap_or_default();
    let left = time_left(counts, elapsed).map(|left| format!("  {left} left")).unwrap_or_default();
    let failed = if counts.failed() > 0 { format!("  {} failed", counts.failed()) } else { String::new() };
    format!("{rate}{left}{failed}")
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
