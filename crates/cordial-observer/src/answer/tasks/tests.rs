use super::cut;

#[test]
fn a_part_is_the_same_as_that_of_the_whole_order() {
    // Numbers without an order, some of them twice.
    let all: Vec<u32> = (0..50).map(|n| n * 37 % 41).collect();
    let mut sorted = all.clone();
    sorted.sort_unstable();
    for offset in 0..60 {
        for limit in [0, 1, 7, 50, usize::MAX] {
            let expected: Vec<u32> = sorted.iter().skip(offset).take(limit).copied().collect();
            assert_eq!(cut(&mut all.clone(), offset, limit, Ord::cmp), expected, "{limit} from {offset}");
        }
    }
    assert!(cut::<u32>(&mut [], 0, 10, Ord::cmp).is_empty());
}
