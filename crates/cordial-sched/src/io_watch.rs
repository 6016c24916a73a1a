//! Finds threads of tokio that are stuck: code inside `tokio::spawn` that computes or blocks for long.
//!
//! Such a thread has no stand-in. Tasks of tokio may wait behind it, and once all of tokio's threads
//! are stuck, all tasks, sockets and timers of tokio wait. The only remedy is a report.
//!
//! The timer thread samples the threads of tokio every 100 ms while any of them is awake. An idle program must not wake up
//! for that, so the watch is switched off when all of them are parked, and a thread of tokio that wakes up switches it on.
//!
//! ```text
//!        a thread of tokio wakes up
//!      ┌────────────────────────────┐
//!      │                            ▼
//!   watch off                    watch on ──► every 100 ms: which threads are in the same poll as 100 ms ago?
//!      ▲                            │
//!      └────────────────────────────┘
//!         a sample finds all parked
//! ```
//!
//! # How the watch is switched
//!
//! ```text
//!  a thread of tokio wakes up          timer thread, when a sample finds all threads parked
//!  ──────────────────────────          ────────────────────────────────────────────────────
//!  1 it counts as awake                1 the watch is off
//!    fence                               fence
//!  2 is the watch off? switch it on,   2 is any thread awake? the watch is on again
//!    unpark the timer thread
//! ```
//!
//! One of the two fences comes first. If it is the fence of the thread that wakes up, the timer
//! thread sees that thread awake. If it is the fence of the timer thread, the thread that wakes up
//! sees that the watch is off. `io_watch/loom_tests.rs` checks this with loom: without either of
//! the fences, or without step 2 of the timer thread, the model finds a thread that is awake and
//! not sampled.

use std::time::Duration;

use crate::sync::{AtomicBool, Ordering, Unparker, fence};
use crate::timeout::Instant;

/// The time between two samples. A thread that has made no progress between them is stuck.
const PERIOD: Duration = Duration::from_millis(100);

/// A longer gap between two samples means that the program was stopped, or that the timer thread, and
/// perhaps others, got no processor.
const GAP: Duration = Duration::from_millis(300);

/// The least time between two reports.
const REPORT_PERIOD: Duration = Duration::from_secs(1);

/// Whether the timer thread samples the threads of tokio.
#[derive(Debug)]
pub(crate) struct IoWatch {
    is_on: AtomicBool,
    timer_thread: Unparker,
}

/// The state of a thread of tokio in a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    Parked,
    /// The thread is awake. It makes progress as long as these values change: how often it has
    /// parked and unparked, and how long it was busy until it last looked for events.
    Awake(u64, Duration),
}

/// A report that threads of tokio are stuck. An executor makes at most one report a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StuckIoThreads {
    /// How many threads of tokio are stuck.
    pub n_stuck: usize,
    /// How many threads tokio has.
    pub n_threads: usize,
    /// How long the thread that has been stuck for longest has been stuck, at least.
    pub lasted: Duration,
    /// How many times since the last report a thread was stuck, and made progress again before it was reported.
    pub n_left_out: usize,
}

/// The state that the timer thread keeps between samples.
#[derive(Debug)]
pub(crate) struct IoThreadSamples {
    /// One for each thread of tokio.
    samples: Vec<Sample>,
    last_sample: Option<Instant>,
    /// `None` if the watch was off at the last call of `sample`, or before the first.
    next_sample: Option<Instant>,
    last_report: Option<Instant>,
    /// How many times a thread was found to be stuck since the last report.
    n_found: usize,
}

/// The activity in which a thread was seen last, and since when it was seen in that activity.
#[derive(Clone, Copy, Debug)]
struct Sample {
    activity: Activity,
    since: Instant,
    state: SampleState,
}

/// Whether a thread is stuck in the activity of its sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SampleState {
    /// The thread is parked, or was seen in this activity for the first time.
    Fresh,
    Stuck,
    /// The thread is stuck, and was reported.
    Reported,
}

impl IoWatch {
    /// Makes a watch that is on, because tokio's threads are about to start.
    pub(crate) fn new(timer_thread: Unparker) -> IoWatch {
        IoWatch { is_on: AtomicBool::new(true), timer_thread }
    }

