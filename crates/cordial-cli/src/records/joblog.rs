//! The joblog: a line per finished item, with the columns of GNU parallel and one more, for the item.
//!
//! A line is written with one `write` as soon as its item is finished, whatever the order in which outputs are
//! printed. So after a crash the file lists every item that had finished.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use super::item_text::{self, ItemKey};
use super::past::{PastRecord, PastRun, Resume};
use crate::item_failure::ItemFailure;
use crate::outcome::Outcome;
use crate::system::{self, Termination};
use crate::template::CommandTemplate;
use crate::text::{display, io_error};

const HEADER: &[u8] = b"Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\tItem\n";

/// The header of GNU parallel, whose last column, the command, may not contain the item.
const HEADER_WITHOUT_ITEM: &[u8] = b"Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

/// Begins the last column. GNU parallel takes the item for a part of the command, and a shell takes it for a comment.
const ITEM_MARK: &[u8] = b"\t# ";

/// A joblog that is open for appending, and locked.
#[derive(Debug)]
pub(crate) struct Joblog {
    path: PathBuf,
    file: Mutex<File>,
}

/// What a joblog holds.
#[derive(Debug, Default)]
pub(crate) struct PastJoblog {
    pub(crate) run: PastRun,
    /// Whether its last line is not complete.
    pub(crate) is_cut: bool,
}

impl Joblog {
    /// Opens a joblog for appending, and reads the records of the earlier run. An unfinished last line is removed.
    /// A file that is refused stays unchanged.
    ///
    /// # Errors
    ///
    /// A message, when the file cannot be read or written, is used by another run, belongs to another command, or is
    /// not empty although there is no earlier run.
    pub(crate) fn open(
        path: &Path,
        resume: Resume,
        template: &CommandTemplate,
    ) -> Result<(Joblog, PastJoblog), String> {
        check_name(path)?;
        let cannot_write = |error: io::Error| cannot_write(path, &error);
        // Terminals and pipes may not be readable.
        let is_special = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
        let mut file = OpenOptions::new()
            .read(!is_special)
            .append(!is_special)
            .write(true)
            .create(true)
            .open(path)
            .map_err(cannot_write)?;
        if is_special {
            if resume != Resume::No {
                return Err(format!(
                    "the joblog {} is not a regular file, so there is nothing to resume",
                    path.display()
                ));
            }
            file.write_all(HEADER).map_err(cannot_write)?;
            return Ok((Joblog { path: path.to_owned(), file: Mutex::new(file) }, PastJoblog::default()));
        }
        if !system::try_lock(&file) {
            return Err(format!(
                "the joblog {} is used by another run of cordial: wait for its end, or name another file",
                path.display()
            ));
        }
        if resume == Resume::No {
            Joblog::check_new(path)?;
        }
        let past = Joblog::read(path, template)?;
        if past.is_cut {
            cut_unfinished_line(&mut file).map_err(cannot_write)?;
        }
        if file.metadata().map_err(cannot_write)?.len() == 0 {
            append(&mut file, HEADER).map_err(cannot_write)?;
        }
        Ok((Joblog { path: path.to_owned(), file: Mutex::new(file) }, past))
    }

