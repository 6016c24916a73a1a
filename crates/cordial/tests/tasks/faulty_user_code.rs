//! Faulty user code: wakers, subscribers, destructors and error texts that panic or block, and handles of runtimes that are gone.
//! Other tasks and supervisors must not be affected.

use std::error::Error;
use std::fmt;
use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use cordial::{
    ChildSpec, Exit, Restart, Runtime, Shutdown, StartError, Strategy, Supervisor, Task, TaskSupervisor, Timeout,
    process, testing,
};
use futures::StreamExt;
use tokio::sync::oneshot;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;

use crate::harness::subprocess;

const MS: Duration = Duration::from_millis(1);

fn with_workers(n: usize) -> Runtime {
    Runtime::builder().workers(n).build().unwrap()
}

/// Spawns a task that blocks its worker until the sender is dropped. The task is inside that poll when this returns.
fn stuck(runtime: &Runtime) -> (Task<()>, mpsc::Sender<()>) {
    let (release, released) = mpsc::channel();
    let (is_stuck, began) = mpsc::channel();
    let start = async move {
        Some(Task::spawn(async move {
            is_stuck.send(()).unwrap();
            let _ = released.recv();
        }))
    };
    let task = runtime.block_on(start).unwrap().unwrap();
    began.recv().unwrap();
    (task, release)
}

#[test]
fn an_await_times_out_even_if_the_runtime_is_gone_and_the_poll_is_stuck() {
    let runtime = with_workers(1);
    let (task, release) = stuck(&runtime);
    drop(runtime);
    let answer = task.timeout(50 * MS).wait();
    assert!(matches!(answer, Err(Exit::Timeout(_))), "{answer:?}");
    drop(release);
}

#[test]
fn a_shutdown_returns_even_if_the_runtime_is_gone_and_the_poll_is_stuck() {
    let runtime = with_workers(1);
    let (task, release) = stuck(&runtime);
    assert!(!runtime.shutdown(Duration::ZERO).is_clean());
    let stopped = Task::spawn(task.shutdown(Shutdown::After(10 * MS))).timeout(Timeout::Infinity).wait().unwrap();
    assert_eq!(stopped, Some(Err(Exit::Killed)));
    drop(release);
}

/// A waker that panics when it is woken for the first time.
struct PanickingWaker(AtomicBool);

