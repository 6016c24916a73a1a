//! Servers on real sockets and the real scheduler.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use cordial::{Shutdown, Task, TaskSupervisor, Timeout};
use cordial_http::{TaskLayer, serve, shared};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

use crate::harness::{Client, LIMIT, endless, run_real, start};

async fn bind() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn connect(address: SocketAddr) -> Client<TcpStream> {
    Client::new(TcpStream::connect(address).await.unwrap())
}

/// Four handlers compute until they are released, on a runtime with two workers: all requests that are made meanwhile are
/// answered first, whether or not the handlers are tasks.
#[test]
fn handlers_that_compute_delay_no_other_request() {
    for has_layer in [false, true] {
        run_real(async move {
            let (listener, address) = bind().await;
            let (is_released, n_computing) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
            let (release, computing) = (is_released.clone(), n_computing.clone());
            let compute = move || async move {
                computing.fetch_add(1, Ordering::SeqCst);
                while !release.load(Ordering::SeqCst) {
                    std::hint::spin_loop();
                }
            };
            let app = Router::new().route("/compute", get(compute)).route("/health", get(|| async { "well" }));
            let app = if has_layer { app.layer(TaskLayer::new(TaskSupervisor::start())) } else { app };
            let server = start(serve(listener, shared(app)));
            let computing: Vec<Task<u16>> = (0..4)
                .map(|_| {
                    let request = async move { connect(address).await.get("/compute").await.unwrap().status };
                    Task::spawn(request).timeout(Timeout::Infinity)
                })
                .collect();
            let mut client = connect(address).await;
            while n_computing.load(Ordering::SeqCst) < 4 {
                assert_eq!(client.get("/health").await.unwrap().body, "well");
            }
            for _ in 0..100 {
                assert_eq!(client.get("/health").await.unwrap().body, "well");
                assert_eq!(connect(address).await.get("/health").await.unwrap().body, "well");
            }
            assert!(computing.iter().all(|task| !task.is_finished()));
            is_released.store(true, Ordering::SeqCst);
            for task in computing {
                assert_eq!(task.await.unwrap(), 200);
            }
            server.shutdown(Shutdown::Infinity).await;
        });
    }
}

/// Sends a request line of 1 MB. The server does not read it to its end, so the client may see a reset instead of the 431.
#[test]
fn a_request_line_of_a_megabyte_is_refused() {
    run_real(async {
        let (listener, address) = bind().await;
        let _server = start(serve(listener, shared(Router::new().route("/", get(|| async { "hello" })))));
        for _ in 0..10 {
            let mut client = connect(address).await;
            let sent = client.request(&format!("/{}", "x".repeat(1 << 20))).await;
            match client.answer().await {
                Ok(answer) => assert_eq!(answer.status, 431),
                Err(error) => assert_ne!(error.kind(), io::ErrorKind::UnexpectedEof, "closed without a word: {sent:?}"),
            }
        }
        assert_eq!(connect(address).await.get("/").await.unwrap().status, 200);
    });
}

/// A client that sends its whole body before it reads, as browsers do, gets the status with which the server has refused the body, and not the reset of a
/// connection that was closed with data that nothing has read. So does one that asks for an upgrade to HTTP/2, as `curl --http2` does.
#[test]
fn a_body_that_is_refused_is_answered_even_if_the_client_still_sends_it() {
    const H2C: &str = "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n";
    run_real(async {
        let (listener, address) = bind().await;
        let limited = Router::new().route("/", post(|body: axum::body::Bytes| async move { body.len().to_string() }));
        let slow = Router::new().route("/slow", post(|| async { std::future::pending::<()>().await }));
        let slow = slow.layer(TaskLayer::new(TaskSupervisor::start()).limit(Duration::from_millis(50)));
        let server = start(serve(listener, shared(limited.merge(slow))));
        // More than the limit of axum and the buffers of the system.
        let body = vec![b'x'; 4 << 20];
        for (path, status) in [("/", 413), ("/slow", 504), ("/none", 404)] {
            for upgrade in ["", H2C, "", H2C] {
                loop {
                    let started = Instant::now();
                    match send_whole(address, path, upgrade, &body).await {
                        Ok(found) => {
                            assert_eq!(found, status, "{path} {upgrade:?}");
                            break;
                        }
                        // The server reads for half a second. On a busy machine, the client may need longer.
                        Err(_) if started.elapsed() > Duration::from_millis(400) => {}
                        Err(error) => panic!("{path} {upgrade:?}: {error} after {:?}", started.elapsed()),
                    }
                }
            }
        }
        server.shutdown(Shutdown::Infinity).await;
    });
}