    /// Checks that a new run would not append to the joblog of an earlier run.
    ///
    /// # Errors
    ///
    /// A message, when the file exists and is not empty.
    pub(crate) fn check_new(path: &Path) -> Result<(), String> {
        check_name(path)?;
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
    pub(crate) fn read(path: &Path, template: &CommandTemplate) -> Result<PastJoblog, String> {
        let shown = path.display();
        let mut records = Vec::new();
        let mut is_cut = false;
        for_each_line(path, |number, line| {
            let Some(text) = line.strip_suffix(b"\n") else {
                // The line was being written when the run was killed: its item is run again.
                is_cut = true;
                return Ok(());
            };
            if number > 1 {
                let (record, command) =
                    parse_line(text).ok_or_else(|| format!("has an invalid line: {}", display::quoted(text)))?;
                if !template.may_render(&command) {
                    return Err(format!("belongs to another command, {}", display::quoted(&command)));
                }
                records.push(record);
            } else if line == HEADER_WITHOUT_ITEM {
                return Err(
                    "has no column Item, so it does not say which items are finished (GNU parallel or an earlier version of \
                     cordial has written it)"
                        .to_owned(),
                );
            } else if line != HEADER {
                return Err(format!("is not a joblog: its first line is {}", display::quoted(text)));
            }
            Ok(())
        })
        .map_err(|error| match error {
            ReadError::Io(error) => format!("cannot read the joblog {shown}: {}", io_error::describe(&error)),
            ReadError::Refused(what) => format!("the joblog {shown} {what}; name another file"),
        })?;
        Ok(PastJoblog { run: PastRun::new(records), is_cut })
    }

    /// Returns the item of a record as it is written in the file.
    pub(super) fn item_of(&self, record: &PastRecord) -> Option<Vec<u8>> {
        let mut found = None;
        let read = for_each_line(&self.path, |_, line| {
            let item = line.strip_suffix(b"\n").and_then(|line| split_item(line)).map(|(_, item)| item);
            if let Some(item) = item.filter(|item| ItemKey::new(item) == record.key) {
                found = Some(item.to_vec());
            }
            Ok(())
        });
        read.ok().and(found)
    }

    /// Writes the line of a finished item. `number` is the number of its record.
    ///
    /// # Errors
    ///
    /// A message, when the file cannot be written.
    pub(super) fn record(&self, number: u64, outcome: &Outcome, command: &[u8]) -> Result<(), String> {
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
            "{number}\t{}\t{:.3}\t{:10.3}\t{}\t{}\t{code}\t{signal}\t",
            outcome.host.as_deref().unwrap_or(":"),
            started.as_secs_f64(),
            outcome.duration.as_secs_f64(),
            outcome.item.input.as_ref().map_or(0, |input| input.sent()),
            outcome.stdout.length(),
        )
        .into_bytes();
        // As in GNU parallel, a line break of the command is a NUL byte here.
        line.extend(command.iter().map(|&byte| if byte == b'\n' { 0 } else { byte }));
        line.extend_from_slice(ITEM_MARK);
        line.extend_from_slice(&item_text::item_text(&outcome.item));
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        append(&mut file, &line).map_err(|error| {
            format!(
                "{}; items that have finished since then are run again by --resume",
                cannot_write(&self.path, &error)
            )
        })
    }
}

/// Checks that GNU parallel would also read the name as that of a file.
///
/// # Errors
///
/// A message that says which name to use instead.
fn check_name(path: &Path) -> Result<(), String> {
    match path.as_os_str().as_encoded_bytes() {
        b"-" => {
            Err("--joblog - would mix the joblog with the output: name a file (./- for a file of that name)".to_owned())
        }
        [b'+', name @ ..] => Err(format!(
            "--joblog +FILE is not supported: --joblog {} --resume continues a joblog (./ before the name means a file that begins with +)",
            String::from_utf8_lossy(name)
        )),
        _ => Ok(()),
    }
}

/// Appends a line. If only a part of it fits, that part is removed.
fn append(file: &mut File, line: &[u8]) -> io::Result<()> {
    let written = file.write(line)?;
    if written < line.len() {
        file.write_all(&line[written..]).inspect_err(|_| {
            // Otherwise a later line would follow on the same line. Fails for a file that cannot shrink.
            let _ = cut_unfinished_line(file);
        })?;
    }
    Ok(())
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

enum ReadError {
    Io(io::Error),
    /// The end of the sentence "the joblog FILE …".
    Refused(String),
}

/// Calls `take` with the number of each line, from 1, and the line with its newline.
fn for_each_line(path: &Path, mut take: impl FnMut(u64, &[u8]) -> Result<(), String>) -> Result<(), ReadError> {
    let mut reader = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ReadError::Io(error)),
    };
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(ReadError::Io)? == 0 {
            break;
        }
        take(number, &line).map_err(ReadError::Refused)?;
    }
    Ok(())
}

/// Splits a line before the column of the item, which contains no tab.
fn split_item(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let tab = line.iter().rposition(|&byte| byte == b'\t')?;
    Some((&line[..tab], line[tab..].strip_prefix(ITEM_MARK)?))
}

/// Returns a hash of a command. A NUL byte counts as a line break, because a joblog has the same byte for both.
pub(super) fn command_hash(command: &[u8]) -> u64 {
    let command: Vec<u8> = command.iter().map(|&byte| if byte == 0 { b'\n' } else { byte }).collect();
    item_text::hash(0, &command)
}

/// Returns the record and the command of a line.
fn parse_line(line: &[u8]) -> Option<(PastRecord, Vec<u8>)> {
    let (line, item) = split_item(line)?;
    let fields: Vec<&[u8]> = line.splitn(9, |&byte| byte == b'\t').collect();
    let number = |at: usize| std::str::from_utf8(fields.get(at)?).ok()?.trim().parse::<i64>().ok();
    let (index, code, signal) = (number(0)?, number(6)?, number(7)?);
    let command: Vec<u8> = fields.get(8)?.iter().map(|&byte| if byte == 0 { b'\n' } else { byte }).collect();
    let record = PastRecord {
        number: u64::try_from(index).ok()?,
        key: ItemKey::new(item),
        is_success: code == 0 && signal == 0,
        command: Some(command_hash(&command)),
    };
    Some((record, command))
}
