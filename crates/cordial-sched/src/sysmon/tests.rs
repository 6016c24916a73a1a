use super::*;

/// Returns how much processor time a blocked thread has used, if it has been blocked for as long as the argument says. Both are in milliseconds.
type CpuTime = fn(u32) -> u32;

/// Runs one round in each millisecond of a second. Returns when the thread was first found to compute, and how often its processor time was
/// read.
fn find(cpu_time: CpuTime) -> (Option<u32>, usize) {
    let mut seen = SeenPoll::default();
    let n_read = Cell::new(0);
    let found = (0..1000).find(|&ms| {
        seen.has_computed(|| {
            n_read.set(n_read.get() + 1);
            Some(cpu_time(ms) * PERIOD)
        })
    });
    (found, n_read.get())
}

#[test]
fn the_processor_time_of_a_thread_that_blocks_for_long_is_read_seldom() {
    let (found, n_read) = find(|_| 3);
    assert_eq!(found, None);
    assert!(n_read < 30, "read {n_read} times in a second");
}

#[test]
fn a_thread_that_computes_is_found_soon() {
    assert_eq!(find(|ms| ms), (Some(1), 2));
    // It shares a processor with 15 others.
    assert!(matches!(find(|ms| ms / 16), (Some(16..=32), 2..=6)), "{:?}", find(|ms| ms / 16));
    // It begins to compute late.
    assert!(matches!(find(|ms| ms.saturating_sub(500)), (Some(501..=565), _)));
}