impl PanickingWaker {
    fn has_panicked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for PanickingWaker {
    fn wake(self: Arc<PanickingWaker>) {
        assert!(self.0.swap(true, Ordering::SeqCst), "planned panic of a waker");
    }
}

#[test]
fn a_panicking_waker_does_not_prevent_other_timeouts() {
    let runtime = with_workers(2);
    let slow = runtime.block_on(async { Some(Task::spawn(pending::<()>()).timeout(10 * MS)) }).unwrap().unwrap();
    let panicking = Arc::new(PanickingWaker(AtomicBool::new(false)));
    let waker = Waker::from(panicking.clone());
    let mut slow = pin!(slow);
    assert!(slow.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    while !panicking.0.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
    let other = runtime.block_on(async { Task::spawn(pending::<()>()).timeout(10 * MS).await }).unwrap();
    assert!(matches!(other, Err(Exit::Timeout(_))));
}

#[test]
fn a_panicking_waker_does_not_prevent_the_notification_of_other_monitors() {
    testing::run(async {
        let task = Task::spawn(async {
            tokio::time::sleep(MS).await;
            7
        });
        let mut monitors = [process::monitor(task.pid()), process::monitor(task.pid())];
        let panicking = poll_with_panicking_waker(&mut monitors[0]);
        assert_eq!(task.await, Ok(7));
        assert!(panicking.has_panicked());
        let [_, second] = monitors;
        assert_eq!(second.await, Exit::Normal);
    });
}

/// Polls a future with a waker that panics. Returns the waker.
fn poll_with_panicking_waker<F: Future + Unpin>(future: &mut F) -> Arc<PanickingWaker> {
    let panicking = Arc::new(PanickingWaker(AtomicBool::new(false)));
    let waker = Waker::from(panicking.clone());
    assert!(pin!(future).poll(&mut Context::from_waker(&waker)).is_pending());
    panicking
}

#[test]
fn a_panicking_waker_does_not_keep_a_request_from_other_streams_of_exits_and_from_the_process() {
    testing::run(async {
        let (ready, is_ready) = oneshot::channel();
        let task = Task::spawn(async move {
            let (mut first, mut second) = (process::trap_exits(), process::trap_exits());
            let panicking = poll_with_panicking_waker(&mut first.next());
            let requested = cordial::shutdown_requested();
            ready.send(()).unwrap();
            requested.await;
            assert!(panicking.has_panicked());
            [first.next().await, second.next().await]
        });
        is_ready.await.unwrap();
        let own = process::current().unwrap();
        process::exit(task.pid(), Exit::Shutdown(None));
        assert_eq!(task.await, Ok([(); 2].map(|()| Some((own, Exit::Shutdown(None))))));
    });
}

#[test]
fn a_panicking_waker_of_a_child_does_not_interrupt_the_stop_of_its_supervisor() {
    testing::run(async {
        let child = |id| {
            ChildSpec::init(id, || async {
                let mut exits = process::trap_exits();
                poll_with_panicking_waker(&mut exits.next());
                let requested = cordial::shutdown_requested();
                Ok::<_, fmt::Error>(async move {
                    requested.await;
                    drop(exits);
                })
            })
        };
        let builder = Supervisor::builder(Strategy::OneForOne).child(child("first")).child(child("second"));
        let tree = builder.unlinked().start().await.unwrap();
        let tasks = TaskSupervisor::builder().unlinked().start();
        for id in ["third", "fourth"] {
            tasks.start_child_with(child(id)).unwrap();
        }
        tokio::time::sleep(MS).await;
        assert!(tree.stop().await.is_clean() && tasks.stop().await.is_clean());
        assert_eq!((tree.ended().await, tasks.ended().await), (Exit::Normal, Exit::Normal));
    });
}

#[test]
fn a_panicking_waker_of_a_stream_of_exits_does_not_prevent_the_end_of_the_process() {
    testing::run(async {
        let (sender, streams) = oneshot::channel();
        let task = Task::spawn(async move {
            assert!(sender.send([(); 2].map(|()| process::trap_exits())).is_ok());
            tokio::time::sleep(MS).await;
            7
        });
        let mut streams = streams.await.unwrap();
        let panicking = streams.each_mut().map(|exits| poll_with_panicking_waker(&mut exits.next()));
        assert_eq!(task.await, Ok(7));
        assert!(panicking.iter().all(|waker| waker.has_panicked()));
        for mut exits in streams {
            assert_eq!(exits.next().await, None);
        }
    });
}

#[test]
fn a_panicking_waker_of_a_monitor_or_a_stream_of_exits_does_not_affect_the_code_that_drops_it() {
    testing::run(async {
        let monitored = Task::spawn(pending::<()>());
        let mut monitor = process::monitor(monitored.pid());
        let panicking = poll_with_panicking_waker(&mut monitor);
        drop(monitor);
        assert!(!panicking.has_panicked());
        let task = Task::spawn(async {
            let mut exits = process::trap_exits();
            poll_with_panicking_waker(&mut exits.next());
            drop(exits);
            7
        });
        assert_eq!(task.await, Ok(7));
    });
}

#[test]
fn an_exit_that_is_replaced_by_a_panic_may_panic_when_it_is_dropped() {
    struct PanicsOnDrop;
    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    testing::run(async {
        let task = Task::spawn(async {
            let _guard = PanicsOnDrop;
            pending::<()>().await
        });
        tokio::time::sleep(MS).await;
        process::exit(task.pid(), Exit::Error(Arc::new(Bomb)));
        let exit = task.await.unwrap_err();
        assert!(matches!(&exit, Exit::Panic(report) if report.message() == "in a destructor"), "{exit}");
    });
}

/// A subscriber layer that calls `action` for every event of one name.
struct FaultyLayer {
    event: &'static str,
    action: fn(),
}

/// How often a `FaultyLayer` was called with its event.
static N_FAULTS: AtomicUsize = AtomicUsize::new(0);

impl<S: Subscriber> Layer<S> for FaultyLayer {
    fn on_event(&self, event: &Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        if event.metadata().name() == self.event {
            N_FAULTS.fetch_add(1, Ordering::SeqCst);
            (self.action)();
        }
    }
}

#[test]
fn a_subscriber_that_panics_or_blocks_does_not_stop_other_tasks() {
    let Some(case) = subprocess::case() else {
        for case in ["panics at start", "panics at long_poll", "blocks at long_poll"] {
            assert_eq!(subprocess::run(test_name!(), case).reports(), ["continued"], "{case}");
        }
        return;
    };
    let faulty = match &*case {
        "panics at start" => FaultyLayer { event: "start", action: || panic!("planned panic of a subscriber") },
        "panics at long_poll" => FaultyLayer { event: "long_poll", action: || panic!("planned panic of a subscriber") },
        _ => FaultyLayer { event: "long_poll", action: || std::thread::park() },
    };
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(faulty)).unwrap();
    let runtime = with_workers(2);
    // Both workers are blocked and are detected one after the other, so a third task needs a stand-in.
    let held: Vec<_> = (0..2).map(|_| stuck(&runtime)).collect();
    // A long poll is reported by another thread, and the program might end before.
    while N_FAULTS.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    assert_eq!(runtime.block_on(async { Task::spawn(async { 7 }).timeout(Timeout::Infinity).await }).unwrap(), Ok(7));
    for (task, release) in held {
        drop(release);
        task.wait().unwrap();
    }
    subprocess::report("continued");
    std::process::exit(0);
}

/// The timer thread abandons the item. The subscriber never returns.
#[test]
fn a_subscriber_that_blocks_when_an_item_is_abandoned_does_not_stop_timeouts() {
    if subprocess::case().is_none() {
        assert_eq!(subprocess::run(test_name!(), "blocks").reports(), ["timed out"]);
        return;
    }
    let faulty = FaultyLayer { event: "abandoned", action: || std::thread::park() };
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(faulty)).unwrap();
    let runtime = with_workers(2);
    let (_release, released) = std::sync::mpsc::channel::<()>();
    let blocks = async move {
        let stream = Task::async_stream([released], |released| async move { released.recv().is_ok() });
        // Long enough for the item to begin its poll.
        drop(stream.timeout(Duration::from_secs(1)).collect().await);
    };
    runtime.block_on(async { Task::start(blocks) }).unwrap();
    while N_FAULTS.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    let waits = Task::spawn(std::future::pending::<()>()).timeout(Duration::from_millis(1));
    let waited = runtime.block_on(waits).unwrap();
    assert!(matches!(waited, Err(Exit::Timeout(_))), "{waited:?}");
    subprocess::report("timed out");
    std::process::exit(0);
}

