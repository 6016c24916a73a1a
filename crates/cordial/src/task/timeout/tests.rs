use super::*;

#[test]
fn a_compact_limit_is_what_was_put_in() {
    for limit in
        [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(5), Duration::from_secs(500 * 365 * 86_400)]
    {
        assert_eq!(Compact::from(Timeout::After(limit)).get(), Timeout::After(limit));
    }
    assert_eq!(Compact::from(Timeout::Infinity).get(), Timeout::Infinity);
}

#[test]
fn what_a_compact_limit_cannot_count_is_no_limit() {
    for limit in [Duration::from_nanos(u64::MAX), Duration::from_secs(u64::MAX), Duration::MAX] {
        assert_eq!(Compact::from(Timeout::After(limit)).get(), Timeout::Infinity);
    }
}
