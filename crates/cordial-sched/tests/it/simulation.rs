//! The simulated executor: an order that repeats, a clock that jumps, and an error when nothing can run any more.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::hooks::{n_alive, simulation, spawn, spawn_unrecorded};

const HOUR: Duration = Duration::from_secs(3600);

/// Returns the order in which five tasks take three steps each.
fn order(seed: u64) -> Vec<(usize, usize)> {
    let simulation = simulation(seed);
    let steps = Arc::new(Mutex::new(Vec::new()));
    let joins: Vec<_> = (0..5)
        .map(|task| {
            let steps = steps.clone();
            spawn(simulation.executor(), async move {
                for step in 0..3 {
                    steps.lock().unwrap().push((task, step));
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for join in joins {
        simulation.block_on(join).unwrap();
    }
    let steps = steps.lock().unwrap();
    steps.clone()
}

#[test]
fn the_order_follows_from_the_seed() {
    let orders: BTreeSet<_> = (0..100).map(order).collect();
    assert!(orders.len() > 90, "{} orders", orders.len());
    for seed in 0..100 {
        assert_eq!(order(seed), order(seed));
        assert_eq!(order(seed).len(), 15, "every step is taken once");
    }
}

#[test]
fn the_clock_jumps_to_the_next_timer() {
    let simulation = simulation(3);
    let executor = simulation.executor().clone();
    let started = executor.now();
    let ends: Vec<_> = [3, 1, 2]
        .map(|hours| {
            let own = executor.clone();
            spawn(&executor, async move {
                own.timer(hours * HOUR).expect("a clock can show that").await;
                own.now() - started
            })
        })
        .into_iter()
        .map(|join| simulation.block_on(join).unwrap())
        .collect();
    // tokio's timers have a resolution of a millisecond.
    for (end, hours) in ends.into_iter().zip([3, 1, 2]) {
        assert!(end >= hours * HOUR && end - hours * HOUR < Duration::from_millis(2), "{end:?} after {hours} h");
    }
    assert!(executor.timer(Duration::MAX).is_none(), "no clock can show that");
}

#[test]
fn the_clock_does_not_advance_while_a_task_is_ready() {
    let simulation = simulation(3);
    let executor = simulation.executor().clone();
    let started = executor.now();
    let busy = spawn(&executor, async {
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
    });
    let _sleeper = spawn(&executor, async { tokio::time::sleep(HOUR).await });
    simulation.block_on(busy).unwrap();
    assert_eq!(executor.now(), started);
}

#[test]
fn a_program_in_which_nothing_can_run_any_more_is_stalled() {
    for seed in 0..10 {
        let simulation = simulation(seed);
        let pending = spawn(simulation.executor(), std::future::pending::<()>());
        assert!(simulation.block_on(pending).is_err());
        assert_eq!(n_alive(simulation.executor()), 1);
        let join = spawn(simulation.executor(), async { 7 });
        assert_eq!(simulation.block_on(join).unwrap(), 7, "the simulation can be used afterwards");
    }
}

#[test]
fn a_task_that_sleeps_for_long_is_not_stalled() {
    let simulation = simulation(1);
    let join = spawn(simulation.executor(), async {
        for _ in 0..30 {
            tokio::time::sleep(24 * HOUR * 30).await;
        }
    });
    assert!(simulation.block_on(join).is_ok(), "two and a half years pass without a stall");
}

#[test]
fn everything_runs_on_one_thread() {
    let simulation = simulation(1);
    let here = thread::current().id();
    let join = spawn(simulation.executor(), async {
        #[expect(clippy::disallowed_methods, reason = "as a library that knows only tokio")]
        let inner = tokio::spawn(async { thread::current().id() });
        (inner.await.unwrap(), thread::current().id())
    });
    assert_eq!(simulation.block_on(join).unwrap(), (here, here));
}

#[test]
fn dropping_a_simulation_drops_its_ready_tasks_even_if_destructors_panic() {
    struct Broken(Arc<AtomicUsize>);
    impl Drop for Broken {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            panic!("planned");
        }
    }
    let simulation = simulation(1);
    let n_dropped = Arc::new(AtomicUsize::new(0));
    for _ in 0..10 {
        let broken = Broken(n_dropped.clone());
        let _join = spawn_unrecorded(simulation.executor(), async move { drop(broken) });
    }
    drop(simulation);
    assert_eq!(n_dropped.load(Ordering::SeqCst), 10);
}
