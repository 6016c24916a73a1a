use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tokio::sync::mpsc::Receiver;

use super::{LineBatch, LineChannel, MAX_LINE_BYTES};
use crate::item::{Item, Value};
use crate::output::StdStream;

/// Polls a future that is ready at once.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits"),
    }
}

fn printed(lines: &mut Receiver<LineBatch>) -> String {
    let batches: Vec<u8> = std::iter::from_fn(|| lines.try_recv().ok()).flat_map(|batch| batch.bytes).collect();
    String::from_utf8(batches).unwrap()
}

#[test]
fn a_line_that_is_printed_in_part_ends_before_the_output_of_the_next_attempt() {
    let (channel, mut lines) = LineChannel::new(true, None);
    let item = Item { index: 1, values: vec![Value::Whole(b"a".to_vec())], input: None };
    let mut writer = channel.writer(StdStream::Stdout, &item);
    let long = "x".repeat(MAX_LINE_BYTES + 1);
    for rest in ["", "y"] {
        ready(writer.push(long.as_bytes())).unwrap();
        ready(writer.push(rest.as_bytes())).unwrap();
        writer.restart();
        ready(writer.push(b"b\n")).unwrap();
        assert_eq!(printed(&mut lines), format!("a\t{long}\na\tb\n"), "{rest}");
    }
    // A line without an end is kept until it is too long. If it is still kept at a restart, it is never printed.
    ready(writer.push(b"c")).unwrap();
    writer.restart();
    ready(writer.push(b"d")).unwrap();
    ready(writer.finish()).unwrap();
    assert_eq!(printed(&mut lines), "a\td");
}
