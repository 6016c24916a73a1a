//! A TCP service as one tree: it starts in order, heals itself, and lets its connections finish when it stops.
//! Ctrl-C, or the end of `main`, stops it: first the listener, then the connections, each with 30 s to end.
#![expect(clippy::print_stdout, reason = "an example shows something")]

use std::io;
use std::time::Duration;

use cordial::{ChildSpec, Exit, Restart, Strategy, Supervisor, TaskSupervisor, process};
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpListener, net::TcpStream};

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let (mut reader, mut writer) = stream.split();
    tokio::select! {
        copied = tokio::io::copy(&mut reader, &mut writer) => copied.map(drop),
        () = cordial::shutdown_requested() => writer.write_all(b" bye").await,
    }
}

async fn listen(connections: TaskSupervisor) -> io::Result<impl Future<Output = io::Result<()>>> {
    let listener = TcpListener::bind("127.0.0.1:4096").await?;
    println!("listening");
    Ok(async move {
        loop {
            let (stream, _) = listener.accept().await?;
            if let Err(refused) = connections.start_child_when_room(echo(stream)).await {
                return Err(io::Error::other(refused));
            }
        }
    })
}

async fn report(connections: TaskSupervisor) {
    loop {
        println!("{} connections", connections.children().len());
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
}

fn main() -> std::process::ExitCode {
    cordial::main(async {
        let connections =
            TaskSupervisor::builder().label("connections").max_children(1000).shutdown(Duration::from_secs(30)).start();
        let (of_listener, of_report) = (connections.clone(), connections.clone());
        let tree = Supervisor::builder(Strategy::RestForOne)
            .child(connections.child_spec())
            .child(ChildSpec::init("listener", move || listen(of_listener.clone())))
            .child(ChildSpec::task("metrics", move || report(of_report.clone())).restart(Restart::Permanent))
            .start()
            .await?;
        let mut client = TcpStream::connect("127.0.0.1:4096").await?;
        let mut answer = [0; 5];
        client.write_all(b"hello").await?;
        client.read_exact(&mut answer).await?;
        process::exit(tree.which_children().await[1].pid.unwrap_or(tree.pid()), Exit::Killed); // the listener
        client.write_all(b"again").await?;
        client.read_exact(&mut answer).await?; // the connection has not noticed
        println!("{}", String::from_utf8_lossy(&answer));
        Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    })
}
