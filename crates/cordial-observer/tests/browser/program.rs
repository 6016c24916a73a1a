//! The program that is observed: this test binary again, with commands on its standard input, a line each.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cordial::{ChildSpec, Exit, Runtime, Strategy, Supervisor, Task, TaskSupervisor, process};
use cordial_observer::{ActionKind, LogLines, Observer};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

use crate::guard::Guarded;

/// Tells this binary to be the program. Its value has the options.
const OPTIONS: &str = "CORDIAL_OBSERVED_PROGRAM";

/// The prefix of the address on standard output. libtest writes other lines there.
const MARK: &str = "observer: ";

/// The token of each start, so that a page stays open across a restart.
const TOKEN: &str = "a-token-for-tests-of-the-page";

/// Whether the talker is to end, and what is held is to be released.
static HUSH: AtomicBool = AtomicBool::new(false);

/// A running program.
pub(crate) struct Program {
    process: Process,
    url: String,
}

enum Process {
    /// Reads commands from its standard input, and ends with it.
    Observed(Child),
    /// An example.
    Example { _guard: Guarded },
}

impl Program {
    /// Starts the program. Options are words: `actions` allows actions, `port=N` takes a port instead of any, and `threads=N` limits the
    /// threads. Any other `NAME=VALUE` is a command that is carried out before there is an observer, so that the page never sees half of what
    /// the command starts.
    pub(crate) fn start(options: &str) -> Program {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "program::is_observed", "--nocapture"])
            .env(OPTIONS, options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let url = |line: String| line.strip_prefix(MARK).map(str::to_owned);
        let url = stdout.by_ref().lines().map(Result::unwrap).find_map(url).expect("the program prints its address");
        // Stays open: libtest writes a line when a test has run for a minute, and would end if it could not.
        child.stdout = Some(stdout.into_inner());
        Program { process: Process::Observed(child), url }
    }

    /// Starts the example `shop`.
    pub(crate) fn start_example() -> Program {
        let example = example("shop");
        let mut guard = Guarded::start(&example, |command| {
            command.env("SECONDS", "900").env("RUST_BACKTRACE", "0").stdout(Stdio::piped()).stderr(Stdio::null())
        });
        let stdout = BufReader::new(guard.shell().stdout.take().unwrap());
        let url = stdout.lines().map(Result::unwrap).next().unwrap_or_default();
        assert!(url.starts_with("http://"), "{} printed {url:?} instead of its address", example.display());
        Program { process: Process::Example { _guard: guard }, url }
    }

    /// The address of the page, with the token.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The address of the page, without the token.
    pub(crate) fn address(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }

    /// Gives a command.
    pub(crate) fn tell(&mut self, command: &str) {
        let Process::Observed(child) = &mut self.process else { panic!("an example takes no commands") };
        writeln!(child.stdin.as_mut().unwrap(), "{command}").unwrap();
    }

    /// Kills the program.
    pub(crate) fn kill(&mut self) {
        if let Process::Observed(child) = &mut self.process {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts the program again, on the same port.
    pub(crate) fn start_again(&mut self) {
        let port = self.address().trim_end_matches('/').rsplit(':').next().unwrap().to_owned();
        *self = Program::start(&format!("port={port}"));
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The path of an example, which cargo puts beside the test binaries.
fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent().and_then(Path::parent).unwrap().join("examples").join(name);
    let advice = "`cargo test --workspace` builds it, and so does `cargo build -p cordial-observer --example shop`";
    assert!(path.exists(), "the example `{name}` is not built: {} does not exist; {advice}", path.display());
    path
}

/// In the test binary itself this does nothing.
#[test]
fn is_observed() {
    let Ok(options) = std::env::var(OPTIONS) else { return };
    limit_time_of_process();
    let threads = options.split_whitespace().find_map(|option| option.strip_prefix("threads="));
    match threads.map(|threads| threads.parse().unwrap()) {
        Some(threads) => {
            let runtime = Runtime::builder().workers(2).max_threads(threads).build().unwrap();
            runtime.block_on(observed(options)).unwrap().unwrap();
        }
        None => cordial::run(observed(options)).unwrap().unwrap(),
    }
}

/// Ends the program if it hangs. Its test then finds the end of its output.
#[expect(clippy::disallowed_methods, reason = "the limit must hold even if the library hangs")]
fn limit_time_of_process() {
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_secs(1200));
        std::process::exit(99);
    });
}

async fn observed(options: String) -> Result<(), Exit> {
    let (sender, mut commands) = mpsc::unbounded_channel();
    #[expect(clippy::disallowed_methods, reason = "reads standard input, which blocks")]
    std::thread::spawn(move || {
        let _ = io::stdin().lines().map_while(Result::ok).try_for_each(|line| sender.send(line));
        // The test has ended. Tasks that do not return from a poll do not keep the program.
        std::process::exit(0);
    });
    let jobs = TaskSupervisor::builder().label("jobs").start();
    let tree = Supervisor::builder(Strategy::OneForOne).label("root").start().await.unwrap();
    let lines = LogLines::new();
    let warnings = lines.clone().with_filter(LevelFilter::WARN);
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(warnings)).unwrap();
    let mut builder = Observer::builder().name("observed").token(TOKEN).log_lines(lines);
    let mut port = "0";
    for option in options.split_whitespace() {
        match option.split_once('=') {
            Some(("port", number)) => port = number,
            Some(("threads", _)) => {}
            Some((name, rest)) => obey(&jobs, &tree, name, rest.to_owned()).await,
            None if option == "actions" => builder = builder.allow_actions(ActionKind::ALL),
            None => panic!("no such option: {option}"),
        }
    }
    let observer = builder.serve(format!("127.0.0.1:{port}")).unwrap();
    let mut stdout = io::stdout();
    writeln!(stdout, "\n{MARK}{}", observer.url().unwrap()).unwrap();
    while let Some(command) = commands.recv().await {
        let (name, rest) = command.split_once(' ').unwrap_or((&command, ""));
        obey(&jobs, &tree, name, rest.to_owned()).await;
    }
    Ok(())
}