/// A subscriber that panics when a span is closed.
struct PanicsAtClose;

impl Subscriber for PanicsAtClose {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}

    fn try_close(&self, _: tracing::span::Id) -> bool {
        panic!("planned panic of a subscriber")
    }
}

#[test]
fn a_subscriber_that_panics_when_a_span_is_closed_does_not_prevent_the_result() {
    if subprocess::case().is_none() {
        assert_eq!(subprocess::run(test_name!(), "only").reports(), ["continued"]);
        return;
    }
    tracing::subscriber::set_global_default(PanicsAtClose).unwrap();
    assert_eq!(Task::spawn(async { 5 }).timeout(Timeout::Infinity).wait(), Ok(5));
    subprocess::report("continued");
    std::process::exit(0);
}

#[test]
fn the_first_task_of_a_program_may_be_spawned_by_a_destructor_in_a_panic() {
    struct Spawns;
    impl Drop for Spawns {
        fn drop(&mut self) {
            Task::start(async {});
        }
    }
    if subprocess::case().is_none() {
        assert_eq!(subprocess::run(test_name!(), "all").reports(), ["continued"]);
        return;
    }
    let panicked = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let _spawns = Spawns;
                panic!("before the first runtime exists");
            })
            .join()
            .is_err()
    });
    assert!(panicked && Task::spawn(async { 7 }).wait() == Ok(7));
    subprocess::report("continued");
}

#[test]
fn a_simulation_inside_a_simulation_panics_with_a_clear_message() {
    let exit = testing::run(async { Task::spawn(async { testing::run(async {}) }).await.unwrap_err() });
    assert!(
        exit.to_string().contains("`cordial::testing::run` would block the only thread of the simulation"),
        "{exit}"
    );
}

/// An error that panics when it is dropped.
#[derive(Debug)]
struct Bomb;

impl fmt::Display for Bomb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a bomb")
    }
}

impl Error for Bomb {}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("planned panic of a destructor");
    }
}

fn bomb() -> Result<(), Box<dyn Error + Send + Sync>> {
    Err(Box::new(Bomb))
}

#[test]
fn details_that_panic_when_they_are_dropped_do_not_prevent_the_end_of_a_process() {
    testing::run(async {
        let task = Task::spawn(async {
            let bomb = Bomb;
            process::set_details(move || vec![bomb.to_string()]);
            tokio::time::sleep(2 * MS).await;
            7
        });
        tokio::time::sleep(MS).await;
        assert_eq!(process::info(task.pid()).unwrap().details, ["a bomb"]);
        let monitor = process::monitor(task.pid());
        assert_eq!(task.await, Ok(7));
        assert_eq!(monitor.await, Exit::Normal);
    });
}