/// Sends a request with this body, and reads only then. Returns the status.
async fn send_whole(address: SocketAddr, path: &str, upgrade: &str, body: &[u8]) -> io::Result<u16> {
    let mut client = connect(address).await;
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\n{upgrade}content-length: {}\r\n\r\n", body.len());
    client.send(head).await?;
    client.send(body).await?;
    let status = client.answer().await?.status;
    assert_eq!(client.rest().await, "", "the connection is closed");
    Ok(status)
}

/// Otherwise a connection on which the server only waits would stay forever if the machine of its client lost its network.
#[test]
fn the_system_asks_whether_clients_are_still_there() {
    run_real(async {
        let (mut listener, address) = bind().await;
        let _client = connect(address).await;
        let (stream, _) = cordial_http::Listener::accept(&mut listener).await.unwrap();
        let socket = socket2::SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(30));
    });
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    run_real(async {
        let (listener, address) = bind().await;
        let n_taken = Arc::new(AtomicUsize::new(0));
        let connections = TaskSupervisor::start();
        let server = serve(listener, shared(endless(n_taken.clone()))).under(connections.clone());
        let _server = start(server.write_limit(Duration::from_millis(200)));
        let mut client = connect(address).await;
        client.request("/").await.unwrap();
        while n_taken.load(Ordering::SeqCst) == 0 || !connections.children().is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
        // The buffers of the system hold a few MB.
        assert!(n_taken.load(Ordering::SeqCst) < 50 * 1024);
    });
}

/// Code in `tokio::spawn` that blocks all threads of tokio stops tokio's timers and its sockets. The end of a server needs neither.
#[test]
fn a_server_ends_while_the_threads_of_tokio_are_blocked() {
    run_real(async {
        let (listener, address) = bind().await;
        let n_running = Arc::new(AtomicUsize::new(0));
        let runs = n_running.clone();
        let never = move || async move {
            runs.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<()>().await;
        };
        let app = Router::new().route("/", get(never));
        let server = start(serve(listener, shared(app)).grace(Duration::from_millis(10)));
        let mut client = connect(address).await;
        client.request("/").await.unwrap();
        while n_running.load(Ordering::SeqCst) < 1 {
            tokio::task::yield_now().await;
        }
        let (release, released) = std::sync::mpsc::channel::<()>();
        let released = Arc::new(std::sync::Mutex::new(released));
        // One for each thread of tokio.
        for _ in 0..2 {
            let (runs, released) = (n_running.clone(), released.clone());
            #[expect(clippy::disallowed_methods, reason = "the subject of the test")]
            tokio::spawn(async move {
                runs.fetch_add(1, Ordering::SeqCst);
                let _ = released.lock().unwrap().recv();
            });
        }
        while n_running.load(Ordering::SeqCst) < 3 {
            tokio::task::yield_now().await;
        }
        let mut stop = Task::spawn(server.shutdown(Shutdown::Infinity)).timeout(Timeout::Infinity);
        let stopped = stop.yield_for(LIMIT / 2).await;
        drop(release);
        assert_eq!(stopped, Some(Ok(Some(Ok(Ok(()))))), "it ended before the threads were released");
    });
}

/// The shutdown that `cordial::main` makes of SIGTERM.
#[cfg(unix)]
mod sigterm {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, ExitCode, Stdio};

    use super::*;

    const PORT: &str = "port: ";

    /// The service that receives the signal: a copy of this program that runs only this test.
    fn service() -> ExitCode {
        cordial::main(async {
            let (listener, address) = bind().await;
            println!("\n{PORT}{}", address.port());
            let finish = || async {
                println!("\nstarted");
                cordial::shutdown_requested().await;
                "finished"
            };
            let app = Router::new().route("/", get(|| async { "hello" })).route("/finish", get(finish));
            serve(listener, shared(app)).await
        })
    }

    /// Ends the service if it hangs. The test then finds the end of its output.
    #[expect(clippy::disallowed_methods, reason = "the limit must hold even if the library hangs")]
    fn limit_time_of_process() {
        std::thread::spawn(|| {
            std::thread::sleep(LIMIT);
            std::process::exit(99);
        });
    }

    #[test]
    fn a_signal_answers_what_is_in_flight_and_refuses_the_rest() {
        if std::env::var_os("CORDIAL_HTTP_SERVICE").is_some() {
            limit_time_of_process();
            let code = service();
            std::process::exit(i32::from(code != ExitCode::SUCCESS));
        }
        let mut service = Command::new(std::env::current_exe().unwrap());
        let test = "sockets::sigterm::a_signal_answers_what_is_in_flight_and_refuses_the_rest";
        service.args(["--exact", test, "--nocapture"]).env("CORDIAL_HTTP_SERVICE", "yes").stdout(Stdio::piped());
        let mut service = service.spawn().unwrap();
        let mut lines = BufReader::new(service.stdout.take().unwrap()).lines().map(Result::unwrap);
        let port: u16 = lines.find_map(|line| line.strip_prefix(PORT)?.parse().ok()).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let pid = rustix::process::Pid::from_child(&service);
        run_real(async move {
            let (mut idle, mut busy) = (connect(address).await, connect(address).await);
            idle.get("/").await.unwrap();
            busy.request("/finish").await.unwrap();
            assert!(lines.any(|line| line == "started"));
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
            assert_eq!(idle.rest().await, "");
            assert_eq!(busy.answer().await.unwrap().body, "finished");
            let refused = TcpStream::connect(address).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        });
        assert!(service.wait().unwrap().success());
    }
}

