//! Real processes of the tests: the test binary itself, which runs the test `a_process_of_another_test` in another role.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cordial::{Strategy, Supervisor, Task, Timeout};
use cordial_isolate::{Function, Functions};
use cordial_nats::{Cluster, Options};
use futures_util::FutureExt;
use tokio::sync::Notify;
use tracing::span::{self, Attributes, Id};
use tracing::{Event, Metadata, Subscriber};

use crate::harness::{LIMIT, in_several_tries, send_signal, wait_end};
use crate::namespaces::Namespace;

const ROLE: &str = "CORDIAL_TEST_ROLE";
const URL: &str = "CORDIAL_TEST_URL";
const NAME: &str = "CORDIAL_TEST_NAME";
/// In milliseconds.
const LEASE_OF_PROCESS: &str = "CORDIAL_TEST_LEASE";

/// The lease of most tests: short, so that the tests are short, too, but a worker that gets no processor for two seconds does not lose it.
pub(crate) const LEASE: Duration = Duration::from_secs(5);

/// Appends a line for each run to a file: what the function was asked for, and in which attempt. Then it sleeps, and returns its number.
pub(crate) const RECORD: Function<Record, u64> = Function::new("record");
/// Does the same, but its first run lasts until its worker is gone, and a later one does not sleep.
pub(crate) const LINGER: Function<Record, u64> = Function::new("linger");
/// Ends its own process, as a crash of the machine would.
pub(crate) const POISON: Function<String, ()> = Function::new("poison");
/// Appends a line to a file, and blocks its thread until the file of [`release_of`] is there.
pub(crate) const HOLD: Function<Record, u64> = Function::new("hold");
pub(crate) const OS_PID: Function<(), u32> = Function::new("os_pid");
/// Appends a line to a file, and fails at the moment at which the grace of a worker of the role `graceless` ends. Its error panics when it is dropped.
pub(crate) const FAIL_AT_STOP: Function<Record, u64> = Function::new("fail_at_stop");
/// Appends a line to a file. Its first run lasts until it is ended, and the first run that a worker ends freezes the worker.
pub(crate) const FREEZE_AT_STOP: Function<Record, u64> = Function::new("freeze_at_stop");
/// Returns this many bytes.
pub(crate) const BYTES: Function<usize, Vec<u8>> = Function::new("bytes");
/// Blocks its thread.
pub(crate) const BLOCK: Function<u64, u64> = Function::new("block");

/// How many jobs and calls a process of the role `waiter` waits for.
pub(crate) const WAITED_JOBS: u64 = 10;
pub(crate) const WAITED_CALLS: u64 = 4;

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Record {
    pub(crate) log: String,
    pub(crate) number: u64,
    pub(crate) ms: u64,
}

/// Notified when a worker of the role `graceless` stops.
static STOPS: Notify = Notify::const_new();

#[derive(Debug)]
struct Undroppable;

impl fmt::Display for Undroppable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed at the stop")
    }
}

impl std::error::Error for Undroppable {}

impl Drop for Undroppable {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "an error that was dropped");
    }
}

/// Freezes this OS process when the first one is dropped. The others wait until it runs again.
struct FreezesAtStop;

impl Drop for FreezesAtStop {
    fn drop(&mut self) {
        static HAS_FROZEN: Once = Once::new();
        HAS_FROZEN.call_once(|| {
            let pid = std::process::id().to_string();
            assert!(Command::new("kill").args(["-STOP", &pid]).status().unwrap().success());
        });
    }
}

