//! A TCP service as a supervision tree. It kills its listener, to show a restart, and stops in order.
//! With the argument `stay` it serves until Ctrl-C: try `nc 127.0.0.1 4096`.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{io, time::Duration};

use cordial::{ChildSpec, Exit, Restart, Strategy, Supervisor, TaskSupervisor, process};
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpListener, net::TcpStream, time::sleep};

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let n = tokio::select! { n = stream.read(&mut buffer) => n?, () = cordial::shutdown_requested() => 0 };
        if n == 0 {
            return stream.write_all(b"bye\n").await;
        }
        sleep(Duration::from_millis(200)).await; // a shutdown does not interrupt this: the task polls `shutdown_requested`
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

async fn print_connections(connections: TaskSupervisor) {
    loop {
        println!("connections: {}", connections.children().len());
        sleep(Duration::from_secs(10)).await;
    }
}

fn main() -> std::process::ExitCode {
    cordial::main(async {
        let connections = TaskSupervisor::builder().label("connections").max_children(1000);
        let connections = connections.shutdown(Duration::from_secs(30)).start(); // the grace time of each connection
        let (for_listener, for_metrics) = (connections.clone(), connections.clone());
        let tree = Supervisor::builder(Strategy::RestForOne).child(connections.child_spec());
        let tree = tree.child(ChildSpec::init("listener", move || listen(for_listener.clone())));
        let metrics = ChildSpec::task("metrics", move || print_connections(for_metrics.clone()));
        let tree = tree.child(metrics.restart(Restart::Permanent)).label("echo").start().await?;
        let (mut client, mut reply) = (TcpStream::connect("127.0.0.1:4096").await?, String::new());
        client.write_all(b"hello, ").await?;
        client.readable().await?; // the connection was accepted, and has replied
        process::exit(tree.which_children().await[1].pid.expect("the listener has started"), Exit::Killed);
        client.write_all(b"world\n").await?; // the connection is not affected by the end of the listener
        sleep(Duration::from_millis(100)).await;
        println!("{}", process::snapshot());
        sleep(if std::env::args().any(|arg| arg == "stay") { Duration::MAX } else { Duration::ZERO }).await;
        let (report, _) = (tree.stop().await, client.read_to_string(&mut reply).await?); // the pending reply is still sent
        println!("{reply}{report}");
        Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    })
}
