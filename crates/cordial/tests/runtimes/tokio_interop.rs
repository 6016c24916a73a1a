//! tokio inside tasks and tasks inside tokio, without set-up: everything on the real runtime, and in simulation everything that
//! needs no I/O driver.
#![expect(clippy::disallowed_methods, reason = "users of tokio may call these inside our tasks")]

use std::io;
use std::time::Duration;

use cordial::{Exit, Pid, Runtime, Task, Timeout, process, testing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn own() -> Pid {
    process::current().unwrap()
}

/// The runtime number of a pid.
fn runtime_of(pid: Pid) -> String {
    pid.to_string().trim_start_matches('<').split('.').next().unwrap().to_owned()
}

/// Runs the future as a process of the default runtime, and of a separate runtime.
fn on_real_runtimes<F, T>(future: impl Fn() -> F)
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    Task::spawn(future()).timeout(Timeout::Infinity).wait().unwrap();
    Runtime::builder().workers(1).build().unwrap().block_on(future()).unwrap();
}

#[test]
fn timers_of_tokio_work() {
    on_real_runtimes(async || {
        let moment = Duration::from_millis(1);
        tokio::time::sleep(moment).await;
        let mut ticks = tokio::time::interval(moment);
        ticks.tick().await;
        ticks.tick().await;
        assert!(tokio::time::timeout(moment, std::future::pending::<()>()).await.is_err());
    });
}

async fn echo() -> io::Result<Vec<u8>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = Task::spawn(async move {
        let (mut socket, _) = listener.accept().await?;
        let (mut reader, mut writer) = socket.split();
        tokio::io::copy(&mut reader, &mut writer).await
    });
    let mut socket = TcpStream::connect(address).await?;
    socket.write_all(b"there and back").await?;
    socket.shutdown().await?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await?;
    assert_eq!(server.or_exit().await, Ok(14));
    Ok(answer)
}

#[test]
fn sockets_of_tokio_work() {
    on_real_runtimes(async || assert_eq!(echo().await.unwrap(), b"there and back"));
}

#[cfg(unix)]
#[test]
fn child_processes_of_tokio_work() {
    on_real_runtimes(async || {
        let output = tokio::process::Command::new("echo").arg("hello").output().await.unwrap();
        assert_eq!((output.status.success(), &*output.stdout), (true, &b"hello\n"[..]));
        let failed = tokio::process::Command::new("no such command").output().await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::NotFound);
    });
}

#[cfg(unix)]
#[test]
fn signals_of_tokio_work() {
    use tokio::signal::unix::{SignalKind, signal};
    on_real_runtimes(async || {
        // A signal that is ignored by default, since other tests run in this OS process.
        let mut windows = signal(SignalKind::window_change()).unwrap();
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::WINCH).unwrap();
        assert_eq!(windows.recv().await, Some(()));
    });
}

#[test]
fn spawn_blocking_works_and_may_wait_for_a_task() {
    on_real_runtimes(async || {
        let answer = tokio::task::spawn_blocking(|| Task::spawn(async { 6 * 7 }).wait()).await.unwrap();
        assert_eq!(answer, Ok(42));
    });
}

/// Tasks that are spawned in a tokio task belong to the runtime of the process that spawned the tokio task.
async fn spawn_from_both_sides() {
    let parent = own();
    let (in_tokio, inner) = tokio::spawn(async {
        let inner = Task::spawn(async {
            let nested = tokio::spawn(async { Task::spawn(async { own() }).await.unwrap() });
            (own(), process::callers(), nested.await.unwrap())
        });
        // A tokio task can look up a process.
        assert_eq!(process::info(inner.pid()).unwrap().pid, inner.pid());
        (process::current(), inner.await.unwrap())
    })
    .await
    .unwrap();
    let (child, callers, nested) = inner;
    assert_eq!(in_tokio, None, "a tokio task is not a process");
    assert_eq!(callers, [], "a tokio task is not a caller");
    for pid in [child, nested] {
        assert_eq!(runtime_of(pid), runtime_of(parent), "{pid} and {parent} must be of one runtime");
    }
}

#[test]
fn a_task_spawned_in_a_tokio_task_belongs_to_our_runtime() {
    on_real_runtimes(spawn_from_both_sides);
    testing::run(spawn_from_both_sides());
}

