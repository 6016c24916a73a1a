//! Wakers of a program that look at the pool, or panic: a stop may be polled by any executor.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use cordial_isolate::Pool;

use crate::bad_input::alone;
use crate::functions::{functions, graceful};
use crate::recycling::assert_works_in_a_tree;
use crate::waits::{LONG, run, until};

/// What a waker does.
#[derive(Clone, Copy)]
enum Does {
    Looks,
    Panics,
}

struct OddWaker(Pool, Does);

impl Wake for OddWaker {
    fn wake(self: Arc<Self>) {
        match self.1 {
            Does::Looks => drop(self.0.statistics()),
            Does::Panics => panic!("a waker, as the test wants"),
        }
    }
}

fn assert_stops_and_starts(does: Does) {
    cordial_isolate::test_main(functions());
    // In a process of its own, which a deadlock of its threads does not keep from ending.
    if let Some(output) = alone(None) {
        return assert!(output.status.success(), "{output:?}");
    }
    run(async move {
        let pool = Pool::builder().workers(1).grace(LONG).start().unwrap();
        let (call, opted_in) = graceful(&pool).await;
        let waker = Waker::from(Arc::new(OddWaker(pool.clone(), does)));
        {
            let mut stop = pin!(pool.stop());
            assert!(stop.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            std::fs::remove_file(opted_in).unwrap();
            assert_eq!(call.timeout(LONG).await, Ok("saved".to_owned()));
            until("the end of the worker", || pool.statistics().workers.is_empty()).await;
        }
        pool.stop().await;
        assert_works_in_a_tree(&pool).await;
    })
    .unwrap();
}

#[test]
fn a_waker_may_look_at_the_pool() {
    assert_stops_and_starts(Does::Looks);
}

#[test]
fn a_waker_that_panics_ends_no_pool() {
    assert_stops_and_starts(Does::Panics);
}
