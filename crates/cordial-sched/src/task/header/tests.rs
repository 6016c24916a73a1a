use super::*;

#[test]
fn a_home_is_one_line_of_the_cache() {
    assert_eq!(size_of::<Header>(), 64);
}
