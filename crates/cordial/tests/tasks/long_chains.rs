//! Long chains: of values, each of which holds the handle of a task whose result is the value before; of tasks that
//! wait for one another; of linked tasks. However long a chain is, its end needs only a shallow stack.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use cordial::{Exit, Runtime, Task, TaskSet, TaskSupervisor, Timeout, process, testing};
use futures::FutureExt;
use tokio::sync::oneshot;
use tokio::task::yield_now;

const N: usize = 100_000;

/// Counts its drop.
#[derive(Clone, Debug)]
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// One value of a chain: holds a handle, whose result is the value before.
struct Link {
    _before: Option<Mutex<Box<dyn Send>>>,
    _counted: Counted,
}

/// Makes a chain of `n` values, drops the last one, and waits until all are dropped. `wrap` makes the handle of a value.
async fn make_and_drop<F>(n: usize, wrap: impl Fn(Link) -> F)
where
    F: Future<Output = Box<dyn Send>>,
{
    let n_dropped = Arc::new(AtomicUsize::new(0));
    let mut before = None;
    for _ in 0..n {
        let link = Link { _before: before.take(), _counted: Counted(n_dropped.clone()) };
        before = Some(Mutex::new(wrap(link).await));
    }
    drop(before);
    while n_dropped.load(Ordering::SeqCst) < n {
        yield_now().await;
    }
}

async fn until_finished<T: Send>(task: &Task<T>) {
    while !task.is_finished() {
        yield_now().await;
    }
}

async fn finished(link: Link) -> Box<dyn Send> {
    let task = Task::spawn(async { link });
    until_finished(&task).await;
    Box::new(task)
}

async fn completed(link: Link) -> Box<dyn Send> {
    Box::new(Task::completed(link))
}

/// The result is an error, which holds the value.
async fn failed(link: Link) -> Box<dyn Send> {
    struct Failed {
        _link: Link,
    }
    impl fmt::Debug for Failed {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Failed")
        }
    }
    impl fmt::Display for Failed {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("failed")
        }
    }
    impl Error for Failed {}
    let task = Task::spawn(async {
        Err::<(), Exit>(Exit::from(Box::<dyn Error + Send + Sync>::from(Failed { _link: link })))
    })
    .or_exit();
    until_finished(&task).await;
    Box::new(task)
}

/// A stream, one result of which has arrived and was not taken.
async fn streamed(link: Link) -> Box<dyn Send> {
    let (ended, end) = oneshot::channel::<()>();
    let mut item = Some((link, ended));
    let mut stream = Task::async_stream([()], move |()| {
        let (link, ended) = item.take().unwrap();
        async move {
            drop(ended);
            link
        }
    });
    drop(stream.next().now_or_never());
    end.await.unwrap_err();
    Box::new(stream)
}

/// A set, one result of which has arrived and was not taken.
async fn in_set(link: Link) -> Box<dyn Send> {
    let (ended, end) = oneshot::channel::<()>();
    let mut set = TaskSet::new();
    set.spawn(async move {
        drop(ended);
        link
    });
    end.await.unwrap_err();
    Box::new(set)
}

/// The panic of the task has this value as its payload.
async fn panicked(link: Link) -> Box<dyn Send> {
    // Unlike `panic_any`, this prints nothing.
    let task: Task<()> = Task::spawn(async { std::panic::resume_unwind(Box::new(link)) });
    until_finished(&task).await;
    Box::new(task)
}

/// The task has not ended, and its future holds the value.
async fn pending(link: Link) -> Box<dyn Send> {
    let task = Task::spawn(async {
        std::future::pending::<()>().await;
        drop(link);
    });
    Box::new(task)
}

async fn make_and_drop_all_kinds() {
    make_and_drop(N, finished).await;
    make_and_drop(N, completed).await;
    make_and_drop(N, failed).await;
    make_and_drop(N, streamed).await;
    make_and_drop(N, in_set).await;
    make_and_drop(N, panicked).await;
    make_and_drop(N, pending).await;
}

#[test]
fn a_long_chain_of_values_is_dropped_without_a_deep_stack() {
    testing::run(make_and_drop_all_kinds());
}

#[test]
fn a_long_chain_of_values_is_dropped_without_a_deep_stack_on_threads() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    runtime.block_on(make_and_drop_all_kinds()).unwrap();
}

