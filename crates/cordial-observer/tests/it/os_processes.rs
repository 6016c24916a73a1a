//! Observers and what the operating system does to their program: a fork, and SIGUSR1. Each test runs itself again as such a program.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::body::Body;
use cordial::Runtime;
use cordial_observer::{LogLines, Observer};
use futures_util::FutureExt;
use tower_service::Service;

use crate::harness::{Client, Program, wait_until};

/// Tells this binary to be the program of a test.
const CASE: &str = "CORDIAL_OBSERVER_CASE";

/// What a program prints when it is ready for signals.
const READY: &str = "ready";

/// How long a program may take, and how long a forked process, which has none of the threads that end its program. Long, because these limits only
/// matter if the process hangs.
const PROGRAM_LIMIT: Duration = Duration::from_secs(600);
const FORK_LIMIT: Duration = Duration::from_secs(300);

/// Returns whether this process is the program of a test, and if so, limits its time.
fn is_program() -> bool {
    let is_program = std::env::var_os(CASE).is_some();
    if is_program {
        limit_time_of_process(PROGRAM_LIMIT);
    }
    is_program
}

/// Starts this binary as the program of the calling test, with pipes. libtest names the thread of a test like the test.
fn start() -> Child {
    let test = std::thread::current().name().unwrap().to_owned();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &test, "--nocapture"])
        .env(CASE, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Checks that the program has run the test, and that the test has succeeded.
fn assert_success(program: Child) {
    let output = program.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains("1 passed"), "{stdout}");
}

/// Ends this process if it hangs.
#[expect(clippy::disallowed_methods, reason = "the limit must hold even if the library hangs")]
fn limit_time_of_process(limit: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        let _ = writeln!(std::io::stderr(), "this process of a test has not ended within {limit:?}");
        std::process::exit(99);
    });
}

/// Ends the OS process: with status 0, or with 1 after a panic.
struct ExitWhenDropped;

impl Drop for ExitWhenDropped {
    fn drop(&mut self) {
        std::process::exit(i32::from(std::thread::panicking()));
    }
}

/// What an observer of the parent process does in a forked one, and whether that one can have an observer of its own.
fn use_observers_in_forked_process(observer: Observer) {
    assert!(observer.dump().contains("was forked"), "{}", observer.dump());
    let request = http::Request::get("/api/tasks").header("host", "localhost").body(Body::empty()).unwrap();
    let answer = observer.router().call(request).now_or_never().expect("it does not wait for a thread of the parent");
    assert_eq!(answer.unwrap().status(), 503);
    observer.stop();
    let own = Program::new();
    assert_eq!(own.client.get("/api/tasks").status, 200);
    assert!(own.observer.dump().contains(&format!("OS process {}", std::process::id())));
}

#[test]
fn a_forked_process_gets_a_sentence_and_can_have_an_observer_of_its_own() {
    if !is_program() {
        return assert_success(start());
    }
    let Program { runtime, observer, client } = Program::new();
    match fork::fork().unwrap() {
        fork::Fork::Child => {
            limit_time_of_process(FORK_LIMIT);
            // The forked process must not go on with the test.
            let _exit = ExitWhenDropped;
            use_observers_in_forked_process(observer);
        }
        fork::Fork::Parent(child) => {
            let status = fork::waitpid(child).unwrap();
            assert!(fork::WIFEXITED(status) && fork::WEXITSTATUS(status) == 0, "{status}");
            assert_eq!(client.get("/api/tasks").status, 200, "the observer of the parent goes on");
            assert!(!observer.dump().contains("forked"));
        }
    }
    drop(runtime);
}

#[test]
#[cfg(target_os = "linux")]
fn a_forked_process_keeps_neither_the_address_nor_the_clients_of_a_stopped_observer() {
    if !is_program() {
        return assert_success(start());
    }
    let Program { runtime, observer, client } = Program::new();
    let mut stream = client.connect();
    let request = format!("GET /api/events HTTP/1.0\r\nHost: localhost\r\n{}\r\n\r\n", client.bearer());
    stream.write_all(request.as_bytes()).unwrap();
    assert!(stream.read(&mut [0; 64]).unwrap() > 0);
    let child = match fork::fork().unwrap() {
        fork::Fork::Child => {
            limit_time_of_process(FORK_LIMIT);
            loop {
                std::thread::park();
            }
        }
        fork::Fork::Parent(child) => child,
    };
    observer.stop();
    stream.read_to_end(&mut Vec::new()).unwrap();
    // Another test may have the port for a moment.
    wait_until("the address", || Observer::builder().runtime(runtime.inspector()).serve(client.address).is_ok());
    let pid = rustix::process::Pid::from_raw(child).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let status = fork::waitpid(child).unwrap();
    assert!(!fork::WIFEXITED(status), "the forked process has ended before: {status}");
}