/// Inside a foreign tokio runtime, tasks run on the default runtime of `cordial`, and their handles
/// can be awaited.
async fn library_inside_a_foreign_runtime() {
    let default_runtime =
        runtime_of(std::thread::spawn(|| Task::spawn(async { own() }).wait().unwrap()).join().unwrap());
    assert_eq!(process::current(), None);
    assert_eq!(runtime_of(Task::spawn(async { own() }).await.unwrap()), default_runtime);
    let inside = tokio::spawn(async { Task::spawn(async { own() }).await.unwrap() });
    assert_eq!(runtime_of(inside.await.unwrap()), default_runtime);

    // A task uses the timers and sockets of its own runtime, whatever the foreign runtime has
    // enabled.
    let moment = Duration::from_millis(1);
    let task = Task::spawn(async move {
        tokio::time::sleep(moment).await;
        echo().await
    });
    assert_eq!(task.await.unwrap().unwrap(), b"there and back");
    let never = Task::spawn(std::future::pending::<()>()).timeout(moment);
    assert!(matches!(never.await, Err(Exit::Timeout(_))), "a timeout needs no timer of the foreign runtime");

    let mut first = Task::spawn(async { 1 });
    let second = Task::spawn(async { 2 });
    tokio::select! {
        answer = &mut first => assert_eq!(answer, Ok(1)),
        () = std::future::pending() => {}
    }
    assert_eq!(futures::future::join_all([second]).await, [Ok(2)]);
    let crash: Result<(), Exit> = Task::spawn(async { panic!("no luck") }).await;
    assert!(matches!(crash, Err(Exit::Panic(report)) if report.message() == "no luck"));
}

#[test]
fn tasks_work_inside_a_foreign_tokio_runtime() {
    let builders = [tokio::runtime::Builder::new_multi_thread, tokio::runtime::Builder::new_current_thread];
    for builder in builders {
        for enable in [true, false] {
            let mut builder = builder();
            if enable {
                builder.enable_all();
            }
            builder.build().unwrap().block_on(library_inside_a_foreign_runtime());
        }
    }
}

#[test]
fn tasks_work_inside_other_executors() {
    futures::executor::block_on(async {
        assert_eq!(Task::spawn(async { 6 * 7 }).await, Ok(42));
        let slow = Task::spawn(std::future::pending::<()>()).timeout(Duration::from_millis(1));
        assert!(matches!(slow.await, Err(Exit::Timeout(_))));
        let lengths = Task::async_stream(["a", "bc"], |text| async move { text.len() });
        assert_eq!(lengths.collect().await, [Ok(1), Ok(2)]);
    });
}

#[test]
fn in_simulation_tokio_tasks_run_and_tokio_timers_are_virtual() {
    testing::run(async {
        let hour = Duration::from_secs(3600);
        let started = tokio::time::Instant::now();
        let sleeps = tokio::spawn(async move {
            tokio::time::sleep(hour).await;
            Task::spawn(tokio::time::sleep(hour)).timeout(2 * hour).await
        });
        assert!(tokio::time::timeout(2 * hour - Duration::from_secs(1), std::future::pending::<()>()).await.is_err());
        assert!(!sleeps.is_finished());
        assert_eq!(sleeps.await.unwrap(), Ok(()));
        assert_eq!(started.elapsed(), 2 * hour);

        let n_done = (0..100).map(|n| tokio::spawn(async move { Task::spawn(async move { n }).await.unwrap() }));
        let values: Vec<_> = futures::future::join_all(n_done).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(values, (0..100).collect::<Vec<_>>());
    });
}

/// The first use of I/O panics, since nothing could ever wake the task.
#[test]
fn in_simulation_io_panics_with_a_clear_message() {
    async fn check<T: Send + 'static>(what: &str, future: impl Future<Output = T> + Send + 'static) {
        let exit = Task::spawn(future).await.err().unwrap_or(Exit::Normal);
        let Exit::Panic(report) = &exit else { panic!("{what}: {exit}") };
        let message = report.message();
        assert!(message.contains("disabled") || message.contains("no signal driver"), "{what}: {message}");
    }
    testing::run(async {
        check("a listener", TcpListener::bind("127.0.0.1:0")).await;
        check("a connection", TcpStream::connect("127.0.0.1:1")).await;
        check("a datagram socket", tokio::net::UdpSocket::bind("127.0.0.1:0")).await;
        #[cfg(unix)]
        check("a child process", async { tokio::process::Command::new("true").status().await }).await;
        #[cfg(unix)]
        check("a signal", tokio::signal::ctrl_c()).await;
    });
}
