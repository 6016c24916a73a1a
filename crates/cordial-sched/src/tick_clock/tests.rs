use std::time::Instant;

use super::*;

/// Returns whether the clock was never earlier than the exact one, over some ticks.
#[expect(clippy::disallowed_methods, reason = "compared with the exact clock")]
fn is_never_earlier() -> bool {
    let (clock, started) = (TickClock::start(), Instant::now());
    while started.elapsed().as_millis() < 30 {
        let before = started.elapsed();
        let Some(shown) = clock.since_start_or_later() else { return true };
        if u128::from(shown) < before.as_nanos() {
            return false;
        }
    }
    true
}

#[test]
fn it_is_not_earlier_than_the_exact_clock_unless_the_system_misses_ticks() {
    assert!((0..100).any(|_| is_never_earlier()));
}
