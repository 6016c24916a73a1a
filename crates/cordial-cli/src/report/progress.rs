//! How far a run has come, for people: a bar where standard error is a terminal, else a line now and then.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use crate::input::Known;

/// How often the bar is brought up to date, and for how long a run has none.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// How often there is a line.
const LINE: Duration = Duration::from_secs(30);

const WITH_TOTAL: &str = "{bar:30} {pos}/{len}{msg}";
const WITHOUT_TOTAL: &str = "{spinner} {pos} done  {elapsed}{msg}";

/// What there is to tell.
pub(crate) struct Facts {
    /// Of the running stream.
    pub(crate) counts: cordial::Progress,
    pub(crate) known: (Arc<Known>, usize),
    pub(crate) skipped: Arc<AtomicU64>,
}

impl Facts {
    /// How many items there are to run, if that is known.
    pub(crate) fn total(&self) -> Option<u64> {
        let (known, per_command) = &self.known;
        known.total(*per_command).map(|total| total.saturating_sub(self.skipped.load(Ordering::Relaxed)))
    }

    fn done(&self) -> u64 {
        (self.counts.succeeded() + self.counts.failed()) as u64
    }

    fn failed(&self) -> usize {
        self.counts.failed()
    }
}

/// Where it is told.
enum Shown {
    Nowhere,
    Bar { bar: ProgressBar, has_total: bool, is_drawn: bool },
    Lines { next: Instant },
}

/// How far a run has come.
pub(crate) struct Progress {
    shown: Shown,
    started: Instant,
    facts: Option<Facts>,
}

impl Progress {
    /// Before the start; nothing is shown yet.
    pub(crate) fn new(is_quiet: bool) -> Progress {
        let started = Instant::now();
        let shown = if is_quiet {
            Shown::Nowhere
        } else if io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(style(WITHOUT_TOTAL));
            Shown::Bar { bar, has_total: false, is_drawn: false }
        } else {
            Shown::Lines { next: started + LINE }
        };
        Progress { shown, started, facts: None }
    }

    pub(crate) fn begin(&mut self, facts: Facts) {
        self.facts = Some(facts);
    }

    pub(crate) fn total(&self) -> Option<u64> {
        self.facts.as_ref()?.total()
    }

    /// Brings what is shown up to date. Gives a line that is to be printed.
    pub(crate) fn tick(&mut self) -> Option<String> {
        let facts = self.facts.as_ref()?;
        match &mut self.shown {
            Shown::Nowhere => None,
            Shown::Bar { bar, has_total, is_drawn } => {
                if let Some(total) = facts.total()
                    && !*has_total
                {
                    *has_total = true;
                    bar.set_style(style(WITH_TOTAL));
                    bar.set_length(total);
                }
                bar.set_message(message(facts, self.started.elapsed()));
                bar.set_position(facts.done());
                bar.tick();
                *is_drawn = true;
                None
            }
            Shown::Lines { next } => {
                let now = Instant::now();
                if now < *next {
                    return None;
                }
                *next = now + LINE;
                Some(line(facts, now - self.started))
            }
        }
    }

    /// Takes the bar away, so that something can be printed. The next tick brings it back.
    pub(crate) fn clear(&mut self) {
        if let Shown::Bar { is_drawn, .. } = &mut self.shown
            && std::mem::take(is_drawn)
        {
            // To the start of the line, and clear it. If it cannot be written, there was no bar.
            let _ = io::stderr().write_all(b"\r\x1b[2K");
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}

/// What stands behind the bar.
fn message(facts: &Facts, passed: Duration) -> String {
    let rate = rate(facts, passed).map(|rate| format!("  {rate}")).unwrap_or_default();
    let left = left(facts, passed).map(|left| format!("  {left} left")).unwrap_or_default();
    let failed = if facts.failed() > 0 { format!("  {} failed", facts.failed()) } else { String::new() };
    format!("{rate}{left}{failed}")
}

fn line(facts: &Facts, passed: Duration) -> String {
    let (done, failed) = (facts.done(), facts.failed());
    let of = facts.total().map(|total| format!(" of {total}")).unwrap_or_default();
    let rate = rate(facts, passed).map(|rate| format!(", {rate}")).unwrap_or_default();
    let left = left(facts, passed).map(|left| format!(", {left} left")).unwrap_or_default();
    format!("{done}{of} done, {failed} failed{rate}{left}")
}

/// How many are done in a second, or a minute where they are few; `None` as long as none is done.
fn rate(facts: &Facts, passed: Duration) -> Option<String> {
    let rate = facts.done() as f64 / passed.as_secs_f64().max(0.001);
    match rate {
        0.0 => None,
        rate if rate >= 10.0 => Some(format!("{rate:.0}/s")),
        rate if rate >= 1.0 => Some(format!("{rate:.1}/s")),
        rate => Some(format!("{:.1}/min", rate * 60.0)),
    }
}

/// How long the rest will take, as far as what is done tells; `None` as long as it tells nothing.
fn left(facts: &Facts, passed: Duration) -> Option<String> {
    let (done, total) = (facts.done(), facts.total()?);
    let left = total.checked_sub(done).filter(|&left| done > 0 && left > 0)?;
    let seconds = (left as f64 * passed.as_secs_f64() / done as f64).ceil();
    Some(humantime::format_duration(Duration::from_secs(seconds as u64)).to_string())
}
