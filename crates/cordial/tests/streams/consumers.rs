//! Consumers of a parallel stream: in a `select!`, on another runtime, among many ready tasks, and those that drop or forget it.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cordial::process;
use cordial::{Backoff, Exit, Pid, Retry, Runtime, Task, TaskSupervisor, Timeout};
use futures::{FutureExt, StreamExt};
use tokio::time::sleep;

use crate::harness::limited;
use crate::harness::probe::Probe;
use crate::harness::seeds::{SECOND, for_each_seed};

const MS: Duration = Duration::from_millis(1);

#[test]
fn no_result_is_lost_in_a_select() {
    for_each_seed(|| async {
        let mut stream = Task::async_stream(0..50u32, |n| async move {
            sleep(n % 5 * 7 * MS).await;
            n
        });
        stream = stream.max_concurrency(6);
        let mut ticks = tokio::time::interval(2 * MS);
        let (mut seen, mut n_ticks) = (Vec::new(), 0);
        loop {
            tokio::select! {
                result = stream.next() => match result {
                    Some(result) => seen.push(result.unwrap()),
                    None => break,
                },
                _ = ticks.tick() => n_ticks += 1,
            }
        }
        assert_eq!(seen, (0..50).collect::<Vec<_>>());
        assert!(n_ticks > 10);
    });
}

/// Drops the stream after `n_polls` polls.
#[test]
fn a_stream_dropped_after_any_poll_leaves_nothing_behind() {
    for n_polls in 0..60 {
        for_each_seed(move || async move {
            let probe = Probe::default();
            let guards = probe.clone();
            let work = move |n: u32| {
                let guard = guards.guard();
                async move {
                    let _guard = guard;
                    sleep(n % 4 * MS).await;
                    match n % 5 {
                        1 => Err("busy"),
                        2 => pending().await,
                        3 => panic!("no luck"),
                        _ => Ok(n),
                    }
                }
            };
            let held = probe.guard();
            let inputs = (0u32..).inspect(move |_| _ = &held);
            let retry = Retry::times(1).backoff(Backoff::exponential(MS, 2 * MS));
            let stream = Task::async_stream(inputs, work).or_exit();
            let stream = stream.timeout(3 * MS).retry(retry).max_concurrency(1 + n_polls % 4).max_ahead(n_polls % 3);
            let progress = stream.progress();
            let mut stream = if n_polls % 2 == 0 { stream } else { stream.unordered() };
            for _ in 0..n_polls {
                if stream.next().now_or_never().is_none() {
                    sleep(MS).await;
                }
            }
            let n_running = progress.running();
            drop(stream);
            sleep(MS).await;
            assert_eq!((probe.n_alive(), progress.running(), progress.cancelled()), (0, 0, n_running));
        });
    }
}

#[test]
fn a_forgotten_stream_starts_nothing_more_and_its_items_run_until_their_timeout() {
    for_each_seed(|| async {
        let (probe, n_started) = (Probe::default(), Arc::new(AtomicUsize::new(0)));
        let (guards, count) = (probe.clone(), n_started.clone());
        let mut stream = Task::async_stream(0u32.., move |n| {
            count.fetch_add(1, Ordering::SeqCst);
            let guard = guards.guard();
            async move {
                let _guard = guard;
                if n > 0 {
                    pending().await
                }
            }
        });
        stream = stream.max_concurrency(3).timeout(SECOND);
        assert_eq!(stream.next().await, Some(Ok(())));
        let n_before = n_started.load(Ordering::SeqCst);
        std::mem::forget(stream);
        sleep(10 * SECOND).await;
        assert_eq!((probe.n_alive(), n_started.load(Ordering::SeqCst)), (0, n_before));
    });
}

