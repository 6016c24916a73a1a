//! A program that does nothing costs nothing: while no task runs, no thread of ours does, tokio's included.

use std::time::Duration;

use cordial::{Runtime, Task};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::{program, threads};

/// How long nothing runs. The default limit of an await is half of it: one that was armed and disarmed just before passes
/// in this time.
const IDLE: Duration = Duration::from_secs(10);

/// How long the last of the work may take to end: workers and the watch look around before they sleep.
const ENDING: Duration = Duration::from_secs(1);

/// Uses everything: limits, timers and sockets of tokio, stand-ins.
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
fn an_idle_program_makes_no_context_switch() {
    const NAME: &str = "idle::an_idle_program_makes_no_context_switch";
    if program::part().is_none() {
        assert_eq!(program::run(NAME, "all").told(), ["worked", "no switch"]);
        return;
    }
    // On a busy machine, polls would be told as long, and a thread that has told one rests for 10 s.
    let runtime = Runtime::builder().workers(2).stall_after(Duration::from_secs(3600)).build().unwrap();
    runtime.block_on(work()).unwrap();
    program::tell("worked");
    std::thread::sleep(ENDING);
    let before = threads::switches();
    std::thread::sleep(IDLE);
    let after = threads::switches();
    assert_eq!(before.len(), 5, "two workers, two of tokio's, and the watch: {before:?}");
    assert_eq!(before, after);
    program::tell("no switch");
}
