//! The local command that runs an item on another machine.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::files::ItemFiles;
use super::host::Host;
use super::pool::{HostPool, HostSlot};
use super::probe::{probe_all, reason};
use super::script::{MARKED, Script, question};
use crate::item::Item;
use crate::item_failure::ItemFailure;
use crate::system::{self, NotUnicode};
use crate::template::CommandTemplate;
use crate::text::io_error;

/// Commands on other machines.
#[derive(Debug)]
pub(crate) struct RemoteCommands {
    pub(super) pool: Arc<HostPool>,
    /// The sum of the slots of all machines.
    pub(crate) slots: usize,
    script: Script,
    directory: Directory,
    /// The files to copy to the machine before the command of an item.
    sent: Vec<CommandTemplate>,
    /// The files to copy back after the command.
    returned: Vec<CommandTemplate>,
    /// Whether the files on the machine are removed in the end.
    is_cleaned: bool,
    /// The environment variables to copy, each as its name and its value.
    variables: Vec<(Vec<u8>, Vec<u8>)>,
    /// Holds the messages of `ssh`: a file for each slot and each probe.
    logs: TempDir,
}

/// The settings of a run on other machines.
pub(crate) struct RemoteConfig {
    /// The entries of `-S`.
    pub(crate) entries: Vec<String>,
    /// The command that connects.
    pub(crate) ssh: String,
    /// The number of slots on each machine. If `None`, a machine has as many slots as its entry says, or else one per core.
    pub(crate) slots: Option<usize>,
    pub(crate) grace: Duration,
    pub(crate) nice: Option<i32>,
    pub(crate) workdir: Option<PathBuf>,
    pub(crate) sent: Vec<CommandTemplate>,
    pub(crate) returned: Vec<CommandTemplate>,
    pub(crate) is_cleaned: bool,
    /// The environment variables to copy, each as its name and its value.
    pub(crate) variables: Vec<(Vec<u8>, Vec<u8>)>,
}

impl RemoteConfig {
    /// Checks the entries of `-S`.
    ///
    /// # Errors
    ///
    /// A message, when an entry is wrong.
    pub(crate) fn check_hosts(&self) -> Result<(), String> {
        self.hosts().map(drop)
    }

    fn hosts(&self) -> Result<Vec<Host>, String> {
        self.entries.iter().map(|entry| Host::parse(entry, &self.ssh)).collect()
    }
}

impl RemoteCommands {
    /// Asks each machine for its number of cores. Calls `left_out` with a sentence about each machine that cannot be reached. Blocks the
    /// thread until all machines have answered.
    ///
    /// # Errors
    ///
    /// A message, when an entry is wrong, no machine can be reached, a temporary directory cannot be created, or `remote_directory`
    /// fails.
    pub(crate) fn new(config: RemoteConfig, mut left_out: impl FnMut(&str)) -> Result<RemoteCommands, String> {
        let hosts = config.hosts()?;
        let logs = TempDir::with_prefix("cordial-ssh-").map_err(|error| {
            let reason = io_error::describe_or(&error, "set TMPDIR to a directory that you may write");
            format!("cannot create a temporary directory for -S: {reason}")
        })?;
        let cores = probe_all(&hosts.iter().collect::<Vec<_>>(), logs.path());
        let mut machines = Vec::new();
        for (host, cores) in hosts.into_iter().zip(cores) {
            match cores {
                Ok(cores) => {
                    let slots = config.slots.or(host.given_slots).unwrap_or(cores);
                    machines.push((host, slots));
                }
                Err(reason) => left_out(&format!("the host {} is left out: {reason}", host.name)),
            }
        }
        if machines.is_empty() {
            return Err(format!(
                "none of the hosts of -S can be reached: check them with {} HOST true, which must not ask for a password",
                config.ssh
            ));
        }
        let own = format!(
            ".cordial/tmp/{}-{}-",
            std::process::id(),
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis()
        );
        Ok(RemoteCommands {
            slots: machines.iter().fold(0, |sum, (_, slots)| sum.saturating_add(*slots)),
            pool: Arc::new(HostPool::new(machines)),
            script: Script { grace: config.grace, nice: config.nice },
            directory: match config.workdir {
                None => Directory::Fixed(Vec::new()),
                Some(path) if path.as_os_str() == "..." => Directory::Own(own.into_bytes()),
                Some(path) => Directory::Fixed(remote_directory(path)?),
            },
            sent: config.sent,
            returned: config.returned,
            is_cleaned: config.is_cleaned,
            variables: config.variables,
            logs,
        })
    }

