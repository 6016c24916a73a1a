//! What does an item of a parallel stream cost?

use cordial::Task;
use futures::StreamExt;
use futures::stream::iter;

use crate::measure::{Bench, Pair, in_tokio};

/// Trivial items, as they come, against `tokio::spawn` in `buffer_unordered`.
pub(crate) fn unordered_64(bench: &Bench) -> Pair {
    const N: u32 = 1_000_000;
    let ours = async {
        let items = Task::async_stream(0..N, |n| async move { n }).unordered().max_concurrency(64);
        items.fold(0u64, |sum, n| async move { sum + u64::from(n.expect("it does not fail")) }).await
    };
    let peer = async {
        let items = iter(0..N).map(|n| in_tokio(async move { n })).buffer_unordered(64);
        items.fold(0u64, |sum, n| async move { sum + u64::from(n) }).await
    };
    bench.pair(N, ours, peer)
}
