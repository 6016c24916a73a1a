use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn new(backoff: Backoff) -> RestartBackoff {
    RestartBackoff::new(backoff).unwrap()
}

#[test]
fn delays_grow_to_the_longest_one_and_never_end() {
    let mut backoff = new(Backoff::exponential(SECOND, 8 * SECOND));
    let delays: Vec<Duration> = (0..1000).map(|_| backoff.failed(7).unwrap()).collect();
    assert!(delays[0] < 2 * SECOND && delays[5..].iter().all(|delay| (4 * SECOND..=8 * SECOND).contains(delay)));
}

#[test]
fn an_incarnation_that_ran_for_longer_than_the_longest_delay_starts_the_count_again() {
    let mut backoff = new(Backoff::exponential(SECOND, 8 * SECOND).give_up_after(3));
    for _ in 0..100 {
        assert!(backoff.failed(7).unwrap() < 2 * SECOND);
        backoff.record_run(8 * SECOND);
        assert!(backoff.failed(7).unwrap() >= 2 * SECOND);
        backoff.record_run(8 * SECOND + Duration::from_nanos(1));
    }
    assert!(backoff.failed(7).is_ok() && backoff.failed(7).is_ok());
    assert_eq!(backoff.failed(7), Err(ExceededLimit::Failures(3)));
}

#[test]
fn only_restarts_without_a_backoff_are_counted() {
    let limit = RestartLimit { max_restarts: 1, window: SECOND };
    let mut intensity = Intensity::new(limit);
    let mut backoff = new(Backoff::exponential(SECOND, SECOND));
    for _ in 0..100 {
        assert_eq!(next_restart(Some(&mut backoff), &mut intensity, SECOND, 7), Ok(SECOND));
    }
    assert_eq!(next_restart(None, &mut intensity, SECOND, 7), Ok(Duration::ZERO));
    assert_eq!(next_restart(None, &mut intensity, SECOND, 7), Err(ExceededLimit::Intensity(limit)));
    assert!(
        RestartBackoff::new(Backoff::exponential(Duration::ZERO, SECOND)).is_none(),
        "delays of zero delay nothing"
    );
}
