use super::*;

/// Returns the alarm for a deadline, both in milliseconds since the start, if it is set at `now`.
fn alarm(now: u64, at: u64) -> u64 {
    let deadline = Deadline { started: Instant::now(), at: at * 1_000_000 };
    let alarm = deadline.rounded(Duration::from_millis(at - now));
    assert_eq!(alarm.started, deadline.started);
    alarm.at / 1_000_000
}

#[test]
fn an_alarm_that_is_far_away_is_early_by_at_most_a_quarter_of_its_limit_and_a_near_one_is_exact() {
    for (now, limit) in [(0, 1100), (7, 5000), (123_456, 5000), (9, 3_600_000), (268, 1074)] {
        let alarm = alarm(now, now + limit);
        assert!(alarm > now && alarm <= now + limit, "{alarm}");
        // 1 ms more, because all times are cut to whole milliseconds.
        assert!(now + limit - alarm <= limit / 4 + 1, "{alarm}");
    }
    for (now, limit) in [(0, 1), (5, 1000), (123_456, 268)] {
        assert_eq!(alarm(now, now + limit), now + limit);
    }
}

#[test]
fn alarms_that_are_far_away_share_few_times() {
    // Limits of 5 s that begin within one second, one in each millisecond.
    let mut times: Vec<u64> = (0..1000).map(|now| alarm(now, now + 5000)).collect();
    times.dedup();
    assert!(times.len() <= 5, "{times:?}");
}
