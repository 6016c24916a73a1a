//! The threads of an executor keep the scheduling policy that the program was started with.

use std::thread;
use std::time::Duration;

use thread_priority::NormalThreadSchedulePolicy::Idle;
use thread_priority::ThreadSchedulePolicy::Normal;
use thread_priority::{ThreadPriority, set_thread_priority_and_policy, thread_native_id, thread_schedule_policy};

use crate::hooks::executor;

#[expect(clippy::print_stderr, reason = "a person sees what was skipped")]
#[test]
fn a_thread_of_tokio_keeps_the_idle_policy() {
    // Threads inherit the policy of the thread that starts them, as in a program that was started by `chrt --idle`.
    let start = || {
        let set = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, Normal(Idle));
        (set.is_ok() && thread_schedule_policy() == Ok(Normal(Idle))).then(|| executor(1))
    };
    let Some(executor) = thread::scope(|scope| scope.spawn(start).join().unwrap()) else {
        eprintln!("SKIPPED: this system does not allow the idle policy");
        return;
    };
    let on_tokio = executor.tokio().spawn(async {
        // The one thread of tokio parks meanwhile.
        tokio::time::sleep(Duration::from_millis(1)).await;
        thread_schedule_policy()
    });
    assert_eq!(executor.tokio().block_on(on_tokio).unwrap(), Ok(Normal(Idle)));
    executor.close(Duration::MAX);
}
