//! Windows: the same functions and types as on Unix, as far as the standard library and tokio can provide them.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::windows::io::AsHandle;
use std::os::windows::process::ExitStatusExt;
use std::path::Path;
use std::process::{ChildStderr, ChildStdout, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::windows;

use super::argument::NotUnicode;
use super::exit::{Termination, WaitMode};
use super::limit_change::LimitChange;
use super::program::Program;
use super::screen_size::ScreenSize;
use super::spawn_config::{CommandInput, SpawnConfig};
use super::stop_signal::StopSignal;
use crate::text::display;

#[path = "no_spliced_file.rs"]
mod spliced_file;

pub(crate) use spliced_file::SplicedFile;

/// The size of the largest argument, in bytes. A whole command line has at most 32767 UTF-16 units,
/// and no argument has more units than bytes.
pub(crate) const MAX_ARGUMENT_BYTES: usize = 32_766;

/// What a message says about a command after `ProcessGroup::kill`.
pub(crate) const KILLED: &str = "was killed";

/// The time between two checks whether a process has exited.
const EXIT_CHECK_INTERVAL: Duration = Duration::from_millis(2);

/// The read end of a pipe from a command.
pub(crate) trait PipeEnd: AsHandle {}

impl<T: AsHandle> PipeEnd for T {}

/// Returns the bytes of an argument, a path or a variable.
///
/// # Errors
///
/// A message, when the argument is not valid Unicode.
pub(crate) fn argument_bytes(argument: OsString) -> Result<Vec<u8>, String> {
    argument
        .into_string()
        .map(String::into_bytes)
        .map_err(|argument| format!("the argument {} is not valid Unicode", argument.display()))
}

/// Converts bytes to an argument of a command.
///
/// # Errors
///
/// When the bytes are not UTF-8.
pub(crate) fn os_string(bytes: Vec<u8>) -> Result<OsString, NotUnicode> {
    String::from_utf8(bytes).map(OsString::from).map_err(|_| NotUnicode)
}

/// Standard input, from which items are read.
pub(crate) type StandardInput = io::Stdin;

/// Returns standard input. The caller reads a part, and the next reader gets the rest, because all readers share one buffer.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
pub(crate) fn share_stdin() -> io::Result<StandardInput> {
    Ok(io::stdin())
}

/// Returns the standard input of `cordial`. Commands do not inherit it.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
pub(crate) fn take_stdin() -> io::Result<StandardInput> {
    Ok(io::stdin())
}

/// A file for which a thread can wait until it is readable or writable. On Windows all files block, so no thread has to wait.
pub(crate) trait Descriptor {}

impl<T> Descriptor for T {}

/// Standard output.
pub(crate) struct StandardOutput;

/// Standard error, which has no buffer.
pub(crate) struct StandardError;

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stderr().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Returns the error of a read that has returned `WouldBlock`. All files block on Windows, so waiting would not help.
pub(crate) fn wait_until_readable(_: &impl Descriptor) -> io::Result<()> {
    Err(ErrorKind::WouldBlock.into())
}

/// Returns the error of a write that has returned `WouldBlock`, for the reason that `wait_until_readable` names.
pub(crate) fn wait_until_writable(_: &impl Descriptor) -> io::Result<()> {
    Err(ErrorKind::WouldBlock.into())
}

/// Returns the whole timeout: the caller waits that long, in `crossterm`.
pub(crate) fn wait_for_key(timeout: Duration) -> Result<Duration, StopSignal> {
    Ok(timeout)
}

/// Returns true: the state of a pipe cannot be queried without reading from it.
pub(crate) fn may_have_data(_: &impl PipeEnd, _: Duration) -> bool {
    true
}

/// Does nothing: a pipe cannot be read without waiting, so data that is still in the pipe is lost.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
pub(crate) fn read_available(_: &impl PipeEnd, _: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    Ok(())
}

/// Returns `Program::Searched`: the system searches for programs itself.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
pub(crate) fn find_program(_: &[u8], _: Option<&Path>) -> Result<Program, String> {
    Ok(Program::Searched)
}

/// Returns false: no word is taken for a command of a shell.
pub(crate) fn is_command(_: &[u8]) -> bool {
    false
}

/// Returns an empty list: no shell of Windows exports functions.
pub(crate) fn exported_functions() -> Vec<Vec<u8>> {
    Vec::new()
}

/// Returns an empty list, for the same reason as `exported_functions`.
pub(crate) fn exported_function_texts() -> Vec<Vec<u8>> {
    Vec::new()
}

/// Returns true: nothing is locked, so two runs may use the same records.
pub(crate) fn try_lock(_: &File) -> bool {
    true
}

/// Opens a file that is not a regular file, for writing.
pub(crate) fn open_special_file(path: &Path) -> io::Result<Option<File>> {
    File::options().write(true).open(path).map(Some)
}

/// Does nothing: there is no SIGCHLD.
pub(crate) fn block_sigchld() {}

/// Does nothing.
pub(crate) fn unblock_sigchld() {}

/// Does nothing: the system keeps the exit status of a process as long as this program holds a handle of the process.
pub(crate) fn keep_exit_statuses() {}

/// Does nothing: Windows has no limit on the size of files.
pub(crate) fn survive_file_size_limit() {}

/// Returns false: Windows has no limit on the address space of a program.
pub(crate) fn has_address_space_limit() -> bool {
    false
}

/// Returns `Ok`, for the same reason as `has_address_space_limit`.
pub(crate) fn check_room_for_thread() -> io::Result<()> {
    Ok(())
}

/// Returns whether a process could not be started for lack of memory, so that a later attempt may succeed.
pub(crate) fn is_resource_shortage(error: &io::Error) -> bool {
    error.kind() == ErrorKind::OutOfMemory
}

/// Returns the largest number of commands that may run at once.
pub(crate) fn max_concurrency() -> usize {
    1000
}

/// Returns how many bytes the words of a command may have.
pub(crate) fn max_words_bytes() -> usize {
    MAX_ARGUMENT_BYTES
}

/// Returns `None`.
pub(crate) fn login_directory() -> Option<std::path::PathBuf> {
    None
}

/// Returns `None`: the stack has the size that the file of the program gives.
pub(crate) fn main_stack_bytes() -> Option<u64> {
    None
}

/// # Errors
///
/// Always.
pub(crate) fn lower_priority(_: i32) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// Fails always: the value is not known.
pub(crate) fn load_average() -> io::Result<f64> {
    Err(ErrorKind::Unsupported.into())
}

/// Fails always: the value is not known.
pub(crate) fn free_memory() -> io::Result<u64> {
    Err(ErrorKind::Unsupported.into())
}

/// Fails always: the value is not known.
pub(crate) fn total_memory() -> io::Result<u64> {
    Err(ErrorKind::Unsupported.into())
}

/// There is no guard: commands keep running when `cordial` is killed.
///
/// # Errors
///
/// Always.
pub(crate) fn start_guard(_: &str) -> io::Result<(File, std::process::Child)> {
    Err(ErrorKind::Unsupported.into())
}

/// Does nothing.
pub(crate) fn run_guard() -> ExitCode {
    ExitCode::SUCCESS
}

/// Returns true: a killed process has an ordinary exit status and cannot be recognized by it.
pub(crate) fn was_killed(_: ExitStatus) -> bool {
    true
}

/// Returns false: Ctrl-C reaches this program as well.
pub(crate) fn was_interrupted(_: ExitStatus) -> bool {
    false
}

/// Does nothing.
pub(crate) fn interrupt_this_program() {}

/// Returns how a process ended, as numbers.
pub(crate) fn termination(status: ExitStatus) -> Termination {
    Termination::Exited(status.code().unwrap_or(-1))
}

/// Returns the status with which a process of another machine has ended.
pub(crate) fn exit_status(termination: Termination) -> ExitStatus {
    let (Termination::Exited(code) | Termination::Signaled(code)) = termination;
    ExitStatus::from_raw(code.cast_unsigned())
}

/// Describes how a process ended, as the end of the sentence "the command …".
pub(crate) fn describe_exit(status: ExitStatus) -> String {
    let unknown = || format!("ended in a way that cordial does not know ({status})");
    status.code().map_or_else(unknown, |code| format!("exited with status {code}"))
}

/// Returns what to do about a command that cannot be started, or `None` if the text of the error says enough.
pub(crate) fn start_advice(program: &OsStr, _: bool, error: &io::Error) -> Option<String> {
    let advice = || format!("check that {} is installed and in PATH", display::quoted(program.as_encoded_bytes()));
    (error.kind() == ErrorKind::NotFound).then(advice)
}

/// Returns what to do about output that cannot be read, or stored in a temporary file.
pub(crate) fn capture_advice(_: &io::Error) -> &'static str {
    "set TMP to a directory with free space"
}

