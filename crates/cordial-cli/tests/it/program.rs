//! Starts the binary and watches it from outside.

use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// A whole run: what goes in and what must come out.
pub(crate) struct Case<'a> {
    pub(crate) args: &'a [&'a str],
    pub(crate) input: &'a [u8],
    pub(crate) status: i32,
    pub(crate) stdout: &'a [u8],
    pub(crate) stderr: &'a str,
}

/// What came out of a whole run.
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// The binary, to be given arguments and inputs.
pub(crate) fn cordial() -> Command {
    Command::new(env!("CARGO_BIN_EXE_cordial"))
}

/// A file with this content, to be read from its start.
pub(crate) fn file(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file.rewind().unwrap();
    file
}

/// Runs the binary to its end.
pub(crate) fn run(args: &[&str], input: &[u8]) -> Ran {
    finish(cordial().args(args).stdin(file(input)).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// Runs a shell script in which `$0` is the binary.
pub(crate) fn shell(script: &str) -> Ran {
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_cordial")]).stdin(Stdio::null());
    finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// Waits for the end of the binary and takes what it still has to say.
pub(crate) fn finish(child: Child) -> Ran {
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!stderr.contains("panicked"), "{stderr}");
    Ran {
        status: output.status.code().unwrap_or_else(|| panic!("{}: {stderr}", output.status)),
        stdout: output.stdout,
        stderr,
    }
}

/// Runs cases and compares everything that came out.
pub(crate) fn check(cases: &[Case<'_>]) {
    for Case { args, input, status, stdout, stderr } in cases {
        let ran = run(args, input);
        assert_eq!(ran.stderr, *stderr, "{args:?}");
        assert_eq!(ran.stdout.escape_ascii().to_string(), stdout.escape_ascii().to_string(), "{args:?}");
        assert_eq!(ran.status, *status, "{args:?}");
    }
}

/// Waits for something to become so. The time is for the case that it never does, and is much longer than it takes.
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    const TRIES: u32 = 30_000;
    for _ in 0..TRIES {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(2));
    }
    panic!("waited in vain until {what}");
}

/// A directory in which commands leave files for the test to see.
pub(crate) struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Place { directory: tempfile::tempdir().unwrap() }
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

    /// Writes into what is there, such as a named pipe that somebody reads.
    pub(crate) fn write(&self, name: &str, text: &str) {
        File::options().write(true).open(self.path(name)).unwrap().write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn wait_for(&self, name: &str) {
        wait_until(&format!("{name} exists"), || self.path(name).exists());
    }

    /// A script for `sh -c … sh {} PLACE`: it starts a child, leaves both pids in a file named for its item, and waits for ever.
    pub(crate) const FAMILY: &'static str = r#"sleep 1000 & echo $$ $! > "$2/$1.new"; mv "$2/$1.new" "$2/$1"; wait"#;

    /// Waits until all processes of a family have ended.
    pub(crate) fn wait_until_family_is_gone(&self, item: &str) {
        let pids = fs::read_to_string(self.path(item)).unwrap();
        assert_eq!(pids.split_whitespace().count(), 2);
        for pid in pids.split_whitespace() {
            wait_until(&format!("{pid} has ended"), || is_gone(pid));
        }
    }
}

/// Whether a process has ended. One that nobody has waited for yet has ended all the same.
fn is_gone(pid: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    let is_zombie = stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'));
    is_zombie || test_kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap()).is_err()
}

pub(crate) fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}
