//! What a run will do: the options, checked against each other and against the machine. No command is started, and
//! nothing is overwritten, before all checks have passed.

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use super::command::GivenCommand;
use crate::args::{COMPARISON_PAGE, Concurrency, MapOptions};
use crate::input::Product;
use crate::launch::SlotLimit;
use crate::records::{Joblog, PastJoblog, PastRun, ResultsDirectory, Resume, RunRecords};
use crate::report::Format;
use crate::stop::halt::HaltPolicy;
use crate::system::{self, Program};
use crate::template::CommandTemplate;
use crate::text::io_error;

/// The word before a list of items.
const LIST: &str = ":::";

/// No file makes more commands run at once, unless it contains a larger number at the start.
const MAX_FROM_FILE: usize = 1024;

/// Signals make at most this many more commands run at once.
const MAX_FROM_SIGNALS: usize = 128;

/// Words before other lists of GNU parallel, and what to do instead.
const UNSUPPORTED_LISTS: [(&str, &str); 3] = [
    ("::::", "-a FILE reads items from a file"),
    (":::+", "paste combines corresponding lines of files"),
    ("::::+", "paste FILE FILE combines corresponding lines of files"),
];

/// Where items come from.
pub(super) enum Input {
    Stdin { delimiter: u8 },
    File { file: File, delimiter: u8 },
    Lists(Product),
}

/// How the outputs of commands are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutputMode {
    /// The output of an item is printed when the item is finished.
    Grouped(Format),
    /// Each line is printed when it is written.
    LineBuffered { is_tagged: bool },
    /// Commands write directly to the outputs of `cordial`.
    Ungrouped,
}

/// The checked options.
pub(super) struct Config {
    pub(super) input: Input,
    pub(super) template: CommandTemplate,
    pub(super) program: Program,
    /// The command as it was typed.
    pub(super) typed: Arc<str>,
    pub(super) limit: SlotLimit,
    pub(super) output: OutputMode,
    pub(super) halt: HaltPolicy,
    pub(super) records: RunRecords,
    pub(super) options: MapOptions,
}

impl Config {
    /// Checks the options.
    ///
    /// # Errors
    ///
    /// A message that says what is wrong, and what to do.
    pub(super) fn new(mut options: MapOptions) -> Result<Config, String> {
        let words = std::mem::take(&mut options.command);
        if let Some((list, instead)) = UNSUPPORTED_LISTS.iter().find(|(list, _)| words.iter().any(|word| word == list))
        {
            return Err(format!("{list} is not supported: {instead}; see {COMPARISON_PAGE}"));
        }
        let mut parts = words.split(|word| word == LIST);
        let command = argument_bytes(parts.next().unwrap_or_default())?;
        let lists = parts.map(argument_bytes).collect::<Result<Vec<_>, String>>()?;
        let command = GivenCommand::new(command, &options)?;
        let delimiter = options.delimiter.unwrap_or(if options.null { 0 } else { b'\n' });
        let input = match (&options.arg_file, lists.is_empty()) {
            (Some(_), false) => return Err(format!("give items either with --arg-file or after {LIST}, not both")),
            (Some(path), true) => Input::File { file: open(path)?, delimiter },
            (None, true) => Input::Stdin { delimiter },
            (None, false) => Input::Lists(Product::new(lists)),
        };
        if let Some(workdir) = &options.workdir
            && !workdir.is_dir()
        {
            return Err(format!("--workdir {} is not a directory: name an existing directory", workdir.display()));
        }
        let template = command.template(&options)?;
        let program = match template.program().filter(|_| !options.dry_run) {
            Some(name) => system::find_program(name, options.workdir.as_deref())?,
            None => Program::Searched,
        };
        check_machine(&options)?;
        Ok(Config {
            limit: slot_limit(&options)?,
            output: output_mode(&options),
            halt: match options.halt {
                _ if options.fail_fast => HaltPolicy::FAIL_FAST,
                policy => policy.unwrap_or(HaltPolicy::Never),
            },
            // Last, because it creates files.
            records: records(&options, command.template(&options)?)?,
            typed: command.typed().into(),
            template,
            input,
            program,
            options,
        })
    }
}

