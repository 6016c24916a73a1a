//! A directory with what each item wrote and how it ended.
//!
//! ```text
//! DIR/<index>/stdout, stderr      what the last attempt wrote
//! DIR/<index>/status              written last: 0, 3, signal 9, timeout or a sentence; the item is done
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::output::capture::Capture;
use crate::item_failure::{Failure, plain};
use crate::records::joblog::Said;
use crate::outcome::Outcome;
use crate::system::{self, EndedBy};

/// The directory.
#[derive(Debug)]
pub(crate) struct Results(PathBuf);

impl Results {
    /// A new directory.
    ///
    /// # Errors
    ///
    /// A sentence, when it exists or cannot be made.
    pub(crate) fn create(path: &Path) -> Result<Results, String> {
        match fs::create_dir_all(path.parent().unwrap_or(path)).and_then(|()| fs::create_dir(path)) {
            Ok(()) => Ok(Results(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(format!(
                "the directory of results {} exists: go on with it by --resume or --resume-failed, or remove it, or name another",
                path.display()
            )),
            Err(error) => Err(impossible(path, &error)),
        }
    }

    /// A directory to go on with. One that is not there is made.
    ///
    /// # Errors
    ///
    /// A sentence, when it is no directory or cannot be made.
    pub(crate) fn resume(path: &Path) -> Result<Results, String> {
        fs::create_dir_all(path).map_err(|error| impossible(path, &error))?;
        Ok(Results(path.to_owned()))
    }

    /// What it says of an item.
    pub(crate) fn past(&self, index: u64) -> Said {
        match fs::read(self.0.join(index.to_string()).join("status")) {
            Ok(status) if status == b"0\n" => Said::Succeeded,
            Ok(_) => Said::Failed,
            Err(_) => Said::Nothing,
        }
    }

    /// Writes what came of an item. If that fails, so does the item.
    pub(crate) fn keep(&self, outcome: &mut Outcome) {
        let directory = self.0.join(outcome.item.index.to_string());
        if let Err((path, error)) = write(&directory, outcome) {
            outcome.result = Err(Failure::NotKept { path, error });
        }
    }
}

fn impossible(path: &Path, error: &io::Error) -> String {
    format!("the directory of results {} cannot be made: {}", path.display(), plain(error))
}

fn write(directory: &Path, outcome: &mut Outcome) -> Result<(), (PathBuf, io::Error)> {
    let status = directory.join("status");
    // Of an earlier run: until all is written, the item is not done.
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
        Err(Failure::Ended(ended)) => match system::ended_by(*ended) {
            EndedBy::Code(code) => code.to_string(),
            EndedBy::Signal(signal) => format!("signal {signal}"),
        },
        Err(Failure::TimedOut(_)) => "timeout".to_owned(),
        Err(failure) => failure.to_string(),
    };
    fs::write(&status, text + "\n").map_err(|error| (status, error))
}

fn copy(capture: &mut Capture, path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    if capture.length() > 0 {
        io::copy(&mut capture.read()?, &mut file)?;
    }
    Ok(())
}
