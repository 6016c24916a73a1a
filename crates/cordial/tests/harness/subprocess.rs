//! Runs a test in an OS process of its own: this test binary again, with one test to run.
//!
//! ```text
//!  test ── case() is None ──► start(test_name!(), case) ──► this binary --exact test
//!                                                               └─ case() is Some: runs the case, reports on standard output
//! ```

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

const CASE: &str = "CORDIAL_TEST_CASE";

/// The prefix of each report on standard output. libtest writes other lines there.
const MARK: &str = "report: ";

/// How long a subprocess may run before it ends itself, so that its test fails. Far longer than any takes on a slow machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(300);

/// The name of the enclosing test function as libtest prints it, for example `runtimes::invalid_options_are_rejected`.
macro_rules! test_name {
    () => {{
        fn here() {}
        $crate::harness::subprocess::enclosing_test(&here)
    }};
}

/// The function around `here`, without the crate and without closures. For `test_name!`.
pub(crate) fn enclosing_test<F>(here: &F) -> &'static str {
    let path = std::any::type_name_of_val(here);
    let (_crate, path) = path.split_once("::").expect("a function has a path");
    let path = path.strip_suffix("::here").expect("the path ends with the name of the function");
    path.split("::{{closure}}").next().unwrap_or(path)
}

/// The case that this subprocess has to run. `None` in the test itself.
pub(crate) fn case() -> Option<String> {
    let case = std::env::var(CASE).ok()?;
    let (started, has_started) = std::sync::mpsc::channel();
    #[expect(clippy::disallowed_methods, reason = "the limit must hold even if the library hangs")]
    std::thread::spawn(move || {
        let _ = started.send(());
        std::thread::sleep(LIMIT);
        report("the time limit has passed");
        std::process::exit(99);
    });
    // The thread has started before the case runs, because some cases limit the number of threads.
    has_started.recv().unwrap();
    Some(case)
}

/// Sends a line to the test that started this subprocess.
pub(crate) fn report(what: impl std::fmt::Display) {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "\n{MARK}{what}").unwrap();
}

/// Ends a subprocess as a program ends whose `fn main` returns `status`.
pub(crate) fn exit_with(status: ExitCode) -> ! {
    let number = (0..=255).find(|&number| ExitCode::from(number) == status);
    std::process::exit(number.unwrap().into())
}

/// Returns whether this is the subprocess of `test`. Otherwise runs that subprocess, which must succeed, and returns false.
///
/// For tests with a subscriber on one thread: `tracing` caches for the whole OS process which events are enabled, so other tests
/// in the same process could interfere.
pub(crate) fn is_isolated(test: &str) -> bool {
    if case().is_some() {
        return true;
    }
    let ran = run(test, "");
    assert!(ran.status.success(), "{}", ran.stderr);
    false
}

/// A running subprocess.
pub(crate) struct Subprocess {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
    /// The lines of standard error that have been read.
    stderr_lines: String,
}

/// A subprocess that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    /// The reports after the last `wait_for`.
    pub(crate) reports: Vec<String>,
    pub(crate) stderr: String,
}

/// Starts a subprocess that runs one case of `test`.
pub(crate) fn start(test: &str, case: &str) -> Subprocess {
    start_by(Command::new(std::env::current_exe().unwrap()), test, case)
}

/// Runs one case of `test` to its end, in a subprocess that `command` starts. The arguments for
/// libtest are appended to `command`.
pub(crate) fn run_by(command: Command, test: &str, case: &str) -> Ran {
    start_by(command, test, case).finish()
}

/// Starts one case of `test` in a subprocess that `command` starts. The arguments for libtest are appended to `command`.
pub(crate) fn start_by(mut command: Command, test: &str, case: &str) -> Subprocess {
    if command.get_envs().all(|(name, _)| name != "RUST_BACKTRACE") {
        command.env("RUST_BACKTRACE", "0");
    }
    let mut child = command
        .args(["--exact", test, "--nocapture"])
        .env(CASE, case)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let mut subprocess = Subprocess { child, stdout, stderr, stderr_lines: String::new() };
    let mut line = String::new();
    while !line.starts_with("running ") {
        line.clear();
        assert_ne!(subprocess.stdout.read_line(&mut line).unwrap(), 0, "the subprocess ran no test");
    }
    assert_eq!(line.trim_end(), "running 1 test", "there is no test `{test}`");
    subprocess
}

/// Runs one case of `test` to its end.
pub(crate) fn run(test: &str, case: &str) -> Ran {
    start(test, case).finish()
}

impl Subprocess {
    /// Waits for the next report, which must be `expected`.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, expected: &str) {
        let report = self.next_report();
        assert_eq!(report.as_deref(), Some(expected), "the next report");
    }

    /// The next report. `None` if the subprocess ends without one.
    pub(crate) fn next_report(&mut self) -> Option<String> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.stdout.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some(report) = line.trim_end().strip_prefix(MARK) {
                return Some(report.to_owned());
            }
        }
    }

    /// Waits for a line on standard error that starts with `prefix`.
    #[cfg(unix)]
    #[track_caller]
    pub(crate) fn wait_for_stderr(&mut self, prefix: &str) {
        loop {
            let start = self.stderr_lines.len();
            let n_bytes = self.stderr.read_line(&mut self.stderr_lines).unwrap();
            assert_ne!(n_bytes, 0, "no line of standard error starts with {prefix:?}:\n{}", self.stderr_lines);
            if self.stderr_lines[start..].starts_with(prefix) {
                return;
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
        std::thread::scope(|scope| {
            // At the same time: a subprocess whose standard error is full waits.
            scope.spawn(|| self.stderr.read_to_string(&mut self.stderr_lines).unwrap());
            self.stdout.read_to_string(&mut stdout).unwrap();
        });
        let status = self.child.wait().unwrap();
        let reports = stdout.lines().filter_map(|line| line.strip_prefix(MARK)).map(str::to_owned).collect();
        Ran { status, reports, stderr: std::mem::take(&mut self.stderr_lines) }
    }
}

impl Drop for Subprocess {
    fn drop(&mut self) {
        // If the test has failed, it still runs.
        let _ = self.child.kill();
    }
}

impl Ran {
    /// The reports. Fails if the subprocess failed.
    #[track_caller]
    pub(crate) fn reports(self) -> Vec<String> {
        assert!(self.status.success(), "{}\n{}", self.status, self.stderr);
        self.reports
    }
}

#[test]
fn test_name_is_the_name_that_libtest_prints() {
    let in_closure = || test_name!();
    assert_eq!(test_name!(), "harness::subprocess::test_name_is_the_name_that_libtest_prints");
    assert_eq!(in_closure(), test_name!());
}
