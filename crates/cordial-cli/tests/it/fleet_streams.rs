//! A run whose stream is away while its servers answer, or is deleted.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::fleet::{Fleet, WatchedRun, echo_when_let_go, numbers, server_program};
use crate::free_port::free_port;
use crate::harness::{run, temporary_directory, wait_until};

/// How long a server may take to answer.
const ANSWER_LIMIT: Option<Duration> = Some(Duration::from_secs(60));

/// A server of a cluster. Killed when it is dropped.
struct Server {
    command: Command,
    child: Child,
    store: PathBuf,
}

impl Server {
    fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = self.command.spawn().unwrap();
    }

    fn keeps(&self, stream: &str) -> bool {
        self.store.join("jetstream/$G/streams").join(stream).exists()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts three servers, and returns when they have a leader.
fn three_servers() -> Option<(Fleet, Vec<Server>)> {
    let program = server_program()?;
    let dir = temporary_directory();
    let [ports, routes, monitors] = [(); 3].map(|()| [(); 3].map(|()| free_port()));
    let all = routes.map(|port| format!("nats://127.0.0.1:{port}")).join(",");
    let servers = (0..3).map(|n| {
        let store = dir.path().join(n.to_string());
        let mut command = Command::new(&program);
        command.args(["-js", "-a", "127.0.0.1", "-p", &ports[n].to_string(), "-m", &monitors[n].to_string(), "-sd"]);
        command.arg(&store).args(["-n", &format!("server-{n}"), "--cluster_name", "test", "--routes", &all]);
        command.args(["--cluster", &format!("nats://127.0.0.1:{}", routes[n])]).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        Server { command, child, store }
    });
    let servers: Vec<Server> = servers.collect();
    for monitor in monitors {
        wait_until("the servers have a leader", || {
            let Ok(mut server) = TcpStream::connect(("127.0.0.1", monitor)) else { return false };
            server.set_read_timeout(ANSWER_LIMIT).unwrap();
            let mut answer = String::new();
            let asked = server.write_all(b"GET /healthz HTTP/1.0\r\n\r\n");
            asked.and_then(|()| server.read_to_string(&mut answer)).is_ok() && answer.starts_with("HTTP/1.0 200")
        });
    }
    let url = ports.map(|port| format!("nats://127.0.0.1:{port}")).join(",");
    Some((Fleet::of_servers(url, dir), servers))
}

#[test]
fn a_run_whose_stream_is_away_while_its_servers_answer_says_so_and_goes_on() {
    let Some((mut fleet, mut servers)) = three_servers() else { return };
    fleet.worker("first");
    let go = fleet.dir.path().join("go");
    let items = numbers(400);
    let mut map = WatchedRun::start(&fleet, &[], &echo_when_let_go(fleet.dir.path()), &items);
    let first = map.next_line();
    // The stream has one replica.
    let keeper = servers.iter_mut().find(|server| server.keeps("cordial-jobs-build")).unwrap();
    keeper.child.kill().unwrap();
    let mut next = || loop {
        let message = map.next_message();
        // The stream of the results may be away as well, which the worker says.
        if !message.contains("the server does not keep") {
            break message;
        }
    };
    let missing =
        "cordial: no server gives access to the stream of the group \"build\", so the commands wait until one does\n";
    assert_eq!(next(), missing);
    keeper.restart();
    assert_eq!(next(), "cordial: the stream of the commands can be used again; the commands continue\n");
    std::fs::write(go, "").unwrap();
    let (status, rest, _) = map.finish();
    assert_eq!((status, first + &rest), (0, items));
}

/// Sends a request about a stream, as an operator does.
fn operate(url: &str, request: &str, body: &str) {
    let mut server = TcpStream::connect(url.trim_start_matches("nats://")).unwrap();
    server.set_read_timeout(ANSWER_LIMIT).unwrap();
    let published = format!("PUB $JS.API.STREAM.{request} answer {}\r\n{body}\r\n", body.len());
    server.write_all(format!("CONNECT {{\"verbose\":false}}\r\nSUB answer 1\r\n{published}").as_bytes()).unwrap();
    let mut lines = BufReader::new(server).lines().map(|line| line.expect("the server answers"));
    let answer = lines.find(|line| line.contains("io.nats.jetstream.api")).expect("the server answers");
    assert!(!answer.contains("\"error\""), "{answer}");
}

#[test]
fn a_worker_refuses_a_stream_with_other_settings_and_says_what_to_do() {
    let Some(fleet) = Fleet::start() else { return };
    let stream = r#"{"name":"cordial-jobs-build","subjects":["cordial.job.build.>"],"storage":"file"}"#;
    operate(&fleet.url, "CREATE.cordial-jobs-build", stream);
    let output = run(&["worker", "--nats", &fleet.url, "--group", "build", "--allow-commands"], b"");
    let advice = "; use the same options in all programs of the fleet, or delete the stream with all that it keeps\n";
    assert!(output.stderr.contains("the stream \"cordial-jobs-build\" already exists, with other settings"));
    assert!(output.status == 255 && output.stderr.ends_with(advice), "{}", output.stderr);
}

#[test]
fn a_run_whose_stream_is_deleted_names_each_item_that_was_lost_and_runs_the_others() {
    for retries in ["0", "1"] {
        let Some(mut fleet) = Fleet::start() else { return };
        fleet.worker("first");
        let go = fleet.dir.path().join("go");
        let items = numbers(100);
        let script = echo_when_let_go(fleet.dir.path());
        let mut map = WatchedRun::start(&fleet, &["--retries", retries], &script, &items);
        let first = map.next_line();
        operate(&fleet.url, "DELETE.cordial-jobs-build", "");
        std::fs::write(go, "").unwrap();
        let (status, rest, stderr) = map.finish();
        let output = first + &rest;
        let lost =
            stderr.lines().filter(|line| line.contains(" failed: the server had accepted the job build/")).count();
        if retries == "0" {
            assert!(lost > 0 && stderr.contains("its stream was purged or deleted"), "{stderr}");
            assert_eq!((status, output.lines().count()), (i32::try_from(lost).unwrap(), 100 - lost), "{stderr}");
        } else {
            assert_eq!((status, &output), (0, &items), "{stderr}");
        }
    }
}
