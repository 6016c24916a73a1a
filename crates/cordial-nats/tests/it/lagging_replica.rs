//! A replica of the streams that lags behind: it answers some direct gets, and has none of the messages yet.

use std::time::Duration;

use cordial::{Strategy, Supervisor};
use cordial_isolate::{Function, Functions};
use cordial_nats::{Cluster, JobId};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::harness::{LIMIT, Server, Store, run, wait_running};

/// Sends half of the direct gets to another subject.
const HALF: &str = r#"mappings = { "$JS.API.DIRECT.GET.>": [
    { destination: "lagging.>", weight: 50% }, { destination: "$JS.API.DIRECT.GET.>", weight: 50% }
] }"#;

const LAST: Function<(), ()> = Function::new("last");

/// Answers those direct gets, as a replica does that has none of the messages. Uses the protocol of NATS itself, because a client of NATS
/// cannot send the status of an answer.
async fn answer(port: u16) {
    const HEADER: &str = "NATS/1.0 404 Message Not Found\r\n\r\n";
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    let greeting = "CONNECT {\"verbose\": false, \"headers\": true, \"no_responders\": true}\r\nSUB lagging.> 1\r\n";
    stream.write_all(greeting.as_bytes()).await.unwrap();
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await.unwrap() == 0 {
            return;
        }
        let answer = match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["PING"] => "PONG\r\n".to_owned(),
            ["MSG", _, _, reply, _] | ["HMSG", _, _, reply, _, _] => {
                format!("HPUB {reply} {0} {0}\r\n{HEADER}\r\n", HEADER.len())
            }
            _ => continue,
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

/// Runs a test with a server whose replica lags behind.
fn with_lagging_replica<F>(test: impl FnOnce(Server) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let Some(server) = Server::with_config(HALF, Store::Here) else { return };
    let port = server.port;
    let test = test(server);
    run(async move {
        tokio::select! {
            () = answer(port) => panic!("the server has closed the connection"),
            () = test => {}
        }
    });
}

#[test]
fn an_object_that_a_replica_does_not_have_yet_is_found() {
    with_lagging_replica(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let bytes = vec![7; 2_000_000];
        let mut writer = cluster.create_object("a").await.unwrap();
        writer.write(&bytes).await.unwrap();
        writer.finish().await.unwrap();
        // Each of these reads asks nine times.
        for _ in 0..3 {
            let mut reader = cluster.open_object("a").await.unwrap().expect("the object is there");
            let mut found = Vec::new();
            while let Some(piece) = reader.next().await.unwrap() {
                found.extend_from_slice(&piece);
            }
            assert!(found == bytes, "{} bytes", found.len());
        }
        assert!(cluster.open_object("b").await.unwrap().is_none());
    });
}

#[test]
fn a_piece_that_a_replica_does_not_have_yet_is_found() {
    with_lagging_replica(|server| async move {
        let cluster = Cluster::connect(server.url()).await.unwrap();
        let job = JobId::keyed("g", "a").unwrap();
        // Makes the streams.
        let _ = cluster.submit(LAST, ()).group("g").await.unwrap();
        cluster.keep_piece(&job, 1, 0, "piece".into()).await.unwrap();
        for _ in 0..20 {
            assert_eq!(cluster.piece(&job, 1, 0).await.unwrap().as_deref(), Some(&b"piece"[..]));
        }
        assert_eq!(cluster.piece(&job, 1, 1).await.unwrap(), None);
    });
}

#[test]
fn a_stop_that_a_replica_does_not_know_yet_uses_up_no_attempt() {
    with_lagging_replica(|server| async move {
        let mut jobs = Vec::new();
        for stop in [true, false] {
            let cluster = Cluster::connect(server.url()).await.unwrap();
            let functions = Functions::new().add(LAST, move |()| async move {
                if stop {
                    std::future::pending::<()>().await;
                }
            });
            let worker = cluster.worker(functions).group("g").slots(8).grace(Duration::ZERO);
            let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("w")).start().await.unwrap();
            if stop {
                for _ in 0..8 {
                    jobs.push(cluster.submit(LAST, ()).group("g").attempts(1).await.unwrap());
                }
                wait_running(&cluster, 8).await;
            } else {
                for job in jobs.drain(..) {
                    assert_eq!(job.timeout(LIMIT).await, Ok(()));
                }
            }
            tree.stop().await;
        }
    });
}