fn append(log: &str, line: &str) {
    let mut file = fs::File::options().create(true).append(true).open(log).unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// Appends the line of a run: its job, its attempt, and when it begins, in milliseconds. Returns the attempt.
fn note_run(record: &Record) -> u32 {
    let attempt = cordial_nats::attempt().map_or(0, |attempt| attempt.number());
    let begins = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    append(&record.log, &format!("{} {attempt} {begins}", record.number));
    attempt
}

/// Returns the file whose presence ends the runs of [`HOLD`] with this log.
pub(crate) fn release_of(log: &Path) -> PathBuf {
    log.with_extension("release")
}

pub(crate) fn functions() -> Functions {
    Functions::new()
        .add_blocking(HOLD, |record: Record| {
            append(&record.log, &format!("{} 1", record.number));
            while !release_of(Path::new(&record.log)).exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
            record.number
        })
        .add(BYTES, |n| async move { vec![7; n] })
        .add_blocking(OS_PID, |()| std::process::id())
        .add(RECORD, |record: Record| async move {
            note_run(&record);
            tokio::time::sleep(Duration::from_millis(record.ms)).await;
            record.number
        })
        .add(LINGER, |record: Record| async move {
            if note_run(&record) == 1 {
                std::future::pending::<()>().await;
            }
            record.number
        })
        .add(POISON, |log: String| async move {
            append(&log, "poison");
            std::process::abort()
        })
        .add_fallible(FAIL_AT_STOP, |record: Record| async move {
            let stops = STOPS.notified();
            append(&record.log, &format!("{} 1", record.number));
            stops.await;
            Err(Undroppable)
        })
        .add(FREEZE_AT_STOP, |record: Record| async move {
            if note_run(&record) == 1 {
                let _freezes = FreezesAtStop;
                std::future::pending::<()>().await;
            }
            record.number
        })
        .add_blocking(BLOCK, |ms| {
            std::thread::sleep(Duration::from_millis(ms));
            ms
        })
}

pub(crate) fn options(url: &str) -> Options {
    // A process in a network namespace reaches the server by an address that is not a loopback one.
    Options::new(url).lease(LEASE).insecure()
}

/// A subscriber that calls a function for each event of a fleet.
struct OnEvents(fn(&Event<'_>));

impl Subscriber for OnEvents {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "cordial::fleet"
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &span::Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        (self.0)(event);
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// A process of another role. Killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Process {
    /// Starts a worker of the group `g` with this name and number of slots, and waits until the server knows it.
    pub(crate) fn worker(url: &str, name: &str, slots: usize) -> Process {
        Process::worker_with(&[], url, name, slots)
    }

    /// Starts a worker of this role, with this lease.
    pub(crate) fn worker_of(role: &str, lease: Duration, url: &str, name: &str, slots: usize) -> Process {
        let lease = lease.as_millis().to_string();
        Process::start_with(&[(LEASE_OF_PROCESS, &lease)], role, url, name, &slots.to_string()).wait_ready()
    }

    /// Starts a worker with these variables in its environment.
    pub(crate) fn worker_with(variables: &[(&str, &str)], url: &str, name: &str, slots: usize) -> Process {
        Process::start_with(variables, "worker", url, name, &slots.to_string()).wait_ready()
    }

    pub(crate) fn start(role: &str, url: &str, name: &str, argument: &str) -> Process {
        Process::start_with(&[], role, url, name, argument)
    }

    /// Starts a process with these variables in its environment.
    pub(crate) fn start_with(variables: &[(&str, &str)], role: &str, url: &str, name: &str, argument: &str) -> Process {
        let program = Command::new(std::env::current_exe().unwrap());
        Process::start_by(program, variables, role, url, name, argument)
    }

    /// Starts a worker in a network namespace.
    pub(crate) fn worker_in(namespace: &Namespace, url: &str, name: &str, slots: usize) -> Process {
        let program = namespace.command(&std::env::current_exe().unwrap());
        Process::start_by(program, &[], "worker", url, name, &slots.to_string()).wait_ready()
    }

    fn start_by(
        mut program: Command,
        variables: &[(&str, &str)],
        role: &str,
        url: &str,
        name: &str,
        argument: &str,
    ) -> Process {
        let mut child = program
            .envs(variables.iter().copied())
            .args(["--exact", "processes::a_process_of_another_test", "--nocapture", "--test-threads=1"])
            .env(ROLE, format!("{role} {argument}"))
            .env(URL, url)
            .env(NAME, name)
            // A backtrace takes longer than a worker has for its stop, and nothing reads it.
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        // The process has to wait as well if nothing takes its lines.
        let (to, lines) = mpsc::sync_channel(0);
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| to.send(line)));
        Process { child, lines }
    }

    fn wait_ready(mut self) -> Process {
        self.wait_line("ready").expect("the worker starts");
        self
    }

    /// Returns the next line that ends with this word, without it. `None` at the end.
    pub(crate) fn wait_line(&mut self, word: &str) -> Option<String> {
        loop {
            let line = match self.lines.recv_timeout(LIMIT) {
                Ok(line) => line,
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => panic!("no line with {word:?} within {LIMIT:?}"),
            };
            // The harness of the tests may have begun the line.
            if let Some(start) = line.trim_end().strip_suffix(word) {
                return Some(start.split_whitespace().last().unwrap_or_default().to_owned());
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: &str) {
        send_signal(self.child.id(), signal);
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until the process has ended by itself.
    pub(crate) fn wait_end(&mut self) {
        wait_end(&mut self.child, "the process");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The runs in a log: how often each number was started, and in which attempts.
pub(crate) fn runs(log: &Path) -> Vec<(u64, u32)> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let run = |line: &str| {
        let mut words = line.split(' ');
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    text.lines().filter_map(run).collect()
}

/// When the runs of each number in a log of [`RECORD`] have begun, and in which attempts, in this order.
pub(crate) fn begins(log: &Path) -> BTreeMap<u64, Vec<(Duration, u32)>> {
    let mut begins = BTreeMap::<u64, Vec<_>>::new();
    for line in fs::read_to_string(log).unwrap().lines() {
        let words: Vec<u64> = line.split(' ').map(|word| word.parse().unwrap()).collect();
        let [number, attempt, ms] = words[..] else { panic!("{line}") };
        begins.entry(number).or_default().push((Duration::from_millis(ms), u32::try_from(attempt).unwrap()));
    }
    begins.values_mut().for_each(|runs| runs.sort_unstable());
    begins
}

/// Does nothing in a run of all tests.
#[test]
fn a_process_of_another_test() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (url, name) = (std::env::var(URL).unwrap(), std::env::var(NAME).unwrap());
    let (role, argument) = role.split_once(' ').unwrap();
    let (role, argument) = (role.to_owned(), argument.to_owned());
    // With one worker, the processes that the root process starts last are not polled before the program ends.
    let workers = if role == "drops" { 1 } else { 2 };
    let runtime = cordial::Runtime::builder().workers(workers);
    // Without other threads that stand in for blocked ones.
    let runtime = if role == "unhelped" { runtime.max_threads(workers) } else { runtime };
    let runtime = runtime.build().unwrap();
    let on_events = match &*role {
        "subscriber" => Some(OnEvents(|_| panic!("a subscriber"))),
        // `worker_stops` is the event that says how many jobs are running.
        "graceless" => Some(OnEvents(|event| {
            if event.fields().any(|field| field.name() == "running") {
                STOPS.notify_waiters();
            }
        })),
        _ => None,
    };
    if let Some(on_events) = on_events {
        tracing::subscriber::set_global_default(on_events).unwrap();
    }
    // A worker is also ended by a signal, so its end is not looked at.
    let _ = runtime.run(async move {
        let lease = std::env::var(LEASE_OF_PROCESS).map_or(LEASE, |ms| Duration::from_millis(ms.parse().unwrap()));
        let options = options(&url).lease(lease).name(name);
        let connect = |_| async { Cluster::connect(options.clone()).await.map_err(|error| error.to_string()) };
        let cluster = in_several_tries(connect).await;
        match &*role {
            "worker" | "unhelped" | "subscriber" => {
                work(cluster, argument.parse().unwrap(), Duration::from_millis(200)).await;
            }
            "graceless" => work(cluster, argument.parse().unwrap(), Duration::ZERO).await,
            "submitter" => submit(cluster, &argument).await,
            "waiter" => wait(cluster, &argument).await,
            "drops" => drop_submit(cluster).await,
            "calls" => call(cluster, argument.parse().unwrap()).await,
            role => panic!("there is no role {role}"),
        }
    });
}

async fn work(cluster: Cluster, slots: usize, grace: Duration) {
    let worker = cluster.worker(functions()).group("g").slots(slots).grace(grace);
    // The start fails if a server does not answer a request within 3 s, for example because it elects a leader.
    let start = |_| async {
        let tree = Supervisor::builder(Strategy::OneForOne).child(worker.child_spec("worker")).start();
        tree.await.map_err(|error| error.to_string())
    };
    let tree = in_several_tries(start).await;
    println!("ready");
    cordial::shutdown_requested().await;
    tree.stop().await;
}

/// Submits jobs without end, and prints the id of each that was accepted.
async fn submit(cluster: Cluster, log: &str) {
    let name = cluster.name().to_owned();
    for number in 0.. {
        let record = Record { log: log.to_owned(), number, ms: 1 };
        let job = cluster.submit(RECORD, record).group("g").key(format!("{name}-{number}")).timeout(LIMIT);
        println!("{} accepted", job.await.unwrap().id());
    }
}

/// Submits jobs, makes calls, and prints what each of them returns.
async fn wait(cluster: Cluster, log: &str) {
    let record = |number, ms| Record { log: log.to_owned(), number, ms };
    let mut tasks = Vec::new();
    for number in 0..WAITED_JOBS {
        let job = cluster.submit(RECORD, record(number, 60)).group("g").timeout(LIMIT).await.unwrap();
        tasks.push(job.timeout(Timeout::Infinity));
    }
    for number in WAITED_JOBS..WAITED_JOBS + WAITED_CALLS {
        // Half of the calls end while their caller is frozen.
        let ms = if number % 2 == 0 { 1000 } else { 6000 };
        tasks.push(cluster.call(RECORD, record(number, ms)).timeout(Timeout::Infinity));
    }
    for task in tasks {
        match task.await {
            Ok(number) => println!("{number} answered"),
            Err(exit) => println!("{} answered", format!("({exit})").replace(char::is_whitespace, "_")),
        }
    }
}

/// Submits jobs until one is sent and not accepted yet, drops its future, prints how many were accepted, and ends.
async fn drop_submit(cluster: Cluster) {
    let submit = || cluster.submit(BLOCK, 1).group("g").into_future();
    // This submit makes the streams, so that the next ones begin with their jobs.
    let _job = submit().await.unwrap();
    let mut n_accepted = 1;
    // On a busy machine, the answer may arrive during the first poll.
    while let Some(job) = submit().now_or_never() {
        let _job = job.unwrap();
        n_accepted += 1;
    }
    println!("{n_accepted} dropped");
}

/// Calls a function of a millisecond this many times at once, and prints how many calls had an answer, and the last error.
async fn call(cluster: Cluster, n: u64) {
    let calls: Vec<_> = (0..n).map(|_| cluster.call(BLOCK, 1).timeout(LIMIT)).collect();
    let (mut n_answered, mut error) = (0, String::new());
    for call in calls {
        match call.await {
            Ok(_) => n_answered += 1,
            Err(exit) => error = format!("({exit})").replace(char::is_whitespace, "_"),
        }
    }
    println!("{n_answered}{error} answered");
}

/// Waits for results, and returns them in order.
pub(crate) async fn results(jobs: Vec<cordial_nats::Job<u64>>) -> Vec<Result<u64, cordial::Exit>> {
    let mut tasks: Vec<Task<u64>> = jobs.into_iter().map(|job| job.timeout(2 * LIMIT)).collect();
    let mut results = Vec::new();
    for task in &mut tasks {
        results.push(task.await);
    }
    results
}
