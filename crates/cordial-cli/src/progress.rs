//! How far a run has come, for people: a bar where standard error is a terminal, else a line now and then.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use crate::source::Known;

/// How often the bar is brought up to date, and for how long a run has none.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// How often there is a line.
const LINE: Duration = Duration::from_secs(30);

const WITH_TOTAL: &str = "{bar:30} {pos}/{len}  {per_sec}  {eta} left{msg}";
const WITHOUT_TOTAL: &str = "{spinner} {pos} done  {per_sec}  {elapsed}{msg}";

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
                let failed = facts.failed();
                bar.set_message(if failed > 0 { format!("  {failed} failed") } else { String::new() });
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

fn line(facts: &Facts, passed: Duration) -> String {
    let (done, failed) = (facts.done(), facts.failed());
    let rate = done as f64 / passed.as_secs_f64().max(0.001);
    let (of, left) = match facts.total() {
        Some(total) if rate > 0.0 => {
            let left = Duration::from_secs((total.saturating_sub(done) as f64 / rate) as u64);
            (format!(" of {total}"), format!(", {} left", humantime::format_duration(left)))
        }
        Some(total) => (format!(" of {total}"), String::new()),
        None => (String::new(), String::new()),
    };
    format!("{done}{of} done, {failed} failed, {rate:.1}/s{left}")
}
