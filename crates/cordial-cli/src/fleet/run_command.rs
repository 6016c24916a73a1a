//! Runs one command on the machine of the worker.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cordial::Exit;
use cordial_nats::{Cluster, ConnectError, JobId};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::archiver::Archiver;
use super::command::{CommandEnd, CommandReply, CommandRequest, Output, run_number};
use super::files;
use super::places::{PlacedFiles, Places};
use super::silence::until_answered;
use crate::child_times::{FORK_TO_EXEC, KILL_TIMEOUT, PIPE_LINGER, READ_DELAY};
use crate::system::{
    self, CommandInput, CommandOutput, GroupTable, PipeEnd, ProcessGroup, Program, SpawnConfig, Spawner, Termination,
    WaitMode,
};
use crate::text::io_error;

/// An output that reaches this many bytes, or a quarter of the largest message of the server (1 MiB by default), is sent in pieces. Two smaller
/// outputs fit into the result, which is one message.
const PIECE_BYTES: usize = 256 * 1024;

/// For how long, and at which interval, a worker tries to start a command if the system has too few processes or open files for it.
const SHORTAGE_LIMIT: Duration = Duration::from_secs(30);
const SHORTAGE_PAUSE: Duration = Duration::from_millis(50);

/// How much buffer space is reserved before each read.
const BLOCK_BYTES: usize = 16 * 1024;

/// The state that all commands of a worker share.
pub(super) struct Runner {
    cluster: Cluster,
    groups: GroupTable,
    run_name: String,
    archiver: Archiver,
    places: Places,
    /// The directory of the last command, and the spawner for it. Most commands of a run have the same directory.
    last: Mutex<Option<(PathBuf, Arc<Spawner>)>>,
}

impl Runner {
    pub(super) fn new(cluster: Cluster, groups: GroupTable, run_name: String) -> Runner {
        let archiver = Archiver::new(run_name.clone(), groups.clone());
        Runner { cluster, groups, run_name, archiver, places: Places::default(), last: Mutex::default() }
    }

    fn spawner(&self, directory: &Path) -> Arc<Spawner> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, spawner)) = &*last
            && known == directory
        {
            return spawner.clone();
        }
        let config = SpawnConfig {
            program: Program::Searched,
            workdir: Some(directory.to_owned()),
            output: CommandOutput::Piped,
            input: CommandInput::Inherited,
            run_name: self.run_name.clone(),
        };
        let spawner = Arc::new(Spawner::new(config, None));
        *last = Some((directory.to_owned(), spawner.clone()));
        spawner
    }
}

/// Runs a command, with its files. When the job is cancelled, the command gets SIGTERM and its grace period. Dropping the future kills the
/// command, as a worker does that stops before the command has ended.
pub(super) async fn run_command(runner: Arc<Runner>, request: CommandRequest) -> Result<CommandReply, Exit> {
    let attempt =
        cordial_nats::attempt().ok_or_else(|| Exit::from("a command has to be sent as a job, not as a call"))?;
    let run = run_number(attempt.number());
    // This call opts in to graceful shutdown. Without it, a request to shut down would end the job at once.
    let _asked = cordial::shutdown_requested();
    let cluster = &runner.cluster;
    let ended = |ended| CommandReply {
        node: cluster.name().to_owned(),
        ended,
        duration: Duration::ZERO,
        run,
        stdout: Output::Whole(Vec::new()),
        stderr: Output::Whole(Vec::new()),
        returned: Vec::new(),
    };
    let not_started = |reason: String| Ok(ended(CommandEnd::NotStarted { reason, is_missing: false }));
    let replied = |reply: Result<CommandReply, Exit>| match reply {
        Err(exit) if exit.downcast_ref::<OutputNotKept>().is_some() => Ok(ended(CommandEnd::NotSent(exit.to_string()))),
        reply => reply,
    };
    let CommandRequest { words, variables, workdir, files, timeout, grace, is_watched } = request;
    let words = match arguments(words) {
        Ok(words) => words,
        Err(reason) => return not_started(reason.to_owned()),
    };
    let Ok(workdir) = system::os_string(workdir).map(PathBuf::from) else {
        return not_started("the name of its directory is invalid on the system of the worker".to_owned());
    };
    let command = PlacedCommand { words, variables, limit: timeout, grace, is_watched };
    let Some(files) = files else {
        if !workdir.is_dir() {
            return not_started(format!(
                "the directory {} does not exist on {}: use a shared file system, --workdir DIR, or --transfer",
                workdir.display(),
                cluster.name()
            ));
        }
        return replied(run_in(&runner, attempt.job(), run, &workdir, command).await);
    };
    let directory = files::directory(workdir);
    let placed = PlacedFiles::new(&runner.places, &files, &directory);
    let fetched = tokio::select! {
        fetched = files::fetch(&runner.archiver, &runner.places, cluster, &files, &directory) => fetched,
        () = cordial::shutdown_requested() => return Err(Exit::Shutdown(None)),
    };
    if let Err(why) = fetched {
        return Ok(ended(CommandEnd::NotSent(why)));
    }
    let mut reply = replied(run_in(&runner, attempt.job(), run, &directory, command).await)?;
    reply.returned = tokio::select! {
        returned = files::give_back(&runner.archiver, cluster, &files, &directory, (attempt.job(), run)) => returned,
        () = cordial::shutdown_requested() => return Err(Exit::Shutdown(None)),
    };
    // If a file of a successful command could not be given back, all files of the command stay.
    if reply.ended == CommandEnd::Exited(0) && reply.returned.iter().any(Result::is_err) {
        placed.keep();
    }
    Ok(reply)
}

