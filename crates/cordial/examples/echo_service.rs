//! A TCP service as one tree: it starts in order, heals itself, and lets its connections finish when it stops.
//! It shows that and ends. With the argument `stay` it serves until Ctrl-C or SIGTERM: try `nc 127.0.0.1 4096`.
#![expect(clippy::print_stdout, reason = "an example shows something")]

use std::{io, time::Duration};

use cordial::{ChildSpec, Exit, Restart, Strategy, Supervisor, Task, TaskSupervisor, process};
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpListener, net::TcpStream, time::sleep};

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let n = tokio::select! { n = stream.read(&mut buffer) => n?, () = cordial::shutdown_requested() => 0 };
        if n == 0 {
            return stream.write_all(b"bye\n").await;
        }
        sleep(Duration::from_millis(200)).await; // a request to end waits until the answer is out
        stream.write_all(&buffer[..n]).await?;
    }
}

async fn listen(connections: TaskSupervisor) -> io::Result<impl Future<Output = io::Result<()>>> {
    let listener = TcpListener::bind("127.0.0.1:4096").await?;
    Ok(async move {
        loop {
            let (stream, _) = listener.accept().await?;
            connections.start_child_when_room(echo(stream)).await.map_err(io::Error::other)?;
        }
    })
}

async fn report(connections: TaskSupervisor) {
    loop {
        println!("connections: {}", connections.children().len());
        sleep(Duration::from_secs(10)).await;
    }
}

fn main() -> std::process::ExitCode {
    cordial::main(async {
        let connections = TaskSupervisor::builder().label("connections").max_children(1000);
        let connections = connections.shutdown(Duration::from_secs(30)).start(); // how long each has to finish
        let (of_listener, of_report) = (connections.clone(), connections.clone());
        let tree = Supervisor::builder(Strategy::RestForOne).child(connections.child_spec());
        let tree = tree.child(ChildSpec::init("listener", move || listen(of_listener.clone())));
        let metrics = ChildSpec::task("metrics", move || report(of_report.clone()));
        let tree = tree.child(metrics.restart(Restart::Permanent)).label("echo").start().await?;
        let (mut client, mut answer) = (TcpStream::connect("127.0.0.1:4096").await?, String::new());
        process::exit(tree.which_children().await[1].pid.unwrap_or(tree.pid()), Exit::Killed); // the listener
        client.write_all(b"hello, ").await?; // the connection has not noticed
        sleep(Duration::from_millis(100)).await;
        println!("{}", process::snapshot());
        let serves_on = std::env::args().any(|argument| argument == "stay");
        sleep(if serves_on { Duration::MAX } else { Duration::ZERO }).await;
        let stop = Task::spawn(async move { tree.stop().await }); // in the middle of an answer
        client.read_to_string(&mut answer).await?;
        println!("{answer}{}", stop.await?);
        Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    })
}
