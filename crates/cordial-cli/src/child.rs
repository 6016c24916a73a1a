//! Runs one command to its end, with its outputs captured and a limit on its time.
//!
//! ```text
//! start ──► running ──────────────► process ended ──► grace for its pipes ──► done
//!              │ limit passed, or the output cannot be kept
//!              └──► its group is killed ──► process ended ──┘
//! ```
//!
//! The command is over when its process has ended. A background child may hold the pipes open for hours; what it writes later belongs to
//! nobody. But a helper of the command may need a moment more (`bash -c 'exec > >(tee log); …'`), and this is what the grace is for.
//!
//! Dropping the future at any point kills the process and its group.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::{task, time};

use crate::capture::Capture;
use crate::command::CommandLine;
use crate::failure::Failure;
use crate::system::{self, PipeEnd};

/// How long the outputs may stay open after the process has ended.
const GRACE: Duration = Duration::from_millis(100);

/// How long to wait for a process that was killed. One in an uninterruptible call to the system may stay for ever; its item does not.
const DYING: Duration = Duration::from_secs(1);

const BLOCK: usize = 16 * 1024;

/// How many blocks are read in one go. A command that writes faster than we read never makes us wait, and while we do not wait nothing
/// can end us: neither the limit nor a kill.
const IN_ONE_GO: usize = 16;

/// A command that is over, with what it wrote.
pub(crate) struct Ended {
    pub(crate) outcome: Result<(), Failure>,
    pub(crate) stdout: Capture,
    pub(crate) stderr: Capture,
}

/// Runs a command. Its standard input is empty.
///
/// # Cancel safety
///
/// Dropping the future kills the process and its group, and loses what it wrote.
pub(crate) async fn run(line: &CommandLine, limit: Option<Duration>) -> Ended {
    let mut group = match Group::start(line) {
        Ok(group) => group,
        Err(failure) => return Ended { outcome: Err(failure), stdout: Capture::new(), stderr: Capture::new() },
    };
    let mut stdout = Pipe::new(group.child.stdout.take());
    let mut stderr = Pipe::new(group.child.stderr.take());

    let outcome = match within(limit, watch(&mut group.child, &mut stdout, &mut stderr)).await {
        Some(Ok(status)) if status.success() => Ok(()),
        Some(Ok(status)) => Err(Failure::Ended(status)),
        Some(Err(failure)) => Err(failure),
        None => Err(Failure::TimedOut(limit.unwrap_or_default())),
    };
    group.kill().await;
    let late = finish(&mut stdout, &mut stderr).await.map_err(Failure::Uncaptured);
    Ended { outcome: outcome.and(late), stdout: stdout.capture, stderr: stderr.capture }
}

/// Reads the outputs until the process has ended.
async fn watch(
    child: &mut Child,
    stdout: &mut Pipe<ChildStdout>,
    stderr: &mut Pipe<ChildStderr>,
) -> Result<ExitStatus, Failure> {
    let reading = async { tokio::try_join!(stdout.fill(), stderr.fill()) };
    tokio::select! {
        status = child.wait() => return status.map_err(Failure::Unwatched),
        read = reading => read.map_err(Failure::Uncaptured)?,
    };
    // It closed its outputs and works on.
    child.wait().await.map_err(Failure::Unwatched)
}

/// Takes what the outputs still hold after the end of the process.
async fn finish<O, E>(stdout: &mut Pipe<O>, stderr: &mut Pipe<E>) -> io::Result<()>
where
    O: AsyncRead + PipeEnd + Unpin,
    E: AsyncRead + PipeEnd + Unpin,
{
    let reading = async { tokio::try_join!(stdout.fill(), stderr.fill()) };
    if let Ok(read) = time::timeout(GRACE, reading).await {
        read?;
    }
    // Where the grace was too short, or the machine too busy to tell us of what is there.
    stdout.drain()?;
    stderr.drain()
}

/// `None` if the limit passed.
async fn within<T>(limit: Option<Duration>, future: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => time::timeout(limit, future).await.ok(),
        None => Some(future.await),
    }
}

/// A running process and the processes it started. Dropping it kills them all.
struct Group {
    child: Child,
}

impl Group {
    fn start(line: &CommandLine) -> Result<Self, Failure> {
        let mut command = Command::new(line.program());
        command.args(line.arguments()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        system::own_group(&mut command);
        match command.spawn() {
            Ok(child) => Ok(Group { child }),
            Err(error) => Err(Failure::NotStarted { advice: system::advice(line.program(), &error), error }),
        }
    }

    /// Kills what still runs, and waits for its end a moment. After the process has ended by itself this does nothing: what it left
    /// in the background on purpose may stay there.
    async fn kill(&mut self) {
        if self.child.id().is_some() {
            system::kill_group(&mut self.child);
            let _ = time::timeout(DYING, self.child.wait()).await;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        system::kill_group(&mut self.child);
    }
}

/// One output of a process and what was read from it.
struct Pipe<R> {
    /// `None` from the end of the output, or from an error on.
    reader: Option<R>,
    capture: Capture,
    block: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Pipe<R> {
    fn new(reader: Option<R>) -> Self {
        Pipe { reader, capture: Capture::new(), block: vec![0; BLOCK] }
    }

    /// Reads to the end of the output.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing; another call goes on where it was.
    async fn fill(&mut self) -> io::Result<()> {
        while self.reader.is_some() {
            for _ in 0..IN_ONE_GO {
                self.read().await?;
            }
            task::yield_now().await;
        }
        Ok(())
    }

    async fn read(&mut self) -> io::Result<()> {
        let Some(reader) = &mut self.reader else { return Ok(()) };
        let kept = match reader.read(&mut self.block).await {
            Ok(n) => self.capture.append(&self.block[..n]).map(|()| n > 0),
            Err(error) => Err(error),
        };
        if !matches!(kept, Ok(true)) {
            self.reader = None;
        }
        kept.map(drop)
    }
}

impl<R: PipeEnd> Pipe<R> {
    /// Reads what is there, without waiting, and is done with the output.
    fn drain(&mut self) -> io::Result<()> {
        match self.reader.take() {
            Some(reader) => system::read_available(&reader, |bytes| self.capture.append(bytes)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