/// Returns the words of a command for the system of this worker.
///
/// # Errors
///
/// Why the command cannot start. Another program than `cordial map` may have sent it.
fn arguments(words: Vec<Vec<u8>>) -> Result<Vec<OsString>, &'static str> {
    if words.is_empty() {
        return Err("its request names no program");
    }
    let words: Result<Vec<_>, _> = words.into_iter().map(system::os_string).collect();
    words.map_err(|_| "its arguments are invalid on the system of the worker")
}

/// A command whose directory exists.
struct PlacedCommand {
    words: Vec<OsString>,
    variables: Vec<(String, Vec<u8>)>,
    limit: Option<Duration>,
    grace: Duration,
    is_watched: bool,
}

async fn run_in(
    runner: &Runner,
    job: &JobId,
    run: u32,
    directory: &Path,
    command: PlacedCommand,
) -> Result<CommandReply, Exit> {
    let empty = || Output::Whole(Vec::new());
    let PlacedCommand { words, variables, limit, grace, is_watched } = command;
    let variables = variables.iter();
    let variables = variables.filter_map(|(name, value)| Some((name.as_str(), system::os_string(value.clone()).ok()?)));
    let variables: Vec<_> = variables.collect();
    let spawner = runner.spawner(directory);
    let start = async {
        let first = Instant::now();
        loop {
            let started = Instant::now();
            match ProcessGroup::start(&spawner, &words, &variables, &runner.groups).await {
                // Other commands end, and free processes or files.
                Err(error) if system::is_resource_shortage(&error) && first.elapsed() < SHORTAGE_LIMIT => {
                    sleep(SHORTAGE_PAUSE).await;
                }
                group => break (started, group),
            }
        }
    };
    let (started, group) = tokio::select! {
        biased;
        start = start => start,
        () = cordial::shutdown_requested() => return Err(Exit::Shutdown(None)),
    };
    let reply = |ended, stdout, stderr| CommandReply {
        node: runner.cluster.name().to_owned(),
        ended,
        duration: started.elapsed(),
        run,
        stdout,
        stderr,
        returned: Vec::new(),
    };
    let mut group = match group {
        Ok(group) => group,
        Err(error) => {
            let reason = match system::start_advice(&words[0], false, &error) {
                Some(advice) => format!("{}; {advice}", io_error::text(&error)),
                None => io_error::describe(&error),
            };
            let is_missing = error.kind() == io::ErrorKind::NotFound;
            return Ok(reply(CommandEnd::NotStarted { reason, is_missing }, empty(), empty()));
        }
    };
    let (stdout, stderr) = group.take_outputs();
    let may_delay_reading = limit.is_none_or(|limit| limit > READ_DELAY);
    let exits_soon = may_delay_reading
        && tokio::select! {
            biased;
            exited = group.wait_exit_timeout(READ_DELAY, WaitMode::Async) => exited.map_err(not_watched)?,
            () = cordial::shutdown_requested() => false,
        };
    if exits_soon
        && !stdout.as_ref().is_some_and(|pipe| system::may_have_data(pipe, FORK_TO_EXEC))
        && !stderr.as_ref().is_some_and(|pipe| system::may_have_data(pipe, FORK_TO_EXEC))
    {
        let status = group.finish().map_err(not_watched)?;
        return Ok(reply(ended(status), empty(), empty()));
    }
    let stdout = stdout.map(tokio::process::ChildStdout::from_std).transpose().map_err(unreadable)?;
    let stderr = stderr.map(tokio::process::ChildStderr::from_std).transpose().map_err(unreadable)?;
    let mut out = Reader::new(&runner.cluster, (job, run), 0, is_watched, stdout);
    let mut err = Reader::new(&runner.cluster, (job, run), 1, is_watched, stderr);
    let is_over = watch::Sender::new(false);
    let is_timed_out = {
        let (of_out, of_err) = (is_over.subscribe(), is_over.subscribe());
        let mut reading = std::pin::pin!(async { tokio::try_join!(out.read(of_out), err.read(of_err)) });
        let mut read = None;
        let deadline = limit.and_then(|limit| started.checked_add(limit));
        let mut time_is_over = std::pin::pin!(async {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        });
        let mut asked = std::pin::pin!(cordial::shutdown_requested());
        let (is_asked, is_timed_out) = loop {
            tokio::select! {
                biased;
                exited = group.wait_exit() => {
                    exited.map_err(not_watched)?;
                    break (false, false);
                }
                () = &mut asked => break (true, false),
                () = &mut time_is_over => break (false, true),
                all = &mut reading, if read.is_none() => read = Some(all?),
            }
        };
        // The process may have exited before its limit, and its exit be noticed only now.
        let is_timed_out =
            is_timed_out && !group.wait_exit_timeout(Duration::ZERO, WaitMode::Blocking).await.map_err(not_watched)?;
        if is_asked || is_timed_out {
            group.terminate();
            let has_exited = {
                let mut exit = std::pin::pin!(timeout(grace, group.wait_exit()));
                loop {
                    tokio::select! {
                        exited = &mut exit => break exited.is_ok(),
                        all = &mut reading, if read.is_none() => read = Some(all?),
                    }
                }
            };
            if !has_exited {
                group.kill();
                let _ = timeout(KILL_TIMEOUT, group.wait_exit()).await;
            }
        }
        if is_asked {
            // The job was cancelled or the worker stops: in both cases there is no reply.
            return Err(Exit::Shutdown(None));
        }
        if read.is_none() {
            // Reads what the process wrote before its exit. Its background processes may hold the outputs open, so the wait for
            // more has a limit. What was read is kept, however long the server takes.
            tokio::select! {
                all = &mut reading => all?,
                () = sleep(PIPE_LINGER) => {
                    is_over.send_replace(true);
                    reading.await?
                }
            };
        }
        is_timed_out
    };
    let ended = if is_timed_out {
        // The group is dropped, because `finish` would wait for a process that cannot be killed.
        drop(group);
        CommandEnd::TimedOut
    } else {
        ended(group.finish().map_err(not_watched)?)
    };
    let (stdout, stderr) = (out.finish().await?, err.finish().await?);
    Ok(reply(ended, stdout, stderr))
}

