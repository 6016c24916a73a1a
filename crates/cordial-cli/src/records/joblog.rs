//! The joblog: a line per finished item, with the columns of GNU parallel and one more, for the item.
//!
//! As soon as an item is finished and its results are saved, its line is written, even if its output is printed later.
//! So after `cordial` was killed, the file lists all finished items, except for those whose lines were just being written.

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

/// The header of GNU parallel. Its last column is the command, from which the item cannot always be read.
const HEADER_WITHOUT_ITEM: &[u8] = b"Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

/// Begins the last column. GNU parallel reads this column as a part of the command, and a shell that runs that command reads it
/// as a comment.
const ITEM_MARK: &[u8] = b"\t# ";

/// A joblog that is open for writing. A regular file is locked, and lines are appended to it.
#[derive(Debug)]
pub(crate) struct Joblog {
    path: PathBuf,
    file: Mutex<File>,
    /// Whether a later run can read the file and continue it. `false` for a pipe or a terminal, which keeps nothing.
    can_be_resumed: bool,
}

/// What the joblog of an earlier run holds.
#[derive(Debug, Default)]
pub(crate) struct PastJoblog {
    pub(crate) run: PastRun,
    /// Whether the last line of the file has no newline.
    pub(crate) is_cut: bool,
}

impl Joblog {
    /// Opens a joblog for writing, and reads the records of the earlier run. An unfinished last line is removed.
    /// A file that is refused for its contents stays unchanged.
    ///
    /// # Errors
    ///
    /// A message, when
    /// - `check_name` refuses the name, or the file cannot be read or written,
    /// - another run uses the file, or the file is an output of this run,
    /// - the file is not empty, and `resume` is `No`,
    /// - the file is not a regular file, and `resume` is not `No`,
    /// - `read` refuses the file.
    pub(crate) fn open(
        path: &Path,
        resume: Resume,
        template: &CommandTemplate,
    ) -> Result<(Joblog, PastJoblog), String> {
        check_name(path)?;
        let cannot_write = |error: io::Error| cannot_write(path, &error);
        // A terminal or a pipe may be writable without being readable.
        let is_special = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
        if !is_special && is_output(path) {
            return Err(format!(
                "the joblog {} is also an output of cordial, so that each would overwrite the other: name another file",
                path.display()
            ));
        }
        let cannot_open = |error: io::Error| {
            let reason = io_error::describe_or(&error, "name a file that you may write, in a directory that exists");
            format!("cannot write the joblog {}: {reason}", path.display())
        };
        if is_special {
            if resume != Resume::No {
                Joblog::check_resumable(path)?;
            }
            let mut file = system::open_special_file(path).map_err(cannot_open)?.ok_or_else(|| {
                format!(
                    "the joblog {} is a named pipe, and no program reads it: start its reader first, or name a file",
                    path.display()
                )
            })?;
            file.write_all(HEADER).map_err(cannot_write)?;
            let joblog = Joblog { path: path.to_owned(), file: Mutex::new(file), can_be_resumed: false };
            return Ok((joblog, PastJoblog::default()));
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(cannot_open)?;
        if !system::try_lock(&file) {
            return Err(format!(
                "the joblog {} is used by another run of cordial: wait until that run has ended, or name another file",
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
        Ok((Joblog { path: path.to_owned(), file: Mutex::new(file), can_be_resumed: true }, past))
    }

    /// Checks that a new run would not append to the joblog of an earlier run.
    ///
    /// # Errors
    ///
    /// A message, when `check_name` refuses the name, or there is a regular file that is not empty.
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

    /// Checks that a run could continue the file, without opening it: the open of a named pipe could wait without a bound.
    ///
    /// # Errors
    ///
    /// A message, when `check_name` refuses the name, or the file exists and is not a regular file.
    pub(crate) fn check_resumable(path: &Path) -> Result<(), String> {
        check_name(path)?;
        match fs::metadata(path) {
            Ok(metadata) if !metadata.is_file() => {
                Err(format!("the joblog {} is not a regular file, so there is nothing to resume", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Reads the joblog of an earlier run. A file that does not exist has no records.
    ///
    /// # Errors
    ///
    /// A message, when the file cannot be read, is not a joblog, has no column for the item, has an invalid line, or belongs to
    /// another command.
    pub(crate) fn read(path: &Path, template: &CommandTemplate) -> Result<PastJoblog, String> {
        let shown = path.display();
        let mut records = Vec::new();
        let mut is_cut = false;
        let not_a_joblog = |line: &[u8]| Err(format!("is not a joblog: its first line is {}", display::quoted(line)));
        for_each_line(path, |number, line| {
            let Some(text) = line.strip_suffix(b"\n") else {
                if number == 1 && !HEADER.starts_with(line) {
                    return not_a_joblog(line);
                }
                // Only a part of the line was written, so the item of this line is run again.
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
                return not_a_joblog(text);
            }
            Ok(())
        })
        .map_err(|error| match error {
            ReadError::Io(error) => {
                format!("cannot read the joblog {shown}: {}", io_error::describe_or(&error, "name a file that you may read"))
            }
            ReadError::Refused(what) => format!("the joblog {shown} {what}; name another file"),
        })?;
        Ok(PastJoblog { run: PastRun::new(records), is_cut })
    }

    /// Returns the item of a record as it is written in the file; `None` if the file has no such item or cannot be read.
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

    /// Writes the line of a finished item. `number` is what the column `Seq` contains.
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
            // As in GNU parallel: the exit value is -1, and the signal is SIGTERM.
            Err(ItemFailure::TimedOut(_)) => (-1, 15),
            Err(failure) => (i32::from(failure.status()), 0),
        };
        // A tab in an entry of `--sshloginfile` would look like the end of the column.
        let host = outcome.host.as_deref().unwrap_or(":").replace(['\t', '\n'], " ");
        let mut line = format!(
            "{number}\t{host}\t{:.3}\t{:10.3}\t{}\t{}\t{code}\t{signal}\t",
            started.as_secs_f64(),
            outcome.duration.as_secs_f64(),
            outcome.item.input.as_ref().map_or(0, |input| input.sent()),
            outcome.received,
        )
        .into_bytes();
        // As in GNU parallel, a line break of the command is written as a NUL byte.
        line.extend(command.iter().map(|&byte| if byte == b'\n' { 0 } else { byte }));
        line.extend_from_slice(ITEM_MARK);
        line.extend_from_slice(&item_text::item_text(&outcome.item));
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        append(&mut file, &line).map_err(|error| {
            let consequence = match self.can_be_resumed {
                true => "items that have no line in it are run again by --resume",
                false => "it has no lines of the items that ended later",
            };
            format!("{}; {consequence}", cannot_write(&self.path, &error))
        })
    }
}

/// Refuses two names that have another meaning for GNU parallel: `-` means standard output, and `+FILE` means to append to FILE.
///
/// # Errors
///
/// A message that says what to write instead.
fn check_name(path: &Path) -> Result<(), String> {
    match path.as_os_str().as_encoded_bytes() {
        b"-" => {
            Err("--joblog - would mix the joblog with the output: name a file (./- for a file of that name)".to_owned())
        }
        [b'+', name @ ..] => Err(format!(
            "--joblog +FILE is not supported: --joblog {} --resume continues a joblog (write ./+FILE for a file whose name begins with +)",
            String::from_utf8_lossy(name)
        )),
        _ => Ok(()),
    }
}

/// Returns whether standard output or standard error is this file. Always `false` on systems without `/dev/stdout` and `/dev/stderr`.
fn is_output(path: &Path) -> bool {
    let is_same =
        |name| matches!((fs::canonicalize(path), fs::canonicalize(name)), (Ok(path), Ok(name)) if path == name);
    is_same("/dev/stdout") || is_same("/dev/stderr")
}

/// Appends a line, with one `write` if the system takes all of it. If only a part can be written, that part is removed.
fn append(file: &mut File, line: &[u8]) -> io::Result<()> {
    let written = file.write(line)?;
    if written < line.len() {
        file.write_all(&line[written..]).inspect_err(|_| {
            // If the part stayed, the next line would continue it. A pipe or a terminal keeps nothing, so there the removal fails.
            let _ = cut_unfinished_line(file);
        })?;
    }
    Ok(())
}

/// Removes the bytes after the last newline: the last line was only written in part.
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
    /// The rest of a message that begins with "the joblog FILE".
    Refused(String),
}

/// Calls `take` for each line, with the number of the line, counted from 1, and with the line itself. A line includes its newline, which
/// only the last line may lack. Stops at the first error. A file that does not exist has no lines.
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

/// Returns the columns before the item, and the item, which is the last column and contains no tab. `None` if the line has no column for
/// the item.
fn split_item(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let tab = line.iter().rposition(|&byte| byte == b'\t')?;
    Some((&line[..tab], line[tab..].strip_prefix(ITEM_MARK)?))
}

/// Returns a hash of a command. A NUL byte counts as a line break, because a joblog contains a NUL byte for either of them.
pub(super) fn command_hash(command: &[u8]) -> u64 {
    let command: Vec<u8> = command.iter().map(|&byte| if byte == 0 { b'\n' } else { byte }).collect();
    item_text::hash(0, &command)
}

/// Returns the record and the command of a line; `None` if the line is invalid.
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
