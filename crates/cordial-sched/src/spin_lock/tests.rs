use super::*;

/// The operating system may suspend the thread that holds a lock for more than a second. That alone does not mean that the lock is never
/// released.
#[test]
fn a_lock_that_is_held_for_more_than_a_second_is_waited_for_if_the_program_has_not_forked() {
    notice_forks();
    let lock = SpinLock::new(1);
    let held = lock.lock();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| lock.lock_for_a_second().map(|value| *value));
        std::thread::sleep(2 * SLEEPS * PAUSE);
        drop(held);
        assert_eq!(waits.join().unwrap(), Some(1));
    });
}
