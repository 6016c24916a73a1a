//! Windows: the same names as in `unix.rs`, with what the system offers without further crates.

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
pub(crate) use std::os::windows::io::AsHandle as PipeEnd;
use std::process::ExitStatus;

use tokio::process::{Child, Command};
use tokio::signal::windows;

use super::Interrupt;
use crate::failure::Failure;
use crate::shown;

/// A whole command line has at most 32767 UTF-16 units; an argument alone has fewer.
pub(crate) const LONGEST_ARGUMENT: usize = 32_766;

/// What `kill_group` did, in words.
pub(crate) const KILLED: &str = "was killed";

/// The texts before, between and after the placeholders of a word. A word that is not text has none.
pub(crate) fn split(word: OsString, placeholder: &str) -> Vec<OsString> {
    match word.to_str() {
        Some(text) => text.split(placeholder).map(OsString::from).collect(),
        None => vec![word],
    }
}

/// The bytes of an item as an argument.
pub(crate) fn argument(bytes: Vec<u8>) -> Result<OsString, Failure> {
    match bytes.iter().position(|&byte| byte == 0) {
        Some(at) => Err(Failure::Nul { position: at + 1 }),
        None => String::from_utf8(bytes).map(OsString::from).map_err(|_| Failure::NotText),
    }
}

/// There are no process groups to kill here; at least the process itself never outlives its item.
pub(crate) fn own_group(command: &mut Command) {
    command.kill_on_drop(true);
}

/// Kills a running child. Its own children run on: killing them takes a job object.
pub(crate) fn kill_group(child: &mut Child) {
    // It fails only if the process has ended in this moment.
    let _ = child.start_kill();
}

/// Does nothing: a pipe cannot be read here without waiting, so what counts is what came during the grace time.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
pub(crate) fn read_available(_: &impl PipeEnd, _: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    Ok(())
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
    let shown = shown::quoted(program.as_encoded_bytes());
    match error.kind() {
        ErrorKind::NotFound => Some(format!("is {shown} installed and in PATH?")),
        _ => None,
    }
}

/// What to do about output that cannot be kept in a temporary file.
pub(crate) fn advice_on_keeping(_: &io::Error) -> &'static str {
    "set TMP to a directory that has room"
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
