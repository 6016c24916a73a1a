//! A task and its header: who owns the task, who gets its output, which waker is woken, and what the task leaves in the
//! header for the next one.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use cordial_sched::{Executor, JoinHandle};

use crate::hooks::{executor, n_alive, simulation, spawn, wait};

/// A waker that counts how often it was woken.
#[derive(Default)]
struct Probe(AtomicUsize);

impl Probe {
    fn woken(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Probe {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Calls a function when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn poll_once<T>(join: &mut JoinHandle<T>, waker: &Waker) -> Poll<T> {
    pin!(join).poll(&mut Context::from_waker(waker))
}

/// Waits for a condition.
fn spin_until(holds: impl Fn() -> bool) {
    while !holds() {
        thread::yield_now();
    }
}

/// Sends its waker at each poll, until it may end.
async fn send_wakers(wakers: mpsc::Sender<Waker>, may_end: Arc<AtomicBool>) {
    poll_fn(|cx| {
        let _ = wakers.send(cx.waker().clone());
        if may_end.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[test]
fn an_output_is_dropped_once_whatever_the_handle_does_when_the_task_finishes() {
    const ROUNDS: usize = 20_000;
    let executor = executor(1);
    let n_dropped = Arc::new(AtomicUsize::new(0));
    let mut rng = fastrand::Rng::with_seed(0);
    for round in 0..ROUNDS {
        let has_begun = Arc::new(AtomicBool::new(false));
        let (begins, counts) = (has_begun.clone(), n_dropped.clone());
        let mut join = spawn(&executor, async move {
            begins.store(true, Ordering::SeqCst);
            OnDrop(move || {
                counts.fetch_add(1, Ordering::SeqCst);
            })
        });
        spin_until(|| has_begun.load(Ordering::SeqCst));
        (0..rng.u32(..60)).for_each(|_| std::hint::spin_loop());
        match round % 4 {
            0 => drop(join),
            1 => {
                let _ = poll_once(&mut join, Waker::noop());
            }
            2 => {
                let _ = join.is_finished();
                drop(wait(join));
            }
            _ => {
                let probe = Arc::new(Probe::default());
                let first = poll_once(&mut join, Waker::noop());
                if first.is_pending() && poll_once(&mut join, &probe.clone().into()).is_pending() {
                    spin_until(|| probe.woken() > 0);
                    assert!(join.is_finished());
                    assert!(poll_once(&mut join, Waker::noop()).is_ready());
                }
            }
        }
    }
    assert_eq!(executor.close(Duration::MAX), 0);
    assert_eq!(n_dropped.load(Ordering::SeqCst), ROUNDS);
}

#[test]
fn only_the_last_waker_that_a_handle_was_polled_with_is_woken() {
    let executor = executor(1);
    for _ in 0..100 {
        let (tx, rx) = tokio::sync::oneshot::channel::<()>();
        let mut join = spawn(&executor, async { rx.await.is_ok() });
        let probes: [Arc<Probe>; 3] = Default::default();
        for index in [0, 1, 2, 0, 2, 2, 1] {
            assert!(poll_once(&mut join, &probes[index].clone().into()).is_pending());
        }
        assert!(!join.is_finished());
        tx.send(()).unwrap();
        spin_until(|| probes[1].woken() > 0);
        assert!(join.is_finished());
        assert_eq!(probes.each_ref().map(|probe| probe.woken()), [0, 1, 0]);
        assert_eq!(poll_once(&mut join, Waker::noop()), Poll::Ready(true));
        assert!(join.is_finished(), "its output was taken");
    }
}

#[test]
fn a_handle_whose_output_was_taken_does_not_affect_the_next_task_in_the_header() {
    let executor = executor(1);
    let mut join = spawn(&executor, async { 1 });
    spin_until(|| join.is_finished());
    assert_eq!(poll_once(&mut join, Waker::noop()), Poll::Ready(1));
    let next: Vec<_> = (0..200).map(|_| spawn(&executor, std::future::pending::<()>())).collect();
    assert!(join.is_finished());
    drop(join);
    assert!(next.iter().all(|next| !next.is_finished()));
}

#[test]
fn a_panicking_waker_harms_neither_the_worker_nor_the_task() {
    struct Broken;
    impl Wake for Broken {
        fn wake(self: Arc<Self>) {
            panic!("planned");
        }
    }
    let broken = Waker::from(Arc::new(Broken));
    let executor = executor(1);
    for round in 0..100 {
        let (tx, rx) = tokio::sync::oneshot::channel::<()>();
        let mut join = spawn(&executor, async move {
            let _ = rx.await;
            round
        });
        assert!(poll_once(&mut join, &broken).is_pending());
        tx.send(()).unwrap();
        spin_until(|| join.is_finished());
        assert_eq!(poll_once(&mut join, Waker::noop()), Poll::Ready(round));
        // This task wakes itself, and is polled again: the worker still knows which task it polls.
        assert_eq!(wait(spawn(&executor, yield_often(10, round))), round);
    }
    assert_eq!(executor.close(Duration::MAX), 0);
    assert_eq!(n_alive(&executor), 0);
}

#[test]
fn a_handle_whose_wakers_have_panicking_destructors_lets_its_task_go() {
    struct Broken;
    impl Wake for Broken {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Broken {
        fn drop(&mut self) {
            panic!("planned");
        }
    }
    let executor = executor(1);
    let n_dropped = Arc::new(AtomicUsize::new(0));
    for _ in 0..100 {
        let (tx, rx) = tokio::sync::oneshot::channel::<()>();
        let counts = n_dropped.clone();
        let output = OnDrop(move || {
            counts.fetch_add(1, Ordering::SeqCst);
        });
        let mut join = spawn(&executor, async move {
            let _ = rx.await;
            output
        });
        let (of_timeout, of_join) = (Waker::from(Arc::new(Broken)), Waker::from(Arc::new(Broken)));
        assert!(join.poll_timeout(Duration::from_secs(3600), None, &mut Context::from_waker(&of_timeout)).is_pending());
        assert!(poll_once(&mut join, &of_join).is_pending());
        // The handle has the last reference to each.
        drop((of_timeout, of_join));
        drop(join);
        tx.send(()).unwrap();
    }
    assert_eq!(executor.close(Duration::MAX), 0);
    assert_eq!(n_dropped.load(Ordering::SeqCst), 100);
}

async fn yield_often<T>(times: usize, value: T) -> T {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
    value
}

#[test]
fn a_wake_up_inside_of_a_panicking_poll_has_no_effect() {
    let executor = executor(1);
    for round in 0..100 {
        let _join = spawn(&executor, async {
            poll_fn(|cx| -> Poll<()> {
                cx.waker().wake_by_ref();
                panic!("planned");
            })
            .await;
        });
        assert_eq!(wait(spawn(&executor, yield_often(3, round))), round);
    }
    assert_eq!(executor.close(Duration::MAX), 0);
    assert_eq!(n_alive(&executor), 0);
}

#[test]
fn wakers_that_outlive_their_tasks_do_no_harm() {
    let (wakers, given) = mpsc::channel();
    for _ in 0..4 {
        let executor = executor(2);
        for _ in 0..100 {
            wait(spawn(&executor, send_wakers(wakers.clone(), Arc::new(AtomicBool::new(true)))));
        }
        executor.close(Duration::MAX);
    }
    let stale: Vec<Waker> = given.try_iter().collect();
    assert_eq!(stale.len(), 400);
    let executor = executor(2);
    let until = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !until.load(Ordering::SeqCst) {
                stale.iter().for_each(Waker::wake_by_ref);
                stale.iter().cloned().for_each(Waker::wake);
            }
        });
        for round in 0..1000 {
            let (tx, rx) = tokio::sync::oneshot::channel();
            let join = spawn(&executor, async { yield_often(3, rx.await.unwrap()).await });
            tx.send(round).unwrap();
            assert_eq!(wait(join), round);
        }
        until.store(true, Ordering::SeqCst);
    });
    assert_eq!(executor.close(Duration::MAX), 0);
    assert_eq!(n_alive(&executor), 0);
}

/// Two threads wake the task, and two workers may poll it: one at a time, and the last poll sees the last message.
#[test]
fn a_task_that_many_threads_wake_is_polled_by_one_thread_at_a_time_and_sees_every_message() {
    const MESSAGES: usize = 20_000;
    let executor = executor(2);
    let is_polled = AtomicBool::new(false);
    let n_sent = Arc::new(AtomicUsize::new(0));
    let waker: Arc<Mutex<Option<Waker>>> = Arc::default();
    let (sent, shared) = (n_sent.clone(), waker.clone());
    let join = spawn(
        &executor,
        poll_fn(move |cx| {
            assert!(!is_polled.swap(true, Ordering::SeqCst), "two threads poll it");
            shared.lock().unwrap().get_or_insert_with(|| cx.waker().clone());
            let is_last = sent.load(Ordering::SeqCst) == 2 * MESSAGES;
            is_polled.store(false, Ordering::SeqCst);
            if is_last { Poll::Ready(()) } else { Poll::Pending }
        }),
    );
    spin_until(|| waker.lock().unwrap().is_some());
    let waker = waker.lock().unwrap().clone().unwrap();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..MESSAGES {
                    n_sent.fetch_add(1, Ordering::SeqCst);
                    waker.wake_by_ref();
                }
            });
        }
    });
    wait(join);
    executor.close(Duration::MAX);
}

