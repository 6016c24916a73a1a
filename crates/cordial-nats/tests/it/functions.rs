//! The functions of the tests.

use std::time::Duration;

use cordial_isolate::{Function, Functions};

pub(crate) const DOUBLE: Function<u64, u64> = Function::new("double");
pub(crate) const PARSE: Function<String, u64> = Function::new("parse");
pub(crate) const PANIC: Function<String, ()> = Function::new("panic");
pub(crate) const SLEEP: Function<u64, u64> = Function::new("sleep");
pub(crate) const ATTEMPT: Function<u32, u32> = Function::new("attempt");
pub(crate) const BYTES: Function<usize, Vec<u8>> = Function::new("bytes");

pub(crate) fn functions() -> Functions {
    Functions::new()
        .add(DOUBLE, |n| async move { 2 * n })
        .add_fallible(PARSE, |text: String| async move { text.parse::<u64>() })
        .add(PANIC, |text: String| async move { panic!("{text}") })
        .add(SLEEP, |ms| async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            ms
        })
        // Fails in every attempt but the one with this number.
        .add_fallible(ATTEMPT, |good: u32| async move {
            let number = cordial_nats::attempt().expect("it runs for a job").number();
            if number == good { Ok(number) } else { Err(format!("attempt {number} is not {good}")) }
        })
        .add(BYTES, |n| async move { vec![7; n] })
}