/// The table of process groups. Windows has no process groups, so the table is empty: each `ProcessGroup` has its own process.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupTable;

impl GroupTable {
    pub(crate) fn new(_: Option<File>) -> Self {
        GroupTable
    }

    pub(crate) fn kill_all(&self) {}

    pub(crate) fn is_empty(&self) -> bool {
        true
    }

    pub(crate) fn dismiss_guard(&self) {}
}

/// Starts the commands of a run.
pub(crate) struct Spawner(SpawnConfig);

impl Spawner {
    pub(crate) fn new(config: SpawnConfig, _: Option<Arc<Terminal>>) -> Spawner {
        Spawner(config)
    }

    /// Returns false: there is no terminal that commands may use.
    pub(crate) fn uses_terminal(&self) -> bool {
        false
    }
}

/// The pipe from which a command reads its standard input. Dropping it ends the input.
#[derive(Debug)]
pub(crate) struct InputPipe(tokio::process::ChildStdin);

impl InputPipe {
    /// Does nothing: the size of the pipe is fixed.
    pub(crate) fn enlarge(&mut self, _: usize, _: bool) {}

    /// Writes some of the bytes, and returns how many.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` when the command has closed its input; another error when the system cannot write to the pipe.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        tokio::io::AsyncWriteExt::write(&mut self.0, bytes).await
    }

    /// Is never called: there is no `SplicedFile`.
    pub(crate) async fn splice(&mut self, file: &SplicedFile, at: u64, length: usize) -> io::Result<usize> {
        file.splice(&self.0, at, length)
    }
}

