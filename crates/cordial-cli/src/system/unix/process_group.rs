//! One running command and the processes that it starts. They form a process group, so that all of
//! them can be killed together, and so that Ctrl-C at a terminal reaches only `cordial`.
//!
//! ```text
//! start ──► running ──► the leader has exited and is not reaped:           ──► finish: kills the rest of the group,
//!                       its process id, which is the id of the group,          removes the group from the table, reaps the leader
//!                       cannot belong to another process yet
//! ```

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStderr, ChildStdout, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpid};
use tokio::time;

use super::exit_watch::ExitWatch;
use super::group_table::GroupTable;
use super::spawner::{Spawned, Spawner};
use crate::system::exit::WaitMode;

/// A running group. Dropping it kills the group.
#[derive(Debug)]
pub(crate) struct ProcessGroup {
    id: Pid,
    outputs: (Option<ChildStdout>, Option<ChildStderr>),
    exit: ExitWatch,
    groups: GroupTable,
    is_finished: bool,
}

impl ProcessGroup {
    /// Starts a command as the leader of a new group.
    ///
    /// # Errors
    ///
    /// When the system cannot start the process; and when its exit cannot be watched, in which case it was killed.
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
        let Spawned { id, stdout, stderr } = spawner.spawn(words, variables)?;
        groups.add(id);
        drop(permit);
        match ExitWatch::new(id) {
            Ok(exit) => {
                let (outputs, groups) = ((stdout, stderr), groups.clone());
                Ok(ProcessGroup { id, outputs, exit, groups, is_finished: false })
            }
            Err(error) => {
                let _ = kill_process_group(id, Signal::KILL);
                groups.remove(id);
                let _ = reap(id, WaitOptions::empty());
                Err(error)
            }
        }
    }

    /// Takes the read ends of the pipes; `None` for an output that is inherited.
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

    /// Sends SIGTERM to all processes of the group, then SIGCONT, so that stopped processes receive it.
    pub(crate) fn terminate(&mut self) {
        // Fails only if all processes of the group have just ended.
        let _ = kill_process_group(self.id, Signal::TERM);
        let _ = kill_process_group(self.id, Signal::CONT);
    }

    /// Sends SIGKILL to all processes of the group.
    pub(crate) fn kill(&mut self) {
        let _ = kill_process_group(self.id, Signal::KILL);
    }

    /// Kills the rest of the group after its leader has exited, and returns the exit status of the leader.
    pub(crate) fn finish(mut self) -> io::Result<ExitStatus> {
        self.kill_and_remove();
        let status = reap(self.id, WaitOptions::empty())?;
        Ok(status.expect("without NOHANG, waitpid returns when the process has exited"))
    }

    fn kill_and_remove(&mut self) {
        self.kill();
        self.groups.remove(self.id);
        self.is_finished = true;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if !self.is_finished {
            self.kill_and_remove();
            // The leader may not have exited yet. Then it stays unreaped until this program exits.
            let _ = reap(self.id, WaitOptions::NOHANG);
        }
    }
}

/// Reaps a process. Returns `None` if it has not exited, and the options say not to wait.
fn reap(id: Pid, options: WaitOptions) -> io::Result<Option<ExitStatus>> {
    let reaped = rustix::io::retry_on_intr(|| waitpid(Some(id), options))?;
    Ok(reaped.map(|(_, status)| ExitStatus::from_raw(status.as_raw())))
}
