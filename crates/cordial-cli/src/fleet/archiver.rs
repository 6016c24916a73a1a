//! Files that travel through the object store of the fleet, as archives of `tar`. With `-S`, such archives travel through `ssh`.
//!
//! While the server does not answer, packing and unpacking are repeated. A refusal of the server and a failure of `tar` are errors.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cordial_nats::{Cluster, ConnectError};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::silence::{MayBeSilence, until_answered};
use crate::system::{
    self, CommandInput, CommandOutput, GroupTable, ProcessGroup, Program, SpawnConfig, Spawner, Termination,
};
use crate::text::file_name::{member, packed, split_last};
use crate::text::io_error;

/// How much of an archive one read may return.
const BLOCK_BYTES: usize = 64 * 1024;

/// How much of the messages of `tar` is kept.
const MAX_MESSAGE_BYTES: u64 = 16 * 1024;

/// Why files were not packed or unpacked.
enum ArchiveError {
    Server(ConnectError),
    /// A message about `tar`, or about a file.
    Local(String),
}

/// Packs and unpacks files with `tar`.
pub(crate) struct Archiver {
    spawner: Spawner,
    groups: GroupTable,
}

impl Archiver {
    /// `tar` is killed together with the commands that have this `run_name` and are in `groups`.
    pub(crate) fn new(run_name: String, groups: GroupTable) -> Archiver {
        let config = SpawnConfig {
            program: Program::Searched,
            workdir: None,
            output: CommandOutput::Piped,
            input: CommandInput::Piped,
            run_name,
        };
        Archiver { spawner: Spawner::new(config, None), groups }
    }

    /// Packs a file or a directory into an object. A relative name begins in `directory`.
    ///
    /// # Errors
    ///
    /// A message, if `tar` cannot be started or fails, for example because a file cannot be read, or the server refuses to keep the
    /// object.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the object may exist.
    pub(crate) async fn pack(
        &self,
        cluster: &Cluster,
        object: &str,
        directory: &Path,
        name: &[u8],
    ) -> Result<(), String> {
        let (folder, last) = split(directory, name)?;
        until_answered(|| self.try_pack(cluster, object, &folder, last)).await.map_err(ArchiveError::into_message)
    }

    async fn try_pack(&self, cluster: &Cluster, object: &str, folder: &Path, last: &[u8]) -> Result<(), ArchiveError> {
        let last = os_string(&packed(last))?;
        let words = ["tar".into(), "-cf".into(), "-".into(), "-C".into(), folder.into(), "--".into(), last];
        let mut group = self.start(&words).await?;
        drop(group.take_input());
        let (stdout, stderr) = outputs(&mut group)?;
        let copying = async {
            let mut writer = cluster.create_object(object).await?;
            let (mut stdout, mut block) = (stdout, vec![0; BLOCK_BYTES]);
            loop {
                let n = stdout.read(&mut block).await.map_err(|error| io_error::describe(&error))?;
                if n == 0 {
                    return Ok::<_, ArchiveError>(writer);
                }
                writer.write(&block[..n]).await?;
            }
        };
        let (writer, messages) = tokio::join!(copying, messages(stderr));
        let writer = writer?;
        end(group, &messages).await?;
        Ok(writer.finish().await?)
    }

    /// Unpacks the file or the directory with this name from an object, and nothing else that the object contains: the other side
    /// chooses what it contains. A relative name begins in `directory`. A missing directory is made.
    ///
    /// # Errors
    ///
    /// A message, if the server refuses to send the object, the object is gone, or `tar` cannot be started or fails, for example because a file
    /// cannot be written.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, some files may have been unpacked.
    pub(crate) async fn unpack(
        &self,
        cluster: &Cluster,
        object: &str,
        directory: &Path,
        name: &[u8],
    ) -> Result<(), String> {
        let (folder, last) = split(directory, name)?;
        until_answered(|| self.try_unpack(cluster, object, &folder, last)).await.map_err(ArchiveError::into_message)
    }

    /// As [`Archiver::unpack`]. A file that is already there is replaced at once: it is never missing or incomplete.
    ///
    /// # Errors
    ///
    /// As `unpack`.
    ///
    /// # Cancel safety
    ///
    /// As `unpack`.
    pub(super) async fn replace(
        &self,
        cluster: &Cluster,
        object: &str,
        directory: &Path,
        name: &[u8],
    ) -> Result<(), String> {
        let (folder, last) = split(directory, name)?;
        fs::create_dir_all(&folder).map_err(|error| not_made(&folder, &error))?;
        let beside = tempfile::Builder::new().prefix(".cordial-").tempdir_in(&folder);
        // If there can be no directory beside the file, the file may be a directory whose files can be written.
        if let (Ok(beside), true) = (beside, last != b".") {
            self.unpack(cluster, object, beside.path(), last).await?;
            let name = os_string(last)?;
            if fs::rename(beside.path().join(&name), folder.join(&name)).is_ok() {
                return Ok(());
            }
            // A directory cannot replace another one. Its files are added. A directory without the right to write in it cannot be moved or removed.
            let writable = ["chmod".into(), "-R".into(), "u+rwx".into(), "--".into(), beside.path().into()];
            if let Ok(mut group) = self.start(&writable).await {
                drop((group.take_input(), group.take_outputs()));
                let _ = end(group, "").await;
            }
        }
        self.unpack(cluster, object, &folder, last).await
    }