/// The error of a command whose output the server refuses to keep. Another run of the command would have the same error.
#[derive(Debug)]
struct OutputNotKept(ConnectError);

impl fmt::Display for OutputNotKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its output is not kept: {}", self.0)
    }
}

impl std::error::Error for OutputNotKept {}

/// Returns the exit of a command after the server has not kept one of its pieces. Only a refusal is final. After another error, such as the
/// end of the connection, another attempt may succeed.
fn not_kept(error: ConnectError) -> Exit {
    match error {
        ConnectError::Refused { .. } => Exit::Error(Arc::new(OutputNotKept(error))),
        error => Exit::Error(Arc::new(error)),
    }
}

fn not_watched(error: io::Error) -> Exit {
    Exit::from(format!("cordial cannot wait for the exit of a command: {}", io_error::describe(&error)))
}

fn unreadable(error: io::Error) -> Exit {
    Exit::from(format!("the output of a command cannot be read: {}", io_error::describe(&error)))
}

fn ended(status: ExitStatus) -> CommandEnd {
    match system::termination(status) {
        Termination::Exited(code) => CommandEnd::Exited(code),
        Termination::Signaled(signal) => CommandEnd::Signaled(signal),
    }
}

/// Reads one output, and keeps what is too long for the result in pieces.
struct Reader<'a, R> {
    cluster: &'a Cluster,
    /// The job, and which run of it this is.
    run: (&'a JobId, u32),
    /// The number of the first piece: 0 for standard output, 1 for standard error. The number grows by 2 from piece to piece.
    first: u32,
    /// Whether the bytes of each read are kept at once, even if they are few.
    is_watched: bool,
    /// The buffer is kept when it has at least this many bytes. A piece has at most twice as many.
    piece_bytes: usize,
    n_pieces: u32,
    buffer: Vec<u8>,
    pipe: Option<R>,
}

