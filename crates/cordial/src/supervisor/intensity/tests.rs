use proptest::prelude::*;

use super::*;

/// Elixir's rule, word for word: all stamps within the window are counted anew at each restart.
fn model(limits: Limits, restarts: &[Duration]) -> Verdict {
    let now = restarts[restarts.len() - 1];
    let n = restarts.iter().filter(|stamp| now - **stamp <= limits.window).count();
    if n <= limits.max_restarts { Verdict::Allowed } else { Verdict::TooMany }
}

proptest! {
    #[test]
    fn it_counts_what_lies_within_the_window(
        max_restarts in 0usize..6,
        window in 1u64..20,
        steps in prop::collection::vec(0u64..8, 1..60),
    ) {
        let limits = Limits { max_restarts, window: Duration::from_secs(window) };
        let mut intensity = Intensity::new(limits);
        let mut restarts = vec![];
        let mut now = Duration::ZERO;
        for step in steps {
            now += Duration::from_secs(step);
            restarts.push(now);
            let expected = model(limits, &restarts);
            prop_assert_eq!(intensity.restart(now), expected);
            prop_assert!(intensity.stamps.len() <= restarts.len());
            if expected != Verdict::Allowed {
                // The supervisor has given up.
                return Ok(());
            }
            prop_assert!(intensity.stamps.len() <= max_restarts, "what is forgotten is gone");
        }
    }
}

#[test]
fn three_within_the_window_and_the_fourth_is_too_many() {
    let mut intensity = Intensity::new(Limits::default());
    let at = |second| Duration::from_secs(second);
    for second in [0, 1, 5] {
        assert_eq!(intensity.restart(at(second)), Verdict::Allowed);
    }
    assert_eq!(intensity.clone().restart(at(5)), Verdict::TooMany);
    assert_eq!(intensity.restart(at(6)), Verdict::Allowed, "the first lies more than 5 s back");
}

#[test]
fn with_none_allowed_the_first_is_too_many() {
    let mut intensity = Intensity::new(Limits { max_restarts: 0, window: Duration::from_secs(1) });
    assert_eq!(intensity.restart(Duration::from_secs(9)), Verdict::TooMany);
}
