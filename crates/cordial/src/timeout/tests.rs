use super::*;

#[test]
fn a_compact_timeout_keeps_its_value() {
    for timeout in
        [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(5), Duration::from_secs(500 * 365 * 86_400)]
    {
        assert_eq!(CompactTimeout::from(Timeout::After(timeout)).get(), Timeout::After(timeout));
    }
    assert_eq!(CompactTimeout::from(Timeout::Infinity).get(), Timeout::Infinity);
}

#[test]
fn a_timeout_too_long_for_the_compact_form_is_infinity() {
    for timeout in [Duration::from_nanos(u64::MAX), Duration::from_secs(u64::MAX), Duration::MAX] {
        assert_eq!(CompactTimeout::from(Timeout::After(timeout)).get(), Timeout::Infinity);
    }
}
