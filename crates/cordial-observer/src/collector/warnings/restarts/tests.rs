use super::is_near;

#[test]
fn two_thirds_of_the_limit_are_near() {
    assert!(!is_near(0, 0) && !is_near(0, 3));
    assert!(!is_near(1, 3) && is_near(2, 3) && is_near(3, 3));
    assert!(!is_near(1, usize::MAX), "no limit at all");
}
