//! The directory of `--results`: what each item wrote, and how it ended.
//!
//! ```text
//! DIR/<number>/item              the item, quoted as in the joblog
//! DIR/<number>/stdout, stderr    the outputs of the last attempt
//! DIR/<number>/status            an exit status, such as 0 or 3; signal 9; timeout; or a message
//! ```
//!
//! The number is the number of the record. The status is written last: an item with a status is finished.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::item_text::{ItemKey, item_text};
use super::past::{PastRecord, PastRun};
use crate::item_failure::ItemFailure;
use crate::outcome::Outcome;
use crate::output::Capture;
use crate::system::{self, Termination};
use crate::text::{display, io_error};

/// The number of bytes that are copied before the task yields to the other commands of its thread.
const BLOCK_BYTES: usize = 256 * 1024;

/// The results directory of a run.
#[derive(Debug)]
pub(crate) struct ResultsDirectory {
    path: PathBuf,
    /// Whether this run has created the directory.
    is_new: bool,
    /// Locked, so that no other run writes into the directory. `None` where a directory cannot be opened.
    _lock: Option<File>,
}

impl ResultsDirectory {
    /// Checks that GNU parallel would use the name as one directory, as `cordial` does.
    ///
    /// # Errors
    ///
    /// A message, if the name contains a placeholder, or has an extension for which GNU parallel writes a single file.
    pub(crate) fn check_name(path: &Path) -> Result<(), String> {
        let name = path.as_os_str().as_encoded_bytes();
        if [&b".csv"[..], b".tsv", b".json"].iter().any(|end| name.ends_with(end)) {
            return Err(format!(
                "--results {} would be one file with GNU parallel, and is a directory here: use --json, which prints an object per item, or name a \
                 directory without this ending",
                path.display()
            ));
        }
        if name.windows(2).any(|pair| pair[0] == b'{' && b"}#%./123456789+=-".contains(&pair[1])) {
            return Err(format!(
                "--results {} has a placeholder, which is not supported: name one directory, in which each item has DIR/N/stdout, \
                 DIR/N/stderr and DIR/N/item",
                path.display()
            ));
        }
        Ok(())
    }

    /// Checks that a new run would not write into the directory of an earlier run.
    ///
    /// # Errors
    ///
    /// A message, when `check_name` refuses the name, or there is a directory or a file with this name.
    pub(crate) fn check_new(path: &Path) -> Result<(), String> {
        Self::check_name(path)?;
        if path.symlink_metadata().is_ok() { Err(is_taken(path)) } else { Ok(()) }
    }

    /// Creates a new directory, and its parents if they are missing.
    ///
    /// # Errors
    ///
    /// A message, when `check_name` refuses the name, the directory exists or cannot be created, or another run has just locked it.
    pub(crate) fn create(path: &Path) -> Result<ResultsDirectory, String> {
        Self::check_name(path)?;
        let is_missing = |path: &&Path| !path.as_os_str().is_empty() && path.symlink_metadata().is_err();
        let missing: Vec<&Path> = path.ancestors().skip(1).take_while(|path| is_missing(path)).collect();
        match fs::create_dir_all(path.parent().unwrap_or(path)).and_then(|()| fs::create_dir(path)) {
            Ok(()) => ResultsDirectory::lock(path, true),
            Err(error) => {
                let message = cannot_create(path, error);
                // The innermost is first. A directory that is not empty stays.
                missing.iter().all(|parent| fs::remove_dir(parent).is_ok() || parent.symlink_metadata().is_err());
                Err(message)
            }
        }
    }

    /// Opens the directory of an earlier run. Creates it if it does not exist.
    ///
    /// # Errors
    ///
    /// A message, when `check_name` refuses the name, the path is not a directory or cannot be created, or another run uses it.
    pub(crate) fn resume(path: &Path) -> Result<ResultsDirectory, String> {
        Self::check_name(path)?;
        let is_new = !path.exists();
        fs::create_dir_all(path).map_err(|error| cannot_create(path, error))?;
        ResultsDirectory::lock(path, is_new)
    }

    /// Removes the directory if this run has created it. Called if the run does not begin.
    pub(crate) fn remove_if_new(self) {
        if self.is_new {
            // Fails if another program has written into the directory.
            let _ = fs::remove_dir(&self.path);
        }
    }

    fn lock(path: &Path, is_new: bool) -> Result<ResultsDirectory, String> {
        let lock = File::open(path).ok();
        if lock.as_ref().is_some_and(|directory| !system::try_lock(directory)) {
            return Err(format!(
                "the results directory {} is used by another run of cordial: wait until that run has ended, or name another directory",
                path.display()
            ));
        }
        Ok(ResultsDirectory { path: path.to_owned(), is_new, _lock: lock })
    }