/// A destructor that starts tasks, wakes one, polls a handle and drops handles.
fn busy_drop(executor: &Executor, deep: usize, n_dropped: &Arc<AtomicUsize>) -> OnDrop<impl FnMut() + use<>> {
    let (executor, n_dropped) = (executor.clone(), n_dropped.clone());
    OnDrop(move || {
        n_dropped.fetch_add(1, Ordering::SeqCst);
        let Some(deeper) = deep.checked_sub(1) else { return };
        let (tx, rx) = tokio::sync::oneshot::channel::<()>();
        let waits = spawn(&executor, rx);
        let (inner, counts) = (executor.clone(), n_dropped.clone());
        let output: Box<dyn FnOnce() -> Box<dyn std::any::Any + Send> + Send> =
            Box::new(move || Box::new(busy_drop_boxed(&inner, deeper, &counts)));
        let mut join = spawn(&executor, async move {
            yield_often(1, ()).await;
            output()
        });
        let _ = poll_once(&mut join, Waker::noop());
        drop(join);
        tx.send(()).unwrap();
        drop(waits);
    })
}

fn busy_drop_boxed(executor: &Executor, deep: usize, n_dropped: &Arc<AtomicUsize>) -> Box<dyn std::any::Any + Send> {
    Box::new(busy_drop(executor, deep, n_dropped))
}

