//! How long a poll has lasted, as the code in that poll sees it.

use std::time::Duration;

use crate::hooks::{executor, spawn, wait};

#[test]
fn the_current_poll_is_known_to_the_executor_of_its_worker_only() {
    let (own, other) = (executor(1), executor(1));
    let (of_poll, of_other) = (own.clone(), other.clone());
    let lasted = wait(spawn(&own, async move {
        // Sysmon has seen the poll twice after about two milliseconds.
        let by_own = loop {
            if let Some(lasted) = of_poll.own_poll_lasted() {
                break lasted;
            }
            std::hint::spin_loop();
        };
        (by_own, of_other.own_poll_lasted())
    }));
    assert!(matches!(lasted, (_, None)), "{lasted:?}");
    own.close(Duration::MAX);
    other.close(Duration::MAX);
}
