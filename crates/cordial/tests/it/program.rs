//! Not a test: what belongs to a whole OS process (signals, standard error, threads, the one subscriber) is tested in a
//! program of its own, which is this test binary again with one test to run.
//!
//! ```text
//!  test ── part() is None ──► again(test, part) ──► this binary --exact test
//!                                                       └─ part() is Some: does it, tells on standard output, ends
//! ```

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

const PART: &str = "CORDIAL_TEST_PART";

/// What stands in front of everything that a program tells; libtest writes there as well.
const MARK: &str = "told: ";

/// How long a program may take. One that hangs fails its test then.
const LIMIT: Duration = Duration::from_secs(120);

/// The part of the test that this program is there for; `None` in the test itself.
pub(crate) fn part() -> Option<String> {
    let part = std::env::var(PART).ok()?;
    #[expect(clippy::disallowed_methods, reason = "it has to work when the library does not")]
    std::thread::spawn(|| {
        std::thread::sleep(LIMIT);
        tell("a hang");
        std::process::exit(99);
    });
    Some(part)
}

/// Tells the test that started this program.
pub(crate) fn tell(what: impl std::fmt::Display) {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "\n{MARK}{what}").unwrap();
}

/// A program that runs.
pub(crate) struct Program {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    /// What it told after the last `wait_for`.
    pub(crate) told: Vec<String>,
    pub(crate) stderr: String,
}

/// Starts the test again, for one part of it. The test is named as in `cargo test`.
pub(crate) fn start(test: &str, part: &str) -> Program {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(PART, part)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let mut program = Program { child, stdout };
    let mut line = String::new();
    while !line.starts_with("running ") {
        line.clear();
        assert_ne!(program.stdout.read_line(&mut line).unwrap(), 0, "no test has run");
    }
    assert_eq!(line.trim_end(), "running 1 test", "there is no test `{test}`");
    program
}

/// The same, to its end.
pub(crate) fn run(test: &str, part: &str) -> Ran {
    start(test, part).finish()
}

impl Program {
    /// Waits until the program tells this.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, what: &str) {
        let told = self.hear();
        assert_eq!(told.as_deref(), Some(what), "what the program tells next");
    }

    /// What the program tells next; `None` if it ends without that.
    pub(crate) fn hear(&mut self) -> Option<String> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.stdout.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some(told) = line.trim_end().strip_prefix(MARK) {
                return Some(told.to_owned());
            }
        }
    }

    #[cfg(unix)]
    pub(crate) fn send(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub(crate) fn finish(mut self) -> Ran {
        let mut stdout = String::new();
        self.stdout.read_to_string(&mut stdout).unwrap();
        let output = self.child.wait_with_output().unwrap();
        let told = stdout.lines().filter_map(|line| line.strip_prefix(MARK)).map(str::to_owned).collect();
        Ran { status: output.status, told, stderr: String::from_utf8(output.stderr).unwrap() }
    }
}

impl Ran {
    /// What the program told, if it ended without a failed assertion.
    #[track_caller]
    pub(crate) fn told(self) -> Vec<String> {
        assert!(self.status.success(), "{}\n{}", self.status, self.stderr);
        self.told
    }
}
