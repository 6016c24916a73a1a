//! Each kind of wake-up on the simulated runtime, in programs that are small enough for Miri: `.ci/nightly` runs them there.
//!
//! A wake-up passes a task on to another owner. This workspace has no unsafe code for that, but the crates that it uses have.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use cordial::testing::run_seeded;
use cordial::{ChildSpec, Exit, Restart, Strategy, Supervisor, Task, process};
use futures::StreamExt;
use tokio::sync::{Notify, mpsc, oneshot};

const SECOND: Duration = Duration::from_secs(1);

/// Runs a program in two orders.
fn check<F>(program: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    for seed in 0..2 {
        run_seeded(seed, program());
    }
}

/// A place for the waker of a process that waits forever.
#[derive(Clone, Default)]
struct Parked {
    waker: Arc<Mutex<Option<Waker>>>,
    n_polls: Arc<AtomicUsize>,
}

impl Parked {
    /// Waits until it was polled `n` times.
    fn until_polled(&self, n: usize) -> impl Future<Output = ()> + Send + 'static {
        let parked = self.clone();
        poll_fn(move |cx| {
            *parked.waker.lock().unwrap() = Some(cx.waker().clone());
            if parked.n_polls.fetch_add(1, Ordering::SeqCst) + 1 < n { Poll::Pending } else { Poll::Ready(()) }
        })
    }

    fn waker(&self) -> Waker {
        self.waker.lock().unwrap().clone().expect("it was polled")
    }

    fn n_polls(&self) -> usize {
        self.n_polls.load(Ordering::SeqCst)
    }
}

/// Wakes with `wake` on a thread that belongs to no runtime.
#[expect(clippy::disallowed_methods, reason = "the thread belongs to no runtime")]
fn on_another_thread(wake: impl FnOnce() + Send + 'static) {
    std::thread::spawn(wake).join().expect("the waker does not panic");
}

#[test]
fn by_itself_during_a_poll() {
    check(|| async {
        let mut n_left = 3;
        let yields = poll_fn(move |cx| {
            n_left -= 1;
            // By reference and by value.
            let waker = cx.waker().clone();
            waker.wake_by_ref();
            if n_left % 2 == 0 {
                waker.wake();
            }
            if n_left == 0 { Poll::Ready(7) } else { Poll::Pending }
        });
        assert_eq!(Task::spawn(yields).await, Ok(7));
    });
}

#[test]
fn by_another_process() {
    check(|| async {
        let (ping, mut pings) = mpsc::channel::<usize>(1);
        let (pong, mut pongs) = mpsc::channel::<usize>(1);
        let answers = Task::spawn(async move {
            while let Some(n) = pings.recv().await {
                pong.send(n + 1).await.unwrap();
            }
        });
        for n in 0..5 {
            ping.send(n).await.unwrap();
            assert_eq!(pongs.recv().await, Some(n + 1));
        }
        drop(ping);
        assert_eq!(answers.await, Ok(()));
    });
}

#[test]
fn by_another_thread_while_it_waits() {
    check(|| async {
        let parked = Parked::default();
        let task = Task::spawn(parked.until_polled(3));
        for n in 1..3 {
            while parked.n_polls() < n {
                tokio::task::yield_now().await;
            }
            let waker = parked.waker();
            on_another_thread(move || waker.wake());
        }
        assert_eq!(task.await, Ok(()));
        assert_eq!(parked.n_polls(), 3);
    });
}

#[test]
fn by_several_threads_while_it_is_polled() {
    check(|| async {
        let mut n_polls = 0;
        let polled = poll_fn(move |cx| {
            n_polls += 1;
            if n_polls == 3 {
                return Poll::Ready(());
            }
            for _ in 0..2 {
                let waker = cx.waker().clone();
                on_another_thread(move || waker.wake_by_ref());
            }
            Poll::Pending
        });
        assert_eq!(Task::spawn(polled).await, Ok(()));
    });
}

