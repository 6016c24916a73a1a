//! What does an item of a parallel stream cost, and how much memory does the stream hold?

use cordial::Task;
use futures::stream::iter;
use futures::{Stream, StreamExt};

use crate::measure::{Bench, Pair, in_tokio};
use crate::subprocess;

/// The least number of items in a measurement. A shorter input is consumed repeatedly.
const MIN_ITEMS: u32 = 200_000;

/// Trivial items in input order, against `tokio::spawn` in `buffered`.
pub(crate) fn ordered<const ITEMS: u32, const CONCURRENCY: usize>(bench: &Bench) -> Pair {
    let ours = || {
        sum(Task::async_stream(0..ITEMS, identity)
            .max_concurrency(CONCURRENCY)
            .map(|n| n.expect("the task does not fail")))
    };
    let peer = || sum(iter(0..ITEMS).map(|n| in_tokio(identity(n))).buffered(CONCURRENCY));
    repeated(bench, ITEMS, ours, peer)
}

/// The same in completion order, against `buffer_unordered`.
pub(crate) fn unordered<const ITEMS: u32, const CONCURRENCY: usize>(bench: &Bench) -> Pair {
    let stream = || Task::async_stream(0..ITEMS, identity).unordered().max_concurrency(CONCURRENCY);
    let ours = move || sum(stream().map(|n| n.expect("the task does not fail")));
    let peer = || sum(iter(0..ITEMS).map(|n| in_tokio(identity(n))).buffer_unordered(CONCURRENCY));
    repeated(bench, ITEMS, ours, peer)
}

/// By how much the peak memory of a program grows while it consumes a stream. Each side runs in its own process.
pub(crate) fn memory<const ITEMS: u32>(_: &Bench) -> Pair {
    Pair {
        ours: subprocess::measure(&format!("stream ours {ITEMS}")),
        peer: subprocess::measure(&format!("stream peer {ITEMS}")),
    }
}

/// Our side of [`memory`].
pub(crate) async fn consume_ours(n_items: u32) {
    sum(Task::async_stream(0..n_items, identity).max_concurrency(64).map(|n| n.expect("the task does not fail"))).await;
}

/// The peer's side of [`memory`].
pub(crate) async fn consume_peer(n_items: u32) {
    sum(iter(0..n_items).map(|n| in_tokio(identity(n))).buffered(64)).await;
}

fn repeated<A, B>(
    bench: &Bench,
    n_items: u32,
    ours: impl Fn() -> A + Send + Sync + 'static,
    peer: impl Fn() -> B + Send + Sync + 'static,
) -> Pair
where
    A: Future<Output = u64> + Send + 'static,
    B: Future<Output = u64> + Send + 'static,
{
    let n_rounds = MIN_ITEMS.div_ceil(n_items);
    let ours = async move {
        for _ in 0..n_rounds {
            ours().await;
        }
    };
    let peer = async move {
        for _ in 0..n_rounds {
            peer().await;
        }
    };
    bench.pair(n_items * n_rounds, ours, peer)
}

async fn identity(n: u32) -> u32 {
    n
}

async fn sum(results: impl Stream<Item = u32>) -> u64 {
    results.fold(0u64, |sum, n| async move { sum + u64::from(n) }).await
}
