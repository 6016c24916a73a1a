//! Combines several sources of values, such as the lists after `:::`. A combination has one value from each source. All
//! combinations are returned, and the last source varies fastest; but sources that are linked vary together.

use crate::item::Value;

/// How a list is combined with the lists before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Combination {
    /// Each value of the list with each combination of the lists before it: `:::`.
    All,
    /// The first value of the list with the first value of the list before it, and so on, up to the end of the shorter list: `:::+`.
    Pairs,
    /// As with `Pairs`, but a list that ends begins again, up to the end of the longest: `--link`. An empty list makes no pairs.
    PairsAgain,
}

/// The combinations of values, one after another.
#[derive(Debug, Default)]
pub(super) struct Lists {
    groups: Vec<LinkedLists>,
    /// The number of combinations that have been returned.
    combination: u64,
}

/// Lists that vary together.
#[derive(Debug)]
struct LinkedLists {
    lists: Vec<Vec<Value>>,
    length: u64,
}

impl Lists {
    /// Adds a list after the others.
    pub(super) fn add(&mut self, list: Vec<Value>, combination: Combination) {
        let length = list.len() as u64;
        match (combination, self.groups.last_mut()) {
            (Combination::All, _) | (_, None) => self.groups.push(LinkedLists { lists: vec![list], length }),
            (_, Some(group)) => {
                let (shorter, longer) = (group.length.min(length), group.length.max(length));
                let is_again = combination == Combination::PairsAgain && shorter > 0;
                group.length = if is_again { longer } else { shorter };
                group.lists.push(list);
            }
        }
    }

    /// Returns whether some lists have values, but there are no combinations because another list is empty.
    pub(super) fn has_empty_list(&self) -> bool {
        let mut lists = self.groups.iter().flat_map(|group| &group.lists);
        self.total() == 0 && lists.any(|list| !list.is_empty())
    }

    /// Returns the number of combinations, `u64::MAX` if there are more. There must be a list.
    pub(super) fn total(&self) -> u64 {
        combinations_of(&self.groups)
    }

    /// Returns the values of the next combination, or `None` after the last.
    pub(super) fn next(&mut self) -> Option<impl Iterator<Item = &Value>> {
        let combination = self.combination;
        if self.groups.is_empty() || combination >= self.total() {
            return None;
        }
        self.combination += 1;
        let groups = &self.groups;
        Some(groups.iter().enumerate().flat_map(move |(n, group)| {
            // The number of combinations of the groups that vary faster than this one.
            let period = combinations_of(&groups[n + 1..]);
            let at = combination / period % group.length;
            group.lists.iter().map(move |list| &list[(at % list.len() as u64) as usize])
        }))
    }
}

fn combinations_of(groups: &[LinkedLists]) -> u64 {
    groups.iter().fold(1, |product, group| product.saturating_mul(group.length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(texts: &[&str]) -> Vec<Value> {
        texts.iter().map(|text| Value::Whole(text.as_bytes().to_vec())).collect()
    }

    fn texts(lists: &mut Lists, at_most: usize) -> Vec<String> {
        let mut texts = Vec::new();
        while texts.len() < at_most
            && let Some(values) = lists.next()
        {
            texts.push(values.map(|value| String::from_utf8_lossy(value.bytes()).into_owned()).collect());
        }
        texts
    }

    #[test]
    fn the_last_list_varies_fastest_and_linked_lists_vary_together() {
        use Combination::{All, Pairs, PairsAgain};
        for (sources, expected) in [
            (&[(&["a", "b"][..], All)][..], "a b"),
            (&[(&["a", "b"], All), (&["1", "2", "3"], All)], "a1 a2 a3 b1 b2 b3"),
            (&[(&["a", "b"], All), (&[], All)], ""),
            (&[(&["a"], All), (&["1", "2"], All), (&["x"], All)], "a1x a2x"),
            (&[(&["a", "b", "c"], All), (&["1", "2"], Pairs)], "a1 b2"),
            (&[(&["a", "b", "c"], All), (&["1", "2"], PairsAgain)], "a1 b2 c1"),
            (&[(&["a", "b", "c"], All), (&[], PairsAgain)], ""),
            (&[(&["a", "b"], All), (&["1", "2"], Pairs), (&["x", "y"], All)], "a1x a1y b2x b2y"),
            (&[(&["a", "b"], All), (&["x", "y"], All), (&["1", "2"], Pairs)], "ax1 ay2 bx1 by2"),
        ] {
            let mut lists = Lists::default();
            sources.iter().for_each(|(values, combination)| lists.add(list(values), *combination));
            let total = lists.total();
            let texts = texts(&mut lists, 100);
            assert_eq!((texts.join(" ").as_str(), total), (expected, texts.len() as u64));
        }
    }

    #[test]
    fn a_product_that_overflows_is_u64_max_and_its_first_combinations_are_returned() {
        let mut lists = Lists::default();
        (0..70).for_each(|_| lists.add(list(&["a", "b"]), Combination::All));
        assert_eq!(lists.total(), u64::MAX);
        assert_eq!(texts(&mut lists, 2), ["a".repeat(70), "a".repeat(69) + "b"]);
    }
}
