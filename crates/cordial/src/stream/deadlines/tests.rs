use std::sync::Weak;

use super::*;
use crate::process::{current_runtime, monitor};
use crate::stream::completions::{CompletionBatch, Completions};
use crate::task::Task;
use crate::testing;

/// The armed timer holds the deadlines, and they hold the timer. If the drop did not break this cycle, both would stay in
/// memory until the last deadline.
#[test]
fn dropped_deadlines_are_freed() {
    testing::run(async {
        let hour = Duration::from_secs(3600);
        let deadlines = Deadlines::new(current_runtime(), Arc::new(Completions::<()>::new()));
        deadlines.set_backoff(0, 2 * hour);
        deadlines.set_backoff(1, hour);
        let shared: Weak<SharedDeadlines> = Arc::downgrade(&deadlines.0);
        drop(deadlines);
        assert!(shared.upgrade().is_none());
    });
}

#[test]
fn each_slot_is_notified_once_when_its_backoff_is_over() {
    testing::run(async {
        let second = Duration::from_secs(1);
        let completions = Arc::new(Completions::<()>::new());
        let deadlines = Deadlines::new(current_runtime(), completions.clone());
        // Out of order: the timer has to be armed for the earliest one.
        for (slot, seconds) in [(0, 3), (1, 1), (2, 2), (3, 3)] {
            deadlines.set_backoff(slot, seconds * second);
        }
        let mut batch = CompletionBatch::default();
        for expected in [vec![], vec![1], vec![2], vec![0, 3], vec![]] {
            batch.notified_slots.clear();
            completions.take(&mut batch);
            assert_eq!(batch.notified_slots, expected);
            let in_backoff: Vec<usize> = (0..4).filter(|slot| deadlines.is_in_backoff(*slot)).collect();
            assert!(in_backoff.iter().all(|slot| !batch.notified_slots.contains(slot)));
            tokio::time::sleep(second + Duration::from_millis(2)).await;
        }
    });
}

/// After a timeout has elapsed and before its process is killed, the slot can be given to another attempt.
#[test]
fn an_elapsed_timeout_does_not_affect_the_next_attempt_in_its_slot() {
    testing::run(async {
        let hour = Duration::from_secs(3600);
        let deadlines = Deadlines::new(current_runtime(), Arc::new(Completions::<()>::new()));
        let timed_out = || TimedOut::new(hour, Pid::NO_PROCESS, None, None);
        // The next attempt has begun, so the kill of the previous attempt comes too late.
        deadlines.set_timeout(0, Pid::NO_PROCESS, hour, &hour.into());
        assert!(!deadlines.0.set_abandon(0, Pid::NO_PROCESS, timed_out()));
        assert!(
            deadlines.take_timed_out(0, Pid::NO_PROCESS).is_none(),
            "the next attempt has not exceeded its own timeout"
        );
        assert!(deadlines.0.set_abandon(0, Pid::NO_PROCESS, timed_out()), "there is no other attempt");
        assert!(deadlines.take_timed_out(0, Pid::NO_PROCESS).is_some());
    });
}

/// An attempt can return a value while the timer abandons it. The notification then arrives when the next attempt, which has no timeout, is in the slot.
#[test]
fn a_late_notification_does_not_abandon_the_next_attempt_in_its_slot() {
    testing::run(async {
        let hour = Duration::from_secs(3600);
        let deadlines = Deadlines::new(current_runtime(), Arc::new(Completions::<()>::new()));
        let earlier = Pid::NO_PROCESS;
        let action = DeadlineAction::Abandoned(TimedOut::new(hour, earlier, None, None));
        deadlines.0.set(0, None, action);
        let next = Task::start(std::future::pending::<()>());
        assert!(deadlines.take_abandoned(0, next).is_none());
        assert!(deadlines.take_abandoned(0, earlier).is_some());
    });
}

/// An attempt that returns a value leaves its deadline in place, and a busy consumer has not taken the reply yet. For such a deadline the timer
/// must not be armed again.
#[test]
fn the_timer_rests_when_a_process_has_ended_before_it_was_abandoned() {
    testing::run(async {
        let deadlines = Deadlines::new(current_runtime(), Arc::new(Completions::<()>::new()));
        let pid = Task::start(async {});
        deadlines.set_single_poll(0, pid, Duration::ZERO.into());
        monitor(pid).await;
        tokio::time::sleep(3 * ABANDON_AFTER).await;
        assert!(deadlines.0.lock().timer.is_none(), "no process is left that could be stuck");
        assert!(deadlines.take_timed_out(0, pid).is_some(), "the report of the timeout is kept for the reply");
    });
}