#[test]
fn destructors_may_start_and_wake_and_join_and_drop() {
    for workers in 1..3 {
        let executor = executor(workers);
        let n_dropped = Arc::new(AtomicUsize::new(0));
        for round in 0..300 {
            // One is in the future, the other is the output. The handle is dropped at once, is dropped after the task has
            // finished, or takes the output.
            let held = busy_drop(&executor, 3, &n_dropped);
            let output = busy_drop(&executor, 3, &n_dropped);
            let join = spawn(&executor, async move {
                let _held = held;
                yield_often(1, ()).await;
                output
            });
            match round % 3 {
                0 => drop(join),
                1 => {
                    spin_until(|| join.is_finished());
                    drop(join);
                }
                _ => drop(wait(join)),
            }
        }
        spin_until(|| n_alive(&executor) == 0);
        assert_eq!(executor.close(Duration::MAX), 0);
        assert_eq!(n_dropped.load(Ordering::SeqCst), 300 * 2 * 4);
    }
}

#[test]
fn a_task_may_yield_many_times_after_the_close() {
    let executor = executor(1);
    let (tx, rx) = tokio::sync::oneshot::channel::<()>();
    let join = spawn(&executor, async {
        rx.await.unwrap();
        yield_often(100_000, 7).await
    });
    executor.close(Duration::MAX);
    tx.send(()).unwrap();
    assert_eq!(wait(join), 7);
}