    /// Reads the records of an earlier run. A directory that does not exist has none.
    ///
    /// # Errors
    ///
    /// A message, when the directory or the item of a finished result cannot be read.
    pub(crate) fn read(path: &Path) -> Result<PastRun, String> {
        let cannot_read = |path: &Path, error: io::Error| {
            format!(
                "cannot read the results of the earlier run, {}: {}",
                path.display(),
                io_error::describe_or(&error, "name a directory that you may read")
            )
        };
        let entries = match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(PastRun::default()),
            entries => entries.map_err(|error| cannot_read(path, error))?,
        };
        let mut records = Vec::new();
        for entry in entries {
            let directory = entry.map_err(|error| cannot_read(path, error))?.path();
            let Some(number) = directory.file_name().and_then(|name| record_number(name.to_str()?)) else { continue };
            // An item whose directory has no status was not finished.
            let Some(status) = read_status(&directory) else { continue };
            let item = fs::read(directory.join("item")).map_err(|_| {
                format!(
                    "the results directory {} does not say which item it belongs to (an earlier version of cordial may have written it): \
                     name another results directory",
                    directory.display()
                )
            })?;
            let key = ItemKey::new(item.strip_suffix(b"\n").unwrap_or(&item));
            records.push(PastRecord { number, key, is_success: status == b"0\n", command: None });
        }
        Ok(PastRun::new(records))
    }

    /// Returns the item of a record as it is written in the directory of the record; `None` if it cannot be read.
    pub(super) fn item_of(&self, record: &PastRecord) -> Option<Vec<u8>> {
        let item = fs::read(self.path.join(record.number.to_string()).join("item")).ok()?;
        Some(item.strip_suffix(b"\n").map(<[u8]>::to_vec).unwrap_or(item))
    }

    /// Writes the files of an item. If they cannot be written, the item fails. `number` is the number of the record.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after its first poll and before it is ready, the item has no status.
    pub(super) async fn save(&self, number: u64, outcome: &mut Outcome) {
        let directory = self.path.join(number.to_string());
        if let Err((path, error)) = write(&directory, outcome).await {
            outcome.result = Err(ItemFailure::SaveFailed { path, error });
        }
    }
}

/// Returns the number of the record whose directory has this name. `+5` and `05` are names that no run has chosen.
fn record_number(name: &str) -> Option<u64> {
    name.parse().ok().filter(|number: &u64| number.to_string() == name)
}

/// Returns the message for a name that a directory or a file already has.
fn is_taken(path: &Path) -> String {
    let shown = path.display();
    match path.is_dir() {
        true => format!(
            "the results directory {shown} already exists: continue it with --resume or --resume-failed, delete it, or name \
             another directory"
        ),
        false => format!(
            "cannot create the results directory {shown}: a file has this name; name a directory that you may create and write"
        ),
    }
}

fn cannot_create(path: &Path, error: io::Error) -> String {
    let error = match (error.kind(), path.symlink_metadata()) {
        (io::ErrorKind::AlreadyExists, Ok(_)) => return is_taken(path),
        // One of the parents of the directory is a file.
        (io::ErrorKind::AlreadyExists, Err(error)) => error,
        _ => error,
    };
    format!(
        "cannot create the results directory {}: {}",
        path.display(),
        io_error::describe_or(&error, "name a directory that you may create and write")
    )
}

/// Returns the status of an item; `None` if it is missing, cannot be read, or has no newline. A status without a newline is
/// incomplete: an earlier version of `cordial` may have left it.
fn read_status(directory: &Path) -> Option<Vec<u8>> {
    fs::read(directory.join("status")).ok().filter(|status| status.ends_with(b"\n"))
}

async fn write(directory: &Path, outcome: &mut Outcome) -> Result<(), (PathBuf, io::Error)> {
    let (status, item) = (directory.join("status"), directory.join("item"));
    let mut text = item_text(&outcome.item);
    text.push(b'\n');
    // The joblog may belong to another run than the results, and number its items differently.
    if let Ok(other) = fs::read(&item)
        && other != text
        && read_status(directory).is_some()
    {
        let message = format!("it holds the result of another item, {}", display::quoted(other.trim_ascii_end()));
        return Err((directory.to_owned(), io::Error::other(message)));
    }
    // The status of an earlier run is removed first: until everything is written, the item is not finished.
    if let Err(error) = fs::create_dir_all(directory).and_then(|()| match fs::remove_file(&status) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }) {
        return Err((directory.to_owned(), error));
    }
    fs::write(&item, text).map_err(|error| (item, error))?;
    for (name, capture) in [("stdout", &mut outcome.stdout), ("stderr", &mut outcome.stderr)] {
        let path = directory.join(name);
        copy(capture, &path).await.map_err(|error| (path, error))?;
    }
    let text = match &outcome.result {
        Ok(()) => "0".to_owned(),
        Err(ItemFailure::Unsuccessful(exit)) => match system::termination(*exit) {
            Termination::Exited(code) => code.to_string(),
            Termination::Signaled(signal) => format!("signal {signal}"),
        },
        Err(ItemFailure::TimedOut(_)) => "timeout".to_owned(),
        Err(failure) => failure.to_string(),
    };
    // The file gets its name when it is complete, so that a run that is killed leaves no part of a status.
    let new = directory.join("status.new");
    fs::write(&new, text + "\n").and_then(|()| fs::rename(&new, &status)).map_err(|error| (status, error))
}

/// Copies a capture, which may be large, to a file.
async fn copy(capture: &mut Capture, path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut left = capture.length();
    if left == 0 {
        return Ok(());
    }
    let mut reader = capture.reader()?;
    let mut block = vec![0; BLOCK_BYTES.min(usize::try_from(left).unwrap_or(BLOCK_BYTES))];
    loop {
        match reader.read(&mut block)? {
            0 => return Ok(()),
            n => {
                file.write_all(&block[..n])?;
                left = left.saturating_sub(n as u64);
            }
        }
        if left > 0 {
            tokio::task::yield_now().await;
        }
    }
}