    /// Waits for a free slot on a machine. Returns `None` if all machines have failed. The wait has no bound: it ends when
    /// a command ends, or when the last machine fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn take_slot(&self) -> Option<HostSlot> {
        self.pool.take().await
    }

    /// Returns the local command that runs the words of an item on a machine. `None` if that machine is this one.
    ///
    /// # Errors
    ///
    /// When the command is too long, an argument or a name is not Unicode where it has to be, a placeholder in the name of a file cannot
    /// be filled in, or a file that is to be sent does not exist.
    pub(crate) fn command(
        &self,
        host: &HostSlot,
        item: &Item,
        slot: usize,
        words: &[OsString],
        variables: &[(&str, OsString)],
    ) -> Option<Result<RemoteCommand, ItemFailure>> {
        if host.host.is_local() {
            return None;
        }
        Some(self.remote_command(&host.host, item, slot, words, variables))
    }

    fn remote_command(
        &self,
        host: &Host,
        item: &Item,
        slot: usize,
        words: &[OsString],
        variables: &[(&str, OsString)],
    ) -> Result<RemoteCommand, ItemFailure> {
        let log = self.log(slot);
        // The previous command in this slot may have left messages.
        let _ = fs::remove_file(&log);
        let connection = self.connection(host, item, slot, words, variables)?;
        if connection.line_bytes > system::MAX_ARGUMENT_BYTES {
            return Err(ItemFailure::ArgumentTooLong { length: connection.line_bytes as u64 });
        }
        if let Some(missing) = connection.files.sent.iter().find(|file| !path_of(file).exists()) {
            return Err(ItemFailure::FileNotSent(path_of(missing)));
        }
        connection.files.check()?;
        let Connection { run, question, script, .. } = connection;
        let Some(script) = script else { return Ok(RemoteCommand { words: run, question, log }) };
        if script.len() > system::MAX_ARGUMENT_BYTES {
            return Err(ItemFailure::ArgumentTooLong { length: script.len() as u64 });
        }
        let script = system::os_string(script).map_err(|NotUnicode| ItemFailure::NotUnicode)?;
        Ok(RemoteCommand { words: vec!["sh".into(), "-c".into(), script], question, log })
    }

    /// Returns the file with the messages of `ssh` about the commands in a slot.
    fn log(&self, slot: usize) -> PathBuf {
        self.logs.path().join(slot.to_string())
    }

    /// Returns the commands that connect to a machine and run the words of an item there. Their length is not checked.
    ///
    /// # Errors
    ///
    /// When an argument or a name is not Unicode where it has to be, or a placeholder in the name of a file cannot be filled in.
    pub(super) fn connection(
        &self,
        host: &Host,
        item: &Item,
        slot: usize,
        words: &[OsString],
        variables: &[(&str, OsString)],
    ) -> Result<Connection, ItemFailure> {
        let bytes = |text: &OsString| system::argument_bytes(text.clone()).map_err(|_| ItemFailure::NotUnicode);
        let words = words.iter().map(bytes).collect::<Result<Vec<_>, _>>()?;
        let own = variables.iter().map(|(name, value)| Ok((name.as_bytes().to_vec(), bytes(value)?)));
        let variables = self.variables.iter().cloned().map(Ok).chain(own).collect::<Result<Vec<_>, ItemFailure>>()?;
        let directory = match &self.directory {
            Directory::Fixed(path) => path.clone(),
            Directory::Own(start) => [start, item.index.to_string().as_bytes()].concat(),
        };
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let mark = format!("/tmp/cordial-{:016x}", fastrand::u64(..));
        let line = self.script.line(&directory, &variables, &mark, &words);
        let log = self.log(slot);
        let connect = |line: &[u8]| host.connect(&log, line).unwrap_or_else(|| Ok(Vec::new()));
        let run = connect(&line).map_err(|NotUnicode| ItemFailure::NotUnicode)?;
        let files = ItemFiles {
            sent: fill(&self.sent, item, slot)?,
            returned: fill(&self.returned, item, slot)?,
            is_cleaned: self.is_cleaned,
            has_own_directory: matches!(self.directory, Directory::Own(_)),
        };
        let question = connect(&question(&mark)).map_err(|NotUnicode| ItemFailure::NotUnicode)?;
        let silent = ["sh", "-c", r#"exec "$@" </dev/null >/dev/null 2>&1"#, "sh"].map(OsString::from);
        let in_bytes = |words: Vec<OsString>| words.into_iter().filter_map(|word| system::argument_bytes(word).ok());
        let script = (!files.is_empty()).then(|| {
            files.script(&directory, &mark, &in_bytes(run.clone()).collect::<Vec<_>>(), |line| {
                in_bytes(connect(line).unwrap_or_default()).collect()
            })
        });
        let question = silent.into_iter().chain(question).collect();
        Ok(Connection { line_bytes: line.len(), run, question, script, files })
    }
}

