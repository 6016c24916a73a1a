//! The functions of the tests, most of which end badly.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cordial::{Exit, Inherited, Task};
use cordial_isolate::dispatch::carried_value;
use cordial_isolate::{Function, Functions, Pool, WorkerActivity};
use rustix::process::Pid;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::waits::{LONG, until, until_some};

pub(crate) const SQUARE: Function<u64, u64> = Function::new("square");
pub(crate) const ECHO: Function<Vec<u8>, Vec<u8>> = Function::new("echo");
pub(crate) const PARSE: Function<String, u64> = Function::new("parse");
/// Fails with an error whose `Display` panics.
pub(crate) const UNPRINTABLE: Function<(), ()> = Function::new("unprintable");
pub(crate) const LONG_ERROR: Function<usize, ()> = Function::new("long_error");
pub(crate) const SPIN: Function<(), ()> = Function::new("spin");
/// Starts a shell that creates the first file once it traps SIGTERM, and the second one when that comes. Then computes forever.
pub(crate) const SPIN_BESIDE_A_TRAP: Function<(PathBuf, PathBuf), ()> = Function::new("spin_beside_a_trap");
/// Creates this file, and then computes forever.
const SPIN_AFTER: Function<PathBuf, ()> = Function::new("spin_after");
/// Blocks its thread.
pub(crate) const BLOCK: Function<(), ()> = Function::new("block");
pub(crate) const WAIT: Function<u64, u64> = Function::new("wait");
pub(crate) const ABORT: Function<(), ()> = Function::new("abort");
pub(crate) const SEGV: Function<(), ()> = Function::new("segv");
pub(crate) const OVERFLOW: Function<u64, u64> = Function::new("overflow");
pub(crate) const EXIT: Function<i32, ()> = Function::new("exit");
pub(crate) const PANIC: Function<String, ()> = Function::new("panic");
pub(crate) const ALLOCATE: Function<usize, usize> = Function::new("allocate");
pub(crate) const GRANDCHILD: Function<(), u32> = Function::new("grandchild");
pub(crate) const LEAVE: Function<Leaves, u32> = Function::new("leave");
pub(crate) const JOIN_PARENT: Function<(), ()> = Function::new("join_parent");
pub(crate) const PRINT: Function<usize, ()> = Function::new("print");
/// Writes each line by a system call of its own.
pub(crate) const PRINT_LINES: Function<usize, ()> = Function::new("print_lines");
/// Returns a value that is nested to this depth.
pub(crate) const NEST: Function<usize, Level> = Function::new("nest");
/// Returns how deeply a value is nested.
pub(crate) const DEPTH: Function<Level, usize> = Function::new("depth");
pub(crate) const RESULT: Function<usize, Vec<u8>> = Function::new("result");
/// Creates this file once it has opted in to graceful shutdown. Ends after a request to shut down, once the file is gone.
pub(crate) const GRACEFUL: Function<PathBuf, String> = Function::new("graceful");
pub(crate) const CHECKPOINT: Function<(), ()> = Function::new("checkpoint");
/// Leaves a task that counts milliseconds.
pub(crate) const TICK: Function<(), ()> = Function::new("tick");
pub(crate) const TICKS: Function<(), u64> = Function::new("ticks");
pub(crate) const OS_PID: Function<(), u32> = Function::new("os_pid");
/// Writes a line to standard error, and then computes forever.
pub(crate) const WORDS_AND_SPIN: Function<String, ()> = Function::new("words_and_spin");
pub(crate) const UNENDED: Function<String, ()> = Function::new("unended");
/// Lets its process open no more descriptors.
pub(crate) const FORBID_FILES: Function<(), ()> = Function::new("forbid_files");
/// Forks its process, returns 1 in the child, and 2 in the worker, after the child has ended.
pub(crate) const FORK: Function<(), u32> = Function::new("fork");
/// Closes the descriptor of the socket of its worker, and lets something else have its number.
pub(crate) const CLOSE_SOCKET: Function<ReusedFor, ()> = Function::new("close_socket");
/// Leaves a thread that holds the lock of standard output forever.
pub(crate) const HOLD_STDOUT: Function<(), ()> = Function::new("hold_stdout");
/// As `unended`, to standard output.
pub(crate) const UNENDED_OUT: Function<String, ()> = Function::new("unended_out");
pub(crate) const WORDS: Function<String, ()> = Function::new("words");

