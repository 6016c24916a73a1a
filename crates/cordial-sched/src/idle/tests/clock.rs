//! The coarse clock, which stands still while sysmon sleeps.

use std::time::Duration;

use super::*;

/// How much real time passes before the push, in milliseconds.
const ASLEEP: u64 = 2;

#[test]
fn a_worker_that_a_push_wakes_reads_a_clock_that_goes_on() {
    let outcomes = Arc::new(Outcomes::default());
    let seen = outcomes.clone();
    loom::model(move || {
        let model = Model::new(&outcomes);
        // Sysmon sleeps from the beginning, and takes no part.
        model.idle.is_sysmon_asleep.store(true, Ordering::Relaxed);
        let worker = {
            let model = model.clone();
            thread::spawn(move || {
                let Model { idle, queue, outcomes, .. } = &*model;
                let parker = Parker::new();
                match idle.sleep(0, parker.unparker(), || parker.park(), || queue.take()) {
                    SleepResult::Found((), None) => count(&outcomes.found_by_recheck),
                    SleepResult::Found((), Some(_)) => count(&outcomes.found_and_woken),
                    SleepResult::Woken(_) => count(&outcomes.woken),
                    SleepResult::Spurious => panic!("no other thread unparks the worker"),
                }
                // loom does not see the accesses to the clock, so it does not try them in different orders. This store changes
                // nothing, but loom sees it. So if the worker can get here before `notify` reads the flag, and therefore before
                // `notify` updates the clock, loom runs that order too.
                idle.is_sysmon_asleep.store(true, Ordering::Relaxed);
                assert!(idle.clock.read() >= ASLEEP, "the clock stands still");
            })
        };
        std::thread::sleep(Duration::from_millis(ASLEEP));
        model.push();
        worker.join().unwrap();
    });
    assert_reached([
        ("the recheck found it", &seen.found_by_recheck),
        ("the recheck found it, and the worker was woken", &seen.found_and_woken),
        ("woken", &seen.woken),
    ]);
}