    /// Called by a thread of tokio that has woken up, after it counts as awake.
    pub(crate) fn thread_woke_up(&self) {
        // Pairs with the fence in `try_switch_off`.
        fence(Ordering::SeqCst);
        if !self.is_on.load(Ordering::Relaxed) && !self.is_on.swap(true, Ordering::Relaxed) {
            self.timer_thread.unpark();
        }
    }

    fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Switches the watch off. Switches it on again if a thread turns out to be awake.
    fn try_switch_off(&self, is_any_awake: impl FnOnce() -> bool) {
        // An exchange: loom does not order a plain store among exchanges.
        self.is_on.swap(false, Ordering::Relaxed);
        // Pairs with the fence in `thread_woke_up`.
        fence(Ordering::SeqCst);
        if is_any_awake() {
            self.is_on.swap(true, Ordering::Relaxed);
        }
    }
}

impl IoThreadSamples {
    /// `n_threads` is the number of threads of tokio.
    pub(crate) fn new(n_threads: usize, now: Instant) -> IoThreadSamples {
        let unseen = Sample { activity: Activity::Parked, since: now, state: SampleState::Fresh };
        IoThreadSamples {
            samples: vec![unseen; n_threads],
            last_sample: None,
            next_sample: None,
            last_report: None,
            n_found: 0,
        }
    }

    /// Samples the activity of the threads if that is due. Returns when to call this again at the latest, or `None` while
    /// the watch is off, and what is to be reported.
    pub(crate) fn sample(
        &mut self,
        watch: &IoWatch,
        now: Instant,
        activity: impl Fn(usize) -> Activity,
    ) -> (Option<Instant>, Option<StuckIoThreads>) {
        if !watch.is_on() {
            self.next_sample = None;
            return (None, None);
        }
        match self.next_sample {
            Some(next_sample) if now < next_sample => return (Some(next_sample), None),
            Some(_) => {
                let is_any_awake = || (0..self.samples.len()).any(|thread| activity(thread) != Activity::Parked);
                if !is_any_awake() {
                    watch.try_switch_off(is_any_awake);
                }
            }
            // The watch was just switched on. It stays on for at least one period, after which most threads are parked.
            None => self.last_sample = None,
        }
        self.next_sample = Some(now + PERIOD);
        self.observe(now, activity);
        (self.next_sample, self.report(now))
    }

    fn observe(&mut self, now: Instant, activity: impl Fn(usize) -> Activity) {
        let last_sample = self.last_sample.replace(now);
        let is_gap = last_sample.is_none_or(|last| now.saturating_duration_since(last) > GAP);
        for (thread, sample) in self.samples.iter_mut().enumerate() {
            let activity = activity(thread);
            if activity == Activity::Parked || activity != sample.activity || is_gap {
                *sample = Sample { activity, since: now, state: SampleState::Fresh };
            } else if sample.state == SampleState::Fresh {
                sample.state = SampleState::Stuck;
                self.n_found += 1;
            }
        }
    }

    /// Makes a report if a thread is stuck that was not reported, unless the last report was made shortly before.
    fn report(&mut self, now: Instant) -> Option<StuckIoThreads> {
        let since = |moment: Instant| now.saturating_duration_since(moment);
        let n_unreported = self.samples.iter().filter(|sample| sample.state == SampleState::Stuck).count();
        if n_unreported == 0 || self.last_report.is_some_and(|last| since(last) < REPORT_PERIOD) {
            return None;
        }
        self.last_report = Some(now);
        let mut report = StuckIoThreads {
            n_stuck: 0,
            n_threads: self.samples.len(),
            lasted: Duration::ZERO,
            n_left_out: std::mem::take(&mut self.n_found).saturating_sub(n_unreported),
        };
        for sample in self.samples.iter_mut().filter(|sample| sample.state != SampleState::Fresh) {
            sample.state = SampleState::Reported;
            report.n_stuck += 1;
            report.lasted = report.lasted.max(since(sample.since));
        }
        Some(report)
    }
}

#[cfg(all(test, not(cordial_loom)))]
mod tests;

#[cfg(all(test, cordial_loom))]
mod loom_tests;
