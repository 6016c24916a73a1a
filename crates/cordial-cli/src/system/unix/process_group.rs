//! One running command and the processes that it starts. They form a process group, so that all of them can be killed together,
//! and so that without `--tty`, Ctrl-C at a terminal reaches only `cordial`.
//!
//! ```text
//! start ──► running ──► the leader has exited ──► finish
//! ```
//!
//! `finish` kills the rest of the group, removes the group from the table, and reaps the leader. Until then, the process id of the
//! leader, which is the id of the group, cannot belong to another process.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStderr, ChildStdout, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpid};
use tokio::time;

use super::exit_watch::ExitWatch;
use super::group_table::GroupTable;
use super::input_pipe::InputPipe;
use super::spawner::{Spawned, Spawner};
use super::terminal::{self, Terminal, TerminalStop};
use crate::system::exit::WaitMode;

/// The pause before the first check whether the terminal has stopped a command. For a command that may not use the terminal, it
/// doubles up to `MAX_STOP_CHECK_PAUSE`.
const STOP_CHECK_PAUSE: Duration = Duration::from_millis(50);
const MAX_STOP_CHECK_PAUSE: Duration = Duration::from_millis(800);

/// How long to wait until this program is suspended, after it has sent itself the signal.
const SUSPEND_TIME: Duration = Duration::from_millis(500);

/// A running group. Dropping it kills the group.
#[derive(Debug)]
pub(crate) struct ProcessGroup {
    id: Pid,
    /// The write end of the input, if that is a pipe. Kept open while the command may run, unless it is taken.
    input: Option<InputPipe>,
    outputs: (Option<ChildStdout>, Option<ChildStderr>),
    exit: ExitWatch,
    groups: GroupTable,
    /// The terminal, if the command may use it.
    terminal: Option<Arc<Terminal>>,
    is_finished: bool,
}

impl ProcessGroup {
    /// Starts a command as the leader of a new group.
    ///
    /// # Errors
    ///
    /// If the system cannot start the process. Also if the exit of the process cannot be watched, or its input cannot be made
    /// nonblocking; then the process was killed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is ready starts nothing.
    pub(crate) async fn start(
        spawner: &Spawner,
        words: &[OsString],
        variables: &[(&str, OsString)],
        groups: &GroupTable,
    ) -> io::Result<ProcessGroup> {
        let permit = groups.start_permit().await;
        let Spawned { id, stdin, stdout, stderr } = spawner.spawn(words, variables)?;
        groups.add(id);
        drop(permit);
        let terminal = spawner.terminal();
        if let Some(terminal) = &terminal {
            terminal.give_to(id);
        }
        let watched = stdin.map(InputPipe::new).transpose().and_then(|input| Ok((input, ExitWatch::new(id)?)));
        match watched {
            Ok((input, exit)) => {
                let (outputs, groups) = ((stdout, stderr), groups.clone());
                Ok(ProcessGroup { id, input, outputs, exit, groups, terminal, is_finished: false })
            }
            Err(error) => {
                let _ = kill_process_group(id, Signal::KILL);
                if let Some(terminal) = &terminal {
                    terminal.take_back(id);
                }
                let _ = groups.remove(id, || reap(id));
                Err(error)
            }
        }
    }

    /// Takes the pipe to which the input of the command is written; `None` if the input is inherited, or was taken.
    pub(crate) fn take_input(&mut self) -> Option<InputPipe> {
        self.input.take()
    }

    /// Takes the read ends of the pipes; `None` for an output that is inherited, or was taken.
    pub(crate) fn take_outputs(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        (self.outputs.0.take(), self.outputs.1.take())
    }

