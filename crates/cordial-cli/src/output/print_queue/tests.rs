use std::io::Read;

use super::{HeldLines, PrintQueue, Turn};
use crate::output::{Budget, Capture, StdStream};

fn text(mut capture: Capture) -> String {
    let mut text = String::new();
    capture.reader().unwrap().read_to_string(&mut text).unwrap();
    text
}

fn texts(held: Option<HeldLines>) -> Option<(String, String)> {
    held.map(|HeldLines { stdout, stderr }| (text(stdout), text(stderr)))
}

#[test]
fn only_the_lines_of_the_first_item_are_printed_at_once() {
    let queue = PrintQueue::new(Budget::default());
    // Items are printed in the order of these calls, not in the order of their numbers.
    [7, 9, 8].into_iter().for_each(|index| queue.append(index));
    let hold = |index, stream, lines: &str| queue.hold(index, stream, lines.as_bytes()).unwrap();
    assert_eq!(hold(7, StdStream::Stdout, "a\n"), Turn::Now);
    assert_eq!(hold(8, StdStream::Stdout, "b\n"), Turn::Later);
    assert_eq!(hold(9, StdStream::Stdout, "c\n"), Turn::Later);
    assert_eq!(hold(9, StdStream::Stderr, "d\n"), Turn::Later);
    assert_eq!(hold(9, StdStream::Stdout, "e\n"), Turn::Later);
    assert_eq!(texts(queue.advance()), Some(("c\ne\n".to_owned(), "d\n".to_owned())));
    assert_eq!(hold(9, StdStream::Stdout, "f\n"), Turn::Now);
    assert_eq!(hold(8, StdStream::Stdout, "g\n"), Turn::Later);
    assert_eq!(texts(queue.advance()), Some(("b\ng\n".to_owned(), String::new())));
    assert_eq!(texts(queue.advance()), None);
}

#[test]
fn an_item_that_comes_after_all_others_were_printed_is_the_first() {
    let queue = PrintQueue::new(Budget::default());
    assert_eq!(texts(queue.advance()), None);
    queue.append(1);
    assert_eq!(queue.hold(1, StdStream::Stdout, b"a\n").unwrap(), Turn::Now);
    assert_eq!(texts(queue.advance()), None);
    queue.append(2);
    assert_eq!(queue.hold(2, StdStream::Stdout, b"b\n").unwrap(), Turn::Now);
}
