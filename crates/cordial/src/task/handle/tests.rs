use super::*;

#[test]
fn a_task_handle_is_at_most_48_bytes() {
    assert!(size_of::<Task<u32>>() <= 48, "{} bytes", size_of::<Task<u32>>());
}
