//! One running command with the processes that it starts: a process group of its own, so that all of it can be ended together, and so that
//! Ctrl-C at a terminal reaches only us.
//!
//! ```text
//! start ──► running ──► its first process has ended, and is not reaped yet:    ──► finish: the rest is killed, the table
//!                       so its number, which is that of the group, is still ours             forgets the group, it is reaped
//! ```

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::time;

use super::super::Wait;
use super::Groups;
use super::ending::Ending;

/// A running group. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
    id: Pid,
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
    pub(crate) async fn start(command: &mut Command, groups: &Groups) -> io::Result<Group> {
        let starting = groups.starting().await;
        let mut child = command.process_group(0).spawn()?;
        let id = Pid::from_child(&child);
        groups.add(id);
        drop(starting);
        match Ending::of(id) {
            Ok(ending) => Ok(Group { child, id, ending, groups: groups.clone(), is_finished: false }),
            Err(error) => {
                let _ = kill_process_group(id, Signal::KILL);
                groups.remove(id);
                let _ = child.wait();
                Err(error)
            }
        }
    }

    pub(crate) fn take_outputs(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        (self.child.stdout.take(), self.child.stderr.take())
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
        self.child.wait()
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
            let _ = self.child.try_wait();
        }
    }
}
