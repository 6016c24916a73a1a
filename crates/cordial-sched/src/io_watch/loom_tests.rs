//! Checked by loom: `RUSTFLAGS='--cfg cordial_loom' cargo test --release -p cordial-sched --lib`.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize as Count;

use loom::thread;

use super::*;
use crate::sync::Parker;
use crate::sync::models::{assert_reached, count};

#[test]
fn a_thread_that_wakes_up_is_sampled() {
    static WHILE_ON: Count = Count::new(0);
    static ON_RECHECK: Count = Count::new(0);
    static SWITCHED_ON: Count = Count::new(0);
    loom::model(|| {
        let timer_thread = Parker::new();
        let watch = Arc::new(IoWatch::new(timer_thread.unparker().clone()));
        // What tokio counts, with its orderings.
        let is_awake = Arc::new(AtomicBool::new(false));
        let io_thread = {
            let (watch, is_awake) = (watch.clone(), is_awake.clone());
            thread::spawn(move || {
                is_awake.store(true, Ordering::Relaxed);
                watch.thread_woke_up();
            })
        };
        let is_any_awake = || is_awake.load(Ordering::Relaxed);
        let mut n_parks = 0;
        // As `IoThreadSamples::sample` and the timer thread, which parks without a deadline while the watch is off.
        let outcome = loop {
            if !watch.is_on() {
                n_parks += 1;
                timer_thread.park();
            } else if is_any_awake() {
                break if n_parks == 0 { &WHILE_ON } else { &SWITCHED_ON };
            } else {
                watch.try_switch_off(is_any_awake);
                if watch.is_on() && n_parks == 0 {
                    break &ON_RECHECK;
                }
            }
        };
        count(outcome);
        io_thread.join().unwrap();
    });
    assert_reached([
        ("the watch was on", &WHILE_ON),
        ("it was awake on the recheck", &ON_RECHECK),
        ("it switched the watch on", &SWITCHED_ON),
    ]);
}