/// The items belong to the runtime that polled the stream first.
#[test]
fn a_stream_consumed_on_two_runtimes_keeps_its_items_on_the_first() {
    let [first, second] = [(); 2].map(|()| limited::runtime(1));
    let work = |n: u32| async move {
        tokio::task::yield_now().await;
        (n, process::current().unwrap())
    };
    let started = first.block_on(async move {
        let mut stream = Task::async_stream(0..6, work).max_concurrency(2).timeout(Timeout::Infinity);
        let own = process::current().unwrap();
        (stream.next().await.unwrap().unwrap(), own, stream)
    });
    let ((n, _), owner, stream) = started.unwrap();
    assert_eq!(n, 0);
    let rest = second.block_on(async move { stream.collect().await }).unwrap();
    let numbers: Vec<u32> = rest.iter().map(|result| result.as_ref().unwrap().0).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    // A pid begins with the number of its runtime.
    let runtime_of = |pid: Pid| pid.to_string().split('.').next().map(str::to_owned);
    assert!(rest.iter().all(|result| runtime_of(result.as_ref().unwrap().1) == runtime_of(owner)));
}

/// The process of an item has exited when the value is dropped, so the destructor must not run inside that process.
#[test]
fn an_unused_value_is_dropped_outside_of_its_process() {
    struct ReadsInfoOnDrop(Arc<AtomicUsize>);

    impl Drop for ReadsInfoOnDrop {
        fn drop(&mut self) {
            let is_in_exited_process = process::current().is_some_and(|own| process::info(own).is_none());
            self.0.fetch_add(if is_in_exited_process { 1000 } else { 1 }, Ordering::SeqCst);
        }
    }

    for_each_seed(|| async {
        let (n_dropped, probe) = (Arc::new(AtomicUsize::new(0)), Probe::default());
        let (count, guards) = (n_dropped.clone(), probe.clone());
        let work = move |()| {
            let (value, guard) = (ReadsInfoOnDrop(count.clone()), guards.guard());
            async move {
                let _exits = process::trap_exits();
                let _guard = guard;
                sleep(MS).await;
                value
            }
        };
        let mut stream = Task::async_stream([(); 3], work).max_concurrency(3);
        assert!(stream.next().now_or_never().is_none());
        tokio::task::yield_now().await;
        sleep(MS / 2).await;
        drop(stream);
        sleep(SECOND).await;
        assert_eq!((n_dropped.load(Ordering::SeqCst), probe.n_alive()), (3, 0));
    });
}

/// A woken consumer is queued behind the ready tasks of its worker, but not behind those that become ready later.
#[test]
fn a_consumer_among_a_thousand_ready_tasks_is_polled_soon() {
    // No stand-in polls the other tasks while the only worker is held up.
    let runtime = limited::start(Runtime::builder().workers(1).max_threads(1).stall_after(3600 * SECOND));
    let per_task = runtime.block_on(async {
        let n_polls = Arc::new(AtomicUsize::new(0));
        let others: Vec<_> = (0..1000)
            .map(|_| {
                let n_polls = n_polls.clone();
                Task::spawn(async move {
                    loop {
                        n_polls.fetch_add(1, Ordering::Relaxed);
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        let n_done = Task::async_stream(0..20, |n| async move { n }).max_concurrency(1).count().await;
        assert_eq!(n_done, 20);
        drop::<Vec<Task<()>>>(others);
        n_polls.load(Ordering::Relaxed) / 1000
    });
    let per_task = per_task.unwrap();
    assert!(per_task <= 100, "twenty results took {per_task} polls of every other task");
}

/// As with other awaits: the item may have failed only because everything ends.
#[test]
fn a_consumer_that_has_to_end_does_not_see_a_failure() {
    for_each_seed(|| async {
        let has_seen = Arc::new(AtomicUsize::new(0));
        let seen = has_seen.clone();
        let consumer = Task::spawn(async move {
            let gone = TaskSupervisor::start();
            gone.stop().await;
            // The item is refused at once, so its failure is there in the poll in which the consumer is killed.
            let mut stream = gone.async_stream([()], |()| {
                process::exit(process::current().unwrap(), Exit::Killed);
                pending::<()>()
            });
            let result = stream.next().await;
            seen.fetch_add(1, Ordering::SeqCst);
            result
        });
        assert_eq!(consumer.await, Err(Exit::Killed));
        assert_eq!(has_seen.load(Ordering::SeqCst), 0);
    });
}