/// As many idle connections as this machine permits, up to 10 000, and one that works. Half of the clients are in a copy of this program,
/// because a program may have only so many files open.
#[cfg(unix)]
mod idle {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    use super::*;

    /// Holds the address of the server and the number of clients in the copy.
    const CLIENTS: &str = "CORDIAL_HTTP_IDLE_CLIENTS";

    /// Connects clients, some of which make a request.
    async fn connect_all(address: SocketAddr, n: u64) -> Vec<Client<TcpStream>> {
        let mut clients = Vec::new();
        for i in 0..n {
            let mut client = connect(address).await;
            if i % 10 == 0 {
                assert_eq!(client.get("/").await.unwrap().status, 200);
            }
            clients.push(client);
        }
        clients
    }

    async fn closed(clients: &mut [Client<TcpStream>]) {
        for client in clients {
            assert_eq!(client.rest().await, "");
        }
    }

    #[test]
    fn ten_thousand_connections_delay_no_request() {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
        if let Ok(clients) = std::env::var(CLIENTS) {
            let (address, n) = clients.split_once(' ').unwrap();
            let (address, n) = (address.parse().unwrap(), n.parse().unwrap());
            return run_real(async move {
                let mut clients = connect_all(address, n).await;
                println!("\nconnected");
                closed(&mut clients).await;
            });
        }
        // The server has a file for each connection, and the clients here one for every second. Other tests have files open too.
        let n = maximum.map_or(10_000, |maximum| 10_000.min(maximum.saturating_sub(1000) / 3 * 2));
        if n < 10_000 {
            eprintln!("only {n} idle connections, because this machine permits {maximum:?} open files");
        }
        run_real(async move {
            let (listener, address) = bind().await;
            let connections = TaskSupervisor::start();
            let app = Router::new().route("/", get(|| async { "hello" }));
            let server = serve(listener, shared(app))
                .under(connections.clone())
                .max_connections(n as usize + 1)
                // The clients are idle for as long as it takes to connect all of them, which is long on a busy machine.
                .header_limit(Duration::from_secs(3600));
            let server = start(server);
            let mut copy = Command::new(std::env::current_exe().unwrap());
            copy.args(["--exact", "sockets::idle::ten_thousand_connections_delay_no_request", "--nocapture"]);
            copy.env(CLIENTS, format!("{address} {}", n / 2)).stdout(Stdio::piped());
            let mut copy = copy.spawn().unwrap();
            let mut lines = BufReader::new(copy.stdout.take().unwrap()).lines().map(Result::unwrap);
            let mut idle = connect_all(address, n - n / 2).await;
            assert!(lines.any(|line| line == "connected"));
            let mut client = connect(address).await;
            for _ in 0..100 {
                assert_eq!(client.get("/").await.unwrap().body, "hello");
            }
            assert_eq!(connections.children().len(), n as usize + 1);
            let (mut one_more, mut last) = (connect(address).await, idle.pop().unwrap());
            one_more.request("/").await.unwrap();
            assert_eq!(last.get("/").await.unwrap().status, 200);
            drop(last);
            assert_eq!(one_more.answer().await.unwrap().status, 200, "served when another connection was closed");
            assert_eq!(server.shutdown(Shutdown::Infinity).await, Some(Ok(Ok(()))));
            closed(&mut idle).await;
            assert!(connections.children().is_empty());
            assert!(lines.all(|_| true) && copy.wait().unwrap().success(), "each client saw the end of its connection");
        });
    }
}