    async fn try_unpack(
        &self,
        cluster: &Cluster,
        object: &str,
        folder: &Path,
        last: &[u8],
    ) -> Result<(), ArchiveError> {
        fs::create_dir_all(folder).map_err(|error| not_made(folder, &error))?;
        let reader = cluster.open_object(object).await?;
        let mut reader = reader.ok_or_else(|| "it is gone from the object store of the fleet".to_owned())?;
        let member = os_string(&member(last))?;
        let words = ["tar".into(), "-C".into(), folder.into(), "-xf".into(), "-".into(), "--".into(), member];
        let mut group = self.start(&words).await?;
        let pipe = group.take_input();
        let (stdout, stderr) = outputs(&mut group)?;
        let copying = async {
            let Some(mut pipe) = pipe else { return Ok(()) };
            while let Some(piece) = reader.next().await? {
                let mut at = 0;
                while at < piece.len() {
                    // If `tar` has ended early, its messages say why.
                    let Ok(n) = pipe.write(&piece[at..]).await else { return Ok::<_, ArchiveError>(()) };
                    at += n;
                }
            }
            Ok(())
        };
        let (copied, messages) = tokio::join!(copying, messages(stderr));
        drop(stdout);
        copied?;
        Ok(end(group, &messages).await?)
    }

    async fn start(&self, words: &[OsString]) -> Result<ProcessGroup, String> {
        let started = ProcessGroup::start(&self.spawner, words, &[], &self.groups).await;
        started.map_err(|error| format!("cannot start tar: {}", io_error::describe(&error)))
    }
}

/// Returns the directory of a file, and the last part of its name.
fn split<'a>(directory: &Path, name: &'a [u8]) -> Result<(PathBuf, &'a [u8]), String> {
    let (folder, last) = split_last(name);
    Ok((directory.join(os_string(folder)?), last))
}

fn os_string(name: &[u8]) -> Result<OsString, String> {
    system::os_string(name.to_vec()).map_err(|_| "its name is invalid on this system".to_owned())
}

fn not_made(directory: &Path, error: &io::Error) -> String {
    format!("cannot make the directory {}: {}", directory.display(), io_error::describe(error))
}

type Outputs = (tokio::process::ChildStdout, tokio::process::ChildStderr);

fn outputs(group: &mut ProcessGroup) -> Result<Outputs, String> {
    let (stdout, stderr) = group.take_outputs();
    let (stdout, stderr) = stdout.zip(stderr).ok_or("tar has no outputs")?;
    let registered = (tokio::process::ChildStdout::from_std(stdout), tokio::process::ChildStderr::from_std(stderr));
    match registered {
        (Ok(stdout), Ok(stderr)) => Ok((stdout, stderr)),
        (Err(error), _) | (_, Err(error)) => Err(io_error::describe(&error)),
    }
}

async fn messages(mut stderr: impl AsyncRead + Unpin) -> String {
    let mut text = Vec::new();
    // If reading fails, the text that was read before is used.
    let _ = (&mut stderr).take(MAX_MESSAGE_BYTES).read_to_end(&mut text).await;
    // The rest is read as well: otherwise SIGPIPE would end `tar`, which writes a line for each file with a time in the future.
    let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&text).into_owned()
}

/// Waits for the end of `tar`. The error is the first message of `tar`, if it has failed.
async fn end(mut group: ProcessGroup, messages: &str) -> Result<(), String> {
    group.wait_exit().await.map_err(|error| io_error::describe(&error))?;
    let status = group.finish().map_err(|error| io_error::describe(&error))?;
    if system::termination(status) == Termination::Exited(0) {
        return Ok(());
    }
    let first = messages.lines().next().unwrap_or("tar has failed");
    Err(first.strip_prefix("tar: ").unwrap_or(first).to_owned())
}

impl ArchiveError {
    fn into_message(self) -> String {
        match self {
            ArchiveError::Server(error) => error.to_string(),
            ArchiveError::Local(message) => message,
        }
    }
}

impl From<ConnectError> for ArchiveError {
    fn from(error: ConnectError) -> ArchiveError {
        ArchiveError::Server(error)
    }
}

impl From<String> for ArchiveError {
    fn from(message: String) -> ArchiveError {
        ArchiveError::Local(message)
    }
}

impl MayBeSilence for ArchiveError {
    fn is_silence(&self) -> bool {
        matches!(self, ArchiveError::Server(error) if error.is_silence())
    }
}
