//! Operations that allocate nothing. These tests are a binary of their own, because they count with a global allocator.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use cordial::server::{Context, Handle, Server, ServerRef};
use cordial::testing;

#[derive(Default)]
struct Sum(u64);
struct Add(u64);

impl Server for Sum {}

impl Handle<Add> for Sum {
    type Reply = u64;
    async fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> u64 {
        self.0 += n;
        self.0
    }
}

/// Returns how many allocations a program makes that calls a server `n` times.
fn allocations_of_calls(n: u64) -> u64 {
    let measured = allocation_counter::measure(|| {
        testing::run(async move {
            let server = ServerRef::start(Sum::default);
            for _ in 0..n {
                server.call(Add(1)).await.unwrap();
            }
        });
    });
    measured.count_total
}

#[test]
fn a_call_after_another_allocates_nothing() {
    let (few, many) = (allocations_of_calls(100), allocations_of_calls(10_100));
    assert!(many < few + 100, "{many} allocations, and {few} for 100 calls");
}

#[test]
fn a_cast_after_another_allocates_nothing() {
    testing::run(async {
        let server = ServerRef::start(Sum::default);
        // The mailbox exchanges two queues. Each grows once, and keeps its memory.
        for (sum, may_grow) in [(31, true), (62, true), (93, false)] {
            let allocated = poll_fn(|cx| {
                let mut cast = || {
                    let polled = Pin::new(&mut server.cast(Add(1))).poll(cx);
                    assert_eq!(polled, Poll::Ready(Ok(())));
                };
                cast();
                let measured = allocation_counter::measure(|| (0..30).for_each(|_| cast()));
                Poll::Ready(measured.count_total)
            });
            let allocated = allocated.await;
            assert_eq!(server.call(Add(0)).await, Ok(sum));
            assert!(may_grow || allocated == 0, "{allocated} allocations");
        }
    });
}