pub(crate) const WAIT_FOR_EVER: Function<(), ()> = Function::new("wait_for_ever");
pub(crate) const TO_KILL: Function<(), ()> = Function::new("to_kill");
pub(crate) const TO_STOP: Function<(), ()> = Function::new("to_stop");

pub(crate) const TENANT_SEEN: Function<(), Option<String>> = Function::new("tenant_seen");

/// The name of the span in which the function runs, and the trace context from which it was made.
pub(crate) const TRACE_SEEN: Function<(), Option<(String, String)>> = Function::new("trace_seen");
pub(crate) const CARRIED_SEEN: Function<(), Option<Vec<u8>>> = Function::new("carried_seen");
/// Calls `square` in a pool of its own.
pub(crate) const NESTED: Function<u64, u64> = Function::new("nested");

/// The trace context of a caller.
pub(crate) static TRACE: Inherited<String> = Inherited::new();

/// The trace context from which the span of the call that runs was made.
static LAST_TRACE: Mutex<Option<String>> = Mutex::new(None);

pub(crate) static TENANT: Inherited<String> = Inherited::new();
pub(crate) static STAYS: Inherited<String> = Inherited::new();
pub(crate) static UNREADABLE: Inherited<Unreadable> = Inherited::new();
pub(crate) static UNWRITABLE: Inherited<Unwritable> = Inherited::new();

static N_TICKS: AtomicU64 = AtomicU64::new(0);

/// The trace context whose span cannot be made.
pub(crate) const BAD_TRACE: &str = "bad";

