use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// The steps from the first one on, each with the time after which it follows.
fn steps(shutdown: Shutdown) -> Vec<(Duration, Step)> {
    let first = (Duration::ZERO, Step::first(shutdown));
    std::iter::successors(Some(first), |(_, step)| step.next()).collect()
}

#[test]
fn every_stop_takes_the_same_steps() {
    let request = |grace| (Duration::ZERO, Step::Request { grace });
    let abandon = (ABANDON_AFTER, Step::Abandon);
    assert_eq!(steps(Shutdown::After(SECOND)), [request(Some(SECOND)), (SECOND, Step::Kill), abandon]);
    assert_eq!(steps(Shutdown::BrutalKill), [(Duration::ZERO, Step::Kill), abandon]);
    assert_eq!(steps(Shutdown::Infinity), [request(None)]);
}
