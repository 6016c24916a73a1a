//! `cordial worker` and `cordial map --nats`, on a real server. Without `nats-server`, the tests print that they are skipped.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::Signal;

use crate::free_port::free_port;
use crate::harness::{
    RunOutput, TestDir, cordial, finish, is_progress, run, send, skip, temporary_directory, wait_until,
};

/// Returns the path of the server; `CORDIAL_NATS_SERVER` names another one. Says so if there is none.
pub(crate) fn server_program() -> Option<PathBuf> {
    let named = std::env::var_os("CORDIAL_NATS_SERVER").map(PathBuf::from);
    let programs = ["/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"];
    let program = named.or_else(|| programs.iter().map(PathBuf::from).find(|path| path.exists()));
    if program.is_none() {
        skip("a test of a fleet: nats-server is not installed (apt-get install nats-server)");
    }
    program
}

/// A server with a store of its own, and its workers. All are killed when it is dropped.
pub(crate) struct Fleet {
    pub(crate) url: String,
    children: Vec<Child>,
    pub(crate) dir: tempfile::TempDir,
}

impl Fleet {
    pub(crate) fn start() -> Option<Fleet> {
        Fleet::start_with("")
    }

    /// Starts a server with this configuration.
    pub(crate) fn start_with(config: &str) -> Option<Fleet> {
        let program = server_program()?;
        let dir = temporary_directory();
        let port = free_port();
        let file = dir.path().join("server.conf");
        std::fs::write(&file, config).unwrap();
        let server = Command::new(program)
            .args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd"])
            .arg(dir.path())
            .arg("-c")
            .arg(file)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let fleet = Fleet { url: format!("nats://127.0.0.1:{port}"), children: vec![server], dir };
        wait_until("the server answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(fleet)
    }

    /// A fleet whose servers the caller has started, with their store in this directory.
    pub(crate) fn of_servers(url: String, dir: tempfile::TempDir) -> Fleet {
        Fleet { url, children: Vec::new(), dir }
    }

    /// Starts a worker of the group `build` with two slots, and returns its place among the children.
    pub(crate) fn worker(&mut self, name: &str) -> usize {
        self.worker_with(name, &[], Stdio::inherit())
    }

    pub(crate) fn worker_with(&mut self, name: &str, more: &[&str], input: Stdio) -> usize {
        let mut program = cordial();
        program.stdin(input);
        self.start_worker(program, name, more)
    }

    /// Starts a worker with a command that starts `cordial`.
    pub(crate) fn start_worker(&mut self, mut worker: Command, name: &str, more: &[&str]) -> usize {
        let options = ["--group", "build", "--slots", "2", "--name", name, "--allow-commands"];
        worker.args(["worker", "--nats", &self.url]).args(options).args(more).stderr(Stdio::piped());
        let mut worker = worker.spawn().unwrap();
        let stderr = worker.stderr.take().unwrap();
        // Kept before it is waited for, so that it is killed even if the test fails here.
        self.children.push(worker);
        let mut line = String::new();
        BufReader::new(stderr).read_line(&mut line).unwrap();
        assert!(line.contains(&format!("the worker {name} serves the group \"build\"")), "{line}");
        self.children.len() - 1
    }

    pub(crate) fn signal(&self, child: usize, signal: &str) {
        let pid = self.children[child].id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
    }

    /// Waits until a worker has exited.
    fn wait(&mut self, child: usize) {
        self.children[child].wait().unwrap();
    }

    pub(crate) fn map(&self, args: &[&str], input: &[u8]) -> RunOutput {
        run(&[&["map", "--nats", &self.url, "--group", "build"], args].concat(), input)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A command that runs on a fleet. Killed when it is dropped.
pub(crate) struct Submitter {
    child: Option<Child>,
}

impl Submitter {
    pub(crate) fn start(command: &mut Command) -> Submitter {
        Submitter::of(command.spawn().unwrap())
    }

    pub(crate) fn of(child: Child) -> Submitter {
        Submitter { child: Some(child) }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(self.child.as_ref().unwrap(), signal);
    }

    /// Waits until it has exited.
    pub(crate) fn finish(mut self) -> RunOutput {
        finish(self.child.take().unwrap())
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9), "it had not ended before");
    }
}

impl Drop for Submitter {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A run on a fleet whose output and messages are read while it goes on. Killed when it is dropped.
pub(crate) struct WatchedRun {
    submitter: Submitter,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

impl WatchedRun {
    pub(crate) fn start(fleet: &Fleet, options: &[&str], script: &str, items: &str) -> WatchedRun {
        let mut command = cordial();
        command.args(["map", "--nats", &fleet.url, "--group", "build"]).args(options).args([script, ":::"]);
        command.args(items.lines()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        WatchedRun { submitter: Submitter::of(child), stdout, stderr }
    }

    /// Waits for the next line of the output.
    pub(crate) fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    /// Waits for the next message that is not about the progress. Empty at the end.
    pub(crate) fn next_message(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.stderr.read_line(&mut line).unwrap();
            if !is_progress(&line) {
                return line;
            }
        }
    }

