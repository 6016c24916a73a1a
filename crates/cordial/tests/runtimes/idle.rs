//! An idle program uses no CPU time: while no task runs, no thread of the runtime runs, including those of tokio.

use std::time::Duration;

use cordial::{Runtime, Task};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{attempts, subprocess, threads};

/// How long the program is idle. It is twice the default timeout of an await, so that a timeout that was armed and disarmed just
/// before is also due within this time.
const IDLE: Duration = Duration::from_secs(10);

/// How long workers and the sysmon thread may search for work before they sleep.
const SETTLING: Duration = Duration::from_secs(1);

/// Uses timeouts, and timers and sockets of tokio.
async fn work() {
    for n in 0..1000 {
        assert_eq!(
            Task::spawn(async move {
                tokio::task::yield_now().await;
                n
            })
            .await,
            Ok(n)
        );
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Task::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.write_all(b"hello").await.unwrap();
    });
    let mut text = String::new();
    TcpStream::connect(address).await.unwrap().read_to_string(&mut text).await.unwrap();
    server.await.unwrap();
    let late = tokio::time::timeout(Duration::from_secs(3), tokio::time::sleep(Duration::from_millis(1))).await;
    assert_eq!((text.as_str(), late), ("hello", Ok(())));
}

#[test]
fn an_idle_program_makes_no_context_switches() {
    if subprocess::case().is_none() {
        let test = test_name!();
        // On a busy machine, a thread may get no processor until after `SETTLING`, and fall asleep later.
        return attempts::one_succeeds(|| {
            assert_eq!(subprocess::run(test, "all").reports(), ["worked", "no switch"]);
        });
    }
    // Disables the detection of long polls: on a busy machine there would be stand-ins, and those park for 10 s before they exit.
    let runtime = Runtime::builder().workers(2).stall_after(Duration::from_secs(3600)).build().unwrap();
    runtime.block_on(work()).unwrap();
    subprocess::report("worked");
    std::thread::sleep(SETTLING);
    // On a busy machine, the detection of blocked I/O threads may have reported one. The thread that made the report ends after 10 s.
    while threads::switches().keys().any(|thread| thread.starts_with("cordial-hooks")) {
        std::thread::sleep(SETTLING);
    }
    let before = threads::switches();
    std::thread::sleep(IDLE);
    let after = threads::switches();
    assert_eq!(before.len(), 6, "two workers, two tokio threads, the sysmon thread and the timer thread: {before:?}");
    assert_eq!(before, after);
    subprocess::report("no switch");
}
