//! A panic that the layer above has not caught is discarded. It stops neither the worker nor other tasks.

use std::panic::panic_any;
use std::time::Duration;

use crate::hooks::{executor, n_alive, simulation, spawn, wait};

/// A payload whose destructor panics with another one.
struct Nested(u8);

impl Drop for Nested {
    fn drop(&mut self) {
        if self.0 > 0 {
            panic_any(Nested(self.0 - 1));
        }
    }
}

#[test]
fn a_panicking_poll_does_not_stop_its_worker() {
    let executor = executor(1);
    for round in 0..100 {
        let _join = spawn(&executor, async { panic!("planned") });
        assert_eq!(wait(spawn(&executor, async move { round })), round);
    }
    assert_eq!(executor.close(Duration::MAX), 0);
    assert_eq!(n_alive(&executor), 0, "the futures that panicked were dropped");
}

#[test]
fn a_payload_whose_destructor_panics_does_not_stop_its_worker() {
    let executor = executor(1);
    let _join = spawn(&executor, async { panic_any(Nested(2)) });
    assert_eq!(wait(spawn(&executor, async { 7 })), 7);
}

#[test]
fn a_panic_after_the_close_does_not_reach_the_thread_that_has_woken_the_task() {
    let executor = executor(1);
    let (tx, rx) = tokio::sync::oneshot::channel::<()>();
    let _join = spawn(&executor, async move {
        rx.await.unwrap();
        panic_any(Nested(1));
    });
    executor.close(Duration::MAX);
    tx.send(()).unwrap();
    // A worker that has not exited yet may run the task.
    while n_alive(&executor) > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_panicking_poll_does_not_stop_a_simulation() {
    let simulation = simulation(1);
    let _join = spawn(simulation.executor(), async { panic_any(Nested(2)) });
    let join = spawn(simulation.executor(), async { 7 });
    assert_eq!(simulation.block_on(join).unwrap(), 7);
    let _ = simulation.block_on(tokio::task::yield_now());
    assert_eq!(n_alive(simulation.executor()), 0);
}
