//! Real servers on free loopback ports, each with a store of its own.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use async_nats::{Message, Subscriber};
use cordial::Runtime;
use cordial_nats::{Cluster, Node};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::free_port::free_port;

/// How long a test waits for each thing that has to happen. A busy machine may need much longer than others.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// How often a test tries what a busy machine may make fail although the code is right.
const TRIES: usize = 5;

/// The server that the tests start, or `None` if it is not installed. Then each test prints that it is skipped.
pub(crate) fn server_program() -> Option<PathBuf> {
    let path = std::env::var_os("CORDIAL_NATS_SERVER").map(PathBuf::from);
    let installed = ["/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"];
    let found = path.or_else(|| installed.iter().map(PathBuf::from).find(|path| path.exists()));
    if found.is_none() {
        skip("nats-server is not installed (apt-get install nats-server)");
    }
    found
}

/// Says that a test is skipped: on standard error directly, because libtest hides what a successful test prints.
pub(crate) fn skip(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

/// A `nats-server`. Killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    config: PathBuf,
    program: PathBuf,
    pub(crate) port: u16,
    pub(crate) name: String,
    monitor: u16,
    dir: tempfile::TempDir,
}

impl Server {
    /// Starts a server with JetStream. `None` if there is none on this machine.
    pub(crate) fn start() -> Option<Server> {
        Server::with_config("", Store::Here)
    }

    /// Starts a server with these lines in its configuration.
    pub(crate) fn with_config(lines: &str, store: Store) -> Option<Server> {
        Server::with_name("alone", lines, store)
    }