pub(crate) fn functions() -> Functions {
    if std::env::var_os("CORDIAL_ISOLATE_WORKER").is_some() {
        // Without a subscriber, there are no spans.
        let _ = tracing_subscriber::fmt().with_writer(std::io::sink).try_init();
    }
    Functions::new()
        .trace_context(
            || TRACE.get().map(|trace| trace.to_string()),
            |traceparent| {
                assert_ne!(traceparent, BAD_TRACE);
                *LAST_TRACE.lock().expect("nothing panics under this lock") = Some(traceparent.to_owned());
                tracing::info_span!("call_of_a_trace")
            },
        )
        .add_blocking(TRACE_SEEN, |()| {
            let trace = LAST_TRACE.lock().expect("nothing panics under this lock").take();
            let span = tracing::Span::current().metadata().map(|span| span.name().to_owned());
            assert_eq!(trace.is_some(), span.as_deref() == Some("call_of_a_trace"), "{span:?}");
            span.filter(|_| trace.is_some()).zip(trace)
        })
        .add_blocking(CARRIED_SEEN, |()| carried_value("test.node"))
        .add_fallible(NESTED, |n| async move {
            let pool = Pool::builder().workers(1).start().map_err(|error| Exit::Error(Arc::new(error)))?;
            let square = pool.call(SQUARE, n).timeout(LONG).await;
            pool.stop().await;
            square
        })
        .travels("tenant", &TENANT)
        .travels("unreadable", &UNREADABLE)
        .travels("unwritable", &UNWRITABLE)
        .add_blocking(TENANT_SEEN, |()| {
            assert_eq!(STAYS.get(), None);
            TENANT.get().map(|tenant| tenant.to_string())
        })
        .add(SQUARE, |n| async move { n * n })
        .add_blocking(ECHO, |bytes| bytes)
        .add_fallible(PARSE, |text: String| async move { text.parse::<u64>() })
        .add_fallible(UNPRINTABLE, |()| async move { Err::<(), Unprintable>(Unprintable) })
        .add_fallible(LONG_ERROR, |bytes: usize| async move { Err::<(), String>("x".repeat(bytes)) })
        .add_blocking(SPIN, |()| spin())
        .add_blocking(SPIN_AFTER, |begun: PathBuf| {
            std::fs::write(begun, "").expect("the folder is writable");
            spin();
        })
        .add_blocking(SPIN_BESIDE_A_TRAP, |(ready, trapped)| {
            let script = "trap '>\"$2\"; exit' TERM; >\"$1\"; while :; do sleep 0.01; done";
            let mut command = Command::new("sh");
            command.args(["-c", script, "sh"]).arg(ready).arg(trapped);
            let _ = command.stdin(Stdio::null()).spawn().expect("`sh` starts").id();
            spin();
        })
        .add_blocking(BLOCK, |()| {
            loop {
                std::thread::park();
            }
        })
        .add(WAIT, |milliseconds| async move {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            milliseconds
        })
        .add_blocking(ABORT, |()| std::process::abort())
        .add_blocking(SEGV, |()| {
            // Rust's own handler returns from the first one, as no stack has overflowed.
            loop {
                let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::SEGV);
            }
        })
        .add_blocking(OVERFLOW, overflow)
        .add_blocking(EXIT, |code| std::process::exit(code))
        .add(PANIC, |message| async move { panic!("{message}") })
        .add_blocking(ALLOCATE, |bytes| std::hint::black_box(vec![1u8; bytes]).len())
        .add_blocking(GRANDCHILD, |()| {
            let mut command = Command::new("sleep");
            command.arg("1000").stdin(Stdio::null()).spawn().expect("`sleep` starts").id()
        })
        .add_blocking(LEAVE, leave)
        .add_blocking(JOIN_PARENT, |()| {
            let parent = rustix::process::getppid();
            let group = rustix::process::getpgid(parent).expect("the parent runs");
            rustix::process::setpgid(None, Some(group)).expect("the group is in the session of the worker");
            spin()
        })
        .add_blocking(PRINT, print)
        .add_blocking(PRINT_LINES, print_lines)
        .add_blocking(NEST, Level::nested)
        .add_blocking(DEPTH, |level: Level| level.depth())
        .add_blocking(RESULT, |bytes| vec![7; bytes])
        .add(GRACEFUL, |opted_in| async move {
            let requested = cordial::shutdown_requested();
            std::fs::write(&opted_in, "").expect("the folder is writable");
            requested.await;
            tokio::time::sleep(Duration::from_millis(10)).await;
            until("the removal of the file", || !opted_in.exists()).await;
            "saved".to_owned()
        })
        .add_blocking(CHECKPOINT, |()| {
            loop {
                cordial::checkpoint();
            }
        })
        .add(TICK, |()| async {
            Task::start(async {
                loop {
                    N_TICKS.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
        })
        .add_blocking(TICKS, |()| N_TICKS.load(Ordering::Relaxed))
        .add_blocking(OS_PID, |()| std::process::id())
        .add_blocking(UNENDED, unended)
        .add_blocking(UNENDED_OUT, unended_out)
        .add_blocking(HOLD_STDOUT, hold_stdout)
        .add_blocking(FORK, |()| match fork::fork().expect("the process forks") {
            fork::Fork::Child => 1,
            fork::Fork::Parent(child) => {
                fork::waitpid(child).expect("the child ends");
                2
            }
        })
        .add_blocking(CLOSE_SOCKET, close_socket)
        .add_blocking(FORBID_FILES, |()| {
            use rustix::process::{Resource, Rlimit, setrlimit};
            setrlimit(Resource::Nofile, Rlimit { current: Some(0), maximum: Some(0) }).expect("a limit can be lowered");
        })
        .add_blocking(WORDS, words)
        .add_blocking(WORDS_AND_SPIN, |text| {
            unended(format!("{text}\n"));
            spin();
        })
        .add(WAIT_FOR_EVER, |()| std::future::pending())
        .add(TO_KILL, |()| std::future::pending())
        .add(TO_STOP, |()| std::future::pending())
}

/// Waits until a worker has got a call.
pub(crate) async fn until_running(pool: &Pool) {
    until("a running call", || pool.statistics().running > 0).await;
}

/// Waits until a worker has got a call, and returns its OS process.
pub(crate) async fn worker_of_call(pool: &Pool) -> Pid {
    let find = || {
        let workers = pool.statistics().workers;
        let running = workers.iter().find(|worker| matches!(worker.activity, WorkerActivity::Running(_)));
        running.map(|worker| Pid::from_raw(worker.os_pid).expect("no process has the number 0"))
    };
    until_some("a running call", find).await
}

/// Makes a call that computes forever, and waits until its worker has begun with it. Before that, a request to shut down would end the call, and
/// its worker would live on.
pub(crate) async fn spinning(pool: &Pool) -> Task<()> {
    let begun = new_path();
    let task = pool.call(SPIN_AFTER, begun.clone());
    until("the begin of the call", || begun.exists()).await;
    std::fs::remove_file(begun).expect("the folder is writable");
    task
}

/// Returns the path of a file that does not exist.
fn new_path() -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("cordial-isolate-begun-{}-{number}", std::process::id()))
}

