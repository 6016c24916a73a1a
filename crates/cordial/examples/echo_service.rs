//! A TCP service as a supervision tree. It kills its listener, to show a restart, and shuts down cleanly.
//! With an address as its argument it serves there until Ctrl-C: try `127.0.0.1:4096`, and `nc 127.0.0.1 4096`.
#![expect(clippy::print_stdout, reason = "an example prints")]
use std::{error::Error, future::pending, io, process::ExitCode, time::Duration};

use cordial::{Backoff, ChildSpec, Exit, Strategy, Supervisor, TaskSupervisor, process};
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpListener, net::TcpStream, time::timeout};
const SECOND: Duration = Duration::from_secs(1);

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        // What has arrived is read first. The call opts in: a request to shut down interrupts nothing below.
        let read = timeout(60 * SECOND, stream.read(&mut buffer)); // an idle connection takes the place of another one
        let n = tokio::select! { biased; n = read => n??, () = cordial::shutdown_requested() => 0 };
        if n == 0 {
            return stream.write_all(b"bye\n").await;
        }
        stream.write_all(b"> ").await?;
        tokio::time::sleep(SECOND / 5).await;
        stream.write_all(&buffer[..n]).await?;
    }
}

async fn listen(address: String, connections: TaskSupervisor) -> io::Result<impl Future<Output = io::Result<()>>> {
    let listener = TcpListener::bind(&address).await?;
    println!("listening on {address}");
    Ok(async move {
        loop {
            let (stream, _) = listener.accept().await?;
            connections.start_child_when_room(echo(stream)).await.map_err(io::Error::other)?;
        }
    })
}

fn main() -> ExitCode {
    cordial::main(async {
        let free_port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.to_string();
        let (is_demo, address) = std::env::args().nth(1).map_or((true, free_port), |address| (false, address));
        let connections = TaskSupervisor::builder().label("clients").max_children(1000).shutdown(30 * SECOND).start();
        let (for_listener, at) = (connections.clone(), address.clone());
        let tree = Supervisor::builder(Strategy::RestForOne).label("echo").child(connections.child_spec());
        let listener = ChildSpec::init("listener", move || listen(at.clone(), for_listener.clone()));
        // Tried again for as long as it takes, for example while the system has no more files for connections.
        let tree = tree.child(listener.backoff(Backoff::exponential(SECOND / 100, SECOND))).start().await?;
        if !is_demo {
            pending::<()>().await; // on Ctrl-C this future is dropped, and the tree is shut down
        }
        let (mut client, mut reply) = (TcpStream::connect(address).await?, String::new());
        client.write_all(b"hello\n").await?;
        client.read_exact(&mut [0; 2]).await?; // the prompt: the connection was accepted
        process::exit(tree.which_children().await[1].pid.expect("the listener has started"), Exit::Killed);
        client.write_all(b"world\n").await?; // the connection is not affected by the end of the listener
        client.read_exact(&mut [0; 8]).await?; // the first reply, and the prompt of the second one
        println!("{}", process::snapshot());
        let (report, _) = (tree.stop().await, client.read_to_string(&mut reply).await?); // the second reply is still sent
        println!("{reply}{report}");
        Ok::<(), Box<dyn Error + Send + Sync>>(())
    })
}
