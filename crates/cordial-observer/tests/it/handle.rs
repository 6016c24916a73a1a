//! The handle: addresses, sockets, routers, and the end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use axum::Router;
use cordial_observer::{Observer, ServeError};

use crate::harness::{Client, LIMIT, Program, wait_until};

#[test]
fn an_address_in_use_is_an_error_that_says_so() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = cordial_observer::serve(address).unwrap_err();
    assert!(matches!(error, ServeError::Bind { .. }));
    let text = error.to_string();
    assert!(text.contains(&address.to_string()) && text.contains("uses it; choose another port"), "{text}");
    let error = cordial_observer::serve("no address").unwrap_err();
    assert!(error.to_string().contains("`no address`") && error.to_string().contains("127.0.0.1:4000"), "{error}");
}

#[test]
fn a_stopped_observer_closes_its_address() {
    let Program { observer, client, runtime } = Program::new();
    assert_eq!(client.get("/api/tasks").status, 200);
    let router = observer.router();
    observer.stop();
    wait_until("the end", || TcpStream::connect(client.address).is_err());
    drop((router, runtime));
}

#[test]
fn a_dropped_handle_leaves_the_observer_running() {
    let Program { observer, client, runtime } = Program::new();
    drop(observer);
    assert_eq!(client.get("/api/tasks").status, 200);
    drop(runtime);
    wait_until("the end of the runtime", || client.json("/api/overview?history=none")["program"]["closed"] == true);
}

#[test]
fn each_observer_shows_its_own_runtime() {
    let (one, other) = (Program::new(), Program::new());
    one.start("only in one", std::future::pending());
    wait_until("the task", || one.client.json("/api/tasks?text=only")["matched"] == 1);
    assert_eq!(other.client.json("/api/tasks?text=only")["matched"], 0);
}

#[test]
fn the_router_works_below_a_prefix_of_another_server() {
    let runtime = cordial::Runtime::builder().workers(2).build().unwrap();
    let observer = Observer::builder().runtime(runtime.inspector()).mount().unwrap();
    assert_eq!((observer.address(), observer.url()), (None, None));
    let token = observer.token().unwrap().to_owned();
    let app = Router::new().nest_service("/ops/observer", observer.router());
    let (sender, receiver) = std::sync::mpsc::channel();
    let serving = runtime.block_on(async move {
        cordial::Task::start(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            axum::serve(listener, app).await.unwrap();
        })
    });
    let serving = serving.unwrap().to_string();
    let address: SocketAddr = receiver.recv_timeout(LIMIT).unwrap();
    let client = Client { address, token };
    let page = client.request("GET", "/ops/observer", &[]);
    assert_eq!((page.status, page.header("location")), (303, "observer/"), "links are relative to the page");
    let with_token = client.request("GET", "/ops/observer?token=1", &[]);
    assert_eq!((with_token.status, with_token.header("location")), (303, "observer/?token=1"));
    assert_eq!(client.request("GET", "/ops/observer/", &[]).status, 200);
    assert_eq!(client.request("GET", "/ops/observer/app.js", &[]).status, 200);
    assert_eq!(client.request("GET", "/ops/observer/api/tasks", &[]).status, 401);
    assert_eq!(client.request("GET", "/ops/observer/", &["Host: evil.example.com"]).status, 403);
    // A reading of the processes may be a second old.
    wait_until("the process that serves", || {
        let tasks = client.json("/ops/observer/api/tasks");
        tasks["rows"].as_array().unwrap().iter().any(|row| row["pid"] == serving)
    });
    let session = client.request("GET", &format!("/ops/observer/?token={}", client.token), &[]);
    assert_eq!((session.status, session.header("location")), (303, "./"));
    let cookie = format!("Cookie: {}", session.cookie());
    assert_eq!(client.request("GET", "/ops/observer/api/tree", &[&cookie]).status, 200);
}

/// Serves an app on a thread with a tokio runtime that has no timers.
fn serve_without_timers(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let serve = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime
            .block_on(async { axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), app).await })
            .unwrap();
    };
    std::thread::Builder::new().spawn(serve).unwrap();
    address
}