    /// Waits for the end. Returns the status, the rest of the output, and the rest of the messages.
    pub(crate) fn finish(mut self) -> (i32, String, String) {
        let [mut output, mut messages] = [(); 2].map(|()| String::new());
        self.stdout.read_to_string(&mut output).unwrap();
        self.stderr.read_to_string(&mut messages).unwrap();
        (self.submitter.finish().status, output, messages)
    }
}

/// Reads the messages of a run on another thread, which returns at their end.
fn messages(map: &mut Child) -> (Receiver<String>, JoinHandle<()>) {
    let lines = BufReader::new(map.stderr.take().unwrap()).lines().map(Result::unwrap);
    let (to, messages) = mpsc::channel();
    let read = move || lines.filter(|line| !is_progress(line)).for_each(|line| drop(to.send(line)));
    (messages, std::thread::Builder::new().spawn(read).unwrap())
}

/// Returns a shell line that prints its item. After the first item has run, commands wait until the file `go` is in the directory: so some
/// items are left however late the test does what they wait for. Workers take the commands in any order.
pub(crate) fn echo_when_let_go(dir: &Path) -> String {
    format!(
        "[ ! -e {0}/one ] || until [ -e {0}/go ]; do sleep 0.02; done; [ {{}} != 1 ] || : > {0}/one; echo {{}}",
        dir.display()
    )
}

pub(crate) fn numbers(n: u32) -> String {
    (1..=n).map(|n| format!("{n}\n")).collect()
}

#[test]
fn a_creds_file_that_cannot_be_read_is_named_with_a_way_out() {
    for command in [
        &["worker", "--allow-commands", "--nats", "127.0.0.1:1", "--creds", "/nonexistent.creds"][..],
        &["map", "--nats", "127.0.0.1:1", "--creds", "/nonexistent.creds", "echo", ":::", "a"],
    ] {
        let result = run(command, b"");
        assert_eq!(result.status, 255, "{}", result.stderr);
        let message = "cannot read --creds /nonexistent.creds: No such file or directory; name the .creds file";
        assert!(result.stderr.contains(message), "{}", result.stderr);
    }
}

#[test]
fn a_fleet_prints_what_one_machine_prints() {
    let Some(mut fleet) = Fleet::start() else { return };
    fleet.worker("one");
    fleet.worker("two");
    let script = "echo {} $CORDIAL_INDEX $PARALLEL_SEQ; echo error {} >&2; exit $(({} % 4 == 3))";
    let here = run(&["map", "--tag", script], numbers(40).as_bytes());
    let there = fleet.map(&["--tag", script], numbers(40).as_bytes());
    assert_eq!(String::from_utf8_lossy(&there.stdout), String::from_utf8_lossy(&here.stdout));
    assert_eq!((there.status, there.stderr), (here.status, here.stderr));
}

#[test]
fn the_number_of_items_that_are_sent_follows_its_file_and_sigusr1() {
    let Some(mut fleet) = Fleet::start() else { return };
    fleet.worker("one");
    fleet.worker("two");
    let dir = TestDir::new();
    let (file, go) = (dir.path("slots"), dir.path("go"));
    fs::write(&file, "1\n").unwrap();
    let script =
        format!("touch {}/begun.{{}}; while [ ! -e {} ]; do sleep 0.01; done", dir.text(), go.to_str().unwrap());
    let run = WatchedRun::start(&fleet, &["-c", file.to_str().unwrap()], &script, "a\nb\nc");
    dir.wait_for("begun.a");
    assert!(!dir.path("begun.b").exists());
    fs::write(&file, "2\n").unwrap();
    dir.wait_for("begun.b");
    assert!(!dir.path("begun.c").exists());
    run.submitter.signal(Signal::USR1);
    dir.wait_for("begun.c");
    dir.touch("go");
    assert_eq!(run.finish().0, 0);
}

#[test]
fn commands_do_not_read_the_standard_input_of_their_worker() {
    let Some(mut fleet) = Fleet::start() else { return };
    let worker = fleet.worker_with("one", &[], Stdio::piped());
    let output = fleet.map(&["timeout 60 wc -c; echo {}"], b"1\n2\n");
    assert_eq!((String::from_utf8_lossy(&output.stdout), output.status), ("0\n1\n0\n2\n".into(), 0));
    drop(fleet.children[worker].stdin.take());
}

#[test]
fn an_output_that_is_larger_than_a_message_is_complete() {
    let Some(mut fleet) = Fleet::start() else { return };
    fleet.worker("one");
    let output = fleet.map(&["seq 1 {}; seq 1 {} >&2"], b"300000\n5\n");
    let expected: String = numbers(300_000) + &numbers(5);
    assert!(output.stdout == expected.as_bytes(), "{} bytes", output.stdout.len());
    assert!(output.stderr == expected, "{} bytes", output.stderr.len());
}

#[test]
fn a_run_says_that_the_server_has_no_room_for_a_result() {
    let Some(mut fleet) = Fleet::start_with("jetstream { max_file_store: 4000000 }") else { return };
    fleet.worker("one");
    let args = ["map", "--nats", &fleet.url, "--group", "build", "head -c {} /dev/zero", ":::", "9000000"];
    let mut map =
        cordial().args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let (messages, _) = messages(&mut map);
    let _map = Submitter::of(map);
    let says = "cordial: the worker one of the group \"build\" waits: the server does not keep the result of the job ";
    let mut lines = std::iter::from_fn(|| messages.recv_timeout(Duration::from_secs(60)).ok());
    // A worker of a busy machine may answer so late that the run reports that first.
    let line = lines.find(|line| line.starts_with(says)).expect("the run says why it waits before it ends");
    assert!(line.contains("insufficient resources"), "{line}");
    assert!(line.ends_with("; make room in its store, or raise its limits"), "{line}");
}

#[test]
fn an_output_is_complete_even_if_the_server_accepts_only_small_messages() {
    let Some(mut fleet) = Fleet::start_with("max_payload: 20000") else { return };
    fleet.worker("one");
    let output = fleet.map(&["seq 1 {}; seq 1 {} >&2"], b"2000\n20000\n");
    let expected: String = numbers(2000) + &numbers(20_000);
    assert!(output.stdout == expected.as_bytes() && output.status == 0, "{} bytes", output.stdout.len());
    assert!(output.stderr == expected, "{} bytes", output.stderr.len());
}

#[test]
fn items_outlive_a_killed_and_a_frozen_worker_and_the_joblog_names_the_machines() {
    let Some(mut fleet) = Fleet::start() else { return };
    let (killed, frozen) = (fleet.worker("killed"), fleet.worker("frozen"));
    let joblog = fleet.dir.path().join("joblog").display().to_string();
    let [go, running] = ["go", "running"].map(|name| fleet.dir.path().join(name));
    // Each worker has two slots, so that each runs two of the first four commands. Some items are left when both workers are gone.
    let script = format!(
        "echo >> {0}; until [ $(wc -l < {0}) -ge 4 ]; do sleep 0.02; done; \
         [ $(wc -l < {0}) -lt 50 ] || until [ -e {1} ]; do sleep 0.02; done; sleep 0.05; echo {{}}",
        running.display(),
        go.display()
    );
    let args = ["map", "--nats", &fleet.url, "--group", "build", "--joblog", &joblog, &script];
    let items = numbers(150);
    let map = Submitter::start(
        cordial()
            .args([&args[..], &[":::"], &items.lines().collect::<Vec<_>>()].concat())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
    );
    wait_until("both have run items", || {
        let records = std::fs::read_to_string(&joblog).unwrap_or_default();
        let has = |host: &str| records.lines().any(|line| line.split('\t').nth(1) == Some(host));
        records.lines().count() >= 10 && has("killed") && has("frozen")
    });
    fleet.signal(killed, "KILL");
    fleet.signal(frozen, "STOP");
    fleet.worker("last");
    std::fs::write(go, "").unwrap();
    let output = map.finish();
    assert_eq!(String::from_utf8_lossy(&output.stdout), items);
    // A busy machine may start the last worker so late that the run says how to start one.
    let about_workers =
        |line: &&str| line.contains("no worker of the group") || line.contains("the worker last serves");
    assert_eq!((output.status, output.stderr.lines().find(|line| !about_workers(line))), (0, None));
    let hosts = std::fs::read_to_string(&joblog).unwrap();
    for host in ["killed", "frozen", "last"] {
        assert!(hosts.lines().any(|line| line.split('\t').nth(1) == Some(host)), "{hosts}");
    }
}

#[test]
fn a_run_whose_last_worker_is_gone_says_so_once_and_goes_on_with_another() {
    for signal in ["KILL", "STOP"] {
        let Some(mut fleet) = Fleet::start() else { return };
        let first = fleet.worker("first");
        let started = fleet.dir.path().join("started");
        let go = fleet.dir.path().join("go");
        let script = format!("echo >> {}; {}", started.display(), echo_when_let_go(fleet.dir.path()));
        let items = numbers(400);
        let mut map = WatchedRun::start(&fleet, &[], &script, &items);
        wait_until("a command runs", || started.exists());
        fleet.signal(first, signal);
        let advice = format!("start one with cordial worker --nats {} --group build --allow-commands\n", fleet.url);
        let gone = format!("cordial: no worker of the group \"build\" answers, so the commands wait: {advice}");
        assert_eq!(map.next_message(), gone, "SIG{signal}");
        fleet.worker("second");
        let found = "cordial: the worker second serves the group \"build\" now; the commands continue\n";
        assert_eq!(map.next_message(), found);
        std::fs::write(go, "").unwrap();
        let (status, output, messages) = map.finish();
        assert_eq!((status, output), (0, items));
        assert!(messages.lines().all(is_progress), "nothing is said twice: {messages}");
    }
}

#[test]
fn a_run_whose_server_does_not_answer_says_so_and_goes_on_when_it_does() {
    let Some(mut fleet) = Fleet::start() else { return };
    fleet.worker("first");
    let go = fleet.dir.path().join("go");
    let items = numbers(400);
    let mut map = WatchedRun::start(&fleet, &[], &echo_when_let_go(fleet.dir.path()), &items);
    let first = map.next_line();
    let server = 0;
    fleet.signal(server, "STOP");
    let url = &fleet.url;
    let silent = format!("cordial: the NATS server at {url} does not answer, so the commands wait until it does\n");
    assert_eq!(map.next_message(), silent);
    fleet.signal(server, "CONT");
    assert_eq!(map.next_message(), "cordial: the NATS server answers again; the commands continue\n");
    std::fs::write(go, "").unwrap();
    let (status, rest, _) = map.finish();
    assert_eq!((status, first + &rest), (0, items));
}

#[test]
fn a_run_without_workers_reports_it_only_while_commands_wait() {
    /// Longer than a run waits before it reports that no worker answers.
    const QUIET: Duration = Duration::from_secs(5);
    let Some(mut fleet) = Fleet::start() else { return };
    let first = fleet.worker_with("first", &["--grace", "60s"], Stdio::inherit());
    let dir = fleet.dir.path().to_owned();
    let path = |name: &str| dir.join(name);
    let script =
        format!("cd {}; echo > started-{{}}; while ! [ -e go-{{}} ]; do sleep 0.1; done", fleet.dir.path().display());
    let args = ["map", "--nats", &fleet.url, "--group", "build", &script];
    let mut map =
        cordial().args(args).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut items = map.stdin.take().unwrap();
    let (messages, reader) = messages(&mut map);
    let map = Submitter::of(map);
    items.write_all(b"1\n").unwrap();
    wait_until("the command runs", || path("started-1").exists());
    // The worker finishes its last command.
    fleet.signal(first, "TERM");
    assert_eq!(messages.recv_timeout(QUIET), Err(RecvTimeoutError::Timeout));
    items.write_all(b"2\n").unwrap();
    let advice = format!("start one with cordial worker --nats {} --group build --allow-commands", fleet.url);
    let wait =
        format!("cordial: no worker of the group \"build\" takes commands any more, so the commands wait: {advice}");
    assert_eq!(messages.recv().unwrap(), wait);
    let second = fleet.worker("second");
    let serves = |name| format!("cordial: the worker {name} serves the group \"build\" now; the commands continue");
    assert_eq!(messages.recv().unwrap(), serves("second"));
    for item in ["go-1", "go-2"] {
        std::fs::write(path(item), "").unwrap();
    }
    fleet.wait(first);
    // No command waits.
    wait_until("the last command runs", || path("started-2").exists());
    fleet.signal(second, "TERM");
    fleet.wait(second);
    assert_eq!(messages.recv_timeout(QUIET), Err(RecvTimeoutError::Timeout));
    drop(items);
    assert_eq!(map.finish().status, 0);
    reader.join().unwrap();
    assert_eq!(messages.recv().ok(), None);
}

#[test]
fn a_limit_and_a_stop_end_the_commands_there() {
    let Some(mut fleet) = Fleet::start() else { return };
    fleet.worker("one");
    let marker = fleet.dir.path().join("ended").display().to_string();
    let started = fleet.dir.path().join("started");
    let trap = format!("trap 'echo >> {marker}; exit 1' TERM; echo {{}} > {}; sleep 60 & wait", started.display());
    // Long enough for the shell to set its trap, even on a slow machine.
    let output = fleet.map(&["--timeout", "10s", "--grace", "60s", &trap, ":::", "1"], b"");
    assert_eq!(output.status, 1);
    assert!(output.stderr.contains("took longer than 10s (--timeout)"), "{}", output.stderr);
    assert_eq!(std::fs::read_to_string(&marker).unwrap(), "\n");
    std::fs::remove_file(&started).unwrap();
    let args = ["map", "--nats", &fleet.url, "--group", "build", "--grace", "60s", &trap, ":::", "1"];
    let map = Submitter::start(cordial().args(args).stdout(Stdio::null()).stderr(Stdio::null()));
    wait_until("the command runs", || started.exists());
    map.signal(Signal::INT);
    assert_eq!(map.finish().status, 130);
    wait_until("the command ends", || std::fs::read_to_string(&marker).unwrap() == "\n\n");
}

#[test]
fn what_a_fleet_cannot_do_is_refused_with_what_to_do() {
    let url = "nats://127.0.0.1:1";
    for (args, expected) in [
        (&["map", "--nats", url, "-u", "true", ":::", "1"][..], "--ungroup cannot be used with --nats"),
        (&["map", "--nats", url, "--load", "1", "true", ":::", "1"], "--load cannot be used with --nats"),
        (&["map", "--nats", url, "--workdir", "{}", "true", ":::", "1"], "--workdir {} takes no placeholder"),
        (
            &["map", "--nats", url, "--env", "NEVER_SET", "true", ":::", "1"],
            "--env NEVER_SET: there is no such variable",
        ),
        (&["map", "--nats", "nats://a:b@h", "true", ":::", "1"], "--nats takes no password"),
        (&["map", "--insecure", "true", ":::", "1"], "add --nats URL"),
        (&["map", "--nats", url, "true", ":::", "1"], "no NATS server answers at nats://127.0.0.1:1"),
        (&["worker", "--nats", url], "add --allow-commands to start it"),
        (&["worker", "--nats", url, "--allow-commands"], "no NATS server answers"),
    ] {
        let output = run(args, b"");
        assert_eq!(output.status, 255, "{args:?}");
        assert!(output.stderr.contains(expected), "{args:?}: {}", output.stderr);
        assert!(!output.stderr.contains("os error"), "{args:?}: {}", output.stderr);
    }
}

#[test]
fn what_is_not_the_address_of_a_server_is_refused() {
    let good = "nats://127.0.0.1:1";
    for address in [
        "nats://[::1/",
        "nats://[::1",
        "nats://[1]:4222",
        "nats://[::1]4222",
        "nats://",
        "nats:/h",
        "nats://h:0",
        "nats://h:99999",
        "nats://h:x",
        "nats://h:",
        "http://h",
        "nats://h/path",
        "nats://h:4222/?a",
        "nats://a b",
        "",
    ] {
        for url in [address.to_owned(), format!("{good},{address}")] {
            for args in [
                &["map", "--nats", &url, "echo", ":::", "1"][..],
                &["map", "--dry-run", "--nats", &url, "echo", ":::", "1"],
                &["worker", "--allow-commands", "--nats", &url],
            ] {
                let output = run(args, b"");
                assert_eq!((output.status, output.text()), (255, ""), "{args:?}");
                assert!(
                    output.stderr.starts_with(&format!(
                        "cordial: --nats: {address:?} is not the address of a NATS server, because "
                    )),
                    "{args:?}: {}",
                    output.stderr
                );
            }
        }
    }
    for url in [good, "h", "h:1,tls://h.example", "nats://[::1]:4222/, [::1]"] {
        assert_eq!(run(&["map", "--dry-run", "--nats", url, "echo", ":::", "1"], b"").text(), "echo 1\n", "{url}");
    }
}

#[test]
fn the_help_of_a_worker_shows_how_to_connect() {
    let output = run(&["worker", "--help"], b"");
    let help = String::from_utf8(output.stdout).unwrap();
    for option in ["--creds", "--tls-ca", "--tls-cert", "--tls-key", "--insecure", "--allow-commands"] {
        assert!(help.contains(option), "{option}: {help}");
    }
}

#[test]
fn a_run_that_cannot_begin_leaves_no_records() {
    let dir = temporary_directory();
    let [joblog, results] = ["joblog", "results"].map(|name| dir.path().join(name).display().to_string());
    let records = ["--joblog", &joblog, "--results", &results];
    let output = run(&[&["map", "--nats", "nats://127.0.0.1:1"], &records[..], &["true", ":::", "1"]].concat(), b"");
    assert!(output.stderr.contains("no NATS server answers"), "{}", output.stderr);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn an_option_of_the_command_is_no_group_of_the_fleet() {
    let Some(mut fleet) = Fleet::start() else { return };
    fleet.worker("one");
    let output = fleet.map(&["echo", "{}", "--group", "x", ":::", "1"], b"");
    assert_eq!((output.status, &*output.stdout), (0, &b"1 --group x\n"[..]), "{}", output.stderr);
}

#[test]
fn a_group_without_workers_and_a_directory_that_is_not_there_are_named() {
    let Some(mut fleet) = Fleet::start() else { return };
    let output = fleet.map(&["true", ":::", "1"], b"");
    assert_eq!(output.status, 255);
    assert!(output.stderr.contains("no worker serves the group \"build\""), "{}", output.stderr);
    fleet.worker("one");
    let dir = temporary_directory();
    let missing = dir.path().join("missing").display().to_string();
    let output = fleet.map(&["--workdir", &missing, "true", ":::", "1"], b"");
    assert_eq!(output.status, 1);
    assert!(output.stderr.contains(&format!("the directory {missing} does not exist on one")), "{}", output.stderr);
}