/// Makes a call that has opted in to graceful shutdown. After a request to shut down, it ends once this file is removed.
pub(crate) async fn graceful(pool: &Pool) -> (Task<String>, PathBuf) {
    let opted_in = new_path();
    let task = pool.call(GRACEFUL, opted_in.clone());
    until("the opt-in of the call", || opted_in.exists()).await;
    (task, opted_in)
}

/// Checks the result of a `Shutdown::BrutalKill`. On a busy machine, the task may be abandoned, as its last poll may wait for a core.
#[track_caller]
pub(crate) fn assert_killed(result: Option<Result<(), Exit>>) {
    assert!(matches!(result, None | Some(Err(Exit::Killed))), "{result:?}");
}

/// A value that is nested.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Level(Option<Box<Level>>);

impl Level {
    pub(crate) fn nested(depth: usize) -> Level {
        (0..depth).fold(Level(None), |level, _| Level(Some(Box::new(level))))
    }

    fn depth(&self) -> usize {
        std::iter::successors(Some(self), |level| level.0.as_deref()).count() - 1
    }
}

/// An error whose `Display` panics.
#[derive(Debug)]
struct Unprintable;

impl fmt::Display for Unprintable {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("the text of an error")
    }
}

impl std::error::Error for Unprintable {}

/// A value whose `Deserialize` panics.
#[derive(Serialize)]
pub(crate) struct Unreadable;

impl<'de> Deserialize<'de> for Unreadable {
    fn deserialize<D: Deserializer<'de>>(_deserializer: D) -> Result<Unreadable, D::Error> {
        panic!("the bytes of a value")
    }
}

/// A value whose `Serialize` fails, or writes a text that is no number.
#[derive(Deserialize)]
pub(crate) struct Unwritable(pub(crate) u64);

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            0 => Err(serde::ser::Error::custom("it has no bytes")),
            _ => serializer.serialize_str("x"),
        }
    }
}

/// How a process leaves the group and the family of its worker.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Leaves {
    /// In a session of its own, as a child of the worker.
    Session,
    /// In a session of its own, as an orphan.
    Orphan,
    /// An orphan, whose own child has another environment.
    Environment,
}