#[test]
fn tasks_may_wake_each_other_in_a_long_chain_after_the_close() {
    const TASKS: usize = 20_000;
    let executor = executor(1);
    let (first, mut rx) = tokio::sync::oneshot::channel::<()>();
    for _ in 0..TASKS {
        let (tx, next) = tokio::sync::oneshot::channel();
        let _join = spawn(&executor, async move {
            rx.await.unwrap();
            tx.send(()).unwrap();
        });
        rx = next;
    }
    executor.close(Duration::MAX);
    first.send(()).unwrap();
    // The worker may not have exited yet, and may run some of the tasks.
    spin_until(|| n_alive(&executor) == 0);
    assert!(rx.blocking_recv().is_ok());
}

#[test]
fn the_thread_that_wakes_a_task_drops_it_if_its_executor_is_gone() {
    for round in 0..20 {
        let executor = executor(1);
        let (wakers, waker) = mpsc::channel();
        let n_dropped = Arc::new(AtomicUsize::new(0));
        let counts = n_dropped.clone();
        let held = OnDrop(move || {
            counts.fetch_add(1, Ordering::SeqCst);
            // The thread that wakes the task does not see this panic.
            assert_ne!(round, 0, "as planned");
        });
        let key = spawn(&executor, async {}).key().unwrap();
        let future = async move {
            let _held = held;
            send_wakers(wakers, Arc::default()).await;
        };
        executor.prepare_detached(executor.reserve(key), future).start();
        let waker: Waker = waker.recv().unwrap();
        executor.close(Duration::MAX);
        drop(executor);
        assert_eq!(n_dropped.load(Ordering::SeqCst), 0);
        // tokio's threads keep the executor until they exit.
        spin_until(|| {
            waker.wake_by_ref();
            n_dropped.load(Ordering::SeqCst) > 0
        });
        waker.wake();
        assert_eq!(n_dropped.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn a_long_chain_of_tasks_without_an_executor_does_not_overflow_the_stack() {
    const TASKS: usize = 100_000;
    for is_simulated in [false, true] {
        let (simulation, real) = (simulation(1), executor(1));
        let executor = if is_simulated { simulation.executor().clone() } else { real.clone() };
        let key = spawn(&executor, async {}).key().unwrap();
        let (first, mut rx) = tokio::sync::oneshot::channel::<()>();
        for _ in 0..TASKS {
            let (tx, next) = tokio::sync::oneshot::channel();
            let future = async move {
                let _tx = tx;
                let _ = rx.await;
            };
            executor.prepare_detached(executor.reserve(key), future).start();
            rx = next;
        }
        let _ = simulation.block_on(async { tokio::time::sleep(Duration::from_secs(1)).await });
        real.close(Duration::MAX);
        drop((executor, simulation, real));
        drop(first);
        let last = std::cell::RefCell::new(rx);
        spin_until(|| last.borrow_mut().try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Closed));
    }
}

#[test]
fn the_contents_of_a_future_are_dropped_at_its_end_even_if_its_memory_is_kept() {
    let executor = executor(1);
    let n_dropped = Arc::new(AtomicUsize::new(0));
    for round in 0..1000 {
        let counts = n_dropped.clone();
        let held = OnDrop(move || {
            counts.fetch_add(1, Ordering::SeqCst);
        });
        // Two types of futures, so that the memory fits the next task sometimes, and sometimes not.
        let output = if round % 3 == 0 {
            wait(spawn(&executor, async move { drop(held) }));
            round
        } else {
            wait(spawn(&executor, async move {
                let _held = held;
                round
            }))
        };
        assert_eq!((output, n_dropped.load(Ordering::SeqCst)), (round, round + 1));
    }
    executor.close(Duration::MAX);
}

#[test]
fn a_task_that_is_never_started_is_dropped() {
    for is_simulated in [false, true] {
        let (simulation, real) = (simulation(1), executor(1));
        let executor = if is_simulated { simulation.executor() } else { &real };
        let key = spawn(executor, async {}).key().unwrap();
        let n_dropped = Arc::new(AtomicUsize::new(0));
        let future = || {
            let counts = n_dropped.clone();
            let held = OnDrop(move || {
                counts.fetch_add(1, Ordering::SeqCst);
            });
            async move { drop(held) }
        };
        drop(executor.prepare_detached(executor.reserve(key), future()));
        drop(executor.prepare(executor.reserve(key), future()));
        assert_eq!(n_dropped.load(Ordering::SeqCst), 2);
    }
}

#[test]
fn a_thread_may_start_tasks_in_its_destructors() {
    type Last = OnDrop<Box<dyn FnMut()>>;
    thread_local!(static LAST: Mutex<Option<Last>> = const { Mutex::new(None) });
    let executor = executor(1);
    let n_run = Arc::new(AtomicUsize::new(0));
    for round in 0..100 {
        let (inner, n_run) = (executor.clone(), n_run.clone());
        thread::scope(|scope| {
            scope.spawn(move || {
                // Destructors of thread-locals run in the order opposite to their first use. So that of `LAST` runs
                // before that of the thread's magazine in even rounds, and after it in odd rounds.
                if round % 2 == 0 {
                    let _join = spawn(&inner, async {});
                }
                let at_end = inner.clone();
                let last: Box<dyn FnMut()> = Box::new(move || {
                    let n_run = n_run.clone();
                    let _join = spawn(&at_end, async move { n_run.fetch_add(1, Ordering::SeqCst) });
                });
                LAST.with(|place| *place.lock().unwrap() = Some(OnDrop(last)));
                let _join = spawn(&inner, async {});
            });
        });
    }
    spin_until(|| n_run.load(Ordering::SeqCst) == 100);
    executor.close(Duration::MAX);
}

/// Returns the steps of eight tasks in a simulation that start others, wake each other, and end. The last entry is the
/// number of polls.
fn steps_of(seed: u64) -> Vec<(usize, usize)> {
    let simulation = simulation(seed);
    let executor = simulation.executor().clone();
    let steps: Arc<Mutex<Vec<(usize, usize)>>> = Arc::default();
    let recorder = steps.clone();
    let main = spawn(&executor, {
        let executor = executor.clone();
        async move {
            let notify = Arc::new(tokio::sync::Notify::new());
            let joins: Vec<_> = (0..8)
                .map(|task| {
                    let (executor, recorder, notify) = (executor.clone(), recorder.clone(), notify.clone());
                    spawn(&executor.clone(), async move {
                        for step in 0..4 {
                            recorder.lock().unwrap().push((task, step));
                            notify.notify_waiters();
                            spawn(&executor, yield_often(step, ())).await;
                            if step == 1 {
                                let waits = notify.notified();
                                let _ = tokio::time::timeout(Duration::from_millis(5), waits).await;
                            }
                        }
                    })
                })
                .collect();
            for join in joins {
                join.await;
            }
        }
    });
    simulation.block_on(main).unwrap();
    let polls = usize::try_from(executor.statistics().polls).unwrap();
    let mut steps = steps.lock().unwrap().clone();
    steps.push((usize::MAX, polls));
    steps
}

#[test]
fn a_seed_gives_the_same_steps_while_other_executors_run_and_stale_wakers_are_woken() {
    let expected: Vec<_> = (0..20).map(steps_of).collect();
    let until = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let (wakers, given) = mpsc::channel();
            let executor = executor(2);
            let mut seed = 0;
            while !until.load(Ordering::SeqCst) {
                seed += 1;
                let simulation = simulation(seed);
                for of in [simulation.executor(), &executor] {
                    let may_end = Arc::new(AtomicBool::new(true));
                    let joins: Vec<_> =
                        (0..20).map(|_| spawn(of, send_wakers(wakers.clone(), may_end.clone()))).collect();
                    for join in joins {
                        if of.is_simulated() {
                            simulation.block_on(join).unwrap();
                        } else {
                            wait(join);
                        }
                    }
                }
                let stale: Vec<Waker> = given.try_iter().collect();
                for _ in 0..20 {
                    stale.iter().for_each(Waker::wake_by_ref);
                    thread::yield_now();
                }
            }
        });
        for _ in 0..20 {
            for (seed, expected) in (0..).zip(&expected) {
                assert_eq!(&steps_of(seed), expected, "seed {seed}");
            }
        }
        until.store(true, Ordering::SeqCst);
    });
}
