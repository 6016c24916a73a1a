//! A runtime that is dropped or shut down while its processes use timers, sockets, streams and supervisors: nothing panics, neither in
//! the library nor in tasks of the user, wherever the drop takes place.
#![expect(clippy::async_yields_async, reason = "handles leave the runtime that they were created in")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use cordial::{Backoff, ChildSpec, Exit, Restart, Runtime, Strategy, Supervisor, Task, TaskSupervisor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::harness::subprocess;

/// How often a runtime is dropped in each of the seven ways: two hundred times together.
const ROUNDS: u64 = 29;

/// The panics of this OS process.
static PANICS: AtomicUsize = AtomicUsize::new(0);

fn build() -> Runtime {
    Runtime::builder().workers(2).build().unwrap()
}

/// Panics unless the task returned, or ended with its runtime. An owner that is in a poll when the runtime ends sees such an
/// exit.
fn check_end<T>(result: Result<T, Exit>) {
    assert!(matches!(result, Ok(_) | Err(Exit::Killed | Exit::Refused(_))), "{:?}", result.err());
}

/// Starts processes that are busy until their runtime is gone.
async fn start_busy_processes() {
    start_supervisors().await;
    for n in 0..10 {
        let short = Duration::from_micros(50 * (n % 4));
        Task::start(async move {
            loop {
                sleep(short).await;
            }
        });
        Task::start(async move {
            loop {
                let _elapsed = timeout(short, std::future::pending::<()>()).await;
            }
        });
        Task::start(async move {
            loop {
                let _timeout = Task::spawn(std::future::pending::<()>()).timeout(short).await;
            }
        });
        Task::start(async move {
            loop {
                check_end(Task::spawn(sleep(short)).await);
            }
        });
        Task::start(async move {
            loop {
                check_end(Task::await_many((0..3).map(|_| Task::spawn(sleep(short)))).await);
                let mut tasks: Vec<_> = (0..3).map(|_| Task::spawn(sleep(short))).collect();
                for result in Task::yield_many(&mut tasks).await {
                    check_end(result.unwrap());
                }
            }
        });
    }
    Task::start(async {
        loop {
            let item = |n| async move {
                sleep(Duration::from_micros(30)).await;
                n
            };
            let mut items = Task::async_stream(0..50, item).max_concurrency(8);
            while let Some(item) = items.next().await {
                check_end(item);
            }
        }
    });
    // Long polls, after which a timer is used.
    Task::start(async {
        loop {
            std::thread::sleep(Duration::from_millis(1));
            sleep(Duration::from_micros(10)).await;
        }
    });
    start_server().await;
}

/// Starts supervisors whose children fail all the time.
async fn start_supervisors() {
    let window = Duration::from_secs(5);
    let backoff = Backoff::exponential(Duration::from_micros(100), Duration::from_millis(1));
    let failing = || ChildSpec::task("failing", || async { Err::<(), _>("it fails") }).backoff(backoff);
    let tasks = TaskSupervisor::builder().max_restarts(usize::MAX, window).unlinked().start();
    let tree = Supervisor::builder(Strategy::OneForAll)
        .max_restarts(usize::MAX, window)
        .unlinked()
        .child(failing())
        .child(ChildSpec::task("graceful", cordial::shutdown_requested).restart(Restart::Permanent))
        .start()
        .await
        .unwrap();
    for _ in 0..4 {
        tasks.start_child_with(failing().restart(Restart::Permanent)).unwrap();
    }
    drop((tasks, tree));
}

/// Starts a server, and a client that talks to it.
async fn start_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    Task::start(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            Task::start(async move {
                let mut bytes = [0; 8];
                // Either side may be ended first.
                while connection.read_exact(&mut bytes).await.is_ok() && connection.write_all(&bytes).await.is_ok() {}
            });
        }
    });
    let mut client = TcpStream::connect(address).await.unwrap();
    Task::start(async move {
        let mut bytes = [1; 8];
        while client.write_all(&bytes).await.is_ok() && client.read_exact(&mut bytes).await.is_ok() {}
    });
}