/// The local commands and the local script that run a command on a machine and copy its files.
pub(super) struct Connection {
    /// The length of the line for the login shell.
    pub(super) line_bytes: usize,
    /// The words of the local command that passes the line to the login shell.
    run: Vec<OsString>,
    /// As in [`RemoteCommand`].
    question: Vec<OsString>,
    /// The local script that runs `run` and copies the files. `None` if there are no files to copy and no directory to remove.
    pub(super) script: Option<Vec<u8>>,
    files: ItemFiles,
}

/// The directory on the machine in which a command runs.
#[derive(Debug)]
enum Directory {
    /// The same directory for all items. Empty for the login directory.
    Fixed(Vec<u8>),
    /// A directory for each item. Its name is this text, followed by the number of the item.
    Own(Vec<u8>),
}

/// A local command that runs an item on another machine.
#[derive(Debug)]
pub(crate) struct RemoteCommand {
    pub(crate) words: Vec<OsString>,
    /// The local command that asks the machine whether the command has exited. It is run after an exit with 255, which may be the
    /// status of the command, or that of `ssh` for a failed connection.
    pub(crate) question: Vec<OsString>,
    /// The file with the messages of `ssh` about the connection.
    log: PathBuf,
}

/// What is known about an exit with 255 after the question of a `RemoteCommand`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionAnswer {
    /// The command has exited with the status that `ssh` has for a failed connection.
    CommandExited,
    /// The connection has failed, and the machine can be reached again.
    ConnectionFailed,
    /// The machine has not answered.
    NoAnswer,
}

impl RemoteCommand {
    /// Returns the answer of the machine. `code` is the exit code of the question: `None` if the question could not be started, did not
    /// end in time, or was ended by a signal.
    pub(crate) fn answer(code: Option<i32>) -> ConnectionAnswer {
        match code {
            Some(MARKED) => ConnectionAnswer::CommandExited,
            Some(0) => ConnectionAnswer::ConnectionFailed,
            _ => ConnectionAnswer::NoAnswer,
        }
    }

    /// Returns why the connection has failed: the message of `ssh`, if there is one.
    pub(crate) fn reason(&self) -> String {
        reason(&self.log).unwrap_or_else(|| "the connection was closed".to_owned())
    }
}

/// Returns the directory on other machines that a value of `--workdir` means. `.` means the current directory of `cordial`: as a path
/// relative to the login directory if it is below that, and as an absolute path otherwise. A leading `~/` is removed, because a relative
/// path begins in the login directory.
///
/// # Errors
///
/// A message, when the current directory is not known, or the path is not Unicode where it has to be.
pub(crate) fn remote_directory(path: PathBuf) -> Result<Vec<u8>, String> {
    let path = match path.as_os_str() == "." {
        false => path.strip_prefix("~").map(Path::to_owned).unwrap_or(path),
        true => {
            let current = std::env::current_dir()
                .map_err(|error| format!("--workdir . needs the current directory: {}", io_error::describe(&error)))?;
            // The current directory is known without symbolic links.
            let login = system::login_directory().map(|login| fs::canonicalize(&login).unwrap_or(login));
            let below_login = login.and_then(|login| current.strip_prefix(login).map(Path::to_owned).ok());
            below_login.unwrap_or(current)
        }
    };
    system::argument_bytes(path.into_os_string())
}

/// Fills in the placeholders in the names of files. Leaves out a name if the item has no value for it.
pub(crate) fn fill(names: &[CommandTemplate], item: &Item, slot: usize) -> Result<Vec<Vec<u8>>, ItemFailure> {
    let mut files = Vec::new();
    for name in names {
        let words = match name.fill(item, slot) {
            Err(ItemFailure::NoProgram) => Vec::new(),
            filled => filled?.words,
        };
        for word in words {
            files.push(system::argument_bytes(word).map_err(|_| ItemFailure::NotUnicode)?);
        }
    }
    Ok(files)
}

pub(crate) fn path_of(name: &[u8]) -> PathBuf {
    system::os_string(name.to_vec()).unwrap_or_default().into()
}
