//! What does an item of a parallel stream cost, and what does the stream hold?

use cordial::Task;
use futures::stream::iter;
use futures::{Stream, StreamExt};

use crate::alone;
use crate::measure::{Bench, Pair, in_tokio};

/// A measurement has at least so many items: a short input is consumed again and again.
const AT_LEAST: u32 = 200_000;

/// Trivial items in the order of input, against `tokio::spawn` in `buffered`.
pub(crate) fn ordered<const ITEMS: u32, const AT_ONCE: usize>(bench: &Bench) -> Pair {
    let ours = || sum(Task::async_stream(0..ITEMS, own).max_concurrency(AT_ONCE).map(|n| n.expect("it does not fail")));
    let peer = || sum(iter(0..ITEMS).map(|n| in_tokio(own(n))).buffered(AT_ONCE));
    again_and_again(bench, ITEMS, ours, peer)
}

/// The same as they come, against `buffer_unordered`.
pub(crate) fn unordered<const ITEMS: u32, const AT_ONCE: usize>(bench: &Bench) -> Pair {
    let stream = || Task::async_stream(0..ITEMS, own).unordered().max_concurrency(AT_ONCE);
    let ours = move || sum(stream().map(|n| n.expect("it does not fail")));
    let peer = || sum(iter(0..ITEMS).map(|n| in_tokio(own(n))).buffer_unordered(AT_ONCE));
    again_and_again(bench, ITEMS, ours, peer)
}

/// How much the memory of a program grows at most while it consumes a stream, both in a program of their own.
pub(crate) fn memory<const ITEMS: u32>(_: &Bench) -> Pair {
    Pair { ours: alone::ask(&format!("stream ours {ITEMS}")), peer: alone::ask(&format!("stream peer {ITEMS}")) }
}

/// For [`memory`].
pub(crate) async fn consume_ours(n_items: u32) {
    sum(Task::async_stream(0..n_items, own).max_concurrency(64).map(|n| n.expect("it does not fail"))).await;
}

/// For [`memory`].
pub(crate) async fn consume_peer(n_items: u32) {
    sum(iter(0..n_items).map(|n| in_tokio(own(n))).buffered(64)).await;
}

fn again_and_again<A, B>(
    bench: &Bench,
    n_items: u32,
    ours: impl Fn() -> A + Send + Sync + 'static,
    peer: impl Fn() -> B + Send + Sync + 'static,
) -> Pair
where
    A: Future<Output = u64> + Send + 'static,
    B: Future<Output = u64> + Send + 'static,
{
    let n_rounds = AT_LEAST.div_ceil(n_items);
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

async fn own(n: u32) -> u32 {
    n
}

async fn sum(results: impl Stream<Item = u32>) -> u64 {
    results.fold(0u64, |sum, n| async move { sum + u64::from(n) }).await
}
