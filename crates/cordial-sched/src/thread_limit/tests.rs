//! Which limit is named, and in which words.

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