/// The system cuts off the name of an executable after 15 bytes, which may be within a character.
#[test]
#[cfg(target_os = "linux")]
fn the_memory_of_a_program_whose_name_is_cut_off_is_shown() {
    if !is_program() {
        return assert_success(start());
    }
    std::fs::write("/proc/self/comm", b"warenwirtschaf\xc3").unwrap();
    let program = Program::new();
    let now = || program.client.json("/api/overview?history=none")["now"].clone();
    wait_until("a reading", || now()["at_ms"].as_u64() > Some(0));
    assert!(now()["rss_bytes"].as_u64() > Some(1 << 20), "{}", now());
}

/// Whether all other threads of this process wait. A thread that still starts would get no memory for its signal stack.
#[cfg(target_os = "linux")]
fn all_other_threads_wait() -> bool {
    let this = std::fs::read_link("/proc/thread-self").unwrap();
    let threads = std::fs::read_dir("/proc/self/task").unwrap().map(Result::unwrap);
    threads.filter(|entry| Some(&*entry.file_name()) != this.file_name()).all(|entry| {
        let status = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        status.lines().any(|line| line.starts_with("State:") && line.contains("(sleeping)"))
    })
}

/// Leaves so little of the address space that the system refuses a thread, but no memory for small values.
#[cfg(target_os = "linux")]
fn refuse_threads() {
    use nix::sys::resource::{Resource, setrlimit};

    wait_until("the threads of the runtime", all_other_threads_wait);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    let kibibytes: u64 = size.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    let limit = (kibibytes + 1024) * 1024;
    setrlimit(Resource::RLIMIT_AS, limit, limit).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn an_observer_that_gets_no_thread_is_an_error_also_in_a_task_of_tokio() {
    if !is_program() {
        return assert_success(start());
    }
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
    refuse_threads();
    let error =
        tokio.block_on(async { Observer::builder().runtime(runtime.inspector()).serve("127.0.0.1:0").unwrap_err() });
    assert!(matches!(error, cordial_observer::ServeError::System { what: "thread", .. }), "{error:?}");
    // Nothing can be started for the end of the runtime either.
    std::mem::forget(runtime);
}

#[test]
#[cfg(target_os = "linux")]
fn an_observer_that_was_started_with_the_last_files_answers_when_there_are_more() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    use std::os::unix::net::UnixStream;

    if !is_program() {
        return assert_success(start());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("observer.sock");
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.block_on(async { cordial::Task::start(std::future::pending::<()>()) }).unwrap();
    let serve = || Observer::builder().runtime(runtime.inspector()).serve_unix(&path);
    let (enough, maximum) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let with_limit = |n_files| {
        setrlimit(Resource::RLIMIT_NOFILE, n_files, maximum).unwrap();
        serve().ok()
    };
    let observer = (3..enough).find_map(with_limit).unwrap();
    wait_until("the first reading", || !observer.dump().contains(" 0 processes"));
    setrlimit(Resource::RLIMIT_NOFILE, enough, maximum).unwrap();
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(FORK_LIMIT)).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    assert!(stream.read(&mut [0; 64]).unwrap() > 0);
}