/// Starts a process that sleeps for long after it has left the group of this one, and returns its id.
fn leave(how: Leaves) -> u32 {
    let script = match how {
        Leaves::Session => "exec setsid sh -c 'echo $$; exec sleep 1000 >&- 2>&-'",
        Leaves::Orphan => "setsid sh -c 'echo $$; exec sleep 1000 >&- 2>&-' &",
        Leaves::Environment => "setsid sh -c 'env -i sh -c \"echo \\$\\$; exec sleep 1000 >&- 2>&-\"; :' 2>&- &",
    };
    let mut child = Command::new("sh").args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let stdout = child.as_mut().expect("`sh` starts").stdout.take().expect("it is a pipe");
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).expect("the process prints its id");
    let id: u32 = line.trim().parse().expect("the process prints its id");
    // While the process begins to execute `sleep`, it has no environment for a moment, and a search for the environment does not find it.
    while !std::fs::read_to_string(format!("/proc/{id}/stat")).expect("the process runs").contains("(sleep) S ") {
        std::thread::sleep(Duration::from_millis(1));
    }
    id
}

fn spin() {
    loop {
        std::hint::spin_loop();
    }
}

fn overflow(n: u64) -> u64 {
    let array = std::hint::black_box([n; 64]);
    if n == u64::MAX { 0 } else { overflow(n + 1) + array[7] }
}

/// Writes lines of 100 bytes, in blocks that a pipe takes as a whole.
fn print(bytes: usize) {
    let line = format!("{}\n", "x".repeat(99));
    let block = line.repeat(640);
    for _ in 0..bytes / block.len() {
        std::io::stdout().write_all(block.as_bytes()).expect("the pool reads it");
    }
}

#[expect(clippy::print_stdout, reason = "that is the test")]
fn print_lines(bytes: usize) {
    let line = "x".repeat(99);
    for _ in 0..bytes / 100 {
        println!("{line}");
    }
}

#[expect(clippy::print_stderr, reason = "that is the test")]
fn words(text: String) {
    eprintln!("{text}");
    std::process::abort();
}

/// Writes a line that has no line break.
#[expect(clippy::print_stderr, reason = "that is the test")]
fn unended(text: String) {
    eprint!("{text}");
}

#[expect(clippy::print_stdout, reason = "that is the test")]
fn unended_out(text: String) {
    print!("{text}");
}

fn hold_stdout(_: ()) {
    let (locked, wait) = std::sync::mpsc::channel();
    std::thread::Builder::new()
        .spawn(move || {
            let _lock = std::io::stdout().lock();
            locked.send(()).expect("the function waits for this");
            loop {
                std::thread::park();
            }
        })
        .expect("a thread starts");
    wait.recv().expect("the thread sends");
}

/// What gets the number of a descriptor that was closed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum ReusedFor {
    Nothing,
    File,
    /// Its other end writes what it gets to standard error.
    Socket,
}

#[expect(clippy::print_stderr, reason = "that is the test")]
fn close_socket(reused: ReusedFor) {
    let settings = std::env::var("CORDIAL_ISOLATE_WORKER").expect("it runs in a worker");
    let socket = format!("socket:[{}]", settings.split(':').nth(1).expect("the number of the socket"));
    for entry in std::fs::read_dir("/proc/self/fd").expect("`/proc` is mounted").flatten() {
        if std::fs::read_link(entry.path()).is_ok_and(|link| link.as_os_str() == socket.as_str()) {
            let descriptor: i32 = entry.file_name().to_string_lossy().parse().expect("a number");
            nix::unistd::close(descriptor).expect("it is open");
        }
    }
    match reused {
        ReusedFor::Nothing => {}
        ReusedFor::File => {
            let file = std::fs::OpenOptions::new().write(true).open("/dev/null").expect("it can be opened");
            std::mem::forget(file);
        }
        ReusedFor::Socket => {
            let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().expect("there are descriptors");
            std::mem::forget(ours);
            let read = move || {
                let mut bytes = [0; 100];
                while let Ok(read) = theirs.read(&mut bytes) {
                    eprintln!("another socket has got {read} bytes");
                }
            };
            std::thread::Builder::new().spawn(read).expect("a thread starts");
        }
    }
}