impl<'a, R: AsyncRead + PipeEnd + Unpin> Reader<'a, R> {
    fn new(cluster: &'a Cluster, run: (&'a JobId, u32), first: u32, is_watched: bool, pipe: Option<R>) -> Self {
        let piece_bytes = PIECE_BYTES.min(cluster.max_payload() / 4).max(1);
        Reader { cluster, run, first, is_watched, piece_bytes, n_pieces: 0, buffer: Vec::new(), pipe }
    }

    /// Reads to the end of the output. When `is_over` becomes true, reads only the bytes that are available then. If the future is dropped
    /// before it is ready, there must be no further call: the server may have kept a piece, which would be sent again with more bytes.
    async fn read(&mut self, mut is_over: watch::Receiver<bool>) -> Result<(), Exit> {
        while let Some(pipe) = &mut self.pipe {
            self.buffer.reserve(BLOCK_BYTES);
            let is_last = tokio::select! {
                // First: a background process may write without a pause.
                biased;
                // The wait fails only when the sender is gone, and the caller holds the sender.
                _ = is_over.wait_for(|is_over| *is_over) => {
                    let buffer = &mut self.buffer;
                    system::read_available(pipe, |bytes| {
                        buffer.extend_from_slice(bytes);
                        Ok(())
                    })
                    .map_err(unreadable)?;
                    true
                }
                n = pipe.read_buf(&mut self.buffer) => n.map_err(unreadable)? == 0,
            };
            if is_last {
                self.pipe = None;
            }
            if self.buffer.len() >= if self.is_watched { 1 } else { self.piece_bytes } {
                self.keep().await?;
            }
        }
        Ok(())
    }

    /// Sends the buffer to the server in pieces, which the server keeps.
    async fn keep(&mut self) -> Result<(), Exit> {
        let (job, run) = self.run;
        for piece in self.buffer.chunks(2 * self.piece_bytes) {
            let number = self.first + 2 * self.n_pieces;
            let keep = || self.cluster.keep_piece(job, run, number, piece.to_vec().into());
            tokio::select! {
                biased;
                kept = until_answered(keep) => kept.map_err(not_kept)?,
                // A job that was asked to shut down has no reply, so nothing needs the piece.
                () = cordial::shutdown_requested() => {}
            }
            self.n_pieces += 1;
        }
        self.buffer.clear();
        Ok(())
    }

    async fn finish(mut self) -> Result<Output, Exit> {
        if self.n_pieces == 0 {
            return Ok(Output::Whole(self.buffer));
        }
        if !self.buffer.is_empty() {
            self.keep().await?;
        }
        Ok(Output::Pieces { n: self.n_pieces })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_words_is_answered_with_an_error() {
        assert_eq!(arguments(Vec::new()), Err("its request names no program"));
        assert_eq!(arguments(vec![b"echo".to_vec()]), Ok(vec!["echo".into()]));
    }

    #[test]
    fn a_command_fails_for_good_only_if_the_server_refuses_its_output() {
        let what = || Arc::from("keep a piece of the result of the job build/1");
        let is_for_good = |error| not_kept(error).downcast_ref::<OutputNotKept>().is_some();
        assert!(is_for_good(ConnectError::Refused { what: what(), reason: "maximum bytes exceeded".into() }));
        assert!(!is_for_good(ConnectError::Silent { what: what() }));
        assert!(!is_for_good(ConnectError::NoLeader { what: what() }));
        assert!(!is_for_good(ConnectError::Ended { what: what() }));
    }
}