/// Logs again and again, so that some thread has the lock of the layer in the moment of a fork.
async fn log_without_end() {
    loop {
        tracing::warn!("a line that is kept");
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_forked_process_does_not_wait_for_a_line_that_its_parent_was_logging() {
    use tracing_subscriber::layer::SubscriberExt;

    if !is_program() {
        return assert_success(start());
    }
    let lines = LogLines::new();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines.clone())).unwrap();
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let forks = async move {
        for _ in 0..4 {
            cordial::Task::start(log_without_end());
        }
        for _ in 0..40 {
            match fork::fork().unwrap() {
                fork::Fork::Child => {
                    limit_time_of_process(FORK_LIMIT);
                    let _exit = ExitWhenDropped;
                    tracing::warn!("a line of the forked process");
                    assert!(format!("{lines:?}").contains("LogLines"));
                    return;
                }
                fork::Fork::Parent(child) => {
                    let status = fork::waitpid(child).unwrap();
                    assert!(fork::WIFEXITED(status) && fork::WEXITSTATUS(status) == 0, "{status}");
                }
            }
        }
    };
    runtime.block_on(forks).unwrap();
}

#[test]
fn each_observer_prints_its_program_for_each_sigusr1_and_one_text_after_the_other() {
    if is_program() {
        let runtimes: Vec<Runtime> = (0..2).map(|_| Runtime::builder().workers(1).build().unwrap()).collect();
        let observers: Vec<Observer> = runtimes
            .iter()
            .zip(["first", "second"])
            .map(|(runtime, name)| {
                let builder = Observer::builder().runtime(runtime.inspector()).name(name).dump_on_sigusr1();
                builder.serve("127.0.0.1:0").unwrap()
            })
            .collect();
        let mut lines = std::io::stdin().lines();
        writeln!(std::io::stdout(), "\n{READY}").unwrap();
        lines.next();
        let mut observers = observers.into_iter();
        observers.next().unwrap().stop();
        writeln!(std::io::stdout(), "\n{READY}").unwrap();
        lines.next();
        return;
    }
    let mut program = start();
    let mut stdout = BufReader::new(program.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut stderr = BufReader::new(program.stderr.take().unwrap());
    let pid = rustix::process::Pid::from_child(&program);
    let signal = || rustix::process::kill_process(pid, rustix::process::Signal::USR1).unwrap();
    let first_line = |name: &str| format!("{name}, OS process {}, observed for ", program.id());
    // Each text has three lines: the program, its numbers, and its processes. The memory is known on Linux only.
    let mut text = |n_texts: usize| {
        let mut text = String::new();
        while text.matches(" processes, 1 worker\n").count() < n_texts {
            assert!(stderr.read_line(&mut text).unwrap() > 0, "{text}");
        }
        text
    };
    assert!(stdout.any(|line| line == READY));
    for _ in 0..2 {
        signal();
        let text = text(2);
        let starts: Vec<usize> = ["first", "second"].iter().map(|name| text.find(&first_line(name)).unwrap()).collect();
        let end = text.find(" processes, 1 worker\n").unwrap();
        assert!(end < starts[0].max(starts[1]), "one text is within the other: {text}");
    }
    writeln!(program.stdin.as_mut().unwrap()).unwrap();
    assert!(stdout.any(|line| line == READY));
    // One observer was stopped. The other one still prints, and the signal does not end the program.
    signal();
    assert!(text(1).contains(" processes, 1 worker\n"));
    drop(program.stdin.take());
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert!(program.wait().unwrap().success(), "{rest}");
}

/// As on a terminal on which Ctrl-S was pressed.
#[test]
#[expect(clippy::disallowed_methods, reason = "the program must not use the observed runtime to fill the pipe")]
fn an_observer_answers_even_if_the_reader_of_standard_error_blocks_its_text() {
    const TOKEN: &str = "0123456789abcdef";
    if is_program() {
        let program = Program::with(|builder| builder.token(TOKEN).dump_on_sigusr1());
        std::thread::spawn(|| while std::io::stderr().write_all(&[b'x'; 4096]).is_ok() {});
        writeln!(std::io::stdout(), "\n{READY} {}", program.client.address).unwrap();
        std::io::stdin().lines().next();
        std::process::exit(0);
    }
    let mut program = start();
    let mut stdout = BufReader::new(program.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = stdout.find_map(|line| line.strip_prefix(READY)?.trim().parse().ok()).unwrap();
    let client = Client { address, token: TOKEN.to_owned() };
    for _ in 0..20 {
        let pid = rustix::process::Pid::from_child(&program);
        rustix::process::kill_process(pid, rustix::process::Signal::USR1).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(client.get("/api/overview").status, 200);
    }
    drop(program.stdin.take());
    drop(program.stderr.take());
    program.wait().unwrap();
}