/// Returns the default size.
pub(crate) fn screen_size() -> ScreenSize {
    ScreenSize::default()
}

/// Returns whether both outputs are the terminal.
pub(crate) fn are_outputs_the_same() -> bool {
    io::stdout().is_terminal() && io::stderr().is_terminal()
}

/// Returns whether standard output is not the terminal.
pub(crate) fn is_stdout_pipe() -> bool {
    !io::stdout().is_terminal()
}

/// Does nothing: the size of a pipe cannot be changed.
pub(crate) fn enlarge_pipe(_: &impl Descriptor) {}

/// One running command. Killing it does not kill the processes that it started: that would need a job object.
#[derive(Debug)]
pub(crate) struct ProcessGroup(std::process::Child);

impl ProcessGroup {
    /// Starts a command.
    ///
    /// # Errors
    ///
    /// When the system cannot start the process.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is ready starts nothing.
    pub(crate) async fn start(
        spawner: &Spawner,
        words: &[OsString],
        variables: &[(&str, OsString)],
        _: &GroupTable,
    ) -> io::Result<ProcessGroup> {
        let mut command = spawner.0.command(&words[0], &words[1..], variables);
        if spawner.0.input == CommandInput::Inherited {
            command.stdin(Stdio::null());
        }
        command.spawn().map(ProcessGroup)
    }

    /// Takes the pipe to which the input of the command is written; `None` if there is none.
    pub(crate) fn take_input(&mut self) -> Option<InputPipe> {
        tokio::process::ChildStdin::from_std(self.0.stdin.take()?).ok().map(InputPipe)
    }

    /// Takes the read ends of the pipes; `None` for an output that is inherited.
    pub(crate) fn take_outputs(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        (self.0.stdout.take(), self.0.stderr.take())
    }

