use std::num::NonZeroU32;

use super::*;

fn key(index: u32, generation: u32) -> Key {
    Key::new(index, NonZeroU32::new(generation).expect("generations begin at one"))
}

#[test]
fn a_header_in_an_arc_takes_at_most_112_bytes() {
    // The allocation has the header, the two counts of the `Arc`, and a word of the allocator, which rounds sizes up to multiples of 16.
    assert!(size_of::<Header<Box<u8>>>() + 3 * size_of::<usize>() <= 112);
}

#[test]
fn only_the_task_of_the_key_is_marked() {
    let header: Header<Box<u8>> = Header::new();
    let (first, second) = (key((1 << 26) - 1, u32::MAX), key((1 << 26) - 1, 1));
    header.reset(first);
    header.mark_ending(second);
    assert!(!header.is_ending(), "another generation");
    header.mark_ending(first);
    header.mark_ending(first);
    assert_eq!((header.is_ending(), header.key()), (true, first));
    header.mark_sampled(second);
    assert!(!header.take_sampled(), "another generation");
    header.mark_sampled(first);
    assert_eq!((header.is_ending(), header.key()), (true, first), "the marks are independent");
    assert_eq!((header.take_sampled(), header.take_sampled(), header.is_ending()), (true, false, true));
    header.reset(second);
    header.mark_ending(first);
    header.mark_sampled(first);
    let is_marked = (header.is_ending(), header.take_sampled());
    assert_eq!((is_marked, header.key()), ((false, false), second), "the task of the first key has ended");
}
