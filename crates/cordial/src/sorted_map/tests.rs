use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::prelude::*;

use super::SortedMap;

#[derive(Clone, Copy, Debug)]
enum Action {
    Insert(u8),
    Append,
    Remove(u8),
}

fn action() -> impl Strategy<Value = Action> {
    let key = 0..40_u8;
    prop_oneof![key.clone().prop_map(Action::Insert), Just(Action::Append), key.prop_map(Action::Remove)]
}

proptest! {
    #[test]
    fn it_holds_what_a_btree_map_holds(actions in prop::collection::vec(action(), 0..120)) {
        let (mut map, mut model) = (SortedMap::default(), BTreeMap::new());
        for (n, action) in actions.into_iter().enumerate() {
            match action {
                Action::Insert(key) => prop_assert_eq!(map.insert(key, n), model.insert(key, n)),
                Action::Append => {
                    let key = model.keys().last().map_or(0, |last: &u8| last + 1);
                    prop_assert_eq!(map.insert(key, n), model.insert(key, n));
                }
                Action::Remove(key) => prop_assert_eq!(map.remove(key), model.remove(&key)),
            }
            prop_assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
            prop_assert_eq!(map.iter().collect::<Vec<_>>(), model.iter().map(|(k, v)| (*k, v)).collect::<Vec<_>>());
            prop_assert!(map.values().rev().eq(model.values().rev()));
            prop_assert_eq!((0..50).map(|key| map.get(key)).collect::<Vec<_>>(), (0..50).map(|key| model.get(&key)).collect::<Vec<_>>());
            for (from, to) in [(0, 40), (7, 9), (20, 30), (n as u8 % 40, 39)] {
                prop_assert!(map.range(from..to.max(from)).eq(model.range(from..to.max(from)).map(|(k, v)| (*k, v))));
                prop_assert!(map.range(from..=from).eq(model.range(from..=from).map(|(k, v)| (*k, v))));
                prop_assert!(map.range(..=to).eq(model.range(..=to).map(|(k, v)| (*k, v))));
                let after = (Bound::Excluded(from), Bound::Unbounded);
                prop_assert!(map.range(after).eq(model.range(after).map(|(k, v)| (*k, v))));
            }
            prop_assert!(map.entries.len() <= 2 * map.len() + 1, "removed entries take as much room as the others, at most");
        }
        prop_assert!(map.into_values().eq(model.into_values()));
    }
}
