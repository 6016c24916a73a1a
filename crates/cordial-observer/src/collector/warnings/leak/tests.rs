use std::collections::VecDeque;

use super::{Count, leak, only_rises};

/// Counts that lie `seconds` apart.
fn counts(seconds: u64, counts: &[usize]) -> VecDeque<Count> {
    (0..).zip(counts).map(|(index, n)| Count { at_ms: index * seconds * 1000, n: *n }).collect()
}

fn rises(numbers: &[usize]) -> bool {
    only_rises(&counts(10, numbers))
}

#[test]
fn the_sentence_has_the_time_between_the_counts() {
    let rising = [100, 120, 140, 160, 180, 200, 220, 240, 260, 280, 300, 320];
    let sentence = |seconds| leak("src/a.rs:1:2", &counts(seconds, &rising)).sentence;
    assert_eq!(
        sentence(10),
        "320 live processes were spawned at src/a.rs:1:2. There were 100 of them 110 seconds before, and the number keeps rising."
    );
    assert!(sentence(100).contains("100 of them 18 minutes before"), "{}", sentence(100));
}

#[test]
fn a_number_that_rises_all_the_time_is_a_leak() {
    assert!(rises(&[100, 120, 140, 160, 180, 200, 220, 240, 260, 280, 300, 320]));
    assert!(rises(&[100, 120, 140, 160, 155, 200, 220, 240, 260, 280, 300, 320]), "one exception is allowed");
}

#[test]
fn a_number_that_falls_or_rises_little_or_is_small_is_no_leak() {
    assert!(!rises(&[100, 120, 110, 160, 150, 200, 220, 240, 260, 280, 300, 320]), "two exceptions");
    assert!(!rises(&[300, 301, 302, 303, 304, 305, 306, 307, 308, 309, 310, 311]), "it rises little");
    assert!(!rises(&[10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120]), "few processes");
    assert!(!rises(&[100, 400]), "too short a time");
    assert!(!rises(&[]));
}
