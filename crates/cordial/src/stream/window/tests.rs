use proptest::prelude::*;

use super::*;

/// Runs `n` items through a window, and returns their indexes in the order of delivery. `picks` selects which of the
/// running items finishes next.
fn deliveries(n: usize, max_running: usize, max_ahead: usize, order: Order, picks: &[usize]) -> Vec<usize> {
    let mut window = Window::new(max_running, max_ahead, order);
    let mut running = Vec::new();
    let mut picks = picks.iter().cycle();
    let mut delivered = Vec::new();
    let mut started = 0;
    loop {
        while started < n && window.may_start() {
            running.push(window.start());
            started += 1;
        }
        assert!(running.len() <= max_running);
        assert_eq!(window.n_running, running.len());
        assert!(window.n_held() <= max_running + max_ahead, "{window:?}");
        if let Some(idx) = window.deliver() {
            delivered.push(idx);
        } else if running.is_empty() {
            return delivered;
        } else {
            let idx = running.remove(picks.next().unwrap() % running.len());
            window.finish(idx, idx);
        }
    }
}

proptest! {
    #[test]
    fn every_item_is_delivered_once_and_in_input_order_if_ordered(
        n in 0usize..60,
        max_running in 1usize..9,
        max_ahead in 0usize..9,
        is_ordered: bool,
        picks in proptest::collection::vec(0usize..9, 1..20),
    ) {
        let order = if is_ordered { Order::Input } else { Order::Completion };
        let mut delivered = deliveries(n, max_running, max_ahead, order, &picks);
        if !is_ordered {
            delivered.sort_unstable();
        }
        prop_assert_eq!(delivered, (0..n).collect::<Vec<_>>());
    }
}

#[test]
fn items_behind_a_hanging_item_run_ahead_up_to_max_ahead() {
    let mut window = Window::new(2, 3, Order::Input);
    assert_eq!(window.start(), 0);
    while window.may_start() {
        let idx = window.start();
        window.finish(idx, idx);
    }
    assert_eq!(window.n_started, 2 + 3);
    assert!(!window.has_next());
    window.finish(0, 0);
    assert_eq!(std::iter::from_fn(|| window.deliver()).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

#[test]
fn a_cut_keeps_older_items() {
    let mut window = Window::new(5, 0, Order::Input);
    for _ in 0..5 {
        window.start();
    }
    window.finish(0, "0");
    window.finish(2, "2");
    window.finish(4, "4");
    window.cut(3, "last");
    assert_eq!(std::iter::from_fn(|| window.deliver()).collect::<Vec<_>>(), ["0"]);
    assert_eq!(window.n_held(), 3, "item 1 runs, and 2 and 3 wait for it");
    window.finish(1, "1");
    assert_eq!(std::iter::from_fn(|| window.deliver()).collect::<Vec<_>>(), ["1", "2", "last"]);
    assert_eq!(window.n_held(), 0);
}

#[test]
fn a_second_cut_at_an_earlier_item_replaces_the_first() {
    let mut window = Window::new(3, 0, Order::Input);
    for _ in 0..3 {
        window.start();
    }
    window.cut(2, "2 is last");
    window.finish(0, "0");
    window.cut(1, "1 is last");
    assert_eq!(std::iter::from_fn(|| window.deliver()).collect::<Vec<_>>(), ["0", "1 is last"]);
    assert_eq!(window.n_held(), 0);
}
