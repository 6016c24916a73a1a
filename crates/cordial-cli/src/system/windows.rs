//! Windows: the same names as on Unix, with what the system offers without further crates.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind};
pub(crate) use std::os::windows::io::AsHandle as PipeEnd;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, ChildStdout, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::Stdin;
use tokio::signal::windows;

use super::{Common, EndedBy, Interrupt, Wait};
use crate::item_failure::Failure;
use crate::text::display;

/// A whole command line has at most 32767 UTF-16 units; an argument alone has fewer.
pub(crate) const LONGEST_ARGUMENT: usize = 32_766;

/// What `Group::kill` did, in words.
pub(crate) const KILLED: &str = "was killed";

/// How often a process is asked whether it has ended.
const LOOK: Duration = Duration::from_millis(2);

/// The bytes of a word of the command line, which has to be text.
pub(crate) fn bytes(word: OsString) -> Result<Vec<u8>, String> {
    word.into_string().map(String::into_bytes).map_err(|word| format!("{} is not text", word.display()))
}

/// Bytes as a word of a command.
pub(crate) fn word(bytes: Vec<u8>) -> Result<OsString, Failure> {
    String::from_utf8(bytes).map(OsString::from).map_err(|_| Failure::NotText)
}

/// Our standard input. What commands get instead is nothing.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
pub(crate) fn standard_input() -> io::Result<Stdin> {
    Ok(tokio::io::stdin())
}

/// A pipe cannot be asked here without reading from it.
pub(crate) fn may_hold(_: &impl PipeEnd, _: Duration) -> bool {
    true
}

/// Does nothing: a pipe cannot be read here without waiting, so what counts is what came before.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
pub(crate) fn read_available(_: &impl PipeEnd, _: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    Ok(())
}

/// The system looks for programs itself.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
pub(crate) fn program(_: &[u8], _: Option<&Path>) -> Result<Option<PathBuf>, String> {
    Ok(None)
}

/// There is no signal for the end of a child.
pub(crate) fn be_deaf_to_ends() {}

pub(crate) fn hear_ends() {}

/// Whether a process cannot be started because there are so many others.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    error.kind() == ErrorKind::OutOfMemory
}

/// How many commands the system allows at once.
pub(crate) fn most_at_once() -> usize {
    1000
}

/// # Errors
///
/// Always.
pub(crate) fn lower_priority(_: i32) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// # Errors
///
/// Always.
pub(crate) fn load() -> io::Result<f64> {
    Err(ErrorKind::Unsupported.into())
}

/// # Errors
///
/// Always.
pub(crate) fn free_memory() -> io::Result<u64> {
    Err(ErrorKind::Unsupported.into())
}

/// There is no guard: what runs when we are killed outright goes on.
///
/// # Errors
///
/// Always.
pub(crate) fn start_guard(_: &str) -> io::Result<(File, std::process::Child)> {
    Err(ErrorKind::Unsupported.into())
}

pub(crate) fn guard() -> ExitCode {
    ExitCode::SUCCESS
}

/// Whether a process ended because it was killed. The system gives it an ordinary status.
pub(crate) fn was_killed(_: ExitStatus) -> bool {
    true
}

/// How a process ended, in numbers.
pub(crate) fn ended_by(status: ExitStatus) -> EndedBy {
    EndedBy::Code(status.code().unwrap_or(-1))
}

/// How a process ended, as the end of the sentence "the command …".
pub(crate) fn ending(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("ended with status {code}"),
        None => format!("ended in a way unknown to cordial ({status})"),
    }
}

/// What to do about a command that cannot be started, if there is more to say than the system says.
pub(crate) fn advice(program: &OsStr, error: &io::Error) -> Option<String> {
    let shown = display::quoted(program.as_encoded_bytes());
    match error.kind() {
        ErrorKind::NotFound => Some(format!("is {shown} installed and in PATH?")),
        _ => None,
    }
}

/// What to do about output that cannot be kept in a temporary file.
pub(crate) fn advice_on_keeping(_: &io::Error) -> &'static str {
    "set TMP to a directory that has room"
}

/// There are no process groups here; every process knows of its own only.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups;

impl Groups {
    pub(crate) fn new(_: Option<File>) -> Self {
        Groups
    }

    pub(crate) fn kill_all(&self) {}

    pub(crate) fn is_empty(&self) -> bool {
        true
    }

    pub(crate) fn dismiss_guard(&self) {}
}

/// Starts the commands of a run.
pub(crate) struct Starter(Common);

impl Starter {
    pub(crate) fn new(common: Common) -> Starter {
        Starter(common)
    }
}

/// One running command. Its own children run on when it is killed: killing them takes a job object.
#[derive(Debug)]
pub(crate) struct Group(std::process::Child);

impl Group {
    /// # Errors
    ///
    /// When the system starts no process.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is ready starts nothing.
    pub(crate) async fn start(
        starter: &Starter,
        words: &[OsString],
        variables: &[(&str, OsString)],
        _: &Groups,
    ) -> io::Result<Group> {
        starter.0.command(words, variables).stdin(Stdio::null()).spawn().map(Group)
    }

    pub(crate) fn take_outputs(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        (self.0.stdout.take(), self.0.stderr.take())
    }

    /// Waits for the end of the process, without a limit.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn ended(&mut self) -> io::Result<()> {
        while self.0.try_wait()?.is_none() {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Whether the process ends in this time.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn ended_within(&mut self, limit: Duration, _: Wait) -> io::Result<bool> {
        tokio::time::timeout(limit, self.ended()).await.map_or(Ok(false), |ended| ended.map(|()| true))
    }

    /// Processes cannot be asked here.
    pub(crate) fn terminate(&mut self) {
        self.kill();
    }

    pub(crate) fn kill(&mut self) {
        // It fails only if the process has ended in this moment.
        let _ = self.0.kill();
    }

    pub(crate) fn finish(mut self) -> io::Result<ExitStatus> {
        self.0.wait()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Requests from outside to stop, from the moment of `listen` on.
pub(crate) struct Interrupts {
    interrupt: windows::CtrlC,
    terminate: windows::CtrlClose,
}

impl Interrupts {
    /// # Errors
    ///
    /// When the system refuses to install a handler.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Interrupts { interrupt: windows::ctrl_c()?, terminate: windows::ctrl_close()? })
    }

    /// Waits for the next request, without limit: most runs never see one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Interrupt {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => Interrupt::Interrupt,
            _ = self.terminate.recv() => Interrupt::Terminate,
        }
    }
}

/// There is no Ctrl-Z here.
pub(crate) struct Suspensions;

impl Suspensions {
    /// # Errors
    ///
    /// Never.
    #[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Suspensions)
    }

    /// Never ends.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn pass_on(&mut self, _: &Groups) {
        std::future::pending().await
    }
}
