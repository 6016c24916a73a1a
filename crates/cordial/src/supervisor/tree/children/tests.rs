use std::future::pending;

use super::*;
use crate::process::current_runtime;
use crate::supervisor::intensity::RestartLimit;
use crate::supervisor::strategy::Strategy;
use crate::testing;

/// The bug was that the supervisor panicked.
#[test]
fn a_supervisor_has_more_than_2_32_children_in_its_life() {
    testing::run(async {
        let (calls, _received) = tokio::sync::mpsc::unbounded_channel();
        let limit = RestartLimit::default();
        let shared = TreeShared::new(&current_runtime(), Strategy::OneForOne, limit, calls, None);
        let mut table = ChildTable::new(Arc::new(shared), vec![ChildSpec::task("first", pending::<()>)]);
        table.next_key = u64::from(u32::MAX);
        let ids = ["first", "second", "third", "fourth"];
        for id in &ids[1..] {
            table.insert(ChildSpec::task(*id, pending::<()>));
        }
        let in_order: Vec<_> = table.keys().into_iter().map(|key| table[key].spec.id.to_string()).collect();
        assert_eq!(in_order, ids);
    });
}
