//! A line for each item that is done, in the columns of GNU parallel, and what such a file says when a run goes on.
//!
//! A line is written when its item is over, in one call, whatever the order of the outputs: after a crash the file tells all that was done.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, BufReader, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use crate::failure::{Failure, plain};
use crate::outcome::Outcome;
use crate::shown;
use crate::system::{self, EndedBy};
use crate::template::Template;

const HEADER: &str = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

/// What is done already, by the number of the item.
#[derive(Debug, Default)]
pub(crate) struct Past(HashMap<u64, Entry>);

#[derive(Debug)]
struct Entry {
    is_success: bool,
    /// Of the command, which may be long.
    hash: u64,
}

/// What the past says of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Nothing,
    Succeeded,
    Failed,
    /// Something of another command.
    Other,
}

impl Past {
    pub(crate) fn of(&self, index: u64, command: Option<&[u8]>) -> Said {
        match self.0.get(&index) {
            None => Said::Nothing,
            Some(entry) if command.is_some_and(|command| hash(command) != entry.hash) => Said::Other,
            Some(Entry { is_success: true, .. }) => Said::Succeeded,
            Some(_) => Said::Failed,
        }
    }
}

fn hash(command: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    command.hash(&mut hasher);
    hasher.finish()
}

/// The file.
#[derive(Debug)]
pub(crate) struct Joblog {
    path: PathBuf,
    file: Mutex<File>,
}

impl Joblog {
    /// A new file.
    ///
    /// # Errors
    ///
    /// A sentence, when it has content already or cannot be written.
    pub(crate) fn create(path: &Path) -> Result<Joblog, String> {
        let (mut file, shown) = open(path)?;
        if file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0) {
            return Err(format!(
                "the joblog {shown} exists: go on with it by --resume or --resume-failed, or remove it, or name another"
            ));
        }
        file.write_all(HEADER.as_bytes()).map_err(|error| unwritable(&shown, &error))?;
        Ok(Joblog { path: path.to_owned(), file: Mutex::new(file) })
    }

    /// A file to go on with, and what it says. One that is not there is new.
    ///
    /// # Errors
    ///
    /// A sentence, when it is no joblog, or that of another command, or cannot be read or written.
    pub(crate) fn resume(path: &Path, template: &Template) -> Result<(Joblog, Past), String> {
        let (mut file, shown) = open(path)?;
        let mut past = Past::default();
        let mut length = 0;
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        let unreadable = |error: io::Error| format!("the joblog {shown} cannot be read: {}", plain(&error));
        loop {
            line.clear();
            reader.read_until(b'\n', &mut line).map_err(unreadable)?;
            // A line without its end was being written when the run was killed: it is written again.
            let Some(text) = line.strip_suffix(b"\n") else { break };
            if length == 0 && line != HEADER.as_bytes() {
                return Err(format!("{shown} is no joblog: its first line is {}", shown::quoted(text)));
            }
            if length > 0 {
                let (index, entry) = entry(text, template).map_err(|what| format!("the joblog {shown} {what}; name another"))?;
                past.0.insert(index, entry);
            }
            length += line.len() as u64;
        }
        file.set_len(length).and_then(|()| file.seek(io::SeekFrom::End(0)).map(drop)).map_err(unreadable)?;
        if length == 0 {
            file.write_all(HEADER.as_bytes()).map_err(|error| unwritable(&shown, &error))?;
        }
        Ok((Joblog { path: path.to_owned(), file: Mutex::new(file) }, past))
    }

    /// Writes the line of an item that is over.
    ///
    /// # Errors
    ///
    /// A sentence, when it cannot be written.
    pub(crate) fn record(&self, outcome: &Outcome, command: &[u8]) -> Result<(), String> {
        let started = outcome.started.and_then(|started| started.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let (code, signal) = match &outcome.result {
            Ok(()) => (0, 0),
            Err(Failure::Ended(status)) => match system::ended_by(*status) {
                EndedBy::Code(code) => (code, 0),
                EndedBy::Signal(signal) => (0, signal),
            },
            Err(Failure::TimedOut(_)) => (-1, 15),
            Err(failure) => (i32::from(failure.status()), 0),
        };
        let mut line = format!(
            "{}\t:\t{:.3}\t{:10.3}\t0\t{}\t{code}\t{signal}\t",
            outcome.item.index,
            started.as_secs_f64(),
            outcome.took.as_secs_f64(),
            outcome.stdout.length(),
        )
        .into_bytes();
        line.extend_from_slice(command);
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line).map_err(|error| unwritable(&self.path.display().to_string(), &error))
    }
}

fn open(path: &Path) -> Result<(File, String), String> {
    let shown = path.display().to_string();
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    // A pipe or a device can be written only.
    let opened = opened.or_else(|_| OpenOptions::new().append(true).open(path));
    match opened {
        Ok(file) => Ok((file, shown)),
        Err(error) => Err(unwritable(&shown, &error)),
    }
}

fn unwritable(shown: &str, error: &io::Error) -> String {
    format!("the joblog {shown} cannot be written: {}", plain(error))
}

/// What a line says; or what is wrong with it, as the end of a sentence.
fn entry(line: &[u8], template: &Template) -> Result<(u64, Entry), String> {
    let fields: Vec<&[u8]> = line.splitn(9, |&byte| byte == b'\t').collect();
    let number = |at: usize| std::str::from_utf8(fields.get(at)?).ok()?.trim().parse::<i64>().ok();
    let (Some(index), Some(code), Some(signal), Some(command)) = (number(0), number(6), number(7), fields.get(8)) else {
        return Err(format!("has a line that is not one of a joblog: {}", shown::quoted(line)));
    };
    if !template.could_show(command) {
        return Err(format!("is that of another command, {}", shown::quoted(command)));
    }
    Ok((index.unsigned_abs(), Entry { is_success: code == 0 && signal == 0, hash: hash(command) }))
}