fn argument_bytes(words: &[OsString]) -> Result<Vec<Vec<u8>>, String> {
    words.iter().cloned().map(system::argument_bytes).collect()
}

fn open(path: &PathBuf) -> Result<File, String> {
    let cannot_read = |error| format!("cannot read items from {}: {}", path.display(), io_error::describe(&error));
    let file = File::open(path).map_err(cannot_read)?;
    match file.metadata().map_err(cannot_read)?.is_dir() {
        true => Err(format!("cannot read items from {}: it is a directory", path.display())),
        false => Ok(file),
    }
}

/// Returns how many commands may run at once at first, and at most.
fn slot_limit(options: &MapOptions) -> Result<SlotLimit, String> {
    let system_max = system::max_concurrency();
    let initial = options.concurrency.number(system_max)?;
    let max = match options.concurrency {
        Concurrency::File(_) => MAX_FROM_FILE.max(initial),
        _ => initial.saturating_add(MAX_FROM_SIGNALS),
    };
    Ok(SlotLimit::new(initial, max.min(system_max)))
}

fn output_mode(options: &MapOptions) -> OutputMode {
    match options {
        MapOptions { ungroup: true, .. } => OutputMode::Ungrouped,
        MapOptions { line_buffer: true, tag, .. } => OutputMode::LineBuffered { is_tagged: *tag },
        MapOptions { json: true, .. } => OutputMode::Grouped(Format::Json),
        MapOptions { tag: true, .. } => OutputMode::Grouped(Format::Tagged),
        _ => OutputMode::Grouped(Format::Plain),
    }
}

/// Checks that the system reports the values on which options depend.
fn check_machine(options: &MapOptions) -> Result<(), String> {
    let unavailable = |option: &str, error| {
        format!("{option} needs a value that the system does not report: {}", io_error::describe(&error))
    };
    if options.load.is_some() {
        system::load_average().map_err(|error| unavailable("--load", error))?;
    }
    if options.memfree.is_some() {
        system::free_memory().map_err(|error| unavailable("--memfree", error))?;
    }
    Ok(())
}

fn records(options: &MapOptions, template: CommandTemplate) -> Result<RunRecords, String> {
    let resume = match (options.resume, options.resume_failed) {
        (_, true) => Resume::UnfinishedAndFailed,
        (true, false) => Resume::Unfinished,
        (false, false) => Resume::No,
    };
    if resume != Resume::No && options.joblog.is_none() && options.results.is_none() {
        return Err("--resume needs the records of the earlier run: add --joblog FILE or --results DIR".to_owned());
    }
    let read_results = || match &options.results {
        Some(path) if resume != Resume::No && options.joblog.is_none() => ResultsDirectory::read(path),
        _ => Ok(PastRun::default()),
    };
    if options.dry_run {
        options.results.as_deref().map_or(Ok(()), ResultsDirectory::check_name)?;
        let past = match &options.joblog {
            Some(path) if resume == Resume::No => Joblog::check_new(path).map(|()| PastJoblog::default())?,
            Some(path) => Joblog::read(path, &template)?,
            None => PastJoblog { run: read_results()?, is_cut: false },
        };
        return Ok(RunRecords::new(template, resume, past, None, None));
    }
    // Before the joblog is opened, because a joblog that did not exist remains if the results directory is refused.
    let results = match &options.results {
        Some(path) if resume == Resume::No => Some(ResultsDirectory::create(path)?),
        Some(path) => Some(ResultsDirectory::resume(path)?),
        None => None,
    };
    let (joblog, past) = match &options.joblog {
        Some(path) => Joblog::open(path, resume, &template).map(|(joblog, past)| (Some(joblog), past))?,
        None => (None, PastJoblog { run: read_results()?, is_cut: false }),
    };
    Ok(RunRecords::new(template, resume, past, joblog, results))
}
