use std::cell::Cell;

use super::*;
use crate::task::header::Header;

fn task() -> TaskRef {
    TaskRef::new(Arc::new(Header::new()))
}

fn n_armed(timeouts: &Timeouts) -> usize {
    timeouts.shards.iter().map(|shard| shard.lock().armed.iter().count()).sum()
}

#[test]
fn an_alarm_that_has_elapsed_is_removed_and_its_place_may_be_that_of_another_timeout() {
    let parker = Parker::new();
    let timeouts = Timeouts::new(1, parker.unparker().clone());
    let now = Instant::now();
    let tasks: Vec<_> = (0..100).map(|_| task()).collect();
    let armed: Vec<_> = tasks
        .iter()
        .map(|task| {
            task.alarm().set(1);
            timeouts.arm_alarm(now, task.clone())
        })
        .collect();
    let later = timeouts.arm_alarm(now + Duration::from_secs(1), tasks[0].clone());
    assert_eq!(n_armed(&timeouts), 101);

    assert_eq!(timeouts.sweep(now), Some(now + Duration::from_secs(1)));
    assert_eq!(n_armed(&timeouts), 1, "alarms that have elapsed are not swept again");
    assert!(tasks.iter().all(|task| task.alarm().at() == 0));

    // The places are used again: by another task, and by a timer.
    let other = task();
    let of_other = timeouts.arm_alarm(now, other.clone());
    let timer = timeouts.arm(now, Waker::noop().clone());
    for (armed, task) in armed.into_iter().zip(&tasks) {
        timeouts.disarm_alarm(armed, task);
    }
    assert_eq!(n_armed(&timeouts), 3, "only the alarm of its own task is disarmed");
    timeouts.disarm_alarm(later, &tasks[0]);
    timeouts.disarm_alarm(of_other, &other);
    assert_eq!(n_armed(&timeouts), 1);
    // The timeout of a timer stays after it has elapsed, until it is disarmed.
    assert_eq!((timeouts.sweep(now), n_armed(&timeouts)), (None, 1));
    assert!(timeouts.poll(timer, &mut Context::from_waker(Waker::noop())).is_ready());
    timeouts.disarm(timer);
    assert_eq!(n_armed(&timeouts), 0);
}

#[test]
fn a_timeout_that_has_elapsed_and_is_not_disarmed_needs_no_thread_after_the_close() {
    let parker = Parker::new();
    let timeouts = Timeouts::new(1, parker.unparker().clone());
    let timer = timeouts.arm(Instant::now(), Waker::noop().clone());
    assert_eq!(timeouts.begin_close(), Need::Nothing, "there is the timer thread");
    let n_sweeps = Cell::new(0);
    timeouts.sweep_after_close(|| {
        n_sweeps.set(n_sweeps.get() + 1);
        assert!(n_sweeps.get() < 100, "the timer thread does not end");
    });
    assert!(timeouts.poll(timer, &mut Context::from_waker(Waker::noop())).is_ready());
    timeouts.disarm(timer);
}
