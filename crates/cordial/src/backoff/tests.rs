use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn delays(first: Duration, max: Duration, seed: u64) -> impl Iterator<Item = Duration> {
    Backoff::exponential(first, max).delays(seed)
}

proptest! {
    #[test]
    fn each_delay_lies_in_a_range_that_doubles_up_to_max(
        first in 1u32..10_000,
        max in 1u32..1_000_000,
        seed: u64,
    ) {
        let (first, max) = (first * MS, max * MS);
        let mut lower = first.min(max);
        for delay in delays(first, max, seed).take(40) {
            // The doubling is done in single precision.
            let about = lower / 1_000_000;
            prop_assert!(delay + about >= lower && delay <= 2 * lower + about && delay <= max, "{delay:?} from {lower:?}");
            lower = (2 * lower).min((max / 2).max(first.min(max)));
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_delays_and_another_seed_gives_others() {
    let first_ten = |seed| delays(100 * MS, 5000 * MS, seed).take(10).collect::<Vec<_>>();
    assert_eq!(first_ten(1), first_ten(1));
    assert_ne!(first_ten(1), first_ten(2));
}

#[test]
fn there_is_jitter_at_the_top_as_well() {
    let at_the_top: Vec<_> = delays(MS, 1000 * MS, 3).skip(20).take(10).collect();
    assert!(at_the_top.windows(2).any(|pair| pair[0] != pair[1]), "{at_the_top:?}");
    assert!(at_the_top.iter().all(|delay| (500 * MS..=1000 * MS).contains(delay)), "{at_the_top:?}");
}

#[test]
fn no_limits_are_too_small_or_too_large() {
    for (first, max) in [
        (Duration::ZERO, Duration::ZERO),
        (Duration::ZERO, MS),
        (MS, Duration::ZERO),
        (Duration::MAX, Duration::MAX),
        (MS, Duration::MAX),
    ] {
        let last = delays(first, max, 7).take(200).inspect(|delay| assert!(*delay <= max)).last();
        assert!(last.is_some(), "the delays never end");
    }
    assert!(delays(Duration::ZERO, MS, 7).take(9).all(|delay| delay.is_zero()));
}