#[test]
fn by_a_timer_and_by_a_timeout() {
    check(|| async {
        let sleeps = Task::spawn(tokio::time::sleep(SECOND)).timeout(2 * SECOND);
        assert_eq!(sleeps.await, Ok(()));
        let mut never = Task::spawn(std::future::pending::<()>());
        assert!(never.yield_for(SECOND).await.is_none());
        assert!(matches!(never.timeout(SECOND).await, Err(Exit::Timeout(_))));
    });
}

#[test]
fn by_a_destructor() {
    struct NotifyOnDrop(Arc<Notify>);
    impl Drop for NotifyOnDrop {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    check(|| async {
        let dropped = Arc::new(Notify::new());
        let guard = NotifyOnDrop(dropped.clone());
        let task = Task::spawn(async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
        drop(task);
        dropped.notified().await;
    });
}

#[test]
fn by_a_panic_and_by_a_kill() {
    check(|| async {
        let mut exits = process::trap_exits();
        let panics = Task::<()>::spawn_link(async { panic!("expected") });
        assert!(matches!(exits.next().await, Some((_, Exit::Panic(_)))));
        assert!(matches!(panics.await, Err(Exit::Panic(_))));

        let waits = Task::spawn(std::future::pending::<()>());
        let monitor = process::monitor(waits.pid());
        process::exit(waits.pid(), Exit::Killed);
        assert_eq!(monitor.await, Exit::Killed);
        assert_eq!(waits.await, Err(Exit::Killed));
    });
}

#[test]
fn by_a_waker_whose_process_has_ended() {
    check(|| async {
        let parked = Parked::default();
        assert_eq!(Task::spawn(parked.until_polled(1)).await, Ok(()));
        let stale = parked.waker();
        let next = Parked::default();
        let task = Task::spawn(next.until_polled(2));
        while next.n_polls() < 1 {
            tokio::task::yield_now().await;
        }
        stale.wake_by_ref();
        on_another_thread(move || stale.wake());
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(next.n_polls(), 1, "a stale waker woke the next process");
        next.waker().wake();
        assert_eq!(task.await, Ok(()));
    });
}

#[test]
fn by_a_waker_whose_runtime_is_gone() {
    let parked = Parked::default();
    let of_process = parked.clone();
    run_seeded(0, async move {
        Task::start(of_process.until_polled(usize::MAX));
        while of_process.n_polls() < 1 {
            tokio::task::yield_now().await;
        }
    });
    let stale = parked.waker();
    assert_eq!(parked.n_polls(), 1);
    stale.wake_by_ref();
    stale.wake();
    assert_eq!(parked.n_polls(), 1);
}

#[test]
fn by_a_stream_and_by_a_supervisor() {
    check(|| async {
        let doubled = Task::async_stream(0..5_u64, |n| async move {
            tokio::time::sleep(SECOND / (u32::try_from(n).unwrap() + 1)).await;
            2 * n
        });
        assert_eq!(doubled.collect().await, [0, 2, 4, 6, 8].map(Ok));

        let starts = Arc::new(AtomicUsize::new(0));
        let (restarted, has_restarted) = oneshot::channel();
        let restarted = Arc::new(Mutex::new(Some(restarted)));
        let child = ChildSpec::task("child", move || {
            let (n, restarted) = (starts.fetch_add(1, Ordering::SeqCst), restarted.clone());
            async move {
                assert!(n > 0, "expected");
                restarted.lock().unwrap().take().map(|restarted| restarted.send(n));
                std::future::pending::<()>().await;
            }
        });
        let supervisor =
            Supervisor::builder(Strategy::OneForOne).child(child.restart(Restart::Permanent)).start().await.unwrap();
        assert_eq!(tokio::time::timeout(60 * SECOND, has_restarted).await, Ok(Ok(1)));
        supervisor.stop().await;
    });
}
