use std::cell::RefCell;

use super::*;
use crate::sync::Parker;

const MS: Duration = Duration::from_millis(1);

/// A watch over threads whose activity a test sets, on a clock that a test moves.
struct Program {
    watch: IoWatch,
    samples: IoThreadSamples,
    threads: RefCell<Vec<Activity>>,
    now: Instant,
}

impl Program {
    fn with_threads(n: usize) -> Program {
        let now = Instant::now();
        Program {
            watch: IoWatch::new(Parker::new().unparker().clone()),
            samples: IoThreadSamples::new(n, now),
            threads: RefCell::new(vec![Activity::Awake(0, Duration::ZERO); n]),
            now,
        }
    }

    fn set(&self, thread: usize, activity: Activity) {
        self.threads.borrow_mut()[thread] = activity;
        if activity != Activity::Parked {
            self.watch.thread_woke_up();
        }
    }

    fn sample(&mut self) -> (Option<Instant>, Option<StuckIoThreads>) {
        self.samples.sample(&self.watch, self.now, |thread| self.threads.borrow()[thread])
    }

    /// Moves the clock, and takes a sample.
    fn sample_after(&mut self, time: Duration) -> Option<StuckIoThreads> {
        self.now += time;
        self.sample().1
    }
}

fn stuck(n_stuck: usize, n_threads: usize, lasted: Duration) -> Option<StuckIoThreads> {
    Some(StuckIoThreads { n_stuck, n_threads, lasted, n_left_out: 0 })
}

#[test]
fn a_thread_without_progress_is_reported_once() {
    let mut program = Program::with_threads(2);
    program.set(0, Activity::Parked);
    assert_eq!(program.sample().1, None);
    assert_eq!(program.sample_after(PERIOD - MS), None);
    assert_eq!(program.sample_after(MS), stuck(1, 2, PERIOD));
    for _ in 0..20 {
        assert_eq!(program.sample_after(PERIOD), None);
    }
}

#[test]
fn a_thread_that_makes_progress_is_not_reported() {
    let mut program = Program::with_threads(1);
    for n in 0..20 {
        program.set(0, if n % 2 == 0 { Activity::Awake(0, n * MS) } else { Activity::Awake(n.into(), MS) });
        assert_eq!(program.sample_after(PERIOD), None);
    }
}

#[test]
fn there_are_no_samples_while_all_threads_are_parked() {
    let mut program = Program::with_threads(1);
    assert!(program.sample().0.is_some());
    program.set(0, Activity::Parked);
    program.sample_after(PERIOD);
    assert_eq!(program.sample(), (None, None));
    program.now += 100 * PERIOD;
    program.set(0, Activity::Awake(2, MS));
    assert_eq!(program.sample(), (Some(program.now + PERIOD), None));
    assert_eq!(program.sample_after(PERIOD), stuck(1, 1, PERIOD));
}

#[test]
fn one_report_a_second_counts_what_was_left_out() {
    let mut program = Program::with_threads(1);
    let mut n_reports = 0;
    let mut n_left_out = 0;
    for n in 0..30 {
        program.set(0, Activity::Awake(n, MS));
        assert_eq!(program.sample_after(PERIOD), None, "it has made progress");
        if let Some(report) = program.sample_after(PERIOD) {
            n_reports += 1;
            n_left_out += report.n_left_out;
        }
    }
    assert_eq!((n_reports, n_left_out), (6, 20));
}

/// A debugger that stops the program makes such a gap.
#[test]
fn a_gap_between_samples_does_not_count() {
    let mut program = Program::with_threads(1);
    program.sample();
    assert_eq!(program.sample_after(GAP + MS), None);
    assert_eq!(program.sample_after(PERIOD), stuck(1, 1, PERIOD));
}
