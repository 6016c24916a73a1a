//! A line for each item that is done, in the columns of GNU parallel, and what such a file says when a run goes on.
//!
//! A line is written when its item is over, in one call, whatever the order of the outputs: after a crash the file tells all that was done.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use crate::item_failure::{Failure, plain};
use crate::outcome::Outcome;
use crate::text::display;
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
    /// # Errors
    ///
    /// A sentence, when there is such a file with content.
    pub(crate) fn check_new(path: &Path) -> Result<(), String> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() && metadata.len() > 0 => Err(format!(
                "the joblog {} exists: go on with it by --resume or --resume-failed, or remove it, or name another",
                path.display()
            )),
            _ => Ok(()),
        }
    }

    /// What a file says. One that is not there says nothing.
    ///
    /// # Errors
    ///
    /// A sentence, when it is no joblog, or that of another command, or cannot be read.
    pub(crate) fn read(path: &Path, template: &Template) -> Result<Past, String> {
        let shown = path.display();
        let unreadable = |error: io::Error| format!("the joblog {shown} cannot be read: {}", plain(&error));
        let mut reader = match File::open(path) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Past::default()),
            Err(error) => return Err(unreadable(error)),
        };
        let mut past = Past::default();
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            reader.read_until(b'\n', &mut line).map_err(unreadable)?;
            // A line without its end was being written when the run was killed: its item is run again.
            let Some(text) = line.strip_suffix(b"\n") else { break };
            if number == 1 {
                if line != HEADER.as_bytes() {
                    return Err(format!("{shown} is no joblog: it begins with {}; name another", display::quoted(text)));
                }
                continue;
            }
            let (index, entry) =
                entry(text, template).map_err(|what| format!("the joblog {shown} {what}; name another"))?;
            past.0.insert(index, entry);
        }
        Ok(past)
    }

    /// A file to write to, behind what is there.
    ///
    /// # Errors
    ///
    /// A sentence, when it cannot be written.
    pub(crate) fn open(path: &Path) -> Result<Joblog, String> {
        let begin = || -> io::Result<File> {
            let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
            if file.metadata()?.is_file() {
                cut_unfinished(&mut file)?;
                if file.metadata()?.len() > 0 {
                    return Ok(file);
                }
            }
            file.write_all(HEADER.as_bytes())?;
            Ok(file)
        };
        match begin() {
            Ok(file) => Ok(Joblog { path: path.to_owned(), file: Mutex::new(file) }),
            Err(error) => Err(unwritable(&path.display().to_string(), &error)),
        }
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

/// Takes away a line that was being written when a run was killed.
fn cut_unfinished(file: &mut File) -> io::Result<()> {
    let mut end = file.metadata()?.len();
    let mut byte = [0];
    while end > 0 {
        file.seek(io::SeekFrom::Start(end - 1))?;
        file.read_exact(&mut byte)?;
        if byte == *b"\n" {
            break;
        }
        end -= 1;
    }
    file.set_len(end)
}

fn unwritable(shown: &str, error: &io::Error) -> String {
    format!("the joblog {shown} cannot be written: {}", plain(error))
}

/// What a line says; or what is wrong with it, as the end of a sentence.
fn entry(line: &[u8], template: &Template) -> Result<(u64, Entry), String> {
    let fields: Vec<&[u8]> = line.splitn(9, |&byte| byte == b'\t').collect();
    let number = |at: usize| std::str::from_utf8(fields.get(at)?).ok()?.trim().parse::<i64>().ok();
    let (Some(index), Some(code), Some(signal), Some(command)) = (number(0), number(6), number(7), fields.get(8))
    else {
        return Err(format!("has a line that is not one of a joblog: {}", display::quoted(line)));
    };
    if !template.could_show(command) {
        return Err(format!("is that of another command, {}", display::quoted(command)));
    }
    Ok((index.unsigned_abs(), Entry { is_success: code == 0 && signal == 0, hash: hash(command) }))
}
