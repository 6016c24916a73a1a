//! Runs the examples that shut down gracefully, each as a program. Most tests send a signal to it.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{attempts, subprocess};

/// The process of an example, and its output.
struct Example {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// Dropped when the example has ended.
    _until_end: mpsc::Sender<()>,
}

impl Example {
    /// Builds an example for the profile of this test, and starts it.
    fn start(name: &str, args: &[&str]) -> Example {
        // The executable of this test is `target/PROFILE/deps/NAME`.
        let test = std::env::current_exe().unwrap();
        let folder = test.ancestors().nth(2).expect("the folder of the profile");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "cordial", "--example", name]);
        build.args(["--profile", profile(folder), "--target-dir"]).arg(folder.parent().unwrap());
        assert!(build.status().unwrap().success(), "cargo cannot build the example {name}");
        let program: PathBuf = [folder, Path::new("examples"), Path::new(name)].iter().collect();
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (pid, (until_end, end)) = (Pid::from_child(&child), mpsc::channel());
        #[expect(clippy::disallowed_methods, reason = "the limit must hold even if the library hangs")]
        std::thread::spawn(move || {
            // An example that hangs is killed, so that its test fails.
            if end.recv_timeout(subprocess::LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        Example { child, stdout, _until_end: until_end }
    }

    fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until the process has exited. Returns its exit status and the rest of its output.
    fn finish(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // If the test has failed, the example may still run.
        let _ = self.child.kill();
    }
}

/// Returns the Cargo profile that is built in this folder.
fn profile(folder: &Path) -> &str {
    match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") => "dev",
        Some(name) => name,
        None => panic!("{} is not the folder of a profile", folder.display()),
    }
}

#[test]
fn the_axum_example_answers_a_request_in_progress_after_a_signal() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut example = Example::start("axum_shutdown", &["stay"]);
        let address = example.next_line();
        let address = address.strip_prefix("listening on http://").expect("the address");
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        assert_eq!(example.next_line(), "working on an answer");
        example.send(signal);
        let mut response = String::new();
        client.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n") && response.ends_with("the answer\n"), "{response}");
        assert_eq!(example.finish(), (Some(0), "every request is answered\n".to_owned()));
    }
}

#[test]
fn the_echo_example_loses_no_reply() {
    let (status, output) = Example::start("echo_service", &[]).finish();
    assert_eq!(status, Some(0), "{output}");
    assert!(output.ends_with("\nworld\nbye\nevery process ended when it was asked to\n"), "{output}");
}

/// The service sends the reply that it was writing when the signal came.
#[test]
fn the_echo_example_finishes_its_reply_after_a_signal() {
    let free_port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = free_port.to_string();
    let mut example = Example::start("echo_service", &[&address]);
    assert_eq!(example.next_line(), format!("listening on {address}"));
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"first\n").unwrap();
    let mut prompt = [0; 2];
    client.read_exact(&mut prompt).unwrap();
    assert_eq!(&prompt, b"> ", "the service has begun its reply");
    example.send(Signal::TERM);
    let mut reply = String::new();
    client.read_to_string(&mut reply).unwrap();
    assert_eq!((&*reply, example.finish().0), ("first\nbye\n", Some(0)));
}

#[test]
fn the_crawler_finishes_its_pages_after_a_signal() {
    // If this thread gets no processor for a second before it sends the signal, all pages have begun.
    attempts::one_succeeds(|| {
        let mut example = Example::start("crawler", &[]);
        let line = example.next_line();
        assert!(line.contains("/7: HTTP status server error (503"), "{line}");
        example.send(Signal::INT);
        let (status, rest) = example.finish();
        let last = rest.lines().last().unwrap_or_default();
        assert!(status == Some(0) && last.ends_with(" of them not fetched"), "{status:?}: {rest}");
        assert!(!last.contains(" 0 of them"), "some pages that were found are not fetched: {rest}");
    });
}