#[test]
fn the_router_needs_no_timers_of_the_server() {
    let runtime = cordial::Runtime::builder().workers(1).build().unwrap();
    let observer = Observer::builder().runtime(runtime.inspector()).mount().unwrap();
    let client =
        Client { address: serve_without_timers(observer.router()), token: observer.token().unwrap().to_owned() };
    assert_eq!(client.request("GET", "/api/tasks", &["Authorization: Bearer wrong"]).status, 401);
    let origin = format!("Origin: http://{}", client.address);
    assert_eq!(client.post("/session", &[&origin], &format!(r#"{{"token":"{}"}}"#, client.token)).status, 204);
}

#[test]
fn a_stopped_observer_ends_its_streams_in_another_server() {
    let runtime = cordial::Runtime::builder().workers(1).build().unwrap();
    let observer = Observer::builder().runtime(runtime.inspector()).mount().unwrap();
    let client =
        Client { address: serve_without_timers(observer.router()), token: observer.token().unwrap().to_owned() };
    let mut stream = client.connect();
    let request = format!("GET /api/events HTTP/1.0\r\nHost: localhost\r\n{}\r\n\r\n", client.bearer());
    stream.write_all(request.as_bytes()).unwrap();
    assert!(stream.read(&mut [0; 64]).unwrap() > 0);
    observer.stop();
    stream.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(client.get("/api/tasks").status, 503);
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_for_the_user_of_the_program() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("observer.sock");
    let runtime = cordial::Runtime::builder().workers(1).build().unwrap();
    let start = || Observer::builder().runtime(runtime.inspector()).serve_unix(&path);
    let observer = start().unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let token = observer.token().unwrap();
    let get = |headers: &str| {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        write!(stream, "GET /api/tasks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(get("").starts_with("HTTP/1.1 401"));
    assert!(get(&format!("Authorization: Bearer {token}\r\n")).starts_with("HTTP/1.1 200"));
    assert!(matches!(start().unwrap_err(), ServeError::Bind { .. }), "another observer listens there");
    observer.stop();
    // The lock is released after the socket is gone.
    wait_until("the removal of the socket and its lock", || std::fs::read_dir(folder.path()).unwrap().count() == 0);
    // A program that was killed leaves its socket behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    start().unwrap();
}

#[cfg(unix)]
#[test]
fn a_lock_file_that_belongs_to_another_program_is_neither_changed_nor_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (path, lock) = (folder.path().join("observer.sock"), folder.path().join("observer.sock.lock"));
    let runtime = cordial::Runtime::builder().workers(1).build().unwrap();
    let start = || Observer::builder().runtime(runtime.inspector()).serve_unix(&path);
    let is_refused = || {
        let error = start().unwrap_err();
        assert!(matches!(error, ServeError::Lock { .. }), "{error:?}");
        assert!(
            error.to_string().contains("observer.sock.lock") && error.to_string().contains("remove the file"),
            "{error}"
        );
        assert!(!path.exists());
        std::error::Error::source(&error).unwrap().to_string()
    };
    std::fs::write(&lock, "4711\n").unwrap();
    assert_eq!(is_refused(), "the file belongs to another program");
    assert_eq!(std::fs::read_to_string(&lock).unwrap(), "4711\n");
    // The target of a symbolic link is not changed either. If the lock file is a FIFO, the start does not wait for its other end.
    std::fs::rename(&lock, folder.path().join("target")).unwrap();
    std::os::unix::fs::symlink("target", &lock).unwrap();
    is_refused();
    assert_eq!(std::fs::read_to_string(&lock).unwrap(), "4711\n");
    std::fs::remove_file(&lock).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &lock, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    assert_eq!(is_refused(), "the file belongs to another program");
    std::fs::remove_file(&lock).unwrap();
    std::fs::create_dir(&lock).unwrap();
    is_refused();
    std::fs::remove_dir(&lock).unwrap();
    let missing = folder.path().join("missing/observer.sock");
    let missing = Observer::builder().runtime(runtime.inspector()).serve_unix(missing);
    assert!(matches!(missing.unwrap_err(), ServeError::Bind { .. }), "a missing directory is not an error of the lock");
    // An empty file may be a lock file of the program that starts this one. The observer locks it, and does not remove it.
    std::fs::write(&lock, "").unwrap();
    let observer = start().unwrap();
    assert!(matches!(start().unwrap_err(), ServeError::Bind { .. }));
    observer.stop();
    wait_until("the removal of the socket", || !path.exists());
    assert_eq!(std::fs::read_to_string(&lock).unwrap(), "");
    // The lock file of an observer that was killed is removed by the next observer.
    std::fs::remove_file(&lock).unwrap();
    std::fs::write(&lock, "the lock of a cordial-observer\n").unwrap();
    let observer = start().unwrap();
    observer.stop();
    wait_until("the removal of the lock", || !lock.exists());
}