#[test]
fn a_supervisor_survives_errors_that_panic_when_they_are_dropped() {
    testing::run(async {
        let fails = || {
            let fails = ChildSpec::task("fails", || async {
                tokio::time::sleep(2 * MS).await;
                bomb()
            });
            fails.restart(Restart::Permanent)
        };
        let tree = Supervisor::builder(Strategy::OneForOne).max_restarts(9, MS).child(fails()).start().await.unwrap();
        let tasks = TaskSupervisor::builder().max_restarts(9, MS).start();
        tasks.start_child_with(fails()).unwrap();
        let (of_tree, of_tasks) = (tree.pid(), tasks.pid());
        Task::start(async move {
            process::link(of_tree);
            process::link(of_tasks);
            bomb()
        });
        tokio::time::sleep(20 * MS).await;
        assert!(tree.which_children().await[0].incarnation > 5);
        assert_eq!((tree.pid(), tasks.pid()), (of_tree, of_tasks));
        assert!(process::info(of_tree).is_some() && process::info(of_tasks).is_some());
        tree.stop().await;
        tasks.stop().await;
    });
}

#[test]
fn a_stop_completes_despite_errors_that_panic_when_they_are_dropped() {
    testing::run(async {
        let fails_on_request = |id: &'static str| {
            ChildSpec::task(id, || async {
                cordial::shutdown_requested().await;
                bomb()
            })
        };
        let tree = Supervisor::builder(Strategy::OneForOne).unlinked();
        let tree = tree
            .child(fails_on_request("a"))
            .child(fails_on_request("b"))
            .child(fails_on_request("c"))
            .start()
            .await
            .unwrap();
        tokio::task::yield_now().await;
        tree.stop().await;
        assert_eq!(tree.ended().await, Exit::Normal);
    });
}

#[derive(Debug)]
struct PanicsInDisplay;

impl fmt::Display for PanicsInDisplay {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("planned panic of an error text")
    }
}

impl Error for PanicsInDisplay {}

#[test]
fn a_start_failure_is_returned_even_if_the_text_of_its_error_panics() {
    testing::run(async {
        let fails = ChildSpec::init("fails", || async { Err::<std::future::Pending<()>, _>(PanicsInDisplay) });
        let started = Supervisor::builder(Strategy::OneForOne).child(fails).start().await;
        assert!(matches!(started, Err(StartError::Child { id, .. }) if &*id == "fails"));
    });
}

#[test]
fn a_panicking_waker_does_not_affect_other_callers_of_a_supervisor() {
    testing::run(async {
        let waker = || Waker::from(Arc::new(PanickingWaker(AtomicBool::new(false))));
        let one = TaskSupervisor::builder().max_children(1).start();
        let task = one.spawn(async {
            tokio::time::sleep(MS).await;
            7
        });
        let end = process::monitor(task.pid());
        let mut first = pin!(one.start_child_when_room(async {}));
        assert!(first.as_mut().poll(&mut Context::from_waker(&waker())).is_pending());
        let second = Task::spawn(one.start_child_when_room(async {}));
        assert_eq!((end.await, task.await), (Exit::Normal, Ok(7)));
        let child = ChildSpec::task("child", pending::<()>);
        let tree = Supervisor::builder(Strategy::OneForOne).child(child).start().await.unwrap();
        let mut call = pin!(tree.terminate_child("child"));
        assert!(call.as_mut().poll(&mut Context::from_waker(&waker())).is_pending());
        tokio::time::sleep(MS).await;
        assert_eq!(call.await, Ok(()));
        assert!(tree.stop().await.is_clean());
        one.stop().await;
        assert!(second.await.unwrap().is_err());
        assert!(first.await.is_err());
    });
}

#[test]
fn a_panicking_subscriber_does_not_end_a_supervisor() {
    let Some(_) = subprocess::case() else {
        assert_eq!(subprocess::run(test_name!(), "child").reports(), ["continued"]);
        return;
    };
    let faulty = FaultyLayer { event: "restart", action: || panic!("planned panic of a subscriber") };
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(faulty)).unwrap();
    testing::run(async {
        let again = ChildSpec::task("again", || tokio::time::sleep(10 * MS)).restart(Restart::Permanent);
        let tree = Supervisor::builder(Strategy::OneForOne).child(again).unlinked().start().await.unwrap();
        tokio::time::sleep(25 * MS).await;
        assert_eq!(tree.which_children().await[0].incarnation, 3);
        tree.stop().await;
    });
    subprocess::report("continued");
    std::process::exit(0);
}