    /// Waits until the process exits, without a bound.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn wait_exit(&mut self) -> io::Result<()> {
        while self.0.try_wait()?.is_none() {
            tokio::time::sleep(EXIT_CHECK_INTERVAL).await;
        }
        Ok(())
    }

    /// Waits until the process exits, at most for `timeout`, and returns whether it has exited.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn wait_exit_timeout(&mut self, timeout: Duration, _: WaitMode) -> io::Result<bool> {
        tokio::time::timeout(timeout, self.wait_exit()).await.map_or(Ok(false), |exited| exited.map(|()| true))
    }

    /// Waits until the process exits: a terminal stops no process.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn wait_exit_or_stop(&mut self) -> io::Result<Option<TerminalStop>> {
        self.wait_exit().await.map(|()| None)
    }

    /// Kills the process: there is no signal that asks it to exit.
    pub(crate) fn terminate(&mut self) {
        self.kill();
    }

    /// Kills the process.
    pub(crate) fn kill(&mut self) {
        // Fails only if the process has just ended.
        let _ = self.0.kill();
    }

    /// Returns the exit status after the process has exited.
    pub(crate) fn finish(mut self) -> io::Result<ExitStatus> {
        self.0.wait()
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Why a terminal has stopped a command. No terminal does that on Windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(dead_code, reason = "the same names as on Unix")]
pub(crate) enum TerminalStop {
    Reads,
    Changes,
}

/// A terminal that commands may use. There is none on Windows.
#[derive(Debug)]
pub(crate) enum Terminal {}

impl Terminal {
    /// # Errors
    ///
    /// Always.
    pub(crate) fn open() -> io::Result<Terminal> {
        Err(ErrorKind::Unsupported.into())
    }

    pub(crate) fn can_be_passed_on(&self) -> bool {
        match *self {}
    }

    /// # Errors
    ///
    /// Never: there is no terminal.
    pub(crate) fn ask(&self, _: &[u8]) -> io::Result<bool> {
        match *self {}
    }
}

/// Returns false: a terminal stops no process.
pub(crate) fn is_in_background() -> bool {
    false
}

/// Returns false: a terminal stops no process.
pub(crate) fn has_terminal() -> bool {
    false
}

/// Never returns: no process is inherited.
///
/// # Cancel safety
///
/// Dropping the future loses nothing.
pub(crate) async fn reap_orphans(_: &GroupTable) {
    std::future::pending().await
}

/// Receives the events that ask the run to stop, from the call of `listen` on.
pub(crate) struct StopSignals {
    interrupt: windows::CtrlC,
    terminate: windows::CtrlClose,
}

impl StopSignals {
    /// Installs the handlers.
    ///
    /// # Errors
    ///
    /// When the system refuses to install a handler.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(StopSignals { interrupt: windows::ctrl_c()?, terminate: windows::ctrl_close()? })
    }

    /// Waits for the next event. The wait has no bound: most runs receive none.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> StopSignal {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
        }
    }
}

/// The signals that change how many commands run at once. Windows has none.
pub(crate) struct LimitSignals;

impl LimitSignals {
    /// # Errors
    ///
    /// Never.
    #[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(LimitSignals)
    }

    /// Never returns.
    pub(crate) async fn next(&mut self) -> LimitChange {
        std::future::pending().await
    }
}

/// Forwards Ctrl-Z to the commands. Windows has no such signal.
pub(crate) struct JobControl;

impl JobControl {
    /// # Errors
    ///
    /// Never.
    #[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(JobControl)
    }

    /// Never returns.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn forward(&mut self, _: &GroupTable) {
        std::future::pending().await
    }
}

/// Does nothing: Windows suspends no program.
pub(crate) fn suspend_this_job() {}

/// Receives nothing: Windows does not suspend programs.
pub(crate) struct ResumeSignals;

impl ResumeSignals {
    /// # Errors
    ///
    /// Never.
    #[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(ResumeSignals)
    }

    /// Never returns.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) {
        std::future::pending().await
    }
}
