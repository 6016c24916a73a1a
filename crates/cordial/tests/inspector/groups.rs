//! Streams and task sets while they are in progress.

use std::time::Duration;

use cordial::{Backoff, Retry, Runtime, Task, TaskSet, TaskSupervisor, Timeout, process, testing};
use tokio::time::sleep;

use crate::harness::limited;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_stream_is_shown_from_its_first_poll_to_its_end_with_its_numbers() {
    testing::run(async {
        process::set_label("importer");
        let inspector = process::inspector();
        // Item 0 runs for longest, so the others wait for it; item 3 fails, and item 4 exceeds its timeout.
        let mut stream = Task::async_stream(0..20u64, |n| async move {
            match n {
                0 => sleep(8 * SECOND).await,
                3 => panic!("no luck"),
                4 => sleep(100 * SECOND).await,
                _ => {}
            }
            n
        })
        .max_concurrency(4)
        .max_ahead(4)
        .timeout(10 * SECOND);
        let line = line!() - 12;
        assert!(inspector.streams().is_empty(), "not polled yet");
        assert!(tokio::time::timeout(SECOND, stream.next()).await.is_err());
        let streams = inspector.streams();
        let [shown] = &streams[..] else { panic!("{streams:?}") };
        assert_eq!((shown.number, shown.consumer, shown.label.as_deref()), (1, process::current(), Some("importer")));
        assert_eq!((shown.created_at.line(), shown.max_concurrency, shown.n_items), (line, 4, Some(20)));
        assert_eq!((shown.started, shown.running, shown.succeeded, shown.failed), (8, 2, 5, 1));
        assert_eq!((shown.buffered, shown.timed_out, shown.age), (6, 0, SECOND));
        let progress = stream.progress();
        sleep(8 * SECOND).await;
        for _ in 0..4 {
            stream.next().await.unwrap().ok();
        }
        sleep(5 * SECOND).await;
        stream.next().await.unwrap().unwrap_err();
        let shown = &inspector.streams()[0];
        assert_eq!((shown.timed_out, shown.failed, progress.timed_out()), (1, 2, 1));
        drop(stream);
        assert!(inspector.streams().is_empty());
    });
}

#[test]
fn retries_are_counted_and_the_size_of_some_sources_is_unknown() {
    testing::run(async {
        let inspector = process::inspector();
        let tasks = TaskSupervisor::builder().start();
        let mut stream = tasks
            .async_stream_from(futures::stream::iter((0..5).filter(|n| *n < 9)), |_| async { Err::<(), _>("no luck") })
            .or_exit()
            .retry(Retry::times(2).backoff(Backoff::exponential(SECOND, SECOND)))
            .max_concurrency(2);
        stream.next().await.unwrap().unwrap_err();
        let shown = &inspector.streams()[0];
        assert_eq!((shown.n_items, shown.failed, shown.retried), (None, 1, 4), "{shown:?}");
        while stream.next().await.is_some() {}
        let other = Task::async_stream(0..3, |_| std::future::ready(()));
        assert_eq!(other.collect().await.len(), 3);
        assert!(inspector.streams().is_empty(), "both have ended, though one was not dropped");
    });
}

#[test]
fn a_task_set_is_shown_from_its_first_task_on_with_its_numbers() {
    testing::run(async {
        let inspector = process::inspector();
        let mut set = TaskSet::new().max_concurrency(2);
        assert!(inspector.task_sets().is_empty());
        let line = line!() + 2;
        for n in 0..6 {
            set.spawn(async move {
                sleep(n * SECOND).await;
                if n == 1 { Err("no luck") } else { Ok(n) }
            });
        }
        set.spawn(async { panic!("no luck") });
        let mut set = set.or_exit();
        sleep(2 * SECOND + SECOND / 2).await;
        let sets = inspector.task_sets();
        let [shown] = &sets[..] else { panic!("{sets:?}") };
        assert_eq!((shown.number, shown.owner, shown.created_at.line()), (1, process::current(), line));
        assert_eq!((shown.max_concurrency, shown.spawned, shown.running, shown.buffered), (Some(2), 7, 4, 3));
        assert_eq!(shown.succeeded + shown.failed, 3, "an inner error is a value of the task");
        assert_eq!(set.next().await, Some(Ok(0)));
        assert_eq!(inspector.task_sets()[0].buffered, 2, "one was taken");
        let mut n_failed = 0;
        while let Some(result) = set.next().await {
            n_failed += usize::from(result.is_err());
        }
        let shown = &inspector.task_sets()[0];
        assert_eq!((n_failed, shown.failed, shown.running, shown.buffered), (2, 1, 0, 0));
        drop(set);
        assert!(inspector.task_sets().is_empty());
    });
}

#[test]
fn streams_and_sets_of_a_runtime_that_is_stuck_are_read_by_another_thread() {
    let runtime = limited::start(Runtime::builder().workers(1).max_threads(1));
    let inspector = runtime.inspector();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let owner = std::thread::scope(|scope| {
        let blocked = scope.spawn(|| {
            runtime.block_on(async move {
                let mut set = TaskSet::new();
                set.spawn(std::future::pending::<()>());
                let mut stream = Task::async_stream(0..3, |_| std::future::pending::<()>()).timeout(Timeout::Infinity);
                let first = futures::future::poll_fn(|cx| {
                    let polled = futures::StreamExt::poll_next_unpin(&mut stream, cx);
                    assert!(polled.is_pending());
                    std::task::Poll::Ready(process::current())
                });
                let own = first.await;
                let _ = released.lock().unwrap().recv();
                own
            })
        });
        limited::wait_until("the stream is shown", || {
            inspector.long_polls().len() == 1 && inspector.streams().len() == 1
        });
        let (streams, sets) = (inspector.streams(), inspector.task_sets());
        assert_eq!((streams[0].running, sets[0].running, streams[0].consumer), (1, 1, sets[0].owner));
        drop(release);
        blocked.join().unwrap().unwrap()
    });
    assert!(owner.is_some());
    limited::wait_until("the stream and the set have ended", || {
        inspector.streams().is_empty() && inspector.task_sets().is_empty()
    });
}
