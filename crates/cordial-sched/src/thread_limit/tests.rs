//! The text of the error for threads that were refused.

use std::io;

use super::{ThreadLimit, ThreadsRefused};

#[test]
fn the_error_names_both_numbers_and_the_limit() {
    let limit = Some(ThreadLimit::ControlGroup { max: 20, group: "/app".to_owned() });
    let refused = ThreadsRefused { needed: 5, granted: 2, limit, error: io::ErrorKind::WouldBlock.into() };
    let text = refused.to_string();
    assert_eq!(
        text,
        "5 threads are needed, and the operating system started 2: operation would block; \
         `pids.max` of the control group /app allows 20 threads"
    );
}

#[test]
fn one_thread_is_not_called_threads() {
    let limits = [
        ThreadLimit::User { max: 1 },
        ThreadLimit::ControlGroup { max: 1, group: "/app".to_owned() },
        ThreadLimit::System { max: 1 },
    ];
    for limit in limits {
        let text = limit.to_string();
        assert!(text.ends_with(" 1 thread"), "{text}");
    }
}
