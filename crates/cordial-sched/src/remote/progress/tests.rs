//! Checked by loom: `RUSTFLAGS='--cfg cordial_loom' cargo test --release -p cordial-sched --lib`.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::sync::models::{assert_reached, check};

#[test]
fn a_poll_is_reported_with_its_own_key() {
    static FIRST: Count = Count::new(0);
    static SECOND: Count = Count::new(0);
    static NONE: Count = Count::new(0);
    let keys = [1, 2].map(|index| Key::new(index, NonZeroU32::MIN));
    loom::model(move || {
        let progress = Arc::new(PollProgress::default());
        let sysmon = {
            let progress = progress.clone();
            thread::spawn(move || {
                let way = match progress.current() {
                    None => &NONE,
                    Some((1, key)) if key == keys[0] => &FIRST,
                    Some((3, key)) if key == keys[1] => &SECOND,
                    Some(_) => panic!("a poll was reported with the key of another"),
                };
                way.fetch_add(1, Relaxed);
            })
        };
        // The worker is this thread: loom lets sysmon also read the values from before sysmon's start.
        for key in keys {
            progress.begin(key);
            progress.end();
        }
        sysmon.join().unwrap();
    });
    assert_reached([("the first poll", &FIRST), ("the second poll", &SECOND), ("none", &NONE)]);
}

/// Sysmon marks each poll at first sight.
#[test]
fn a_poll_seen_twice_is_reported_with_its_own_key_and_time() {
    static FIRST: Count = Count::new(0);
    static SECOND: Count = Count::new(0);
    static NONE: Count = Count::new(0);
    let keys = [1, 2].map(|index| Key::new(index, NonZeroU32::MIN));
    check(2, move || {
        let progress = Arc::new(PollProgress::default());
        let sysmon = {
            let progress = progress.clone();
            thread::spawn(move || {
                for _ in 0..2 {
                    if let Some((poll, _)) = progress.current() {
                        progress.mark_seen_twice(poll, 10 * poll);
                    }
                }
            })
        };
        let reader = {
            let progress = progress.clone();
            thread::spawn(move || {
                let way = match progress.seen_twice() {
                    None => &NONE,
                    Some((key, 10)) if key == keys[0] => &FIRST,
                    Some((key, 30)) if key == keys[1] => &SECOND,
                    Some(wrong) => panic!("a poll was reported with the key or time of another: {wrong:?}"),
                };
                way.fetch_add(1, Relaxed);
            })
        };
        // This thread is the worker.
        for key in keys {
            progress.begin(key);
            progress.end();
        }
        sysmon.join().unwrap();
        reader.join().unwrap();
    });
    assert_reached([("the first poll", &FIRST), ("the second poll", &SECOND), ("none", &NONE)]);
}