/// Ends a runtime with busy processes in one of the ways.
fn end(runtime: Runtime, way: &str) {
    let runtime = Arc::new(runtime);
    let other = runtime.clone();
    match way {
        "drop" => {}
        "shutdown" => drop(runtime.shutdown(Duration::from_millis(10))),
        "kill" => drop(runtime.shutdown(cordial::Shutdown::BrutalKill)),
        "two threads" => {
            let ends = [runtime, other].map(|runtime| {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "the runtime is dropped on threads that do not belong to it"
                )]
                std::thread::spawn(move || {
                    runtime.shutdown(Duration::ZERO);
                })
            });
            return ends.into_iter().for_each(|end| end.join().unwrap());
        }
        "own task" => {
            drop(other);
            let (is_dropped, dropped) = mpsc::channel();
            let here = runtime.clone();
            let started = here.block_on(async move {
                Task::start(async move {
                    // Waits until the test has dropped the other reference.
                    while Arc::strong_count(&runtime) > 1 {
                        tokio::task::yield_now().await;
                    }
                    drop(runtime);
                    // tokio is still there in this poll.
                    let _ = futures::FutureExt::now_or_never(sleep(Duration::from_micros(1)));
                    is_dropped.send(()).unwrap();
                });
            });
            started.unwrap();
            drop(here);
            return dropped.recv().unwrap();
        }
        "task of another runtime" => {
            drop(other);
            build().block_on(async move { Task::spawn(async move { drop(runtime) }).await.unwrap() }).unwrap();
            return;
        }
        "async code of tokio" => {
            drop(other);
            let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
            return tokio.block_on(async move { drop(runtime) });
        }
        _ => unreachable!("the way {way}"),
    }
    drop((runtime, other));
}

#[test]
fn nothing_panics_when_a_busy_runtime_ends() {
    let ways =
        ["drop", "shutdown", "kill", "two threads", "own task", "task of another runtime", "async code of tokio"];
    let Some(way) = subprocess::case() else {
        for way in ways {
            let reports = subprocess::run(test_name!(), way).reports();
            assert_eq!(reports, ["0 panics"], "{way}");
        }
        return;
    };
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        print(panic);
    }));
    let mut tasks = Vec::new();
    for round in 0..ROUNDS {
        let runtime = build();
        let last = runtime.block_on(async move {
            start_busy_processes().await;
            // The runtime ends at another moment in each round.
            for _ in 0..20 * round {
                tokio::task::yield_now().await;
            }
            Task::spawn(std::future::pending::<()>())
        });
        tasks.push(last.unwrap());
        end(runtime, &way);
    }
    for task in tasks {
        let exit = task.timeout(cordial::Timeout::Infinity).wait();
        assert!(matches!(exit, Err(Exit::Killed | Exit::Shutdown(_))), "{exit:?}");
    }
    subprocess::report(format_args!("{} panics", PANICS.load(Ordering::SeqCst)));
}

/// The poll continues after its process was abandoned, and uses a timer and a socket of tokio.
#[test]
fn tokio_is_there_until_the_last_poll_has_returned() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let (is_stuck, stuck) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (tx, rx) = mpsc::channel();
    runtime
        .block_on(async move {
            Task::start(async move {
                is_stuck.send(()).unwrap();
                released.recv().unwrap();
                let slept = futures::executor::block_on(async {
                    timeout(Duration::from_millis(1), sleep(Duration::MAX)).await
                });
                let bound = futures::executor::block_on(TcpListener::bind("127.0.0.1:0"));
                tx.send((slept.is_err(), bound.is_ok())).unwrap();
            });
        })
        .unwrap();
    stuck.recv().unwrap();
    assert_eq!(runtime.shutdown(cordial::Shutdown::BrutalKill).abandoned.len(), 1);
    drop(runtime);
    release.send(()).unwrap();
    assert_eq!(rx.recv(), Ok((true, true)));
}
