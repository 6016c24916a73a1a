//! The directory of `--results`: what each item wrote, and how it ended.
//!
//! ```text
//! DIR/<index>/stdout, stderr      the output of the last attempt
//! DIR/<index>/status              0, 3, signal 9, timeout, or a sentence. Written last: its presence means that the item is finished
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::past::PastStatus;
use crate::item_failure::ItemFailure;
use crate::outcome::Outcome;
use crate::output::Capture;
use crate::system::{self, Termination};
use crate::text::io_error;

/// The results directory of a run.
#[derive(Debug)]
pub(crate) struct ResultsDirectory(PathBuf);

impl ResultsDirectory {
    /// Creates a new directory, and its parents.
    ///
    /// # Errors
    ///
    /// A message, when it exists or cannot be created.
    pub(crate) fn create(path: &Path) -> Result<ResultsDirectory, String> {
        match fs::create_dir_all(path.parent().unwrap_or(path)).and_then(|()| fs::create_dir(path)) {
            Ok(()) => Ok(ResultsDirectory(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(format!(
                "the results directory {} already exists: continue it with --resume or --resume-failed, delete it, or name another directory",
                path.display()
            )),
            Err(error) => Err(cannot_create(path, &error)),
        }
    }

    /// Opens the directory of an earlier run. Creates it if it does not exist.
    ///
    /// # Errors
    ///
    /// A message, when it is not a directory or cannot be created.
    pub(crate) fn resume(path: &Path) -> Result<ResultsDirectory, String> {
        fs::create_dir_all(path).map_err(|error| cannot_create(path, &error))?;
        Ok(ResultsDirectory(path.to_owned()))
    }

    /// Returns what the earlier run did with an item.
    pub(super) fn status(&self, index: u64) -> PastStatus {
        match fs::read(self.0.join(index.to_string()).join("status")) {
            Ok(status) if status == b"0\n" => PastStatus::Succeeded,
            Ok(_) => PastStatus::Failed,
            Err(_) => PastStatus::Unfinished,
        }
    }

    /// Writes the files of an item. If they cannot be written, the item fails.
    pub(super) fn save(&self, outcome: &mut Outcome) {
        let directory = self.0.join(outcome.item.index.to_string());
        if let Err((path, error)) = write(&directory, outcome) {
            outcome.result = Err(ItemFailure::SaveFailed { path, error });
        }
    }
}

fn cannot_create(path: &Path, error: &io::Error) -> String {
    format!("cannot create the results directory {}: {}", path.display(), io_error::describe(error))
}

fn write(directory: &Path, outcome: &mut Outcome) -> Result<(), (PathBuf, io::Error)> {
    let status = directory.join("status");
    // The status of an earlier run is removed first: until everything is written, the item is not finished.
    if let Err(error) = fs::create_dir_all(directory).and_then(|()| match fs::remove_file(&status) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }) {
        return Err((directory.to_owned(), error));
    }
    for (name, capture) in [("stdout", &mut outcome.stdout), ("stderr", &mut outcome.stderr)] {
        let path = directory.join(name);
        copy(capture, &path).map_err(|error| (path, error))?;
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
    fs::write(&status, text + "\n").map_err(|error| (status, error))
}

fn copy(capture: &mut Capture, path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    if capture.length() > 0 {
        io::copy(&mut capture.reader()?, &mut file)?;
    }
    Ok(())
}
