use super::*;

#[test]
fn a_handle_is_small_since_handles_stand_in_long_lists() {
    assert!(size_of::<Task<u32>>() <= 48, "{} bytes", size_of::<Task<u32>>());
}