async fn obey(jobs: &TaskSupervisor, tree: &Supervisor, name: &str, rest: String) {
    match name {
        // N waiting tasks under the supervisor `jobs`. Done when all have their labels.
        "jobs" => {
            let (unlabeled, mut all_labeled) = mpsc::channel::<()>(1);
            for n in 0..rest.parse::<usize>().unwrap() {
                let unlabeled = unlabeled.clone();
                jobs.start_child(async move {
                    process::set_label(format!("job {n}"));
                    drop(unlabeled);
                    std::future::pending::<()>().await;
                })
                .unwrap();
            }
            drop(unlabeled);
            all_labeled.recv().await;
        }
        // N waiting tasks without a name under `jobs`.
        "alike" => {
            for _ in 0..rest.parse::<usize>().unwrap() {
                jobs.start_child(std::future::pending::<()>()).unwrap();
            }
        }
        // A waiting task with this label under `jobs`.
        "wait" => {
            let task = async {
                process::set_label(rest);
                std::future::pending::<()>().await;
            };
            jobs.start_child(task).unwrap();
        }
        // A task with the label `spinner` that computes for this many milliseconds in one poll.
        "spin" => {
            let time = Duration::from_millis(rest.parse().unwrap());
            let task = async move {
                process::set_label("spinner");
                let started = Instant::now();
                while started.elapsed() < time {
                    std::hint::spin_loop();
                }
            };
            Task::start(task);
        }
        // N tasks with the label `blocked`, or another one after the number, that never return from their poll, and need no processor.
        "block" => {
            let (n, label) = rest.split_once(' ').unwrap_or((&rest, "blocked"));
            for _ in 0..n.parse::<usize>().unwrap() {
                let label = label.to_owned();
                Task::start(async move {
                    process::set_label(label);
                    loop {
                        std::thread::park();
                    }
                });
            }
        }
        // A child of the supervisor `root`.
        "child" => {
            tree.start_child(ChildSpec::task(rest, std::future::pending::<()>)).await.unwrap();
        }
        // A supervisor below `root`, with one child.
        "team" => {
            let team =
                || Supervisor::builder(Strategy::OneForOne).child(ChildSpec::task("disk", std::future::pending::<()>));
            tree.start_child(ChildSpec::supervisor(rest, team)).await.unwrap();
        }
        "end_child" => {
            tree.terminate_child(rest).await.unwrap();
        }
        // A task with the label `talker` that logs this text, shows something about itself, and then polls for 40 ms again and again
        // until the command `hush`.
        "talk" => {
            HUSH.store(false, Ordering::Relaxed);
            let task = async move {
                process::set_label("talker");
                process::set_details(|| vec!["what it says about itself".to_owned()]);
                tracing::warn!("{rest}");
                while !HUSH.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(40));
                    tokio::task::yield_now().await;
                }
            };
            Task::start(task);
        }
        // N tasks with the labels `held 0`, `held 1` and so on, whose closures of `set_details` do not return until the command `hush`.
        "hold" => {
            HUSH.store(false, Ordering::Relaxed);
            for n in 0..rest.parse::<usize>().unwrap() {
                Task::start(async move {
                    process::set_label(format!("held {n}"));
                    process::set_details(|| {
                        while !HUSH.load(Ordering::Relaxed) {
                            std::thread::sleep(Duration::from_millis(10));
                        }
                        vec!["it was released".to_owned()]
                    });
                    std::future::pending::<()>().await;
                });
            }
        }
        // Spawns tasks that end at once, as fast as one task can, until the command `hush`.
        "storm" => {
            HUSH.store(false, Ordering::Relaxed);
            Task::start(async {
                while !HUSH.load(Ordering::Relaxed) {
                    for _ in 0..1000 {
                        Task::start(async {});
                    }
                    tokio::task::yield_now().await;
                }
            });
        }
        // Rows of every kind, for pictures.
        "load" => crate::load::start(tree).await,
        "hush" => HUSH.store(true, Ordering::Relaxed),
        // A stream of one item, which has failed because of its timeout. Its consumer waits and keeps the stream.
        "late" => {
            Task::start(async {
                let stream = Task::async_stream(0..1, |_| std::future::pending::<()>());
                let mut stream = stream.timeout(Duration::from_millis(1));
                let _ = stream.next().await;
                std::future::pending::<()>().await;
            });
        }
        // A task that panics with this message.
        "crash" => {
            Task::start(async move {
                process::set_label("crasher");
                panic!("{rest}");
            });
        }
        other => panic!("no such command: {other}"),
    }
}
