//! One running command with the processes that it starts: a process group of its own, so that all of it can be ended together, and so that
//! Ctrl-C at a terminal reaches only us.
//!
//! ```text
//! start ──► running ──► its first process has ended, and is not reaped yet:    ──► finish: the rest is killed, the table
//!                       so its number, which is that of the group, is still ours             forgets the group, it is reaped
//! ```

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStderr, ChildStdout, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpid};
use tokio::time;

use crate::system::Wait;
use super::group_table::Groups;
use super::exit_watch::Ending;
use super::spawner::{Started, Starter};

/// A running group. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Group {
    id: Pid,
    outputs: (Option<ChildStdout>, Option<ChildStderr>),
    ending: Ending,
    groups: Groups,
    is_finished: bool,
}

impl Group {
    /// # Errors
    ///
    /// When the system starts no process; and when it does not tell of its end, in which case it was killed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is ready starts nothing.
    pub(crate) async fn start(
        starter: &Starter,
        words: &[OsString],
        variables: &[(&str, OsString)],
        groups: &Groups,
    ) -> io::Result<Group> {
        let starting = groups.starting().await;
        let Started { id, stdout, stderr } = starter.start(words, variables)?;
        groups.add(id);
        drop(starting);
        match Ending::of(id) {
            Ok(ending) => {
                let (outputs, groups) = ((stdout, stderr), groups.clone());
                Ok(Group { id, outputs, ending, groups, is_finished: false })
            }
            Err(error) => {
                let _ = kill_process_group(id, Signal::KILL);
                groups.remove(id);
                let _ = reap(id, WaitOptions::empty());
                Err(error)
            }
        }
    }

    pub(crate) fn take_outputs(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        (self.outputs.0.take(), self.outputs.1.take())
    }

    /// Waits for the end of the first process, without a limit.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn ended(&mut self) -> io::Result<()> {
        self.ending.wait().await
    }

    /// Whether the first process ends in this time.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn ended_within(&mut self, limit: Duration, wait: Wait) -> io::Result<bool> {
        match wait {
            Wait::Standing => Ok(self.ending.stand(limit)),
            Wait::Aside => time::timeout(limit, self.ended()).await.map_or(Ok(false), |ended| ended.map(|()| true)),
        }
    }

    /// Asks all processes to end. Those that are stopped go on, to hear it.
    pub(crate) fn terminate(&mut self) {
        // It fails only if the whole group has ended in this moment.
        let _ = kill_process_group(self.id, Signal::TERM);
        let _ = kill_process_group(self.id, Signal::CONT);
    }

    pub(crate) fn kill(&mut self) {
        let _ = kill_process_group(self.id, Signal::KILL);
    }

    /// Kills what is left after the end of the first process, and tells how that ended.
    pub(crate) fn finish(mut self) -> io::Result<ExitStatus> {
        self.forget();
        let status = reap(self.id, WaitOptions::empty())?;
        Ok(status.expect("it was waited for"))
    }

    fn forget(&mut self) {
        self.kill();
        self.groups.remove(self.id);
        self.is_finished = true;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.is_finished {
            self.forget();
            // It is dying. If that takes longer than we live, the system reaps it.
            let _ = reap(self.id, WaitOptions::NOHANG);
        }
    }
}

/// `None` if it has not ended, and the options say not to wait.
fn reap(id: Pid, options: WaitOptions) -> io::Result<Option<ExitStatus>> {
    let ended = rustix::io::retry_on_intr(|| waitpid(Some(id), options))?;
    Ok(ended.map(|(_, status)| ExitStatus::from_raw(status.as_raw())))
}
