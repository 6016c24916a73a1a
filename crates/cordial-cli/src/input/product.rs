//! The lists after `:::`: all combinations of one value from each list. The last list varies fastest.

use crate::item::Value;

/// The values of all combinations, one after another.
#[derive(Debug)]
pub(crate) struct Product {
    lists: Vec<Vec<Vec<u8>>>,
    /// The number of combinations whose values have all been returned.
    combination: u64,
    /// The list whose value comes next.
    list_idx: usize,
}

impl Product {
    pub(crate) fn new(lists: Vec<Vec<Vec<u8>>>) -> Self {
        Product { lists, combination: 0, list_idx: 0 }
    }

    /// Returns the number of values in one combination.
    pub(crate) fn width(&self) -> usize {
        self.lists.len()
    }

    /// Returns the number of values in all combinations.
    pub(crate) fn total(&self) -> u64 {
        self.combinations().saturating_mul(self.lists.len() as u64)
    }

    fn combinations(&self) -> u64 {
        combinations_of(&self.lists)
    }

    /// Returns the next value.
    pub(super) fn next(&mut self) -> Option<Value> {
        if self.combination >= self.combinations() {
            return None;
        }
        // The number of combinations of the lists that vary faster than this one.
        let period = combinations_of(&self.lists[self.list_idx + 1..]);
        let list = &self.lists[self.list_idx];
        let value = list[(self.combination / period % list.len() as u64) as usize].clone();
        self.list_idx += 1;
        if self.list_idx == self.lists.len() {
            (self.combination, self.list_idx) = (self.combination + 1, 0);
        }
        Some(Value::Whole(value))
    }
}

/// Returns the number of combinations of these lists, or the largest number if there are more.
fn combinations_of(lists: &[Vec<Vec<u8>>]) -> u64 {
    lists.iter().fold(1, |product, list| product.saturating_mul(list.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_list_varies_fastest() {
        for (lists, expected) in [
            (&[&["a", "b"][..]][..], "a b"),
            (&[&["a", "b"], &["1", "2", "3"]], "a 1 a 2 a 3 b 1 b 2 b 3"),
            (&[&["a", "b"], &[]], ""),
            (&[&["a"], &["1", "2"], &["x"]], "a 1 x a 2 x"),
        ] {
            let lists = lists.iter().map(|list| list.iter().map(|text| text.as_bytes().to_vec()).collect()).collect();
            let mut product = Product::new(lists);
            let total = product.total();
            let values: Vec<Value> = std::iter::from_fn(|| product.next()).collect();
            let texts: Vec<_> = values.iter().map(|value| String::from_utf8_lossy(value.bytes())).collect();
            assert_eq!((texts.join(" ").as_str(), total), (expected, values.len() as u64));
        }
    }

    #[test]
    fn more_combinations_than_can_be_counted_are_begun() {
        let lists = vec![vec![b"a".to_vec(), b"b".to_vec()]; 70];
        let mut product = Product::new(lists);
        assert_eq!(product.total(), u64::MAX);
        let values: Vec<Value> = std::iter::from_fn(|| product.next()).take(140).collect();
        let last: Vec<&[u8]> = values.iter().map(Value::bytes).collect();
        let a = b"a".as_slice();
        let mut expected = vec![a; 140];
        expected[139] = b"b";
        assert_eq!(last, expected);
    }
}
