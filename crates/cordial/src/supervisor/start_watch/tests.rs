use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Returns the steps of a start that hangs, for the duration `end` at most.
fn steps(timeout: Timeout, end: Duration) -> Vec<StartStep> {
    let mut watch = StartWatch::new(timeout, 100 * SECOND);
    let mut steps = Vec::new();
    while watch.due() <= 100 * SECOND + end {
        let step = watch.step(watch.due());
        steps.push(step);
        if matches!(step, StartStep::End(_)) {
            break;
        }
    }
    steps
}

#[test]
fn a_start_is_reported_while_it_lasts_and_ends_at_its_timeout() {
    use StartStep::{End, Report};
    let [five, ten, twenty] = [5, 10, 20].map(|n| Report(n * SECOND));
    assert_eq!(steps(Timeout::After(30 * SECOND), 100 * SECOND), [five, ten, twenty, End(30 * SECOND)]);
    assert_eq!(steps(Timeout::After(SECOND), 100 * SECOND), [Report(SECOND / 2), End(SECOND)]);
    assert_eq!(steps(Timeout::Infinity, 30 * SECOND), [five, ten, twenty]);
    assert_eq!(steps(Timeout::After(Duration::ZERO), SECOND), [End(Duration::ZERO)]);
    assert_eq!(steps(Timeout::After(Duration::MAX), 15 * SECOND), [five, ten]);
}

#[test]
fn a_watch_that_was_late_reports_once() {
    let mut watch = StartWatch::new(Timeout::After(1000 * SECOND), Duration::ZERO);
    assert_eq!(watch.step(4 * SECOND), StartStep::Wait);
    assert_eq!(watch.step(300 * SECOND), StartStep::Report(300 * SECOND));
    assert_eq!((watch.step(300 * SECOND), watch.due()), (StartStep::Wait, 320 * SECOND));
}
