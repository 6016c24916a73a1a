//! `docs/isolated.md` shows the text of each reason.

use std::time::Duration;

use cordial::{Exit, LostCause, Task};
use cordial_isolate::Pool;
use rustix::process::{Signal, kill_process};

use crate::functions::{
    ABORT, ALLOCATE, CLOSE_SOCKET, EXIT, OVERFLOW, ReusedFor, SEGV, SPIN, TO_KILL, WORDS, functions, worker_of_call,
};
use crate::out_of_memory::without_oom_kills;
use crate::waits::{LONG, run};

const PAGE: &str = include_str!("../../../../docs/isolated.md");

/// Checks that a call is lost, and that the row of the page that begins with these words has the reason as it is printed.
async fn assert_shown(row: &str, call: Task<impl Send + std::fmt::Debug>) {
    let text = match call.timeout(LONG).await {
        Err(Exit::Lost(lost)) => lost.to_string(),
        other => panic!("expected a loss, not {other:?}"),
    };
    let (reason, rest) = text.split_once(" (function").expect("the function follows the reason");
    for word in ["spawned at ", "page.rs:", "in OS process ", "ran for "] {
        assert!(rest.contains(word), "{text}");
    }
    let shown = PAGE.lines().find_map(|line| line.strip_prefix("| ")?.strip_prefix(row));
    assert!(shown.is_some_and(|shown| shown.ends_with(&format!("| {reason} |"))), "{row}: {text}");
}

#[test]
fn the_page_has_the_text_of_each_reason() {
    cordial_isolate::test_main(functions());
    let _guard = without_oom_kills();
    run(async {
        let pool = Pool::builder().workers(1).memory(1_048_576).start().unwrap();
        let impatient = Pool::builder().workers(1).cpu_time(Duration::from_secs(1)).start().unwrap();
        for call in [pool.call(ABORT, ()), pool.call(WORDS, "thread 'a' (7) panicked at b.rs:1:2:\nno luck".to_owned())]
        {
            assert_shown("`abort`, a stack overflow", call).await;
        }
        // Its handler needs more memory than this limit.
        let unlimited = Pool::builder().workers(1).start().unwrap();
        assert_shown("`abort`, a stack overflow", unlimited.call(OVERFLOW, 0)).await;
        assert_shown("an invalid pointer", pool.call(SEGV, ())).await;
        assert_shown("`std::process::exit(7)`", pool.call(EXIT, 7)).await;
        assert_shown("`memory(1048576)`", pool.call(ALLOCATE, 16 << 20)).await;
        assert_shown("`cpu_time(1 s)`", impatient.call(SPIN, ())).await;
        assert_shown("the function has closed", pool.call(CLOSE_SOCKET, ReusedFor::Nothing)).await;
        let killed = pool.call(TO_KILL, ());
        kill_process(worker_of_call(&pool).await, Signal::KILL).unwrap();
        assert_shown("a kill from outside", killed).await;
    })
    .unwrap();
    // Only the machine, or a control group, can run out of memory: `out_of_memory` tries that where it may.
    assert!(PAGE.contains(&format!("has no memory left | {} |", LostCause::OutOfMemory)));
}
