//! What a task supervisor requires of a stream: it waits for capacity, and its items can outlive the consumer.

use std::panic::Location;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

use futures::stream::iter;

use super::*;
use crate::exit::Exit;
use crate::process;
use crate::stream::{AsyncStream, Retry};
use crate::task::Task;
use crate::testing;

const SECOND: Duration = Duration::from_secs(1);

/// A spawner with a limited number of permits.
#[derive(Clone)]
struct LimitedSpawner {
    state: Arc<Mutex<Permits>>,
    items_outlive_consumer: bool,
}

struct Permits {
    n_free: usize,
    waiting: Vec<Waker>,
}

impl LimitedSpawner {
    fn with_permits(n: usize) -> LimitedSpawner {
        let state = Permits { n_free: n, waiting: Vec::new() };
        LimitedSpawner { state: Arc::new(Mutex::new(state)), items_outlive_consumer: false }
    }

    fn release(&self) {
        let waiting = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.n_free += 1;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// Releases a permit when it is dropped.
struct AcquiredPermit(LimitedSpawner);

impl Drop for AcquiredPermit {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl Spawner for LimitedSpawner {
    type Permit = ();

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock().unwrap();
        if state.n_free > 0 {
            return Poll::Ready(());
        }
        state.waiting.push(cx.waker().clone());
        Poll::Pending
    }

    fn stop_waiting(&mut self) {}

    fn spawn<F, R>(
        &mut self,
        (): (),
        runtime: &RuntimeHandle,
        spawn: &mut Spawn,
        future: F,
        recipient: R,
    ) -> Result<Pid, Refusal>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
        R: Recipient<F::Output> + Send + 'static,
        R::Output: Send + 'static,
    {
        let mut state = self.state.lock().unwrap();
        state.n_free = state.n_free.checked_sub(1).expect("an item started without a permit");
        drop(state);
        let permit = AcquiredPermit(self.clone());
        let future = async move {
            let _permit = permit;
            future.await
        };
        spawn.start_detached(runtime, future, recipient)
    }

    fn items_outlive_consumer(&self) -> bool {
        self.items_outlive_consumer
    }
}

#[test]
fn a_stream_waits_for_capacity_instead_of_failing() {
    for seed in 0..20 {
        testing::run_seeded(seed, async {
            let spawner = LimitedSpawner::with_permits(2);
            let n_pulled = Arc::new(AtomicUsize::new(0));
            let counter = n_pulled.clone();
            let items = (0..6u32).inspect(move |_| _ = counter.fetch_add(1, Ordering::SeqCst));
            let work = |n| async move {
                tokio::time::sleep(SECOND).await;
                if n == 3 { Err("no luck") } else { Ok(n) }
            };
            let stream = AsyncStream::new(iter(items), work, spawner.clone(), Location::caller());
            let mut stream = stream.max_concurrency(4).or_exit().retry(Retry::times(2));
            let started = tokio::time::Instant::now();
            assert!(tokio::time::timeout(SECOND / 2, stream.next()).await.is_err());
            assert_eq!(n_pulled.load(Ordering::SeqCst), 3, "two items run, and one is queued with its input");
            let (values, exits) = stream.partition().await;
            assert_eq!((values, exits.len()), (vec![0, 1, 2, 4, 5], 1));
            let elapsed = started.elapsed();
            assert!((4 * SECOND..=5 * SECOND).contains(&elapsed), "eight attempts, two at once, took {elapsed:?}");
            assert_eq!(spawner.state.lock().unwrap().n_free, 2);
        });
    }
}

/// How the consumer of a stream ends.
#[derive(Clone, Debug)]
enum ConsumerEnd {
    Signal(Exit),
    Exits,
    Panics,
    Returns,
}

#[test]
fn items_outlive_the_consumer_only_when_a_signal_ends_it() {
    let signals = [Exit::Killed, Exit::Shutdown(None), Exit::NoProcess].map(ConsumerEnd::Signal);
    for end in signals.into_iter().chain([ConsumerEnd::Exits, ConsumerEnd::Panics, ConsumerEnd::Returns]) {
        for items_outlive_consumer in [true, false] {
            let end = end.clone();
            testing::run(async move {
                let n_done = Arc::new(AtomicUsize::new(0));
                let counter = n_done.clone();
                let consumer_end = end.clone();
                let consumer = Task::spawn(async move {
                    let work = move |_| {
                        let counter = counter.clone();
                        async move {
                            tokio::time::sleep(2 * SECOND).await;
                            counter.fetch_add(1, Ordering::SeqCst);
                        }
                    };
                    let spawner = LimitedSpawner { items_outlive_consumer, ..LimitedSpawner::with_permits(9) };
                    let mut stream = AsyncStream::new(iter(0..5), work, spawner, Location::caller());
                    let _ = tokio::time::timeout(SECOND, stream.next()).await;
                    match consumer_end {
                        ConsumerEnd::Signal(_) => drop(stream.next().await),
                        ConsumerEnd::Exits => exit_by_itself().await,
                        ConsumerEnd::Panics => panic!("no luck"),
                        ConsumerEnd::Returns => {}
                    }
                });
                tokio::time::sleep(SECOND + SECOND / 2).await;
                if let ConsumerEnd::Signal(exit) = &end {
                    process::exit(consumer.pid(), exit.clone());
                }
                let _ = consumer.await;
                tokio::time::sleep(10 * SECOND).await;
                let outlived = items_outlive_consumer && matches!(end, ConsumerEnd::Signal(_));
                // In simulation four items run at once. The fifth never starts.
                let expected = if outlived { 4 } else { 0 };
                assert_eq!(n_done.load(Ordering::SeqCst), expected, "{end:?}, {items_outlive_consumer}");
            });
        }
    }
}

/// Ends the process without a signal.
async fn exit_by_itself() {
    process::current::exit(Exit::Shutdown(None)).await
}
