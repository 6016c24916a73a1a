//! The joblog: a line per finished item, in the columns of GNU parallel.
//!
//! A line is written with one `write` as soon as its item is finished, whatever the order in which outputs are
//! printed. So after a crash the file lists every item that had finished.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use super::past::PastRun;
use crate::item_failure::ItemFailure;
use crate::outcome::Outcome;
use crate::system::{self, Termination};
use crate::template::CommandTemplate;
use crate::text::{display, io_error};

const HEADER: &str = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

/// A joblog that is open for appending.
#[derive(Debug)]
pub(crate) struct Joblog {
    path: PathBuf,
    file: Mutex<File>,
}

impl Joblog {
    /// Checks that a new run would not append to the joblog of an earlier run.
    ///
    /// # Errors
    ///
    /// A message, when the file exists and is not empty.
    pub(crate) fn check_new(path: &Path) -> Result<(), String> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() && metadata.len() > 0 => Err(format!(
                "the joblog {} already exists: continue it with --resume or --resume-failed, delete it, or name another file",
                path.display()
            )),
            _ => Ok(()),
        }
    }

    /// Reads the joblog of an earlier run. A file that does not exist has no items.
    ///
    /// # Errors
    ///
    /// A message, when the file cannot be read, is not a joblog, has an invalid line, or belongs to another command.
    pub(crate) fn read(path: &Path, template: &CommandTemplate) -> Result<PastRun, String> {
        let shown = path.display();
        let cannot_read = |error: io::Error| format!("cannot read the joblog {shown}: {}", io_error::describe(&error));
        let mut reader = match File::open(path) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(PastRun::default()),
            Err(error) => return Err(cannot_read(error)),
        };
        let mut past = PastRun::default();
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            reader.read_until(b'\n', &mut line).map_err(cannot_read)?;
            // An unfinished line was being written when the run was killed: its item is run again.
            let Some(text) = line.strip_suffix(b"\n") else { break };
            if number == 1 {
                if line != HEADER.as_bytes() {
                    let start = display::quoted(text);
                    return Err(format!("{shown} is not a joblog: its first line is {start}; name another file"));
                }
                continue;
            }
            parse_line(text, template, &mut past)
                .map_err(|what| format!("the joblog {shown} {what}; name another file"))?;
        }
        Ok(past)
    }

    /// Opens a joblog for appending: cuts an unfinished last line, and writes the header if the file is empty.
    ///
    /// # Errors
    ///
    /// A message, when the file cannot be written.
    pub(crate) fn open(path: &Path) -> Result<Joblog, String> {
        let open = || -> io::Result<File> {
            let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
            if file.metadata()?.is_file() {
                cut_unfinished_line(&mut file)?;
                if file.metadata()?.len() > 0 {
                    return Ok(file);
                }
            }
            file.write_all(HEADER.as_bytes())?;
            Ok(file)
        };
        match open() {
            Ok(file) => Ok(Joblog { path: path.to_owned(), file: Mutex::new(file) }),
            Err(error) => Err(cannot_write(path, &error)),
        }
    }

    /// Writes the line of a finished item.
    ///
    /// # Errors
    ///
    /// A message, when the file cannot be written.
    pub(super) fn record(&self, outcome: &Outcome, command: &[u8]) -> Result<(), String> {
        let started = outcome.started.and_then(|started| started.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let (code, signal) = match &outcome.result {
            Ok(()) => (0, 0),
            Err(ItemFailure::Unsuccessful(status)) => match system::termination(*status) {
                Termination::Exited(code) => (code, 0),
                Termination::Signaled(signal) => (0, signal),
            },
            // As GNU parallel does: no status, and SIGTERM.
            Err(ItemFailure::TimedOut(_)) => (-1, 15),
            Err(failure) => (i32::from(failure.status()), 0),
        };
        let mut line = format!(
            "{}\t:\t{:.3}\t{:10.3}\t0\t{}\t{code}\t{signal}\t",
            outcome.item.index,
            started.as_secs_f64(),
            outcome.duration.as_secs_f64(),
            outcome.stdout.length(),
        )
        .into_bytes();
        line.extend_from_slice(command);
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line).map_err(|error| cannot_write(&self.path, &error))
    }
}

/// Removes a line that was being written when an earlier run was killed.
fn cut_unfinished_line(file: &mut File) -> io::Result<()> {
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

fn cannot_write(path: &Path, error: &io::Error) -> String {
    format!("cannot write the joblog {}: {}", path.display(), io_error::describe(error))
}

/// Adds the item of a line to the earlier run.
///
/// # Errors
///
/// The end of the sentence "the joblog FILE …".
fn parse_line(line: &[u8], template: &CommandTemplate, past: &mut PastRun) -> Result<(), String> {
    let fields: Vec<&[u8]> = line.splitn(9, |&byte| byte == b'\t').collect();
    let number = |at: usize| std::str::from_utf8(fields.get(at)?).ok()?.trim().parse::<i64>().ok();
    let (Some(index), Some(code), Some(signal), Some(command)) = (number(0), number(6), number(7), fields.get(8))
    else {
        return Err(format!("has an invalid line: {}", display::quoted(line)));
    };
    if !template.may_render(command) {
        return Err(format!("belongs to another command, {}", display::quoted(command)));
    }
    past.insert(index.unsigned_abs(), code == 0 && signal == 0, command);
    Ok(())
}