    pub(crate) fn with_name(name: &str, lines: &str, store: Store) -> Option<Server> {
        let program = server_program()?;
        let dir = tempfile::Builder::new().prefix("cordial-nats-").tempdir().unwrap();
        let port = free_port();
        let config = dir.path().join("server.conf");
        let jetstream = match store {
            Store::Here => format!("jetstream {{ store_dir: {:?} }}\n", dir.path().join("store")),
            Store::None => String::new(),
        };
        let monitor = free_port();
        let text = format!(
            "server_name: {name}\nhost: 127.0.0.1\nport: {port}\nhttp: 127.0.0.1:{monitor}\n{jetstream}{lines}\n"
        );
        fs::write(&config, text).unwrap();
        let child = spawn(&program, &config, dir.path());
        let server = Server { child, config, program, port, name: name.to_owned(), monitor, dir };
        server.wait_ready();
        Some(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Returns whether the server says that it is healthy: in a cluster, that it has caught up.
    pub(crate) fn is_current(&self) -> bool {
        self.monitor("healthz").is_ok_and(|answer| answer.starts_with("HTTP/1.0 200"))
    }

    /// Returns what the server says about the connection of the program with this name.
    pub(crate) fn connection(&self, name: &str) -> Option<serde_json::Value> {
        let answer = self.monitor("connz").unwrap();
        let info: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        info["connections"].as_array().unwrap().iter().find(|client| client["name"] == name).cloned()
    }

    /// Returns how many messages the server has sent to the program with this name.
    pub(crate) fn sent_to(&self, name: &str) -> u64 {
        self.connection(name).unwrap()["out_msgs"].as_u64().unwrap()
    }

    fn monitor(&self, what: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.monitor))?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.write_all(format!("GET /{what} HTTP/1.0\r\n\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Kills the server as a power failure would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops the server in order, as an operator does.
    pub(crate) fn stop(&mut self) {
        self.signal("TERM");
        wait_end(&mut self.child, "the server");
    }

    /// Sends a signal to the server.
    pub(crate) fn signal(&self, signal: &str) {
        send_signal(self.child.id(), signal);
    }

    /// Starts the server again, with the same store and port.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(&self.program, &self.config, self.dir.path());
        self.wait_ready();
    }

    /// Deletes everything that the server has kept. It has to be killed before.
    pub(crate) fn lose_store(&self) {
        fs::remove_dir_all(self.dir.path().join("store")).unwrap();
    }

    fn wait_ready(&self) {
        let deadline = Instant::now() + LIMIT;
        while !self.greets() {
            assert!(Instant::now() < deadline, "the server does not answer:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Returns whether the server sends the greeting of NATS. Another program may have the port for a moment, while it looks for a free one.
    fn greets(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut greeting = [0; 4];
        stream.read_exact(&mut greeting).is_ok() && greeting == *b"INFO"
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the log of the server on port {}:\n{}", self.port, self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts three servers of one cluster.
pub(crate) fn three_servers() -> Option<Vec<Server>> {
    let routes = [free_port(), free_port(), free_port()];
    let all = routes.map(|port| format!("nats://127.0.0.1:{port}")).join(", ");
    let mut servers = Vec::new();
    for (number, route) in routes.iter().enumerate() {
        let lines = format!("cluster {{ name: test, listen: \"127.0.0.1:{route}\", routes: [{all}] }}");
        servers.push(Server::with_name(&format!("server-{number}"), &lines, Store::Here)?);
    }
    Some(servers)
}

/// Whether a server keeps streams.
pub(crate) enum Store {
    Here,
    None,
}

fn spawn(program: &Path, config: &Path, dir: &Path) -> Child {
    let log = File::options().create(true).append(true).open(dir.join("log")).unwrap();
    Command::new(program)
        .arg("-c")
        .arg(config)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Sends a signal to a process. After `STOP`, it is frozen.
pub(crate) fn send_signal(pid: u32, signal: &str) {
    let status = Command::new("kill").args([format!("-{signal}"), pid.to_string()]).status().unwrap();
    assert!(status.success());
    // A process runs on for a moment after `kill` has returned.
    if signal == "STOP" {
        let deadline = Instant::now() + LIMIT;
        while !is_frozen(pid) {
            assert!(Instant::now() < deadline, "the process {pid} still runs after SIGSTOP");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Returns whether a process is frozen.
pub(crate) fn is_frozen(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") T "))
}

/// Waits until a process has ended by itself.
pub(crate) fn wait_end(child: &mut Child, what: &str) {
    let deadline = Instant::now() + LIMIT;
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "{what} does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until there is a value.
pub(crate) async fn wait_for<T, F>(what: &str, mut find: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let wait = async {
        loop {
            if let Some(value) = find().await {
                break value;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("not within {LIMIT:?}: {what}"))
}

/// Waits until a condition holds.
pub(crate) async fn wait_until<F>(what: &str, mut condition: impl FnMut() -> F)
where
    F: Future<Output = bool>,
{
    wait_for(what, || {
        let holds = condition();
        async move { holds.await.then_some(()) }
    })
    .await;
}

/// Waits for the next message of a subscription.
pub(crate) async fn next_message(messages: &mut Subscriber, what: &str) -> Message {
    timeout(LIMIT, messages.next()).await.unwrap_or_else(|_| panic!("not within {LIMIT:?}: {what}")).unwrap()
}

/// Waits until the node with this name answers. On a busy machine, its answer may come too late for a question.
pub(crate) async fn wait_node(cluster: &Cluster, name: &str) -> Node {
    wait_for(&format!("the node {name:?} answers"), || async {
        cluster.nodes().await.unwrap().into_iter().find(|node| node.name == name)
    })
    .await
}

/// Waits until the nodes that answer have this many jobs and calls together.
pub(crate) async fn wait_running(cluster: &Cluster, n: usize) {
    wait_until(&format!("{n} jobs and calls run"), || async {
        cluster.nodes().await.unwrap().iter().map(|node| node.running).sum::<usize>() == n
    })
    .await;
}

/// Runs what a busy machine may make fail although the code is right, until a try succeeds. A try gets its number.
pub(crate) async fn in_several_tries<T, F>(mut test: impl FnMut(usize) -> F) -> T
where
    F: Future<Output = Result<T, String>>,
{
    let mut errors = Vec::new();
    for number in 1..=TRIES {
        match test(number).await {
            Ok(value) => return value,
            Err(error) => errors.push(error),
        }
    }
    panic!("in none of {TRIES} tries: {errors:#?}");
}

/// Runs what has to end within a limit. A machine that is busy for a moment may delay it, so it has several tries.
pub(crate) async fn within<F: Future>(limit: Duration, mut test: impl FnMut() -> F) -> F::Output {
    in_several_tries(|_| {
        let started = Instant::now();
        let output = test();
        async move {
            let output = output.await;
            let took = started.elapsed();
            if took < limit { Ok(output) } else { Err(format!("{took:?}, and the limit is {limit:?}")) }
        }
    })
    .await
}

/// Runs a test with a server. The test fails if it takes longer than four minutes.
pub(crate) fn with_server<F>(test: impl FnOnce(Server) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let Some(server) = Server::start() else { return };
    run(test(server));
}

/// Runs a future as a process, for at most four minutes.
pub(crate) fn run(future: impl Future<Output = ()> + Send + 'static) {
    run_for(4 * LIMIT, future);
}

/// Runs a future as a process, for at most this long. Calls and jobs are awaited for [`LIMIT`], and not for the 5 s of a program.
pub(crate) fn run_for(limit: Duration, future: impl Future<Output = ()> + Send + 'static) {
    static RUNTIME: Once = Once::new();
    RUNTIME.call_once(|| Runtime::builder().await_limit(LIMIT).install().expect("no task has started before"));
    if let Err(exit) = cordial::Task::spawn(future).timeout(limit).wait() {
        panic!("{exit:#}");
    }
}
