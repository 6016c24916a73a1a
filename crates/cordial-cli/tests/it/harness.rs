//! Starts the binary, compares its output, and observes its processes.

use std::fs::{self, File};
use std::io::{Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Once};
use std::thread;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// A run with its expected output.
pub(crate) struct Case<'a> {
    pub(crate) args: &'a [&'a str],
    pub(crate) input: &'a [u8],
    pub(crate) status: i32,
    pub(crate) stdout: &'a [u8],
    pub(crate) stderr: &'a str,
}

/// The output of a run.
pub(crate) struct RunOutput {
    pub(crate) status: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl RunOutput {
    /// Returns the standard output as a text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }
}

/// Called before a test starts its first program.
pub(crate) fn prepare_for_programs() {
    reset_ignored_signals();
    #[cfg(target_os = "linux")]
    crate::time_limit::limit_programs();
}

/// Makes the programs that tests start handle signals as they do by default, if the parent of the tests ignores some, as `nohup` or the `&`
/// of a script does. They would inherit that.
fn reset_ignored_signals() {
    static RESET: Once = Once::new();
    RESET.call_once(|| {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = ignored.map_or(0, |mask| u64::from_str_radix(mask.trim(), 16).unwrap());
        let signals = [
            Signal::HUP,
            Signal::INT,
            Signal::QUIT,
            Signal::TERM,
            Signal::CHILD,
            Signal::TSTP,
            Signal::TTIN,
            Signal::TTOU,
            Signal::USR1,
            Signal::USR2,
            Signal::XFSZ,
        ];
        for signal in signals.map(Signal::as_raw).into_iter().filter(|signal| ignored & 1 << (signal - 1) != 0) {
            // A signal with a handler, here without an effect, has its default in a program that this process starts.
            signal_hook::flag::register(signal, Arc::default()).unwrap();
        }
    });
}

/// Returns a command that starts the binary.
pub(crate) fn cordial() -> Command {
    prepare_for_programs();
    Command::new(env!("CARGO_BIN_EXE_cordial"))
}

/// Returns a file with this content, positioned at its start.
pub(crate) fn file(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file.rewind().unwrap();
    file
}

/// Runs the binary until it exits.
pub(crate) fn run(args: &[&str], input: &[u8]) -> RunOutput {
    finish(cordial().args(args).stdin(file(input)).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// Starts the binary with a pipe for each of its standard streams.
pub(crate) fn start(args: &[&str]) -> Child {
    cordial().args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Runs a shell script in which `$0` is the binary.
pub(crate) fn shell(script: &str) -> RunOutput {
    prepare_for_programs();
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_cordial")]).stdin(Stdio::null());
    finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// Waits until the binary exits, and returns its output, without its progress.
pub(crate) fn finish(child: Child) -> RunOutput {
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let stderr: String = stderr.split_inclusive('\n').filter(|line| !is_progress(line)).collect();
    assert!(!stderr.contains("panicked"), "{stderr}");
    RunOutput {
        status: output.status.code().unwrap_or_else(|| panic!("{}: {stderr}", output.status)),
        stdout: output.stdout,
        stderr,
    }
}

/// A run reports its progress every half a minute, and on a busy machine each run may take so long.
pub(crate) fn is_progress(line: &str) -> bool {
    let counts = line.strip_prefix("cordial: ").and_then(|line| line.split_once(" done, "));
    counts.is_some_and(|(done, failed)| {
        done.split(" of ").all(|n| n.parse::<u64>().is_ok()) && failed.contains(" failed")
    })
}

/// Runs cases and compares outputs and statuses.
pub(crate) fn check(cases: &[Case<'_>]) {
    for Case { args, input, status, stdout, stderr } in cases {
        let result = run(args, input);
        assert_eq!(result.stderr, *stderr, "{args:?}");
        assert_eq!(result.stdout.escape_ascii().to_string(), stdout.escape_ascii().to_string(), "{args:?}");
        assert_eq!(result.status, *status, "{args:?}");
    }
}

/// Runs `map` with these arguments and inputs. Each run succeeds, prints the expected output, and writes nothing to standard error.
pub(crate) fn check_outputs(cases: &[(&[&str], &[u8], &[u8])]) {
    for (args, input, stdout) in cases {
        let args = [&["map"], *args].concat();
        check(&[Case { args: &args, input, status: 0, stdout, stderr: "" }]);
    }
}

/// Polls a condition until it holds. Panics after a minute, which is much longer than any condition here takes.
pub(crate) fn wait_until(description: &str, condition: impl Fn() -> bool) {
    assert!(holds_within_a_minute(condition), "timed out waiting until {description}");
}

/// Polls a condition until it holds. Returns false after a minute.
pub(crate) fn holds_within_a_minute(condition: impl Fn() -> bool) -> bool {
    const TRIES: u32 = 30_000;
    for _ in 0..TRIES {
        if condition() {
            return true;
        }
        thread::sleep(Duration::from_millis(2));
    }
    false
}

/// Returns the memory of the machine as a size, such as 16000000K.
pub(crate) fn total_memory() -> String {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let kib = text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
    format!("{}K", kib.unwrap())
}

/// Checks all cases, this many at a time. Most cases wait more than they compute, for a program or a timeout, and the threads of
/// libtest are as few as the processors.
pub(crate) fn at_once<T: Send>(n: usize, cases: impl IntoIterator<Item = T, IntoIter: Send>, check: impl Fn(T) + Sync) {
    let cases = Mutex::new(cases.into_iter());
    let next = || cases.lock().unwrap().next();
    thread::scope(|scope| {
        let checks: Vec<_> = (0..n)
            .map(|_| {
                scope.spawn(|| {
                    while let Some(case) = next() {
                        check(case)
                    }
                })
            })
            .collect();
        // The test fails with the panic of the case.
        checks.into_iter().for_each(|check| check.join().unwrap_or_else(|panic| resume_unwind(panic)));
    });
}

/// Says that a test is skipped: on standard error directly, because libtest hides what a successful test prints.
pub(crate) fn skip(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

/// Returns whether GNU parallel is installed. If it is not, prints that the test is skipped.
pub(crate) fn has_parallel() -> bool {
    let is_installed = Command::new("parallel").arg("--version").output().is_ok();
    if !is_installed {
        skip("GNU parallel is not installed");
    }
    is_installed
}

/// Creates a directory whose path needs no quotes in a script, also if TMPDIR has a blank, for example.
pub(crate) fn temporary_directory() -> tempfile::TempDir {
    let place = std::env::temp_dir();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    let place = if place.as_os_str().as_bytes().iter().all(is_plain) { place } else { PathBuf::from("/tmp") };
    tempfile::tempdir_in(place).unwrap()
}

/// A directory in which commands create files for the test.
pub(crate) struct TestDir {
    directory: tempfile::TempDir,
}

impl TestDir {
    pub(crate) fn new() -> Self {
        prepare_for_programs();
        TestDir { directory: temporary_directory() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn text(&self) -> &str {
        self.directory.path().to_str().unwrap()
    }

    pub(crate) fn touch(&self, name: &str) {
        File::create(self.path(name)).unwrap();
    }

    /// Writes to a named pipe, when a program opens it for reading.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let mut options = File::options();
        options.write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        wait_until(&format!("a program reads {name}"), || {
            options.open(self.path(name)).is_ok_and(|mut pipe| pipe.write_all(text.as_bytes()).is_ok())
        });
    }

    pub(crate) fn wait_for(&self, name: &str) {
        wait_until(&format!("{name} exists"), || self.path(name).exists());
    }

    /// A script for `sh -c … sh {} DIR`: starts a child, writes both pids to a file that has the name of the item, and waits forever.
    pub(crate) const PARENT_AND_CHILD: &'static str =
        r#"sleep 1000 & echo $$ $! > "$2/$1.new"; mv "$2/$1.new" "$2/$1"; wait"#;

    /// Waits until both processes of `PARENT_AND_CHILD` have exited.
    pub(crate) fn wait_until_processes_exit(&self, item: &str) {
        let pids = fs::read_to_string(self.path(item)).unwrap();
        assert_eq!(pids.split_whitespace().count(), 2);
        for pid in pids.split_whitespace() {
            let pid = pid.parse().unwrap();
            wait_until(&format!("{pid} has exited"), || has_exited(pid));
        }
    }
}

/// Returns whether a process has exited. A zombie has exited.
pub(crate) fn has_exited(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let is_zombie = stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'));
    is_zombie || test_kill_process(Pid::from_raw(pid).unwrap()).is_err()
}

/// Sends a signal to a process.
pub(crate) fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}
