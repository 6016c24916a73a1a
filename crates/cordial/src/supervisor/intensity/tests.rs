use proptest::prelude::*;

use super::*;

/// Elixir's rule: each restart counts all restarts within the window anew.
fn model(limit: RestartLimit, restarts: &[Duration]) -> LimitCheck {
    let now = restarts[restarts.len() - 1];
    let n = restarts.iter().filter(|time| now - **time <= limit.window).count();
    if n <= limit.max_restarts { LimitCheck::Allowed } else { LimitCheck::Exceeded }
}

proptest! {
    #[test]
    fn restarts_within_the_window_are_counted(
        max_restarts in 0usize..6,
        window in 1u64..20,
        steps in prop::collection::vec(0u64..8, 1..60),
    ) {
        let limit = RestartLimit { max_restarts, window: Duration::from_secs(window) };
        let mut intensity = Intensity::new(limit);
        let mut restarts = vec![];
        let mut now = Duration::ZERO;
        for step in steps {
            now += Duration::from_secs(step);
            restarts.push(now);
            let expected = model(limit, &restarts);
            prop_assert_eq!(intensity.count_restart(now), expected);
            prop_assert!(intensity.restarts.len() <= restarts.len());
            if expected != LimitCheck::Allowed {
                // The supervisor stops here, so no further restart is counted.
                return Ok(());
            }
            prop_assert!(intensity.restarts.len() <= max_restarts, "restarts older than the window are dropped");
        }
    }
}

#[test]
fn three_within_the_window_and_the_fourth_is_too_many() {
    let mut intensity = Intensity::new(RestartLimit::default());
    let at = |second| Duration::from_secs(second);
    for second in [0, 1, 5] {
        assert_eq!(intensity.count_restart(at(second)), LimitCheck::Allowed);
    }
    assert_eq!(intensity.clone().count_restart(at(5)), LimitCheck::Exceeded);
    assert_eq!(intensity.count_restart(at(6)), LimitCheck::Allowed, "the first lies more than 5 s back");
}

#[test]
fn with_a_limit_of_zero_the_first_restart_is_too_many() {
    let mut intensity = Intensity::new(RestartLimit { max_restarts: 0, window: Duration::from_secs(1) });
    assert_eq!(intensity.count_restart(Duration::from_secs(9)), LimitCheck::Exceeded);
}