    /// Waits until the leader exits, without a bound.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn wait_exit(&mut self) -> io::Result<()> {
        self.exit.wait_exit().await
    }

    /// Waits until the leader exits, at most for `timeout`, and returns whether it has exited.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn wait_exit_timeout(&mut self, timeout: Duration, mode: WaitMode) -> io::Result<bool> {
        match mode {
            WaitMode::Blocking => Ok(self.exit.block_until_exit(timeout)),
            WaitMode::Async => {
                time::timeout(timeout, self.wait_exit()).await.map_or(Ok(false), |exited| exited.map(|()| true))
            }
        }
    }

    /// Asks the command to end. If the command has a pipe as its input, and the pipe was not taken, writes a line to it, as
    /// `CommandInput::Held` says. Otherwise sends SIGTERM to all processes of the group, then SIGCONT, so that stopped processes
    /// receive SIGTERM.
    pub(crate) fn terminate(&mut self) {
        if let Some(input) = &self.input {
            input.write_line();
            return;
        }
        // Fails only if no process of the group is left, or all of them run as another user, for example after `sudo`.
        let _ = kill_process_group(self.id, Signal::TERM);
        let _ = kill_process_group(self.id, Signal::CONT);
    }

    /// Sends SIGKILL to all processes of the group.
    pub(crate) fn kill(&mut self) {
        let _ = kill_process_group(self.id, Signal::KILL);
    }

    /// Waits until the leader exits, or until the terminal has stopped a leader that may not use the terminal. With `--tty`, the leader
    /// may use the terminal, and Ctrl-Z suspends this program together with the command.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn wait_exit_or_stop(&mut self) -> io::Result<Option<TerminalStop>> {
        let stop = wait_terminal_stop(self.id, self.terminal.as_deref());
        tokio::select! {
            biased;
            exited = self.exit.wait_exit() => exited.map(|()| None),
            stop = stop => Ok(Some(stop)),
        }
    }

    /// Kills the rest of the group after its leader has exited, and returns the exit status of the leader.
    pub(crate) fn finish(mut self) -> io::Result<ExitStatus> {
        self.end();
        self.groups.remove(self.id, || reap(self.id))
    }

    fn end(&mut self) {
        self.kill();
        self.is_finished = true;
        if let Some(terminal) = &self.terminal {
            terminal.take_back(self.id);
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if !self.is_finished {
            self.end();
            self.groups.remove_killed(self.id);
        }
    }
}

/// Waits until the terminal has stopped a command that may not use it. Never returns for a command that may use it.
async fn wait_terminal_stop(id: Pid, terminal: Option<&Terminal>) -> TerminalStop {
    let mut pause = STOP_CHECK_PAUSE;
    loop {
        time::sleep(pause).await;
        match terminal {
            Some(terminal) if terminal.suspend_with(id) => time::sleep(SUSPEND_TIME).await,
            // After Ctrl-Z and `fg`, this program has the terminal.
            Some(terminal) => terminal.give_to(id),
            None => match terminal::terminal_stop(id) {
                Some(stop) => return stop,
                None => pause = (pause * 2).min(MAX_STOP_CHECK_PAUSE),
            },
        }
    }
}

/// Reaps a process, after it has exited.
fn reap(id: Pid) -> io::Result<ExitStatus> {
    let reaped = rustix::io::retry_on_intr(|| waitpid(Some(id), WaitOptions::empty()))?;
    let (_, status) = reaped.expect("without NOHANG, waitpid returns when the process has exited");
    Ok(ExitStatus::from_raw(status.as_raw()))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::test_kill_process;

    use super::*;
    use crate::system::program::Program;
    use crate::system::spawn_config::{CommandInput, CommandOutput, SpawnConfig};

    #[tokio::test]
    async fn the_leader_of_a_dropped_group_is_reaped() {
        let config = SpawnConfig {
            program: Program::Searched,
            workdir: None,
            output: CommandOutput::Inherited,
            input: CommandInput::Inherited,
            run_name: "test".to_owned(),
        };
        let (spawner, groups) = (Spawner::new(config, None), GroupTable::default());
        let group = ProcessGroup::start(&spawner, &["sleep".into(), "1000".into()], &[], &groups).await.unwrap();
        let leader = group.id;
        drop(group);
        for _ in 0..1000 {
            if test_kill_process(leader) == Err(rustix::io::Errno::SRCH) {
                return;
            }
            let mut other = ProcessGroup::start(&spawner, &["true".into()], &[], &groups).await.unwrap();
            other.wait_exit().await.unwrap();
            assert!(other.finish().unwrap().success());
        }
        panic!("the process {leader:?} is still there");
    }
}
