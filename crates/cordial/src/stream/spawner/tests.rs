//! What a supervisor will ask of a stream: waiting for room, and items that run on.

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

/// Room for some, which others take up as well.
#[derive(Clone)]
struct House {
    room: Arc<Mutex<(usize, Vec<Waker>)>>,
    lets_run_on: bool,
}

impl House {
    fn of(n: usize) -> House {
        House { room: Arc::new(Mutex::new((n, Vec::new()))), lets_run_on: false }
    }

    fn free(&self) {
        let waiting = {
            let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
            room.0 += 1;
            std::mem::take(&mut room.1)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

struct Leaves(House);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.free();
    }
}

impl Spawner for House {
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut room = self.room.lock().unwrap();
        if room.0 > 0 {
            return Poll::Ready(());
        }
        room.1.push(cx.waker().clone());
        Poll::Pending
    }

    fn spawn<F, R>(
        &mut self,
        runtime: &Handle,
        spawned_at: &'static Location<'static>,
        future: F,
        recipient: R,
    ) -> Result<Pid, Refusal>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
        R: Recipient<F::Output> + Send + 'static,
        R::Output: Send + 'static,
    {
        let mut room = self.room.lock().unwrap();
        room.0 = room.0.checked_sub(1).expect("an item started without room");
        drop(room);
        let leaves = Leaves(self.clone());
        let future = async move {
            let _leaves = leaves;
            future.await
        };
        Spawn::new(spawned_at).start_detached(runtime, future, recipient)
    }

    fn lets_run_on(&self) -> bool {
        self.lets_run_on
    }
}

#[test]
fn a_stream_waits_for_room_instead_of_failing() {
    for seed in 0..20 {
        testing::run_seeded(seed, async {
            let house = House::of(2);
            let pulled = Arc::new(AtomicUsize::new(0));
            let count = pulled.clone();
            let items = (0..6u32).inspect(move |_| _ = count.fetch_add(1, Ordering::SeqCst));
            let work = |n| async move {
                tokio::time::sleep(SECOND).await;
                if n == 3 { Err("no luck") } else { Ok(n) }
            };
            let stream = AsyncStream::new(iter(items), work, house.clone(), Location::caller());
            let mut stream = stream.max_concurrency(4).or_exit().retry(Retry::times(2));
            let begun = tokio::time::Instant::now();
            assert!(tokio::time::timeout(SECOND / 2, stream.next()).await.is_err());
            assert_eq!(pulled.load(Ordering::SeqCst), 3, "one waits with its input");
            let (values, exits) = stream.partition().await;
            assert_eq!((values, exits.len()), (vec![0, 1, 2, 4, 5], 1));
            let lasted = begun.elapsed();
            assert!((4 * SECOND..=5 * SECOND).contains(&lasted), "eight attempts, two at once, took {lasted:?}");
            assert_eq!(house.room.lock().unwrap().0, 2);
        });
    }
}

/// How the consumer of a stream ends.
#[derive(Clone, Debug)]
enum End {
    Signal(Exit),
    Exits,
    Panics,
    Returns,
}

#[test]
fn items_run_on_only_when_a_signal_ends_the_consumer() {
    let signals = [Exit::Killed, Exit::Shutdown(None), Exit::NoProcess].map(End::Signal);
    for end in signals.into_iter().chain([End::Exits, End::Panics, End::Returns]) {
        for lets_run_on in [true, false] {
            let how = end.clone();
            testing::run(async move {
                let done = Arc::new(AtomicUsize::new(0));
                let count = done.clone();
                let own = how.clone();
                let consumer = Task::spawn(async move {
                    let work = move |_| {
                        let count = count.clone();
                        async move {
                            tokio::time::sleep(2 * SECOND).await;
                            count.fetch_add(1, Ordering::SeqCst);
                        }
                    };
                    let house = House { lets_run_on, ..House::of(9) };
                    let mut stream = AsyncStream::new(iter(0..5), work, house, Location::caller());
                    let _ = tokio::time::timeout(SECOND, stream.next()).await;
                    match own {
                        End::Signal(_) => drop(stream.next().await),
                        End::Exits => cordial_exit().await,
                        End::Panics => panic!("no luck"),
                        End::Returns => {}
                    }
                });
                tokio::time::sleep(SECOND + SECOND / 2).await;
                if let End::Signal(exit) = &how {
                    process::exit(consumer.pid(), exit.clone());
                }
                let _ = consumer.await;
                tokio::time::sleep(10 * SECOND).await;
                let runs_on = lets_run_on && matches!(how, End::Signal(_));
                // Four at once in simulation; nothing new starts.
                assert_eq!(done.load(Ordering::SeqCst), if runs_on { 4 } else { 0 }, "{how:?}, {lets_run_on}");
            });
        }
    }
}

/// The process ends itself, without any signal.
async fn cordial_exit() {
    process::exit_self(Exit::Shutdown(None)).await
}