/// The last handle of a chain is dropped after its runtime, or immediately before it.
#[test]
fn a_long_chain_of_values_outlives_its_runtime() {
    for is_dropped_after in [true, false] {
        let n_dropped = Arc::new(AtomicUsize::new(0));
        let counted = Counted(n_dropped.clone());
        let runtime = Runtime::builder().workers(1).build().unwrap();
        let make = async move {
            let mut before = None;
            for n in 0..N {
                let link = Link { _before: before.take(), _counted: counted.clone() };
                let handle = if n % 2 == 0 { pending(link).await } else { finished(link).await };
                before = Some(Mutex::new(handle));
            }
            before
        };
        let last = runtime.block_on(make).unwrap();
        if is_dropped_after {
            drop(runtime);
            drop(last);
        } else {
            drop(last);
            drop(runtime);
        }
        // The clones, and the original in the future of the root.
        while n_dropped.load(Ordering::SeqCst) < N + 1 {
            std::thread::yield_now();
        }
    }
}

/// In a short chain, a handle that a destructor drops is dropped at once, since the destructor may wait for the effects.
#[test]
fn a_destructor_of_a_result_sees_the_end_of_the_result_whose_handle_it_drops() {
    struct Waits {
        inner: Option<Task<Counted>>,
        n_dropped: Arc<AtomicUsize>,
        seen: Arc<AtomicUsize>,
    }
    impl Drop for Waits {
        fn drop(&mut self) {
            drop(self.inner.take());
            // A panic here would be caught, so the number is passed on.
            self.seen.store(self.n_dropped.load(Ordering::SeqCst), Ordering::SeqCst);
        }
    }
    testing::run(async {
        let (n_dropped, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counted = Counted(n_dropped.clone());
        let inner = Task::spawn(async { counted });
        until_finished(&inner).await;
        let waits = Waits { inner: Some(inner), n_dropped, seen: seen.clone() };
        let task = Task::spawn(async { waits });
        until_finished(&task).await;
        drop(task);
        assert_eq!(seen.load(Ordering::SeqCst), 1);
    });
}

/// Tasks, each of which awaits the one before.
#[test]
fn a_long_chain_of_tasks_that_wait_ends() {
    let wait = async {
        let (start, started) = oneshot::channel::<()>();
        let mut last = Task::spawn(async { started.await.unwrap_err() }.map(drop));
        for _ in 0..N {
            let before = last.timeout(Timeout::Infinity);
            last = Task::spawn(async { before.await.unwrap() });
        }
        drop(start);
        last.timeout(Timeout::Infinity).await.unwrap();
    };
    testing::run(wait);
}

/// Supervisors, each of which is owned by a child of the one before.
#[test]
fn a_snapshot_of_a_long_chain_of_owners_is_printed() {
    const DEPTH: usize = 5000;
    fn own(n: usize, all: oneshot::Sender<()>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let tasks = TaskSupervisor::start();
            if n > 0 {
                tasks.start_child(own(n - 1, all)).unwrap();
            } else {
                drop(all);
            }
            std::future::pending::<()>().await;
            drop(tasks);
        })
    }
    testing::run(async {
        let (sender, all) = oneshot::channel();
        Task::start(own(DEPTH, sender));
        all.await.unwrap_err();
        // A line at the top, the root, and two for each level.
        assert_eq!(process::snapshot().to_string().lines().count(), 2 + 2 * (DEPTH + 1));
    });
}

/// Tasks, each of which is linked to the one before.
#[test]
fn a_long_chain_of_linked_tasks_ends() {
    type Linked = Pin<Box<dyn Future<Output = ()> + Send>>;
    fn start_linked(n: usize, all: oneshot::Sender<()>, counted: Counted) -> Linked {
        Box::pin(async move {
            if n > 0 {
                Task::start_link(start_linked(n - 1, all, counted.clone()));
            } else {
                drop(all);
            }
            std::future::pending::<()>().await;
            drop(counted);
        })
    }
    testing::run(async {
        let (sender, all) = oneshot::channel();
        let n_dropped = Arc::new(AtomicUsize::new(0));
        let first = Task::start(start_linked(N, sender, Counted(n_dropped.clone())));
        all.await.unwrap_err();
        process::exit(first, Exit::Killed);
        while n_dropped.load(Ordering::SeqCst) < N + 1 {
            yield_now().await;
        }
    });
}
